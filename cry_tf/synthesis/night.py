"""A *synthetic* night: minutes of one home, with the truth about every sound."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from cry_tf.synthesis.cry import cry
from cry_tf.synthesis.household import BACKGROUNDS, HOUSEHOLD_SOUNDS, household_sound
from cry_tf.synthesis.infant import Infant
from cry_tf.synthesis.reason import REASONS
from cry_tf.synthesis.room import Home
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ


@dataclass(frozen=True, kw_only=True)
class TrueEvent:
    """A sound that was put into the night.

    Attributes:
        start_s: Where it begins, seconds.
        end_s: Where it ends, seconds.
        label: `cry`, or the name of a household sound.
        reason: Reason of a cry, empty for other sounds.
        level_db: Peak level, dB re the loudest cry of the night.
    """

    start_s: float
    end_s: float
    label: str
    reason: str = ""
    level_db: float = 0.0


@dataclass(frozen=True)
class Night:
    """The recording of a night.

    Attributes:
        waveform: Float32 `(samples,)` at 16 kHz, within (-1, 1).
        events: Every sound in it but the background, by start.
    """

    waveform: np.ndarray
    events: tuple[TrueEvent, ...]

    @property
    def duration_s(self) -> float:
        """Length, seconds."""
        return len(self.waveform) / SAMPLE_RATE_HZ

    @property
    def cries(self) -> tuple[TrueEvent, ...]:
        """The cry episodes alone."""
        return tuple(event for event in self.events if event.label == "cry")


def _background(home: Home, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Two steady sounds in turn, faded into one another, peak 1."""
    first, second = rng.choice(BACKGROUNDS, size=2, replace=False)
    change = np.interp(
        np.arange(samples) / samples, [0, 0.45, 0.55, 1], [0, 0, 1, 1]
    ).astype(np.float32)
    duration_s = samples / SAMPLE_RATE_HZ
    out = household_sound(str(first), home, duration_s, rng)[:samples] * (1 - change)
    out += household_sound(str(second), home, duration_s, rng)[:samples] * change
    return out / max(float(np.abs(out).max()), 1e-9)


def _audible(sound: np.ndarray) -> tuple[int, int]:
    """First and last sample above a fiftieth of the peak."""
    loud = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, len(sound))


def synthesise_night(
    infant: Infant,
    home: Home,
    rng: np.random.Generator,
    *,
    duration_s: float = 600.0,
    cry_episodes: int = 5,
    household_events: int = 20,
) -> Night:
    """Synthesises a night, compressed into some minutes.

    A quiet background is always present; household sounds of 2 to 8 seconds
    and cry episodes of 10 to 30 seconds are spread over it. Cries never touch
    one another; household sounds fall where they may, also onto a cry.

    Args:
        infant: The crying infant.
        home: Where; one device records everything.
        rng: Source of every choice.
        duration_s: Length, seconds, at least 40 a cry episode.
        cry_episodes: Number of cry episodes.
        household_events: Number of other sounds.

    Returns:
        The night and its truth.

    Raises:
        ValueError: If the episodes do not fit.
    """
    if cry_episodes < 0 or household_events < 0 or duration_s < 40 * cry_episodes:
        raise ValueError(
            "A night needs at least 40 seconds a cry episode, and counts that are not "
            f"negative. Received: duration_s={duration_s}, "
            f"cry_episodes={cry_episodes}, household_events={household_events}"
        )
    samples = round(duration_s * SAMPLE_RATE_HZ)
    if samples < 1:
        raise ValueError(
            f"duration_s must be positive. Received: duration_s={duration_s}"
        )
    level = 10 ** (rng.uniform(-38, -26) / 20)
    out = level * home.reverberate(_background(home, samples, rng), rng)
    events = []

    def add(sound: np.ndarray, start: int, level_db: float, **labels: str) -> None:
        recorded = home.reverberate(sound, rng) * np.float32(10 ** (level_db / 20))
        end = min(samples, start + len(recorded))
        out[start:end] += recorded[: end - start]
        first, last = _audible(sound)
        events.append(
            TrueEvent(
                start_s=(start + first) / SAMPLE_RATE_HZ,
                end_s=min(start + last, samples) / SAMPLE_RATE_HZ,
                level_db=level_db,
                **labels,
            )
        )

    share_s = duration_s / max(cry_episodes, 1)
    # Every reason before any again.
    reasons = itertools.cycle(rng.permutation(list(REASONS)).tolist())
    for index in range(cry_episodes):
        length_s = float(rng.uniform(10, 30))
        # Each in a share of its own, ten seconds from the borders where it fits.
        start_s = index * share_s + rng.uniform(5, share_s - length_s - 5)
        reason = next(reasons)
        sound = cry(infant, reason, length_s, rng)
        start = int(start_s * SAMPLE_RATE_HZ)
        level_db = 0.0 if index == 0 else float(rng.uniform(-14, 0))
        add(sound, start, level_db, label="cry", reason=reason)
    names = [name for name in HOUSEHOLD_SOUNDS if name != "quiet"]
    for _ in range(household_events):
        name = str(rng.choice(names))
        length_s = min(float(rng.uniform(2, 8)), duration_s)
        start = int(rng.uniform(0, duration_s - length_s) * SAMPLE_RATE_HZ)
        sound = household_sound(name, home, length_s, rng)
        add(sound, start, float(rng.uniform(-20, -2)), label=name)
    events.sort(key=lambda event: (event.start_s, event.end_s))
    return Night(home.record(out, -3.0, rng), tuple(events))
