"""Synthetic cries: breaths in a row, sung by a synthetic infant."""

from __future__ import annotations

import dataclasses

import numpy as np

from cry_tf.synthesis.burst import render_burst
from cry_tf.synthesis.infant import Infant
from cry_tf.synthesis.reason import (
    REASONS,
    Mood,
    Reason,
    draw_expiration,
    draw_inspiration,
)
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ


def cry(
    infant: Infant, reason: str | Reason, duration_s: float, rng: np.random.Generator
) -> np.ndarray:
    """Synthesises a cry: expirations, with a breath and a pause between them.

    The labels are ours by construction, see `cry_tf.synthesis.reason`: they
    show nothing about why a real infant cries.

    Args:
        infant: The crying infant.
        reason: One of `cry_tf.synthesis.REASONS`, or distributions of your own.
        duration_s: Length, seconds. The last breath ends before it or is
            faded out at it.
        rng: Source of every choice; the same state gives the same samples.

    Returns:
        Float32 `(round(duration_s * 16000),)`, dry (no room, no microphone),
        with a peak of 1.

    Raises:
        ValueError: If the reason is unknown or the duration not positive.
    """
    if not isinstance(reason, Reason) and reason not in REASONS:
        raise ValueError(
            f"reason must be one of {', '.join(REASONS)}. Received: {reason}"
        )
    samples = round(duration_s * SAMPLE_RATE_HZ)
    if samples < 1:
        raise ValueError(
            f"duration_s must be positive. Received: duration_s={duration_s}"
        )
    profile = reason if isinstance(reason, Reason) else REASONS[reason]
    mood = Mood.draw(rng)
    singer = dataclasses.replace(infant, tilt_hz=infant.tilt_hz * profile.brightness)

    out = np.zeros(samples, np.float32)
    position = int(rng.uniform(0, 0.3) * min(SAMPLE_RATE_HZ, samples))
    while position < samples:
        expiration = draw_expiration(profile, mood, singer, rng)
        position = _add(out, render_burst(expiration, singer, rng), position)
        pause_s = profile.pause_s * mood.tempo * infant.tempo
        pause_s *= float(np.exp(rng.normal(0, 0.1 + profile.irregularity)))
        position += int(0.4 * pause_s * SAMPLE_RATE_HZ)
        if position >= samples:
            break
        inspiration = draw_inspiration(expiration, singer, rng)
        position = _add(out, render_burst(inspiration, singer, rng), position)
        position += int(0.6 * pause_s * SAMPLE_RATE_HZ)
    fade = min(samples, int(0.02 * SAMPLE_RATE_HZ))
    out[samples - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return out / max(float(np.abs(out).max()), 1e-9)


def _add(out: np.ndarray, sound: np.ndarray, position: int) -> int:
    """Adds a sound at a position, cut at the end; returns where it ended."""
    end = min(len(out), position + len(sound))
    out[position:end] += sound[: end - position]
    return position + len(sound)
