"""What every transform of a waveform shares: checks, padding, full scale."""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any, Generic, TypeVar

import numpy as np

from cry_lite.padding import real_length

Parameters = TypeVar("Parameters")


class Transform(abc.ABC, Generic[Parameters]):
    """A random change of a waveform, drawn apart from being applied.

    A subclass is a frozen dataclass of the ranges. Its `draw` needs no sample of
    the waveform, so what was drawn can be stored and applied again.

    Three rules hold for all of them, kept by `apply`:

    - Padding (see `cry_lite.padding`) takes no part and becomes zeros. An end that
      a change makes quiet enough is padding from then on, as in a recording.
    - Nothing is clipped. A result beyond full scale is scaled down as a whole, to
      a peak of 1.
    - A waveform of zeros, and one without samples, stay as they are.
    """

    @abc.abstractmethod
    def draw(
        self, rng: np.random.Generator, samples: int, sample_rate_hz: int
    ) -> Parameters:
        """Draws the parameters for a waveform of so many samples."""

    @abc.abstractmethod
    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: Parameters
    ) -> np.ndarray:
        """Returns the changed sound, of at least one sample and any peak.

        Args:
            sound: Float32 `(samples,)` in [-1, 1], at least one sample, the last
                one no padding. It must not be written to.
            sample_rate_hz: Sample rate of the waveform, Hz.
            parameters: What `draw` gave.
        """

    def apply(
        self, waveform: np.ndarray, sample_rate_hz: int, parameters: Parameters
    ) -> np.ndarray:
        """Changes a waveform by the drawn parameters.

        Args:
            waveform: Float `(samples,)`, mono in [-1, 1]; see above for its
                padding.
            sample_rate_hz: Sample rate of the waveform, Hz, positive.
            parameters: What `draw` gave.

        Returns:
            A new float32 array in [-1, 1] that ends in zeros for the padding. It is as
            long as the waveform, unless the transform states otherwise.

        Raises:
            ValueError: If the waveform is not 1-D, or holds NaN, infinity or a
                sample beyond full scale.
        """
        waveform = checked(waveform, sample_rate_hz)
        real = real_length(waveform)
        if not real:
            return waveform.copy()
        sound = self.change(waveform[:real], sample_rate_hz, parameters)
        result = np.zeros(len(sound) + len(waveform) - real, np.float32)
        result[: len(sound)] = sound
        peak = float(np.abs(sound).max())
        if peak > 1:
            result /= np.float32(peak)
            # Rounding the peak to 32 bits can leave a sample one step over.
            np.clip(result, -1, 1, out=result)
        return result

    def __call__(
        self, waveform: np.ndarray, sample_rate_hz: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draws and applies; see `apply`."""
        samples = real_length(checked(waveform, sample_rate_hz))
        return self.apply(
            waveform, sample_rate_hz, self.draw(rng, samples, sample_rate_hz)
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the transform's name and ranges, for records and cache keys."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        values = {field.name: getattr(self, field.name) for field in fields}
        return {"transform": type(self).__name__, **values}


def checked(waveform: np.ndarray, sample_rate_hz: float) -> np.ndarray:
    """Returns a waveform as float32, or raises a ValueError with what is wrong."""
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or waveform.dtype.kind != "f":
        raise ValueError(
            "waveform must be a float array (samples,). Received: "
            f"shape={waveform.shape}, dtype={waveform.dtype}."
        )
    if not (sample_rate_hz > 0 and math.isfinite(sample_rate_hz)):
        raise ValueError(
            f"sample_rate_hz must be positive. Received: {sample_rate_hz=}."
        )
    waveform = waveform.astype(np.float32, copy=False)
    peak = float(np.abs(waveform).max(initial=0))
    if not peak <= 1:  # NaN is not
        raise ValueError(
            "Samples of a waveform are finite and within [-1, 1]. Received a peak of "
            f"{peak:.6g}. Divide by the full scale of the recording."
        )
    return waveform


def check_range(
    name: str, low: float, high: float, least: float = -math.inf, most: float = math.inf
) -> None:
    """Checks that min_`name` <= max_`name`, both within [least, most].

    Raises:
        ValueError: With the rule and both values.
    """
    if not least <= low <= high <= most:  # NaN is refused with the rest
        bounds = [f"at least {least:g}"] * (least > -math.inf)
        bounds += [f"at most {most:g}"] * (most < math.inf)
        rule = f", both {' and '.join(bounds)}" if bounds else ", both numbers"
        raise ValueError(
            f"min_{name} must not be above max_{name}{rule}. Received: "
            f"min_{name}={low}, max_{name}={high}."
        )
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            f"min_{name} and max_{name} must be finite. Received: {low} and {high}."
        )
