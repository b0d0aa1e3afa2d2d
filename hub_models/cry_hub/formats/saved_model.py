"""Variables of a SavedModel, by their names, without running its program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2

from cry_hub.formats import checkpoint, signature

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
        WeightsError: If the content is damaged, or two variables have one name.
    """
    arrays = checkpoint.parse_v2(
        {name: each for name, each in files.items() if name.startswith("variables/")},
        path,
    )
    encoded = arrays.pop(_OBJECT_GRAPH, None)
    if encoded is None:
        # TensorFlow 1: the checkpoint has the names of the variables.
        return arrays
    try:
        (program,) = saved_model_pb2.SavedModel.FromString(
            files["saved_model.pb"]
        ).meta_graphs
        stored = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
            encoded.item()
        )
    except Exception as error:
        raise signature.unreadable(
            path, "its saved_model.pb is truncated or damaged: fetch it again"
        ) from error
    named: dict[str, np.ndarray] = {}
    for name, key in _keys(program.object_graph_def, stored):
        if name in named or key not in arrays:
            fault = "is there twice" if name in named else "has no value"
            raise signature.unreadable(path, f"its variable {name!r} {fault}")
        named[name] = arrays[key]
    return named


def _keys(objects, stored):
    """Yields name of a variable, key in the checkpoint, walking both graphs."""
    seen, waiting = set(), [(0, 0)]
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
