"""The catalogue of *synthetic* household sounds: everything but a cry."""

from __future__ import annotations

import numpy as np

from cry_tf.synthesis import brief_sounds, steady_sounds, voices
from cry_tf.synthesis.room import Home
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ

HOUSEHOLD_SOUNDS = {
    "alarm_beeps": brief_sounds.alarm_beeps,
    "cat_meow": voices.cat_meow,
    "clock_tick": brief_sounds.clock_tick,
    "dishes": brief_sounds.dishes,
    "dog_bark": voices.dog_bark,
    "door_knock": brief_sounds.door_knock,
    "fan": steady_sounds.fan,
    "footsteps": brief_sounds.footsteps,
    "kettle_whistle": brief_sounds.kettle_whistle,
    "music": steady_sounds.music,
    "pink_noise": steady_sounds.pink_noise,
    "quiet": steady_sounds.quiet,
    "rain": steady_sounds.rain,
    "speech": voices.speech,
    "vacuum_cleaner": steady_sounds.vacuum_cleaner,
    "washing_machine": steady_sounds.washing_machine,
    "water": steady_sounds.water,
    "white_noise": steady_sounds.white_noise,
}
"""Sounds by name: functions of `(samples, character, rng)`."""

LIKE_A_CRY = (
    "alarm_beeps",
    "cat_meow",
    "dishes",
    "dog_bark",
    "kettle_whistle",
    "music",
    "speech",
)
"""Sounds with a pitch, or that come in bursts: the hard part of "not a cry"."""

BACKGROUNDS = ("fan", "pink_noise", "rain", "washing_machine", "white_noise")
"""Sounds that can last for hours."""


def household_sound(
    name: str, home: Home, duration_s: float, rng: np.random.Generator
) -> np.ndarray:
    """Synthesises a household sound as it is made in one home.

    An appliance keeps its character within a home: its pitch, pace and colour
    come from `home.seed`, the rest from `rng`.

    Args:
        name: One of `HOUSEHOLD_SOUNDS`.
        home: Home with the appliance, voice or animal.
        duration_s: Length, seconds, > 0.
        rng: Source of what differs from occasion to occasion.

    Returns:
        Float32 `(round(duration_s * 16000),)`, dry, with a peak of 1; all
        zeros for `quiet`.

    Raises:
        ValueError: If the sound is unknown or the duration not positive.
    """
    if name not in HOUSEHOLD_SOUNDS:
        raise ValueError(
            f"name must be one of {', '.join(HOUSEHOLD_SOUNDS)}. Received: {name}"
        )
    samples = round(duration_s * SAMPLE_RATE_HZ)
    if samples < 1:
        raise ValueError(
            f"duration_s must be positive. Received: duration_s={duration_s}"
        )
    index = list(HOUSEHOLD_SOUNDS).index(name)
    character = np.random.default_rng([home.seed, index])
    sound = HOUSEHOLD_SOUNDS[name](samples, character, rng).astype(np.float32)
    return sound / max(float(np.abs(sound).max()), 1e-9)
