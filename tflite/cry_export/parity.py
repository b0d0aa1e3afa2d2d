"""Does the TFLite file answer like the Keras model? On real clips, in figures."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cry_export.conditions import compare_conditions
from cry_export.flips import Flip, find_flips
from cry_export.layer_noise import LayerNoise
from cry_export.quantization_recipe import QuantizationRecipe
from cry_export.quiet import quiet
from cry_export.reference import front_end_of, reference_scores
from cry_lite.interpreter import LiteRTModel
from cry_lite.spec import ModelSpec

_Score = Callable[[np.ndarray], np.ndarray]
Judge = Callable[[np.ndarray, np.ndarray], dict[str, Any]]
_PADDED_CLIPS = 8
_REFERENCE_CLIPS = 16
_CONDITION_CLIPS, _CONDITION_SECONDS = 3, 5.0


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """The comparison of a TFLite file with its Keras model.

    Attributes:
        recipe: Name of the recipe.
        clips: Number of real clips compared.
        max_score_difference: Largest absolute difference of a score.
        mean_score_difference: Mean absolute difference of the scores.
        worst_clip: The clip with the largest difference.
        flips: Every changed decision, near ties included.
        clear_flips: Changed decisions whose margin is no near tie.
        padding_difference: Largest difference between the Keras model's scores of a
            clip and the TFLite file's of the clip followed by zeros.
        edges: Largest difference on silence, a clip of one sample, and full-scale
            noise.
        is_finite: Whether every score on every input was finite.
        reference_difference: Largest difference of the Keras model from itself with
            NumPy as its front end; None if it was not measured.
        file_reference_difference: The same of the TFLite file.
        conditions: Largest difference of the file from itself under other conditions
            (see `conditions`); None for one that the runtime refuses.
        task_metric: What a metric of the task was before and after, if labels are
            known (see `measure`).
        layers: Signal over noise a layer, if the scores moved far enough to ask.
        worst_layer: The layer that adds most of the noise, or None.
        reasons: Why the file is refused, in sentences; () if it is not.
    """

    recipe: str
    clips: int
    max_score_difference: float
    mean_score_difference: float
    worst_clip: str
    flips: tuple[Flip, ...]
    clear_flips: int
    padding_difference: float
    edges: dict[str, float]
    is_finite: bool
    reasons: tuple[str, ...]
    reference_difference: float | None = None
    file_reference_difference: float | None = None
    conditions: dict[str, float | None] = dataclasses.field(default_factory=dict)
    task_metric: dict[str, Any] | None = None
    layers: tuple[LayerNoise, ...] = ()
    worst_layer: str | None = None

    @property
    def is_refused(self) -> bool:
        """Whether a budget was exceeded."""
        return bool(self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON types; None where a figure is not finite."""

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: plain(item) for key, item in value.items()}
            if isinstance(value, (list, tuple)):
                return [plain(item) for item in value]
            if isinstance(value, float) and not np.isfinite(value):
                return None
            return value

        return plain(dataclasses.asdict(self))


class ParityError(ValueError):
    """The scores of the TFLite file differ too much; it was not written.

    Attributes:
        report: Figures of the comparison.
    """

    def __init__(self, message: str, report: ParityReport):
        """Keeps the report beside the message."""
        super().__init__(message)
        self.report = report


class KerasScores:
    """The scores of a Keras model, each computed once.

    Args:
        model: Maps float32 `(batch, samples)` to scores `(batch, labels)`.
        spec: Holds the numbers of its front end.
    """

    def __init__(self, model: keras.Model, spec: ModelSpec) -> None:
        self.has_front_end = front_end_of(model) is not None
        self._model, self._spec = model, spec
        self._known: dict[tuple[str, bytes], np.ndarray] = {}

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """Returns the scores of a clip `(samples,)`, float32 `(labels,)`."""

        def compute() -> np.ndarray:
            scores = self._model(waveform[None], training=False)
            return np.asarray(keras.ops.convert_to_numpy(scores))[0]

        return self._once("keras", waveform, compute)

    def behind_numpy(self, waveform: np.ndarray) -> np.ndarray:
        """Returns those of the model behind the NumPy front end."""
        return self._once(
            "numpy",
            waveform,
            lambda: reference_scores(self._model, self._spec.front_end, waveform),
        )

    def _once(
        self, kind: str, waveform: np.ndarray, compute: Callable[[], np.ndarray]
    ) -> np.ndarray:
        key = kind, hashlib.sha256(waveform.tobytes()).digest()
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]


