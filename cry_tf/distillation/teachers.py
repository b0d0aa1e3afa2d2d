"""The teachers of a student: one network, or several that score the same clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from cry_tf.distillation.resampling import Resampler
from cry_tf.distillation.tap import FeatureMatching, Tap

ops: Any = keras.ops  # typed, wrongly, as often None

WAVEFORM = "waveform"
TEACHER_WAVEFORM = "teacher_waveform"
TEACHER_LOGITS = "teacher_logits"
TEACHER_FEATURES = "teacher_features"
_KEYS = (WAVEFORM, TEACHER_WAVEFORM, TEACHER_LOGITS, TEACHER_FEATURES)


def as_teachers(teacher: Any) -> tuple[keras.Model, ...]:
    """Returns the teachers of an argument: one, several, or None for none."""
    if teacher is None:
        return ()
    if isinstance(teacher, (list, tuple)):
        if not teacher:
            raise ValueError(
                "teacher must be a Keras classifier, several of them, or None. "
                "Received: none in a list."
            )
        return tuple(teacher)
    return (teacher,)


class TeacherEnsemble:
    """The teachers of a student, run together in inference mode.

    Args:
        teachers: Classifiers.
        student: How the student is read; its labels are the teachers' labels.
        matching: How embeddings are matched, or None.
        weights: One number of at least 0 a teacher, None for equal ones. Without
            teachers, of those whose logits come with the data.

    Attributes:
        activation: Turns the teachers' logits into scores; None if unknown.
        features: Length of their embeddings together.
        sample_rate_hz: The one rate they all take, Hz; None where they differ or one
            is unknown.

    Raises:
        ValueError: If a teacher cannot be read, or has other labels than the
            student.
    """

    def __init__(
        self,
        teachers: Sequence[keras.Model],
        student: Tap,
        matching: FeatureMatching | None,
        weights: Sequence[float] | None = None,
    ):
        layers: tuple[str | None, ...] = (None,) * len(teachers)
        if matching is not None:
            layers = matching.teacher_layers(len(teachers))
        self.taps = [
            Tap(teacher, "teacher", matching is not None, layer)
            for teacher, layer in zip(teachers, layers, strict=True)
        ]
        for tap in self.taps:
            _check_labels(tap, student)
        self.activation = one_activation([tap.activation for tap in self.taps])
        self.features = sum(tap.features for tap in self.taps)
        self._resamplers = [
            _resampler(student.sample_rate_hz, tap.sample_rate_hz) for tap in self.taps
        ]
        rates = {tap.sample_rate_hz for tap in self.taps}
        self.sample_rate_hz = rates.pop() if len(rates) == 1 else None
        self._labels, self._has_features = student.labels, matching is not None
        self._weights = weights
        if weights is not None or teachers:
            self.shares(len(teachers) or len(weights or ()))

    def shares(self, teachers: int) -> np.ndarray:
        """Returns the share of each of so many teachers, float32 that sum to 1.

        Raises:
            ValueError: If the weights are not as many, or not possible.
        """
        return _shares(self._weights, teachers)

    def wanted(self, x: dict[str, Any], is_needed: bool) -> tuple[Any, Any]:
        """Returns logits `(batch, teachers, labels)` and features, each or None.

        Logits and features in the data are used; the teachers compute the rest.

        Args:
            x: What a batch brings, by name.
            is_needed: Whether it is an error if there is neither.

        Raises:
            ValueError: If it is one, or a shape is another one.
        """
        logits = x.get(TEACHER_LOGITS)
        features = x.get(TEACHER_FEATURES) if self._has_features else None
        missing = [TEACHER_LOGITS] * (logits is None)
        missing += [TEACHER_FEATURES] * (self._has_features and features is None)
        if missing and self.taps:
            own_logits, own_features = self(x)
            logits = own_logits if logits is None else logits
            features = own_features if features is None else features
        elif missing and is_needed:
            raise ValueError(
                f"Without a teacher the data must bring {' and '.join(missing)}. "
                f"Received: x with {', '.join(x)}. TeacherCache computes them, or give "
                "a teacher."
            )
        if logits is not None:
            logits = self._checked(logits)
        if features is not None:
            features = ops.cast(features, "float32")
        return logits, features

    def _checked(self, logits: Any) -> Any:
        """Returns logits that may come with the data, `(batch, teachers, labels)`."""
        shape = tuple(logits.shape)
        if len(shape) == 2:
            logits = ops.expand_dims(logits, 1)
        found = tuple(logits.shape)
        teachers = len(self.taps)
        is_wrong = len(found) != 3 or found[2] != self._labels or found[1] is None
        if is_wrong or (teachers and found[1] != teachers):
            wanted = f"(batch, {self._labels})"
            if teachers != 1:
                wanted += f" or (batch, {teachers or 'teachers'}, {self._labels})"
            raise ValueError(
                f"{TEACHER_LOGITS} must have the shape {wanted}. Received: {shape}. "
                "Cache the logits of this teacher for these labels."
            )
        return ops.cast(logits, "float32")

    def __call__(self, x: dict[str, Any]) -> tuple[Any, Any]:
        """Returns logits `(batch, teachers, labels)`, and features or None.

        Args:
            x: `waveform`, and `teacher_waveform` where the teachers take another
                one of their own rate.
        """
        own = x.get(TEACHER_WAVEFORM)
        if own is not None and self.sample_rate_hz is None and len(self.taps) > 1:
            raise ValueError(
                f"{TEACHER_WAVEFORM} is for teachers of one sample rate. Received: "
                f"teachers at {[tap.sample_rate_hz for tap in self.taps]} Hz. Leave it "
                f"out: each takes {WAVEFORM}, resampled."
            )
        ends = []
        for tap, resample in zip(self.taps, self._resamplers, strict=True):
            sound = own
            if own is None:
                sound = x[WAVEFORM] if resample is None else resample(x[WAVEFORM])
            ends.append(tap(sound, training=False))
        logits = ops.stack([end["logits"] for end in ends], axis=1)
        features = None
        if self.features:
            features = ops.concatenate([end["features"] for end in ends], axis=-1)
        return logits, features


def as_inputs(x: Any) -> dict[str, Any]:
    """Returns what a batch brings, by name.

    Args:
        x: A waveform batch, or a dict of it and what a teacher made of it.

    Raises:
        ValueError: If a dict has no waveform, or something that is not known.
    """
    if not isinstance(x, dict):
        return {WAVEFORM: x}
    if WAVEFORM not in x or set(x) - set(_KEYS):
        raise ValueError(
            f"x must be a waveform batch, or a dict with {WAVEFORM!r} and any of "
            f"{', '.join(_KEYS[1:])}. Received: {', '.join(map(repr, x))}."
        )
    return x


def one_activation(found: Sequence[str | None]) -> str | None:
    """Returns the activation that the known ones agree on, None if none is known.

    Raises:
        ValueError: If they do not agree.
    """
    different = sorted({each for each in found if each is not None})
    if len(different) > 1:
        raise ValueError(
            "Teachers and student must have the same activation, softmax where a clip "
            "has one label, sigmoid where it has several. Received: "
            f"{' and '.join(different)}. Let both end in the same."
        )
    return different[0] if different else None


def _shares(weights: Sequence[float] | None, teachers: int) -> np.ndarray:
    """Returns the share of each teacher, float32 `(teachers,)` that sum to 1.

    Args:
        weights: One number of at least 0 a teacher, None for equal ones.
        teachers: How many there are.

    Raises:
        ValueError: If the weights break that rule or are all 0.
    """
    found = np.ones(teachers) if weights is None else np.array(weights, np.float64)
    is_possible = found.ndim == 1 and np.isfinite(found).all() and (found >= 0).all()
    if not is_possible or len(found) != teachers or not found.sum() > 0:
        raise ValueError(
            "teacher_weights must be one number of at least 0 a teacher, not all 0. "
            f"Received: teacher_weights={weights!r} for {teachers} teachers."
        )
    return (found / found.sum()).astype(np.float32)


def _check_labels(teacher: Tap, student: Tap) -> None:
    if teacher.names and student.names and teacher.names != student.names:
        raise ValueError(
            "teacher and student must have the same labels in the same order. "
            f"Received: {_few(teacher.names)} of the teacher, {_few(student.names)} of "
            "the student. Build the student with labels=teacher.labels."
        )
    if teacher.labels != student.labels:
        raise ValueError(
            "teacher and student must have the same number of labels. Received: "
            f"{teacher.labels} of the teacher {teacher.model.name!r}, "
            f"{student.labels} of the student {student.model.name!r}. Put a layer of "
            "the same labels on both."
        )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{', '.join(names[:10])}{more}"


def _resampler(from_hz: int | None, to_hz: int | None) -> Resampler | None:
    if from_hz is None or to_hz is None or from_hz == to_hz:
        return None
    return Resampler(from_hz, to_hz)
