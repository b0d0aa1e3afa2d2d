"""Variables of a SavedModel, by their names, without running its program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2

from cry_hub.formats import signature, tf_checkpoint

PROGRAM = "saved_model.pb"
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def parse(files: Mapping[str, bytes], path: Path) -> dict[str, np.ndarray]:
    """Returns the variables of a SavedModel by name.

    The checkpoint of a SavedModel knows a variable by the way that leads to it
    (`_model/layer_with_weights-0/kernel`). The objects in `saved_model.pb` are
    those of the checkpoint, and have the names.

    Args:
        files: `saved_model.pb` and the checkpoint `variables/variables`.
        path: The folder, for errors.

    Returns:
        Arrays by the names of the variables, without `:0`.

    Raises:
        WeightsError: If the content is damaged, or two different variables have one
            name.
    """
    arrays = tf_checkpoint.parse_v2(
        {name: each for name, each in files.items() if name.startswith("variables/")},
        path,
    )
    encoded = arrays.pop(_OBJECT_GRAPH, None)
    if encoded is None:
        # TensorFlow 1: the checkpoint has the names of the variables.
        return arrays
    try:
        (program,) = saved_model_pb2.SavedModel.FromString(files[PROGRAM]).meta_graphs
        stored = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
            encoded.item()
        )
    except Exception as error:
        raise signature.unreadable(
            path, f"its {PROGRAM} is truncated or damaged: fetch it again"
        ) from error
    named: dict[str, np.ndarray] = {}
    for name, key in _keys(program.object_graph_def, stored):
        if key not in arrays:
            raise signature.unreadable(path, f"its variable {name!r} has no value")
        # Keras's own export keeps every variable twice.
        if not np.array_equal(named.setdefault(name, arrays[key]), arrays[key]):
            raise signature.unreadable(
                path, f"two of its variables are named {name!r} and differ"
            )
    return named


def _keys(objects: Any, stored: Any) -> Iterator[tuple[str, str]]:
    """Yields the name of each variable and its key in the checkpoint.

    Args:
        objects: `SavedObjectGraph`, which has the names.
        stored: `TrackableObjectGraph`, which has the keys. Its objects have the
            same ways from the root, and perhaps other numbers.
    """
    seen: set[int] = set()
    waiting = [(0, 0)]
    while waiting:
        ours, theirs = waiting.pop()
        if ours in seen:
            continue
        seen.add(ours)
        node, kept = objects.nodes[ours], stored.nodes[theirs]
        if node.WhichOneof("kind") == "variable":
            for attribute in kept.attributes:
                if attribute.name == "VARIABLE_VALUE":
                    name = node.variable.name or attribute.full_name
                    yield name.removesuffix(":0"), attribute.checkpoint_key
        there = {child.local_name: child.node_id for child in kept.children}
        waiting += [
            (child.node_id, there[child.local_name])
            for child in node.children
            if child.local_name in there
        ]
