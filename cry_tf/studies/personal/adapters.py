"""Heads that are adapted to one infant: prototypes and logistic regression."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cry_tf.heads import fitting
from cry_tf.heads.features import NEVER, Standardization, softmax
from cry_tf.heads.logistic import LogisticHead
from cry_tf.heads.prototypes import PrototypeHead, unit
from cry_tf.layers.prototype_logits import PrototypeLogits
from cry_tf.runs.run_folder import RunFolder

# How many of the infant's clips the run's prototype counts as.
PRIOR_CLIPS = 1.0


@dataclass(frozen=True)
class PrototypeAdapter:
    """Moves the run's prototypes towards a few clips of one infant.

    With `n` clips of a label, its new prototype is the direction of `prior_clips *
    run's + n * mean direction of the clips`, so one clip suffices and a label
    without clips keeps the run's. Before, the center moves to what the infant's
    clips have in common whatever their label (the voice, the room, the device),
    by the share `n / (n + prior_clips)`; clips of one label alone cannot tell
    the two apart and leave it where it is.

    Attributes:
        base: The run's prototypes.
        prior_clips: Weight of the run's prototype in clips, positive.
    """

    base: PrototypeHead
    prior_clips: float = PRIOR_CLIPS

    def __post_init__(self) -> None:
        """Checks the weight."""
        if not self.prior_clips > 0:
            raise ValueError(
                "prior_clips must be positive. Received: "
                f"prior_clips={self.prior_clips!r}."
            )

    def adapt(self, features: np.ndarray, truth: np.ndarray) -> PrototypeHead:
        """Returns prototypes for the infant; without a clip, the run's.

        Args:
            features: Float array `(clips, features)`, pooled embeddings.
            truth: Int array `(clips,)` in [0, labels).
        """
        if not len(truth):
            return self.base
        base, present = self.base, np.unique(truth)
        vectors = base.standardize(features)
        offset = np.zeros(vectors.shape[1])
        if len(present) > 1:
            means = [vectors[truth == label].mean(axis=0) for label in present]
            share = len(truth) / (len(truth) + self.prior_clips)
            offset = share * np.mean(means, axis=0)
        directions = unit(vectors - offset)
        prototypes, bias = base.prototypes.copy(), base.bias.copy()
        for label in present:
            total = directions[truth == label].sum(axis=0)
            total += self.prior_clips * base.prototypes[:, label]
            prototypes[:, label] = unit(total[None])[0]
            bias[label] = 0.0
        deviation = base.standardize.deviation
        moved = Standardization(base.standardize.mean + offset * deviation, deviation)
        return PrototypeHead(moved, prototypes, bias, base.scale)

    def compact(self, features: np.ndarray) -> tuple[PrototypeAdapter, np.ndarray]:
        """Returns the same problem in as few dimensions as there are vectors.

        Clips and prototypes span a small space in which every angle is the same,
        so what is fitted there gives the same scores, a hundred times faster.

        Args:
            features: Float array `(clips, features)` of every clip that the
                adapter will meet.

        Returns:
            An adapter and features `(clips, clips + labels or fewer)`.
        """
        vectors = self.base.standardize(features)
        spanning = np.concatenate([vectors.T, self.base.prototypes], axis=1)
        basis, _ = np.linalg.qr(spanning)
        small = PrototypeHead(
            Standardization(np.zeros(basis.shape[1]), np.ones(basis.shape[1])),
            basis.T @ self.base.prototypes,
            self.base.bias,
            self.base.scale,
        )
        return dataclasses.replace(self, base=small), vectors @ basis


PENALTY = 1.0


@dataclass(frozen=True)
class LogisticAdapter:
    """Moves the run's dense layer towards a few clips of one infant.

    Minimises the summed cross-entropy of the clips plus `penalty / 2` times the
    squared change of the weights, so without evidence the run's scores stay. The
    change is measured on features around the infant's mean, at a mean squared
    distance of 1. A label without clips keeps the run's weights.

    Attributes:
        base: The run's weights.
        penalty: Cost of a change, positive.
    """

    base: LogisticHead
    penalty: float = PENALTY

    def __post_init__(self) -> None:
        """Checks the penalty."""
        if not self.penalty > 0:
            raise ValueError(
                f"penalty must be positive. Received: penalty={self.penalty!r}."
            )

    def adapt(self, features: np.ndarray, truth: np.ndarray) -> LogisticHead:
        """Returns weights for the infant; without a clip, the run's.

        Args:
            features: Float array `(clips, features)`, what the dense layer gets.
            truth: Int array `(clips,)` in [0, labels).
        """
        if not len(truth):
            return self.base
        features = np.asarray(features, np.float64)
        kernel, bias = self._start(truth)
        mean = features.mean(axis=0)
        around = features - mean
        scale = float(np.sqrt((around**2).sum(axis=1).mean())) or 1.0
        # The change of the kernel lies in the span of the clips.
        left, sizes, basis = np.linalg.svd(around / scale, full_matrices=False)
        inputs = np.column_stack([left * sizes, np.ones(len(truth))])
        change = self._fit(inputs, features @ kernel + bias, truth)
        moved = basis.T @ change[:-1] / scale
        return LogisticHead(kernel + moved, bias + change[-1] - mean @ moved)

    def _start(self, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Raises the bias of labels that the infant has and the run never saw."""
        bias = self.base.bias.copy()
        new = [label for label in np.unique(truth) if bias[label] <= NEVER / 2]
        if new:
            known = bias[bias > NEVER / 2]
            bias[new] = known.min() if len(known) else 0.0
        return self.base.kernel, bias

    def _fit(
        self, inputs: np.ndarray, start: np.ndarray, truth: np.ndarray
    ) -> np.ndarray:
        """Returns the change `(inputs, labels)` that costs least."""
        from scipy.optimize import minimize

        present, places = np.unique(truth), np.arange(len(truth))
        change = np.zeros((inputs.shape[1], start.shape[1]))
        own = (len(change), len(present))

        def cost(values: np.ndarray) -> tuple[float, np.ndarray]:
            change[:, present] = values.reshape(own)
            scores = softmax(start + inputs @ change)
            right = np.maximum(scores[places, truth], 1e-300)
            total = -np.log(right).sum() + self.penalty / 2 * (values @ values)
            scores[places, truth] -= 1
            slope = (inputs.T @ scores)[:, present].ravel() + self.penalty * values
            return float(total), slope

        first = np.zeros(own[0] * own[1])
        best = minimize(cost, first, jac=True, method="L-BFGS-B").x
        change[:, present] = best.reshape(own)
        return change

    def compact(self, features: np.ndarray) -> tuple[LogisticAdapter, np.ndarray]:
        """Returns the same problem in as few dimensions as there are clips.

        Args:
            features: Float array `(clips, features)` of every clip that the
                adapter will meet.

        Returns:
            An adapter and features `(clips, clips or fewer)`.
        """
        features = np.asarray(features, np.float64)
        basis, _ = np.linalg.qr(features.T)
        small = LogisticHead(basis.T @ self.base.kernel, self.base.bias)
        return dataclasses.replace(self, base=small), features @ basis


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
            "A personal model classifies why one infant cries, so it needs a run of "
            f"--task reason. Received: {run.path}, a detector. Train one with cry-tf "
            "train --task reason."
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
    """Pooled embeddings and scores of clips, a row per clip.

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
        fitted: Any = fitting.fit(
            "prototype", pooled.features, truth, groups, labels, seed=seed
        )
        base = fitted
    return PrototypeAdapter(base)


def personal_copy(model: Any, head: str) -> Any:
    """Returns a copy of a classifier whose last layer can hold a personal head.

    Args:
        model: The `CryClassifier` of a run.
        head: `prototype` gives the copy a layer of prototypes, not yet set; `logreg`
            keeps the model's dense layer.
    """
    if head == "logreg":
        made = type(model).from_config(model.get_config())
        made.set_weights(model.get_weights())
        return made
    made = type(model).from_config({**model.get_config(), "head": "prototype"})
    made.backbone.set_weights(model.backbone.get_weights())
    made.pooling.set_weights(model.pooling.get_weights())
    return made


def _array(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))
