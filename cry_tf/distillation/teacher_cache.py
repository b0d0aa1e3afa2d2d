"""What a teacher makes of recordings, computed once for each and kept on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cry_tf.data.embedding_cache import EmbeddingCache
from cry_tf.distillation.teacher_logits import TeacherLogits

if TYPE_CHECKING:
    import keras

    from cry_tf.augment.policy import Policy
    from cry_tf.data.dataset import Dataset


class TeacherCache:
    """Keeps what teachers make of recordings and of augmented copies of them.

    An entry belongs to the bytes of a sound file and to one teacher (class,
    settings, weights, what is read of it, and what it makes of a fixed waveform):
    a renamed file keeps its entry, a retrained teacher gets new ones. A damaged
    entry is computed again, and `notes` of the result say so. Nothing is ever
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

        What is done is stored at once, so an interrupted run goes on where it
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
                None takes the teacher's own, where it hears every frequency that
                a file has. Give the student's where there are copies: student and
                teacher then hear the same copy, the teacher after a band-limited
                resampling.
            max_seconds: Keeps the beginning of longer clips, None the whole.
            batch_seconds: Seconds of sound in a batch, padding counted.

        Returns:
            The logits, with the clips left out in `problems`.

        Raises:
            ValueError: If an argument breaks its rule, a teacher cannot be read or
                gives NaN, or no clip can be decoded.
        """
        from cry_tf.distillation.features import FeatureMatching
        from cry_tf.distillation.hearing import TeacherHearing
        from cry_tf.distillation.teachers import as_teachers

        teachers = as_teachers(teacher)
        layers: tuple[str | None, ...] = (None,) * len(teachers)
        if not isinstance(features, bool):
            layer = features if isinstance(features, str) else tuple(features)
            layers = FeatureMatching(teacher_layer=layer).teacher_layers(len(teachers))
        hearings = [
            TeacherHearing(each, sample_rate_hz, features is not False, layer)
            for each, layer in zip(teachers, layers, strict=True)
        ]
        if not hearings:
            raise ValueError("teacher must be a classifier or several. Received: None.")
        rates = {hearing.front_end_spec.sample_rate_hz for hearing in hearings}
        if copies and len(rates) > 1:
            raise ValueError(
                "Teachers must hear the same copies, made at one sample rate. "
                f"Received: teachers at {sorted(rates)} Hz, sample_rate_hz=None. Give "
                "sample_rate_hz, that of the student."
            )
        names = {hearing.names for hearing in hearings}
        if len({hearing.labels for hearing in hearings}) > 1 or len(names) > 1:
            raise ValueError(
                "Teachers must have the same labels in the same order. Received: "
                f"{', '.join(str(hearing.labels) for hearing in hearings)} labels, "
                f"named {names}. Ask for the logits of each alone, and join them with "
                "TeacherLogits.beside."
            )
        cache = EmbeddingCache(self.folder)
        found = []
        for number, hearing in enumerate(hearings):

            def report(done: int, total: int, number: int = number) -> None:
                if progress is not None:
                    progress(number * total + done, len(hearings) * total)

            # A `Backbone` to the cache in all that it asks of one.
            backbone: Any = hearing
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
            counts=[hearing.labels for hearing in hearings],
            labels=names.pop() if len(names) == 1 else None,
            sample_rate_hz=rates.pop() if len(rates) == 1 else None,
            augment=augment,
            seed=seed,
            max_seconds=max_seconds,
        )
