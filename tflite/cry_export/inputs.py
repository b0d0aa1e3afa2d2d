"""What an export is given: the model, clips and a length, checked up front."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from cry_export.reference import front_end_of
from cry_lite.spec import ModelSpec
from cry_lite.waveform import check_waveform
from cry_lite.windows import holds_window


def check_model(model: keras.Model, spec: ModelSpec) -> None:
    """Raises `ValueError` unless the model fits `spec` and can be exported."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model. Received: {type(model)!r}.")
    shapes = getattr(model, "input_shape", None), getattr(model, "output_shape", None)
    if not all(isinstance(shape, tuple) and len(shape) == 2 for shape in shapes):
        raise ValueError(
            "model must map one waveform (batch, samples) to scores (batch, labels). "
            f"Received: input {shapes[0]}, output {shapes[1]}."
        )
    if model.output_shape[-1] != len(spec.labels):
        raise ValueError(
            f"model must give one score a label. Received: {model.output_shape[-1]} "
            f"scores and {len(spec.labels)} labels ({', '.join(spec.labels)})."
        )
    front_end = front_end_of(model)
    if front_end is None:
        raise ValueError(
            "model must take waveforms through a layer named 'frontend', which stays "
            f"float. Received: {model.name!r} without one. Build it from a backbone."
        )
    actual = getattr(front_end, "spec", spec.front_end)
    if actual != spec.front_end:
        raise ValueError(
            "spec.front_end must be that of the model's layer named 'frontend'. "
            f"Received: {spec.front_end} beside {actual}."
        )


def check_clips(
    check: Sequence[np.ndarray], names: Sequence[str] | None
) -> tuple[list[np.ndarray], list[str]]:
    """Returns the clips to compare on as float32, and their names.

    Raises:
        ValueError: If one is no finite waveform, all are silent, or names are missing.
    """
    waveforms = _waveforms(check, "A check clip")
    if not waveforms or not any(clip.any() for clip in waveforms):
        raise ValueError(
            "check must hold at least one real clip that is not silent. "
            f"Received: {len(waveforms)} clips, all silent."
        )
    names = [f"clip {i}" for i in range(len(waveforms))] if names is None else names
    if len(names) != len(waveforms):
        raise ValueError(
            "check_names must name every clip. Received: "
            f"{len(names)} names, {len(waveforms)} clips."
        )
    return waveforms, list(names)


def check_representative(clips: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns clips of the training data as float32; there may be none.

    Raises:
        ValueError: If one is no finite waveform, or all are silent.
    """
    waveforms = _waveforms(clips, "A representative clip")
    if waveforms and not any(clip.any() for clip in waveforms):
        raise ValueError(
            "representative must hold at least one clip that is not silent. Received: "
            f"{len(waveforms)} clips, all silent."
        )
    return waveforms


def _waveforms(clips: Sequence[np.ndarray], name: str) -> list[np.ndarray]:
    """Returns clips as float32; an integer or a much too loud one is refused."""
    waveforms = []
    for index, clip in enumerate(clips):
        waveform = np.asarray(clip)
        if waveform.ndim != 1 or not len(waveform):
            raise ValueError(
                f"{name} must be a waveform (samples,). Received: clip {index} of "
                f"shape {waveform.shape}."
            )
        check_waveform(waveform, f"{name} (clip {index})")
        waveforms.append(waveform.astype(np.float32, copy=False))
    return waveforms


def samples_of(length_s: float | None, spec: ModelSpec) -> int | None:
    """Returns the samples of a fixed input length, or None.

    Raises:
        ValueError: If it is shorter than the front end's window, or above an hour.
    """
    if length_s is None:
        return None
    if not 0 < length_s <= 3600:
        raise ValueError(
            f"length_s must be in (0, 3600] seconds, or None. Received: {length_s!r}."
        )
    samples = round(length_s * spec.sample_rate_hz)
    if samples < spec.front_end.window_samples:
        raise ValueError(
            "length_s must hold at least one window of the front end "
            f"({spec.front_end.window_samples} samples). Received: {samples} samples."
        )
    return samples


def fit_window(spec: ModelSpec, samples: int | None) -> tuple[ModelSpec, str | None]:
    """Returns the spec of a file of that input length, and what changed in it.

    If the input is shorter than the window of the settings, the window becomes as long
    as the input. The second value then says that the thresholds were chosen on longer
    windows; else it is None.

    Args:
        spec: Settings of the model.
        samples: Int > 0, fixed length of the input. None if it takes any length.
    """
    if holds_window(samples, spec):
        return spec, None
    assert samples is not None  # noqa: S101 (no length is too short for any)
    decision, window_s = spec.decision, samples / spec.sample_rate_hz
    shorter = spec.replace(
        decision=decision.replace(
            window_s=window_s, hop_s=min(decision.hop_s, window_s)
        )
    )
    return shorter, (
        f"The input takes {window_s:g} s, so windows are {window_s:g} s long, not "
        f"{decision.window_s:g} s. The thresholds were chosen for the longer windows: "
        "check them with cry-tf evaluate."
    )
