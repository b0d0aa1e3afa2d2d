"""Computes the outputs of teachers for every clip once, and keeps them on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from cry_hub.backbone import backbone_of
from cry_tf.data.embedding_cache import EmbeddingCache
from cry_tf.distillation.resampling import ResampledFrontEnd, Resampler
from cry_tf.distillation.tap import Tap
from cry_tf.distillation.teacher_logits import TeacherLogits

if TYPE_CHECKING:
    from cry_tf.augment.policy import Policy
    from cry_tf.data.dataset import Dataset


ops: Any = keras.ops  # typed, wrongly, as often None


class TeacherOutputs:
    """Gives a teacher's logits, and its embedding after them, as one time step.

    Args:
        teacher: A classifier with a backbone.
        sample_rate_hz: Rate of the waveforms, Hz; None for the teacher's own.
        with_features: Whether the embedding is read too.
        layer: From which layer, None for the pooled one.

    Attributes:
        labels: How many logits come first.
        names: Their names, None if unknown.
        front_end_spec: The teacher's, but for the rate of the waveforms.
        prefers_jit: As the teacher's backbone.

    Raises:
        ValueError: If the teacher has no backbone, or cannot be read.
    """

    def __init__(
        self,
        teacher: keras.Model,
        sample_rate_hz: int | None = None,
        with_features: bool = False,
        layer: str | None = None,
    ):
        self._tap = Tap(teacher, "teacher", with_features, layer)
        if self._tap.sample_rate_hz is None:
            raise ValueError(
                "A cached teacher must hold a cry_hub Backbone, whose sample rate is "
                f"known. Received: {teacher.name!r}. Let the Distiller "
                "run it, or bring its logits as teacher_logits."
            )
        backbone = backbone_of(teacher)
        own_hz = self._tap.sample_rate_hz
        rate_hz = own_hz if sample_rate_hz is None else sample_rate_hz
        if rate_hz <= 0:
            raise ValueError(
                f"sample_rate_hz must be positive. Received: {sample_rate_hz=}."
            )
        self.labels, self.names = self._tap.labels, self._tap.names
        self.prefers_jit = backbone.prefers_jit
        self._teacher, self._layer = teacher, layer
        self._own_spec = backbone.front_end_spec
        self._rate_hz = rate_hz
        self._resample = Resampler(rate_hz, own_hz) if rate_hz != own_hz else None

    @property
    def front_end_spec(self) -> Any:
        """Where the cache looks for the sample rate of the waveforms."""
        return ResampledFrontEnd(self._rate_hz, self._own_spec)

    @property
    def weights(self) -> list[Any]:
        """The teacher's."""
        return self._teacher.weights

    def time_mask(self) -> Any:
        """Returns the mask of the one real step."""
        return lambda waveforms: ops.ones((ops.shape(waveforms)[0], 1), "bool")

    def __call__(self, waveforms: Any, training: bool = False) -> Any:
        """Returns float32 `(batch, 1, labels + features)`."""
        if self._resample is not None:
            waveforms = self._resample(waveforms)
        ends = self._tap(waveforms, training=training)
        read = [ends["logits"]]
        if "features" in ends:
            read.append(ends["features"])
        return ops.expand_dims(ops.concatenate(read, axis=-1), 1)

    def get_config(self) -> dict[str, Any]:
        """Returns what the values depend on besides weights and rate."""
        teacher = type(self._teacher)
        return {
            "teacher": f"{teacher.__module__}.{teacher.__name__}",
            "config": self._teacher.get_config(),
            "features": self._tap.features,
            "layer": self._layer,
        }


