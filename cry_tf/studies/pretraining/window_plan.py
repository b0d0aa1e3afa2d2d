"""Windows of recordings to pretrain on: cut, mixed and augmented."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_lite.padding import kept_whole
from cry_tf.augment import policies
from cry_tf.augment.policy import Policy

_GAP_NOISE = (1e-4, 1e-3)


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """How windows are cut from clips.

    Attributes:
        samples: Length of a window.
        sample_rate_hz: Sample rate of the waveforms, Hz.
        per_clip: Windows of each clip.
        augment: Name of the policy that changes a window.
        mixed_share: Probability in [0, 1] that another clip is added to a window.
        min_ratio_db: Lowest level of the clip over the other one, dB.
        max_ratio_db: Highest.
        seed: Draws everything.
    """

    samples: int
    sample_rate_hz: int = 16_000
    per_clip: int = 6
    augment: str = "strong"
    mixed_share: float = 0.5
    min_ratio_db: float = -5.0
    max_ratio_db: float = 15.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the values."""
        if self.per_clip < 1 or self.samples < 1:
            raise ValueError(
                "Windows are at least one sample, and at least one of each clip. "
                f"Received: samples={self.samples}, per_clip={self.per_clip}."
            )
        if not 0 <= self.mixed_share <= 1:
            raise ValueError(
                f"mixed_share must be in [0, 1]. Received: {self.mixed_share}."
            )
        self.policy()

    def policy(self) -> Policy:
        """Returns the augmentation policy of windows."""
        return policies.get(self.augment)

    def to_dict(self) -> dict[str, Any]:
        """Returns the plan as JSON types."""
        return {**self.__dict__, "policy": self.policy().to_dict()}

    def fingerprint(self) -> str:
        """Returns a digest of the plan, in hexadecimal."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def draw_window(
    waveforms: list[np.ndarray], place: int, number: int, plan: WindowPlan
) -> np.ndarray:
    """Returns one window of a clip.

    Args:
        waveforms: Of every clip, float32 `(samples,)` each.
        place: The clip.
        number: Which window of it; with the plan's seed it draws the window.
        plan: How windows are cut.

    Returns:
        Float32 `(plan.samples,)` in [-1, 1], which has no padding.
    """
    rng = np.random.default_rng([plan.seed, place, number])
    window = _excerpt(waveforms[place], plan.samples, rng)
    if rng.random() < plan.mixed_share:
        other = _excerpt(waveforms[rng.integers(len(waveforms))], plan.samples, rng)
        ratio_db = rng.uniform(plan.min_ratio_db, plan.max_ratio_db)
        window = _mixed(window, other, ratio_db)
    window = plan.policy()(window, plan.sample_rate_hz, rng)
    window = _excerpt(window, plan.samples, rng)
    return kept_whole(window)  # a quiet end is part of it


def _excerpt(waveform: np.ndarray, samples: int, rng) -> np.ndarray:
    """Returns a part of a sound, faint noise around one that is too short."""
    spare = len(waveform) - samples
    if spare >= 0:
        start = int(rng.integers(spare + 1))
        return waveform[start : start + samples].astype(np.float32)
    level = np.exp(rng.uniform(*np.log(_GAP_NOISE)))
    window = rng.normal(0, level, samples).astype(np.float32)
    start = int(rng.integers(-spare + 1))
    window[start : start + len(waveform)] += waveform
    return np.clip(window, -1, 1)


def _mixed(window: np.ndarray, other: np.ndarray, ratio_db: float) -> np.ndarray:
    """Adds a sound to a window, `ratio_db` softer than it, within full scale."""
    power, other_power = float(np.mean(window**2)), float(np.mean(other**2))
    if power == 0 or other_power == 0:
        return window
    gain = np.sqrt(power / other_power * 10 ** (-ratio_db / 10))
    both = window + np.float32(gain) * other
    return both / max(1.0, float(np.abs(both).max()))