def measure(
    model: keras.Model | KerasScores,
    tflite: bytes,
    spec: ModelSpec,
    recipe: QuantizationRecipe,
    waveforms: Sequence[np.ndarray],
    names: Sequence[str],
    samples: int | None,
    advance: Callable[[], None] | None = None,
    judge: Judge | None = None,
) -> ParityReport:
    """Compares a TFLite file with the Keras model that it came from.

    Args:
        model: Maps float32 `(batch, samples)` to scores `(batch, labels)`; or its
            `KerasScores`, where several files of one model are compared.
        tflite: The file's bytes, exactly as they will be written.
        spec: Labels and thresholds, for the decisions.
        recipe: Holds the budget.
        waveforms: Real clips, float32 `(samples,)` at the model's sample rate.
        names: One a clip.
        samples: Int > 0, fixed length of the file's input: each clip is cut or
            completed with zeros to it for both models. None for a dynamic length.
        advance: Called after each clip, for a progress bar.
        judge: Turns the Keras scores and the file's scores of the clips, float32
            `(clips, labels)` each, into the `task_metric`: JSON types, among them
            `name`, `before`, `after` and `change`, each of the latter with `value`,
            `low` and `high`.

    Returns:
        The report. It refuses the file if its `reasons` are not empty.
    """
    with quiet():
        runtime = LiteRTModel(tflite)
        runtime.prepare(samples or spec.sample_rate_hz)

    known = model if isinstance(model, KerasScores) else KerasScores(model, spec)
    shape = (len(waveforms), len(spec.labels))
    expected, found = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for row, waveform in enumerate(waveforms):
        clip = _fit(waveform, samples)
        expected[row], found[row] = known(clip), runtime(clip)
        if advance is not None:
            advance()
    edges = _edges(known, runtime, spec.sample_rate_hz, samples)
    padding = _padding_difference(
        known, runtime, waveforms, spec.sample_rate_hz, samples
    )
    differences = np.abs(expected - found)
    flips = find_flips(expected, found, spec, names)
    reference, file_reference = _reference(known, waveforms, expected, found, samples)
    report = ParityReport(
        recipe=recipe.name,
        clips=len(waveforms),
        max_score_difference=float(differences.max()),
        mean_score_difference=float(differences.mean()),
        worst_clip=names[int(differences.max(axis=1).argmax())],
        flips=flips,
        clear_flips=sum(not flip.margin <= recipe.budget.near_tie for flip in flips),
        padding_difference=padding,
        edges=edges,
        is_finite=bool(
            np.isfinite(differences).all()
            and np.isfinite([padding, *edges.values()]).all()
        ),
        reasons=(),
        reference_difference=reference,
        file_reference_difference=file_reference,
        conditions=_conditions(tflite, waveforms, spec, samples),
        task_metric=judge(expected, found) if judge is not None else None,
    )
    return dataclasses.replace(report, reasons=_reasons(report, recipe))


def _fit(waveform: np.ndarray, samples: int | None) -> np.ndarray:
    """Cuts or completes with zeros to the length, or leaves as it is for None."""
    if samples is None:
        return waveform
    waveform = waveform[:samples]
    return np.pad(waveform, (0, samples - len(waveform)))


def _edges(
    keras_scores: _Score, runtime: _Score, sample_rate_hz: int, samples: int | None
) -> dict[str, float]:
    length = samples or sample_rate_hz
    noise = np.random.default_rng(0).choice((-1.0, 1.0), length)
    inputs = {
        "silence": np.zeros(length),
        "one_sample": np.array([0.5]),
        "full_scale_noise": noise,
    }
    differences = {}
    for name, waveform in inputs.items():
        clip = _fit(waveform.astype(np.float32), samples)
        differences[name] = float(np.abs(keras_scores(clip) - runtime(clip)).max())
    return differences


