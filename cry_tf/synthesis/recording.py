"""One *synthetic* recording: a sound, another beside it, a room, a microphone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cry_lite import atomic
from cry_tf.synthesis.cry import cry
from cry_tf.synthesis.household import household_sound
from cry_tf.synthesis.infant import Infant
from cry_tf.synthesis.reason import Reason
from cry_tf.synthesis.room import Home
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ


def draw_home(name: str, rng: np.random.Generator) -> tuple[Infant, Home]:
    """Draws an infant and the home it lives in, of one name."""
    return Infant.draw(name, rng), Home.draw(name, rng)


def mix(voice: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Adds noise to a voice at a ratio of mean powers.

    Args:
        voice: Float `(samples,)`.
        noise: Float `(samples,)`; silence adds nothing.
        snr_db: Mean power of the voice over that of the noise, dB.

    Returns:
        Float32 `(samples,)`.
    """
    voice_power, noise_power = np.mean(voice**2), np.mean(noise**2)
    if noise_power == 0:
        return voice.astype(np.float32)
    gain = np.sqrt(voice_power / noise_power * 10 ** (-snr_db / 10))
    return (voice + gain * noise).astype(np.float32)


def record_cry(
    infant: Infant,
    home: Home,
    reason: str | Reason,
    duration_s: float,
    rng: np.random.Generator,
    *,
    noise: str | None = None,
    snr_db: float = 20.0,
) -> np.ndarray:
    """Records a cry in a home, with another sound beside it or without.

    Returns:
        Float32 `(round(duration_s * 16000),)` within (-1, 1).
    """
    recorded = home.reverberate(cry(infant, reason, duration_s, rng), rng)
    if noise is not None:
        sound = household_sound(noise, home, duration_s, rng)
        recorded = mix(recorded, home.reverberate(sound, rng), snr_db)
    return home.record(recorded, rng.uniform(-26, -3), rng)


def write_wav(path: Path, waveform: np.ndarray) -> None:
    """Writes 16-bit mono at 16 kHz, into a part file and then in place."""
    import soundfile

    with atomic.replacing(path) as part:
        soundfile.write(part, waveform, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
