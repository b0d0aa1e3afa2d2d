"""Sounds that a device records and a training set seldom contains."""

from __future__ import annotations

import numpy as np

_SAMPLES = 16_000


def edges() -> list[np.ndarray]:
    """Returns silence, a click, and noise at full scale, float32 `(samples,)` each.

    Silence is the bottom of the spectrogram's range: a network that is rounded to the
    range of its training clips gives arbitrary scores for it.
    """
    noise = np.random.default_rng(1).choice((-1.0, 1.0), _SAMPLES)
    silence, click = np.zeros(_SAMPLES), np.array([0.5])
    return [each.astype(np.float32) for each in (silence, click, noise)]
