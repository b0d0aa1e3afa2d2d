"""Settings of a model's front end and decision, as frozen records.

Training and the device read the same records, so they cannot disagree. A record
checks its fields and can be written to JSON and read back.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, Self

# Beyond these a file is damaged, and would fill the memory or never end.
_SHORTEST_HOP_S, _LONGEST_WINDOW_S = 0.001, 3600.0
_MOST_SMOOTHED = 100_000
_HIGHEST_RATE_HZ = 1_000_000


class _Record:
    """JSON round trip shared by the frozen records of this module."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the record as JSON types only."""
        values = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, _Record):
                value = value.to_dict()
            elif isinstance(value, tuple):
                value = list(value)
            values[field.name] = value
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Builds the record from `to_dict` output.

        Raises:
            ValueError: If a field is missing, unknown, or breaks a rule.
        """
        if not isinstance(values, dict):
            raise ValueError(
                f"{cls.__name__} must be read from a JSON object. Received: {values!r}"
            )
        known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(
                f"{cls.__name__} has no field {', '.join(unknown)}. The file may come "
                "from a newer cry-tf: upgrade cry-tf to read it."
            )
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            if field.name in values:
                _require_kind(field.name, str(field.type), values[field.name])
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"{cls.__name__} cannot be read: {error}") from error

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


def _require_kind(name: str, kinds: str, value: object) -> None:
    """Checks a value from JSON against the type of its field."""
    number = value if isinstance(value, int | float) else math.nan
    if isinstance(value, bool):
        number = math.nan
    fits = {
        "int": isinstance(number, int) and abs(number) < 1 << 53,
        "float": abs(number) < math.inf,
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
        "None": value is None,
        "tuple[str, ...]": isinstance(value, list | tuple)
        and all(isinstance(entry, str) for entry in value),
    }
    if kinds.startswith("Literal"):  # The record knows the choices.
        kinds = "str"
    elif kinds.endswith("Spec"):  # Of which there are more checks to come.
        fits[kinds] = isinstance(value, dict | _Record)
    _require(
        any(fits[kind] for kind in kinds.split(" | ")),
        f"{name} must be {kinds}.",
        **{name: value},
    )


def _require(condition: bool, rule: str, **received: object) -> None:
    if not condition:
        came = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ValueError(f"{rule} Received: {came}.")


@dataclass(frozen=True, kw_only=True)
class FrontEndSpec(_Record):
    """The numbers that turn a waveform into a log-mel spectrogram.

    They are part of a network's weights: 32 kHz / 1024 / 320 and
    16 kHz / 512 / 160 are different models.

    Attributes:
        sample_rate_hz: Rate of the waveform, Hz.
        window_samples: Length of the window.
        hop_samples: Distance between two frames.
        fft_length: Length of the FFT, a power of two (the TFLite builtin RFFT
            takes no other), at least `window_samples`. A shorter window is
            followed by zeros.
        mel_bands: Number of mel bands.
        min_hz: Lower edge of the first band, Hz.
        max_hz: Upper edge of the last band, Hz.
        mel_scale: `slaney` is librosa's default: Slaney's scale, triangles
            linear in Hz, each of unit area (PANNs). `htk` is TensorFlow's:
            the HTK scale, triangles linear in mel, peak 1, the DC bin left
            out (VGGish, YAMNet).
        spectrum: `power` takes |X|^2, `magnitude` |X|.
        log_scale: `db` gives 10 log10(max(mel, log_offset)), `ln` gives
            ln(mel + log_offset).
        log_offset: Float > 0, the floor (`db`) or the addend (`ln`).
        center: True centres frame t on sample t * hop_samples by reflecting
            the waveform at both ends by half an FFT (PANNs).
        patch_frames: Frames in a patch, 0 for one continuous spectrogram.
        patch_hop_frames: Distance between two patches, in frames.
        partial_patch: What becomes of the tail that does not fill a patch:
            `pad` completes it with zeros (YAMNet), `drop` leaves it out
            (VGGish). A clip shorter than one patch is always completed.
        cutoff_hz: Everything above it is removed, as by an ideal low-pass
            filter, so that recordings of different bandwidth look alike.
            None keeps the whole spectrum.
        window: `hann` is periodic, `hann_symmetric` has the same value at both
            ends (EfficientAT).
        pre_emphasis: Float in [0, 1]. If it is not 0, the spectrogram is that of
            `x[i + 1] - pre_emphasis * x[i]`, one sample shorter than the input.
        z_score: Bool. True subtracts the mean of the waveform (after pre-emphasis)
            and divides by its standard deviation over the real samples (biased, at
            least 1e-5, so that silence stays silence). The statistics are per input:
            of a clip in training, of each window of a recording. They include sound
            above `cutoff_hz`.
        level_mean: Subtracted from every level, in its unit (dB or nat).
        level_std: Float > 0, what every level is then divided by. The levels
            of a spec with another mean or deviation than 0 and 1 have no unit.
    """

    sample_rate_hz: int
    window_samples: int
    hop_samples: int
    fft_length: int
    mel_bands: int
    min_hz: float
    max_hz: float
    mel_scale: Literal["slaney", "htk"]
    spectrum: Literal["power", "magnitude"]
    log_scale: Literal["db", "ln"]
    log_offset: float
    center: bool = False
    patch_frames: int = 0
    patch_hop_frames: int = 0
    partial_patch: Literal["pad", "drop"] = "pad"
    cutoff_hz: float | None = None
    window: Literal["hann", "hann_symmetric"] = "hann"
    pre_emphasis: float = 0.0
    z_score: bool = False
    level_mean: float = 0.0
    level_std: float = 1.0

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        for name in ("sample_rate_hz", "window_samples", "hop_samples", "mel_bands"):
            value = getattr(self, name)
            _require(value > 0, f"{name} must be positive.", **{name: value})
        _require(
            self.sample_rate_hz <= _HIGHEST_RATE_HZ,
            f"sample_rate_hz must be at most {_HIGHEST_RATE_HZ}.",
            sample_rate_hz=self.sample_rate_hz,
        )
        _require(
            self.fft_length & (self.fft_length - 1) == 0
            and self.fft_length >= self.window_samples,
            "fft_length must be a power of two, at least window_samples.",
            fft_length=self.fft_length,
            window_samples=self.window_samples,
        )
        _require(
            0 <= self.min_hz < self.max_hz <= self.sample_rate_hz / 2,
            "0 <= min_hz < max_hz <= sample_rate_hz / 2 must hold.",
            min_hz=self.min_hz,
            max_hz=self.max_hz,
            sample_rate_hz=self.sample_rate_hz,
        )
        choices = {
            "mel_scale": ("slaney", "htk"),
            "spectrum": ("power", "magnitude"),
            "log_scale": ("db", "ln"),
            "partial_patch": ("pad", "drop"),
            "window": ("hann", "hann_symmetric"),
        }
        for name, allowed in choices.items():
            value = getattr(self, name)
            _require(
                value in allowed,
                f"{name} must be one of {', '.join(allowed)}.",
                **{name: value},
            )
        _require(
            self.log_offset > 0,
            "log_offset must be positive.",
            log_offset=self.log_offset,
        )
        _require(
            self.patch_frames >= 0
            and (self.patch_frames == 0) == (self.patch_hop_frames == 0),
            "patch_frames and patch_hop_frames must both be positive or both be 0.",
            patch_frames=self.patch_frames,
            patch_hop_frames=self.patch_hop_frames,
        )
        _require(
            self.cutoff_hz is None or self.min_hz < self.cutoff_hz,
            "cutoff_hz must be above min_hz, or None.",
            cutoff_hz=self.cutoff_hz,
        )
        _require(
            self.window == "hann" or self.window_samples > 2,
            "window_samples must be at least 3 for hann_symmetric.",
            window_samples=self.window_samples,
        )
        _require(
            0 <= self.pre_emphasis <= 1,
            "pre_emphasis must be in [0, 1].",
            pre_emphasis=self.pre_emphasis,
        )
        _require(
            isinstance(self.z_score, bool),
            "z_score must be True or False.",
            z_score=self.z_score,
        )
        _require(
            math.isfinite(self.level_mean) and 0 < self.level_std < math.inf,
            "level_mean must be finite, and level_std positive and finite.",
            level_mean=self.level_mean,
            level_std=self.level_std,
        )

    @property
    def patch_samples(self) -> int:
        """Samples under one patch, or under one frame if there are no patches."""
        frames = max(self.patch_frames, 1)
        return (frames - 1) * self.hop_samples + self.window_samples

    @property
    def patch_hop_samples(self) -> int:
        """Samples between the starts of two steps of the time axis."""
        return max(self.patch_hop_frames, 1) * self.hop_samples


@dataclass(frozen=True, kw_only=True)
class DecisionSpec(_Record):
    """How the scores of successive windows become events.

    A window's smoothed score opens an event at `onset_threshold` and closes it
    below `offset_threshold` (hysteresis), so that a score that hovers around one
    threshold does not stutter.

    Attributes:
        window_s: Length of audio scored at once, seconds.
        hop_s: Distance between two windows, seconds, at most `window_s`.
        onset_threshold: Score in [0, 1] at which an event starts.
        offset_threshold: Score in [0, onset_threshold] below which it ends.
        smoothing_windows: Median over this many windows, odd, 1 for none.
        min_event_s: Shorter events are dropped, seconds.
        confirmation_s: An event without an unbroken stretch of at least this many
            seconds at `onset_threshold` or above is dropped; 0 asks for none.
        max_gap_s: Events closer than this are joined, seconds.
    """

    window_s: float = 3.0
    hop_s: float = 1.0
    onset_threshold: float = 0.5
    offset_threshold: float = 0.4
    smoothing_windows: int = 1
    min_event_s: float = 0.0
    confirmation_s: float = 0.0
    max_gap_s: float = 0.0

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        _require(
            _SHORTEST_HOP_S <= self.hop_s <= self.window_s <= _LONGEST_WINDOW_S,
            f"{_SHORTEST_HOP_S:g} <= hop_s <= window_s <= {_LONGEST_WINDOW_S:g} must "
            "hold.",
            hop_s=self.hop_s,
            window_s=self.window_s,
        )
        _require(
            0 <= self.offset_threshold <= self.onset_threshold <= 1,
            "0 <= offset_threshold <= onset_threshold <= 1 must hold.",
            offset_threshold=self.offset_threshold,
            onset_threshold=self.onset_threshold,
        )
        _require(
            0 < self.smoothing_windows < _MOST_SMOOTHED
            and self.smoothing_windows % 2 == 1,
            f"smoothing_windows must be odd and positive, below {_MOST_SMOOTHED}.",
            smoothing_windows=self.smoothing_windows,
        )
        _require(
            all(
                0 <= length_s < math.inf
                for length_s in (self.min_event_s, self.confirmation_s, self.max_gap_s)
            ),
            "min_event_s, confirmation_s and max_gap_s must be finite, not negative.",
            min_event_s=self.min_event_s,
            confirmation_s=self.confirmation_s,
            max_gap_s=self.max_gap_s,
        )


@dataclass(frozen=True, kw_only=True)
class ModelSpec(_Record):
    """Task, labels, front end and decision of a trained model.

    Attributes:
        task: `detect` (is a baby crying) or `reason` (why).
        labels: Names of the scores, in the order of the output.
        front_end: Settings of the front end.
        decision: How scores become events.
        positive_label: For `detect`, the label that means crying; None for
            `reason`, where every label can have events.
        positive_names: For `detect`, the labels of recordings that mean crying, as
            given in training (`--positive`); evaluation uses them too. Empty if known
            names were used.
    """

    task: Literal["detect", "reason"]
    labels: tuple[str, ...]
    front_end: FrontEndSpec
    decision: DecisionSpec = DecisionSpec()
    positive_label: str | None = None
    positive_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks every field and reads nested records from plain objects."""
        if isinstance(self.front_end, dict):
            object.__setattr__(
                self, "front_end", FrontEndSpec.from_dict(self.front_end)
            )
        if isinstance(self.decision, dict):
            object.__setattr__(self, "decision", DecisionSpec.from_dict(self.decision))
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "positive_names", tuple(self.positive_names))
        _require(
            self.task in ("detect", "reason"),
            "task must be detect or reason.",
            task=self.task,
        )
        _require(
            len(self.labels) >= 2 and len(set(self.labels)) == len(self.labels),
            "labels must be at least two different names.",
            labels=self.labels,
        )
        _require(
            (self.positive_label in self.labels)
            if self.task == "detect"
            else self.positive_label is None,
            "positive_label must be one of labels for detect, and None for reason.",
            positive_label=self.positive_label,
            task=self.task,
        )
        _require(
            not self.positive_names
            or (
                self.task == "detect"
                and all(isinstance(name, str) for name in self.positive_names)
            ),
            "positive_names must be labels, for detect, and empty for reason.",
            positive_names=self.positive_names,
            task=self.task,
        )

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the waveform that the model takes, Hz."""
        return self.front_end.sample_rate_hz
