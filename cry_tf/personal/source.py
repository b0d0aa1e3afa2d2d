"""The run that personal models start from: features, own answers, own head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cry_tf.heads.features import Standardization, softmax
from cry_tf.heads.logistic import LogisticHead
from cry_tf.heads.prototypes import PrototypeHead
from cry_tf.layers.prototype_logits import PrototypeLogits
from cry_tf.personal.logistic_adapter import LogisticAdapter
from cry_tf.personal.prototype_adapter import PrototypeAdapter
from cry_tf.runs.run_folder import RunFolder

PERSONAL_HEADS = ("prototype", "logreg")


def open_reason_run(path: Any) -> tuple[RunFolder, Any]:
    """Reads a run that can be made personal, and its `CryClassifier`.

    Raises:
        OSError: If there is no run.
        ValueError: If it is a detector, or its head is no network.
    """
    run = RunFolder.open(path)
    if run.config["settings"]["task"] != "reason":
        raise ValueError(
            "A personal model tells why one infant cries, so it starts from a run of "
            f"--task reason. Received: {run.path}, a detector, which knows cry and no "
            "cry only. Train one with cry-tf train --task reason."
        )
    if not run.has_network:
        head = run.config["settings"]["recipe"]["head"]
        raise ValueError(
            "A personal model starts from a run whose head is part of a network. "
            f"Received: {run.path} with the head {head}, which is kept as arrays. "
            "Train it with --head prototype, softmax, mlp or logreg."
        )
    return run, run.load_model()


@dataclass(frozen=True)
class Pooled:
    """What a model makes of clips, one vector each.

    Attributes:
        features: Float32 `(clips, features)`, what the pooling gives.
        inputs: Float32 `(clips, units)`, what the last layer gets: a hidden layer
            of an `mlp` head stands between the two.
        scores: Float64 `(clips, labels)`, the model's own answers.
    """

    features: np.ndarray
    inputs: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, model: Any, embeddings: Sequence[np.ndarray]) -> Pooled:
        """Pools the embeddings of clips, each float32 `(time, features)`."""
        pooled, inputs, logits = [], [], []
        last = model.get_layer("logits")
        for embedding in embeddings:
            x = model.pooling(embedding[None], mask=np.ones((1, len(embedding)), bool))
            pooled.append(_array(x)[0])
            if model.head == "mlp":
                x = model.get_layer("hidden")(x)
            inputs.append(_array(x)[0])
            logits.append(_array(last(x))[0])
        scores = softmax(np.asarray(logits, np.float64))
        return cls(np.stack(pooled), np.stack(inputs), scores)

    def of_head(self, head: str) -> np.ndarray:
        """Returns what a personal head gets, `(clips, features or units)`."""
        return self.inputs if head == "logreg" else self.features


def logistic_adapter(model: Any) -> LogisticAdapter:
    """Returns an adapter that starts from the last layer of a model.

    Raises:
        ValueError: If that layer holds prototypes.
    """
    last = model.get_layer("logits")
    if isinstance(last, PrototypeLogits):
        raise ValueError(
            "The personal head logreg starts from the weights of a dense layer. "
            "Received: a run with the head prototype, which has none. Take --head "
            "prototype, or a run with the head softmax, mlp or logreg."
        )
    kernel, bias = (np.asarray(value, np.float64) for value in last.get_weights())
    return LogisticAdapter(LogisticHead(kernel, bias))


def own_prototypes(model: Any) -> PrototypeHead | None:
    """Returns the prototypes that a model holds; None if it has another head."""
    last = model.get_layer("logits")
    if not isinstance(last, PrototypeLogits):
        return None
    values = [_array(getattr(last, name)) for name in ("center", "deviation")]
    prototypes = _array(last.prototypes).astype(np.float64)
    lengths = np.maximum(np.linalg.norm(prototypes, axis=0), 1e-6)
    return PrototypeHead(
        Standardization(*(value.astype(np.float64) for value in values)),
        prototypes / lengths,
        _array(last.bias).astype(np.float64),
        float(_array(last.scale)),
    )


def prototype_adapter(
    model: Any,
    pooled: Pooled | None,
    truth: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> PrototypeAdapter:
    """Returns an adapter that starts from a model's prototypes.

    Args:
        model: A `CryClassifier`. If its head holds none, they are measured.
        pooled: Of the clips to measure them on, those it was trained on; None if
            they are not needed.
        truth: Int array `(clips,)` of those clips.
        groups: Array `(clips,)`, their sources.
        seed: Draws the inner folds that fit the scale.
    """
    base = own_prototypes(model)
    if base is None:
        if pooled is None:
            raise ValueError("Prototypes are measured on clips. Received: none.")
        labels = len(model.labels)
        base = PrototypeHead.fit(pooled.features, truth, groups, labels, True, seed)
    return PrototypeAdapter(base)


def with_prototypes(model: Any, head: PrototypeHead) -> Any:
    """Returns a classifier with the backbone and pooling of `model` and this head."""
    from cry_tf.training.fitted_head_trainer import write_into

    made = type(model).from_config({**model.get_config(), "head": "prototype"})
    made.backbone.set_weights(model.backbone.get_weights())
    made.pooling.set_weights(model.pooling.get_weights())
    write_into(made, head)
    return made


def with_dense(model: Any, head: LogisticHead) -> Any:
    """Returns a copy of a classifier with other weights in its last layer."""
    made = type(model).from_config(model.get_config())
    made.set_weights(model.get_weights())
    made.get_layer("logits").set_weights([head.kernel, head.bias])
    return made


def _array(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))