class TeacherCache:
    """Caches the outputs of teachers for recordings and their augmented copies.

    An entry belongs to the bytes of a sound file and to one teacher (class,
    settings, weights, what is read of it, and what it makes of a fixed waveform):
    a renamed file keeps its entry, a retrained teacher gets new ones. A damaged
    entry is computed again, and `notes` of the result list it. Nothing is ever
    deleted: to make room, delete the folder.

    Args:
        folder: Where to keep it. None takes `teachers` in `$CRY_TF_HOME`, or in
            `~/.cache/cry-tf`.

    Example:
    ```python
    cached = cry_tf.distillation.TeacherCache().logits(teacher, train)
    distiller = cry_tf.Distiller(None, student)
    distiller.compile("adam")
    distiller.fit(cached.to_tf(), epochs=30)
    ```
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        if folder is None:
            from cry_hub.weights.store import cache_dir

            folder = cache_dir() / "teachers"
        self.folder = Path(folder).expanduser()

    def logits(
        self,
        teacher: keras.Model | Sequence[keras.Model],
        dataset: Dataset,
        augment: Policy | None = None,
        copies: int = 0,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
        *,
        features: bool | str | Sequence[str | None] = False,
        sample_rate_hz: int | None = None,
        max_seconds: float | None = None,
        batch_seconds: float = 30.0,
    ) -> TeacherLogits:
        """Returns the teachers' logits of every clip that can be decoded.

        Results are stored at once, so an interrupted run continues where it
        stopped.

        Args:
            teacher: A classifier with a `cry_hub` backbone, or several.
            dataset: The clips; their labels need not be the teacher's.
            augment: Makes the copies, or None if there are none.
            copies: Augmented copies of each clip, 0 or more.
            seed: Draws the copies, at least 0.
            progress: Called with (clips done, clips in all), of all teachers.
            features: Keeps embeddings too: True for the pooled one, or the name
                of a teacher's layer, or one a teacher; see `FeatureMatching`.
            sample_rate_hz: Rate at which clips are decoded and copies made, Hz.
                None takes the teacher's own, where it gets every frequency that
                a file has. Give the student's where there are copies: student and
                teacher then get the same copy, the teacher after a band-limited
                resampling.
            max_seconds: Keeps the beginning of longer clips, None the whole.
            batch_seconds: Seconds of sound in a batch, padding counted.

        Returns:
            The logits, with the clips left out in `problems`.

        Raises:
            ValueError: If an argument breaks its rule, a teacher cannot be read or
                gives NaN, or no clip can be decoded.
        """
        from cry_tf.distillation.tap import FeatureMatching
        from cry_tf.distillation.teachers import as_teachers

        teachers = as_teachers(teacher)
        layers: tuple[str | None, ...] = (None,) * len(teachers)
        if not isinstance(features, bool):
            layer = features if isinstance(features, str) else tuple(features)
            layers = FeatureMatching(teacher_layer=layer).teacher_layers(len(teachers))
        outputs = [
            TeacherOutputs(each, sample_rate_hz, features is not False, layer)
            for each, layer in zip(teachers, layers, strict=True)
        ]
        if not outputs:
            raise ValueError("teacher must be a classifier or several. Received: None.")
        rates = {each.front_end_spec.sample_rate_hz for each in outputs}
        if copies and len(rates) > 1:
            raise ValueError(
                "Teachers must take the same copies, made at one sample rate. "
                f"Received: teachers at {sorted(rates)} Hz, sample_rate_hz=None. Give "
                "sample_rate_hz, that of the student."
            )
        names = {each.names for each in outputs}
        if len({each.labels for each in outputs}) > 1 or len(names) > 1:
            raise ValueError(
                "Teachers must have the same labels in the same order. Received: "
                f"{', '.join(str(each.labels) for each in outputs)} labels, "
                f"named {names}. Ask for the logits of each alone, and join them with "
                "TeacherLogits.beside."
            )
        cache = EmbeddingCache(self.folder)
        found = []
        for number, each in enumerate(outputs):

            def report(done: int, total: int, number: int = number) -> None:
                if progress is not None:
                    progress(number * total + done, len(outputs) * total)

            # It has every attribute of a `Backbone` that the cache uses.
            backbone: Any = each
            found.append(
                cache.embed(
                    backbone,
                    dataset,
                    batch_seconds=batch_seconds,
                    max_seconds=max_seconds,
                    progress=report,
                    augment=augment,
                    copies=copies,
                    seed=seed,
                )
            )
        return TeacherLogits.of(
            found,
            counts=[each.labels for each in outputs],
            labels=names.pop() if len(names) == 1 else None,
            sample_rate_hz=rates.pop() if len(rates) == 1 else None,
            augment=augment,
            seed=seed,
            max_seconds=max_seconds,
        )