def _padding_difference(
    keras_scores: _Score,
    runtime: _Score,
    waveforms: Sequence[np.ndarray],
    sample_rate_hz: int,
    samples: int | None,
) -> float:
    worst = 0.0
    step = max(1, len(waveforms) // _PADDED_CLIPS)
    for clip in list(waveforms)[::step][:_PADDED_CLIPS]:
        if samples is not None:  # room for zeros, also after a long clip
            clip = clip[: max(1, samples // 2)]
        padded = np.pad(clip, (0, sample_rate_hz))
        difference = np.abs(keras_scores(clip) - runtime(_fit(padded, samples)))
        worst = float(np.maximum(worst, difference.max()))  # keeps NaN
    return worst


def _conditions(
    tflite: bytes,
    waveforms: Sequence[np.ndarray],
    spec: ModelSpec,
    samples: int | None,
) -> dict[str, float | None]:
    """Compares on three short clips, of different lengths if the file takes them."""
    step = max(1, len(waveforms) // _CONDITION_CLIPS)
    clips = [
        _fit(clip[: round(_CONDITION_SECONDS * spec.sample_rate_hz)], samples)
        for clip in list(waveforms)[::step][:_CONDITION_CLIPS]
    ]
    if samples is None:
        clips = [clip[: -(-len(clip) // (i + 1))] for i, clip in enumerate(clips)]
    return compare_conditions(tflite, clips)


def _reference(
    known: KerasScores,
    waveforms: Sequence[np.ndarray],
    expected: np.ndarray,
    found: np.ndarray,
    samples: int | None,
) -> tuple[float | None, float | None]:
    """Compares both with the Keras model behind NumPy's front end."""
    if not known.has_front_end:
        return None, None
    worst = [0.0, 0.0]
    step = max(1, len(waveforms) // _REFERENCE_CLIPS)
    for row in range(0, len(waveforms), step)[:_REFERENCE_CLIPS]:
        clip = waveforms[row] if samples is None else waveforms[row][:samples]
        scores = known.behind_numpy(clip)
        for place, other in enumerate((expected[row], found[row])):
            worst[place] = float(np.maximum(worst[place], np.abs(scores - other).max()))
    return worst[0], worst[1]


def _reasons(report: ParityReport, recipe: QuantizationRecipe) -> tuple[str, ...]:
    budget = recipe.budget
    reasons = []
    reference = report.reference_difference
    if reference is not None and not reference <= budget.max_reference_difference:
        reasons.append(
            f"the Keras model's own front end moves scores by {reference:.2g} from "
            f"those of the NumPy front end (at most {budget.max_reference_difference:g}"
            " is allowed)"
        )
    both = budget.max_reference_difference + budget.max_score_difference
    if (found := report.file_reference_difference) is not None and not found <= both:
        reasons.append(
            f"scores differ by {found:.2g} from those of the Keras model behind the "
            f"NumPy front end (at most {both:g} is allowed)"
        )
    if not report.is_finite:
        reasons.append("some scores are not finite")
    figures = {
        f"on clip {report.worst_clip}": report.max_score_difference,
        "when zeros follow a clip": report.padding_difference,
        **{f"on {name}": value for name, value in report.edges.items()},
    }
    for where, difference in figures.items():
        if difference > budget.max_score_difference:
            reasons.append(
                f"scores differ by {difference:.2g} {where} (at most "
                f"{budget.max_score_difference:g} is allowed)"
            )
    if report.mean_score_difference > budget.max_mean_difference:
        reasons.append(
            f"scores differ by {report.mean_score_difference:.2g} on average (at most "
            f"{budget.max_mean_difference:g} is allowed)"
        )
    if report.clear_flips > budget.max_flip_fraction * report.clips:
        reasons.append(
            f"{report.clear_flips} of {report.clips} clips change their decision by "
            f"more than a near tie (at most {budget.max_flip_fraction:.0%} may)"
        )
    for name, difference in report.conditions.items():
        if difference is not None and not (
            difference <= budget.max_condition_difference
        ):
            reasons.append(
                f"scores differ by {difference:.2g} under {name} (at most "
                f"{budget.max_condition_difference:g} is allowed)"
            )
    if report.task_metric is not None:
        change = report.task_metric["change"]
        if change["high"] is not None and change["high"] < -budget.max_metric_drop:
            reasons.append(
                f"{report.task_metric['name']} changes by {change['value']:.3f} "
                f"(95 % interval {change['low']:.3f} to {change['high']:.3f}; it may "
                f"fall by {budget.max_metric_drop:g})"
            )
    return tuple(reasons)
