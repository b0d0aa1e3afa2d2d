"""Trains a student to reproduce the outputs of its teachers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cry_tf.runs.progress import Progress
from cry_tf.studies.pretraining.targets import Targets

_JUDGED_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class PretrainingFit:
    """Hyperparameters of the pretraining of a student.

    Attributes:
        epochs: Passes over the windows.
        batch_size: Windows a step.
        learning_rate: Of Adam at its highest; it rises for a tenth of the steps
            and falls along a cosine to zero.
        temperature: Divides the logits of teacher and student before the sigmoid.
        score_weight: Of the scores' loss against that of the embeddings.
        seed: Draws first weights and the order.
    """

    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 3e-3
    temperature: float = 2.0
    score_weight: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the values."""
        for name in ("epochs", "batch_size", "learning_rate", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be positive. Received: {getattr(self, name)}."
                )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON types."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class FeatureScale:
    """Mean and deviation of each feature of a teacher's embeddings, `(features,)`."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> FeatureScale:
        """Measures them over windows and patches."""
        rows = values.reshape(-1, values.shape[-1]).astype(np.float32)
        return cls(rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-2))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Returns values with mean 0 and deviation 1 in each feature."""
        return ((values.astype(np.float32) - self.mean) / self.deviation).clip(-8, 8)


def after_the_front_end(backbone: Any) -> keras.Model:
    """Returns the part of a student from patches and their mask to embeddings."""
    patches = backbone.get_layer("frontend").output
    mask = backbone.get_layer("patch_mask").output
    return keras.Model([patches, mask], backbone.output, name="after_the_front_end")


def with_heads(backbone: Any, targets: Targets) -> keras.Model:
    """Puts a head for each teacher's embeddings and logits on a student.

    Returns:
        A model from `(patches, mask)` to a list: embeddings and logits of each
        teacher in the order of `targets.logits`.
    """
    _, count, frames, bands = targets.patches.shape
    patches = keras.Input((count, frames, bands), name="patches")
    mask = keras.Input((count,), dtype="bool", name="mask")
    embeddings = after_the_front_end(backbone)([patches, mask])
    mean = keras.layers.GlobalAveragePooling1D(name="mean")(embeddings)
    outputs = []
    for name, logits in targets.logits.items():
        features = embeddings if logits.ndim == 3 else mean
        for kind, values in (("embeddings", targets.embeddings), ("logits", None)):
            units = (logits if values is None else values[name]).shape[-1]
            dense: Any = keras.layers.Dense(units, name=f"{name}_{kind}")
            outputs.append(dense(features))
            if values is None:
                # How common a class is need not be learned.
                dense.bias.assign(logits.reshape(-1, units).mean(0, dtype=np.float32))
    return keras.Model([patches, mask], outputs, name="student_with_heads")


def outputs_of(model: keras.Model, targets: Targets) -> list[np.ndarray]:
    """Returns every output of a student, from its patches on, for all windows."""
    found = []
    for start in range(0, len(targets), _JUDGED_BATCH):
        patches = targets.patches[start : start + _JUDGED_BATCH].astype(np.float32)
        mask = tf.ones(patches.shape[:2], tf.bool)
        outputs: Any = model([tf.constant(patches), mask], training=False)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        found.append([np.asarray(each) for each in outputs])
    return [np.concatenate(each) for each in zip(*found, strict=True)]


def fit(
    model: keras.Model,
    targets: Targets,
    scales: dict[str, FeatureScale],
    settings: PretrainingFit,
    progress: Progress,
) -> list[dict[str, float]]:
    """Trains a student with its heads.

    Each step is Adam on the mean over teachers of

        score_weight * T^2 * BCE(sigmoid(z_t / T), sigmoid(z_s / T))
        + mean squared error of the standardised embeddings.

    Args:
        model: See `with_heads`.
        targets: What to learn.
        scales: Of each teacher's embeddings.
        settings: How to train, a `PretrainingFit`.
        progress: Takes lines, warnings and progress.

    Returns:
        Mean losses of each epoch.

    Raises:
        ValueError: If the loss does not stay finite.
    """
    steps = len(targets) // settings.batch_size
    if steps < 1:
        raise ValueError(
            f"There must be at least one batch of windows. Received: {len(targets)} "
            f"windows, batch_size={settings.batch_size}."
        )
    whole = steps * settings.epochs
    rate: Any = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, whole - whole // 10),
        warmup_target=settings.learning_rate,
        warmup_steps=max(1, whole // 10),
    )
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)
    heat = settings.temperature
    names = [*targets.logits]

    def losses(outputs, wanted):
        soft: Any = 0.0
        hidden: Any = 0.0
        for place in range(0, len(outputs), 2):
            hidden += tf.reduce_mean((outputs[place] - wanted[place]) ** 2)
            soft += heat**2 * tf.reduce_mean(
                tf.nn.sigmoid_cross_entropy_with_logits(
                    tf.sigmoid(wanted[place + 1] / heat), outputs[place + 1] / heat
                )
            )
        return soft / len(names), hidden / len(names)

    @tf.function(jit_compile=False)
    def step(patches, wanted):
        mask = tf.ones(tf.shape(patches)[:2], tf.bool)
        with tf.GradientTape() as tape:
            outputs = model([patches, mask], training=True)
            soft, hidden = losses(outputs, wanted)
            loss: Any = settings.score_weight * soft + hidden
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return soft, hidden

    rng = np.random.default_rng(settings.seed)
    history = []
    with progress.bar("epochs", settings.epochs) as advance:
        for _ in range(settings.epochs):
            order = rng.permutation(len(targets))
            sums = np.zeros(2)
            for number in range(steps):
                rows = order[number * settings.batch_size :][: settings.batch_size]
                wanted = []
                for name in names:
                    wanted.append(scales[name](targets.embeddings[name][rows]))
                    wanted.append(targets.logits[name][rows].astype(np.float32))
                patches = targets.patches[rows].astype(np.float32)
                sums += np.array([float(v) for v in step(patches, wanted)])
            soft, hidden = (float(value) for value in sums / steps)
            if not np.isfinite(soft + hidden):
                raise ValueError(
                    "The loss must stay finite. Lower the learning rate (now "
                    f"{settings.learning_rate:g})."
                )
            history.append({"scores": soft, "embeddings": hidden})
            progress.line(f"  loss of scores {soft:.4f}, of embeddings {hidden:.4f}")
            advance()
    return history
