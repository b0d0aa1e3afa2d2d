"""Training windows of a detector: cries and other sounds, as any recorder gets them.

Where all cries were recorded by phones and other sounds were not, a detector learns
the phone. Here both labels go the same ways: a recording, with another one without a
cry behind it, in a room, through a microphone. What differs between the labels is the
cry alone.

A window holds recordings of one *part* of the data only, and names them, so that the
windows of held-out recordings can be held out with them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cry_lite.sound_file import resample
from cry_tf.augment.add_noise import mean_power
from cry_tf.augment.codec_like import CodecLike
from cry_tf.augment.equalize import Equalize
from cry_tf.augment.level import Level
from cry_tf.augment.noise_floor import NoiseFloor
from cry_tf.augment.policy import Policy
from cry_tf.augment.reverb import Reverb
from cry_tf.augment.transform import check_range

# Raise it when a change of the code changes what stored windows mean.
FORMAT = 1
# The microphone of every window, cry or not.
CHANNEL = Policy(
    "channel",
    (
        (Equalize(), 0.5),
        (Level(), 1.0),
        (NoiseFloor(), 0.5),
        (CodecLike(), 0.2),
    ),
)
ROOM = Policy("room", ((Reverb(min_direct_db=-5.0), 0.35),))
# A recording of a minute is drawn as often as one of ten: it holds as many sounds.
_LONGEST_COUNTED_S = 60.0
# Where nobody wrote down when the infant cries: within so much of the loudest.
_ACTIVE_DB = 15.0
_FRAME_S = 0.05
_DRAWS = 50
# Tape speeds, slowest and fastest. Faster speech and music are other voices and other
# instruments; a cry much faster is no infant's.
_ANOTHER_SPEED = 0.5
_SPEEDS_OF_CRIES = (0.93, 1.08)
_SPEEDS_OF_OTHERS = (0.8, 1.3)
_SPEEDS_BEHIND = (0.85, 1.2)


class Recording(NamedTuple):
    """A recording that windows are made of.

    Attributes:
        waveform: Float32 `(samples,)`, or int16 of the same meaning.
        is_cry: Whether the infant cries in it.
        domain: The data set or the kind of sound; rare domains are drawn more often
            than their share.
        group: Its source.
        part: Number of the part of the data that it belongs to.
        crying_s: Starts and ends of crying, seconds; None if nobody wrote them down.
    """

    waveform: np.ndarray
    is_cry: bool
    domain: str
    group: str
    part: int
    crying_s: Sequence[tuple[float, float]] | None = None


class FieldWindow(NamedTuple):
    """A window to train on.

    Attributes:
        waveform: Float32 `(samples,)` in [-1, 1].
        is_cry: Whether it holds a cry.
        places: Places of the recordings in it.
    """

    waveform: np.ndarray
    is_cry: bool
    places: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FieldMix:
    """How windows are made.

    Attributes:
        windows: How many, int >= 2.
        cries: Share of the windows with a cry, in (0, 1).
        window_s: Their length, seconds; what the runtime scores at once.
        min_cry_s: A window with a cry holds at least so much of it, seconds: what the
            runtime should detect before the cry fills its window.
        mixed: Share of the cries with another recording behind them, in [0, 1].
        min_snr_db: Lowest power of the cry, where it cries, over that of the recording
            behind it, dB.
        max_snr_db: Highest, dB.
        behind: Share of other windows with another recording behind them, in [0, 1].
    """

    windows: int = 16_000
    cries: float = 0.4
    window_s: float = 3.0
    min_cry_s: float = 0.7
    mixed: float = 0.75
    min_snr_db: float = -4.0
    max_snr_db: float = 30.0
    behind: float = 0.45

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        check_range("snr_db", self.min_snr_db, self.max_snr_db, -30, 80)
        for name in ("mixed", "behind"):
            check_range(name, getattr(self, name), getattr(self, name), 0, 1)
        if not 0 < self.cries < 1:
            raise ValueError(f"cries must be in (0, 1). Received: cries={self.cries}.")
        if self.windows < 2:
            raise ValueError(
                f"windows must be at least 2. Received: windows={self.windows}."
            )
        if not 0 < self.min_cry_s <= self.window_s:
            raise ValueError(
                "0 < min_cry_s <= window_s must hold. Received: "
                f"min_cry_s={self.min_cry_s}, window_s={self.window_s}."
            )

    def fingerprint(self) -> str:
        """Returns a digest of the numbers here and of the room and the microphone."""
        about = {
            "format": FORMAT,
            **dataclasses.asdict(self),
            "room": ROOM.to_dict(),
            "channel": CHANNEL.to_dict(),
        }
        text = json.dumps(about, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class FieldWindows:
    """Draws windows; each follows from its number and the seed alone.

    Args:
        recordings: At least one with a cry and one without in some part.
        sample_rate_hz: Their rate and that of the windows, Hz.
        mix: The numbers.
        seed: Int >= 0.

    Attributes:
        recordings: The recordings.

    Raises:
        ValueError: If no part has recordings of both labels.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        sample_rate_hz: int,
        mix: FieldMix,
        seed: int = 0,
    ):
        self.recordings, self._rate_hz = recordings, sample_rate_hz
        self._mix, self._seed = mix, seed
        self._samples = round(mix.window_s * sample_rate_hz)
        self._crying = {
            place: crying(each, sample_rate_hz)
            for place, each in enumerate(recordings)
            if each.is_cry
        }
        least = mix.min_cry_s * sample_rate_hz
        known = {each.group for each in recordings if each.is_cry}
        parts = sorted({each.part for each in recordings})
        self._parts = []
        for part in parts:
            places = [n for n, each in enumerate(recordings) if each.part == part]
            cries = [n for n in places if n in self._crying]
            cries = [n for n in cries if self._crying[n].sum() >= least]
            others = [n for n in places if not recordings[n].is_cry]
            if cries and others:
                # Of a recorder that also recorded cries: it shows what is not the cry.
                factors = [1 + (recordings[n].group in known) for n in others]
                self._parts.append(
                    (self._drawn(cries), self._drawn(others, np.array(factors)))
                )
        if not self._parts:
            raise ValueError(
                "Windows are made of recordings with and without a cry. Received: "
                f"{len(self._crying)} with one, "
                f"{len(recordings) - len(self._crying)} without, never both in one "
                f"of {len(parts)} parts of the data."
            )

    def __len__(self) -> int:
        """Returns the number of windows."""
        return self._mix.windows

    def plan(self, number: int) -> tuple[bool, tuple[int, ...]]:
        """Returns whether a window has a cry, and the places of its recordings.

        The first one is what the label is about; a second one is behind it.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"number must be in [0, {len(self)}). Received: {number}.")
        rng = np.random.default_rng([self._seed, number])
        cries, others = self._parts[number % len(self._parts)]
        # Evenly over the numbers of a part, so that every share of them is balanced.
        turn, share = number // len(self._parts), self._mix.cries
        is_cry = int((turn + 1) * share) > int(turn * share)
        places, chances = cries if is_cry else others
        first = int(rng.choice(places, p=chances))
        if rng.random() >= (self._mix.mixed if is_cry else self._mix.behind):
            return is_cry, (first,)
        return is_cry, (first, int(rng.choice(others[0], p=others[1])))

    def __getitem__(self, number: int) -> FieldWindow:
        """Returns a window, drawn from its number."""
        is_cry, places = self.plan(number)
        rng = np.random.default_rng([self._seed, number, 1])
        if is_cry:
            sound, power = self._cry(rng, places[0], is_alone=len(places) == 1)
        else:
            sound = self._cut(rng, places[0], *_SPEEDS_OF_OTHERS)
            power = mean_power(sound)
        sound = ROOM(_full_scale(sound), self._rate_hz, rng)
        if len(places) > 1:
            behind = self._cut(rng, places[1], *_SPEEDS_BEHIND)
            snr_db = rng.uniform(self._mix.min_snr_db, self._mix.max_snr_db)
            sound = mixed(sound, power, behind, snr_db)
        sound = CHANNEL(_full_scale(sound), self._rate_hz, rng)
        return FieldWindow(sound, is_cry, places)

    def _drawn(
        self, places: list[int], factors: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns places and the probability of each.

        A domain counts by the root of its duration, and within it a recording.
        """
        seconds = np.array(
            [len(self.recordings[n].waveform) / self._rate_hz for n in places]
        )
        weights = np.sqrt(np.minimum(seconds, _LONGEST_COUNTED_S))
        if factors is not None:
            weights = weights * factors
        domains = np.array([self.recordings[n].domain for n in places])
        for domain in np.unique(domains):
            own = domains == domain
            share = np.sqrt(seconds[own].sum())
            if factors is not None:
                share *= factors[own].mean()
            weights[own] *= share / weights[own].sum()
        return np.array(places), weights / weights.sum()

    def _waveform(self, place: int) -> np.ndarray:
        waveform = self.recordings[place].waveform
        if waveform.dtype == np.int16:
            return waveform.astype(np.float32) / np.float32(32768)
        return waveform

    def _cry(
        self, rng: np.random.Generator, place: int, is_alone: bool
    ) -> tuple[np.ndarray, float]:
        """Returns a window with a cry, and its mean power where it cries."""
        size = self._samples
        waveform, is_crying = self._waveform(place), self._crying[place]
        start = self.start(rng, is_crying, is_alone)
        low, high = max(start, 0), min(start + size, len(waveform))
        sound, active = np.zeros(size, np.float32), np.zeros(size, bool)
        sound[low - start : high - start] = waveform[low:high]
        active[low - start : high - start] = is_crying[low:high]
        power = mean_power(sound[active])
        return self._at_speed(rng, sound, *_SPEEDS_OF_CRIES), power

    def start(
        self, rng: np.random.Generator, is_crying: np.ndarray, is_alone: bool
    ) -> int:
        """Draws where a window with enough of the cry begins, samples.

        Before a cry has begun or after it ended only where another recording fills
        the window.
        """
        size, length = self._samples, len(is_crying)
        least = self._mix.min_cry_s * self._rate_hz
        total = np.concatenate([[0], np.cumsum(is_crying)])
        for _ in range(_DRAWS):
            if not is_alone:
                start = int(rng.integers(-size + 1, length))
            else:
                start = int(rng.integers(0, max(1, length - size + 1)))
            low, high = max(start, 0), min(start + size, length)
            if total[high] - total[low] >= least:
                return start
        middle = int(np.searchsorted(total, total[-1] / 2))
        return min(max(middle - size // 2, 0), max(length - size, 0))

    def _cut(
        self, rng: np.random.Generator, place: int, slowest: float, fastest: float
    ) -> np.ndarray:
        """Returns a window of a recording, repeated where it is shorter."""
        waveform, size = self._waveform(place), self._samples
        need = int(size * fastest) + 8
        if len(waveform) > need:
            start = int(rng.integers(0, len(waveform) - need))
            waveform = waveform[start : start + need]
        return self._at_speed(rng, waveform, slowest, fastest)

    def _at_speed(
        self,
        rng: np.random.Generator,
        sound: np.ndarray,
        slowest: float,
        fastest: float,
    ) -> np.ndarray:
        """Returns a window of a sound, every second one at another tape speed."""
        if rng.random() < _ANOTHER_SPEED:
            speed = rng.uniform(slowest, fastest)
            sound = resample(sound, round(self._rate_hz * speed), self._rate_hz)
        return np.resize(sound, self._samples).astype(np.float32, copy=False)


def crying(recording: Recording, sample_rate_hz: int) -> np.ndarray:
    """Returns where the infant cries, bool `(samples,)`.

    Where nobody wrote it down, within 15 dB of the loudest 50 ms.
    """
    waveform = recording.waveform
    active = np.zeros(len(waveform), bool)
    if recording.crying_s is not None:
        for start_s, end_s in recording.crying_s:
            active[round(start_s * sample_rate_hz) : round(end_s * sample_rate_hz)] = 1
        return active
    frame = min(max(1, round(_FRAME_S * sample_rate_hz)), len(waveform))
    frames = waveform[: len(waveform) // frame * frame].reshape(-1, frame)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    is_loud = power > power.max() * 10 ** (-_ACTIVE_DB / 10)
    active[: frames.size] = np.repeat(is_loud, frame)
    return active


def _full_scale(sound: np.ndarray) -> np.ndarray:
    peak = float(np.abs(sound).max(initial=0))
    return sound / np.float32(peak) if peak > 1 else sound


def mixed(
    sound: np.ndarray, power: float, behind: np.ndarray, snr_db: float
) -> np.ndarray:
    """Returns a sound with another behind it.

    Args:
        sound: Float32 `(samples,)`.
        power: Its mean power where it counts.
        behind: Float32 `(samples,)`; a silent one changes nothing.
        snr_db: That power over the mean power of the sound behind, dB.
    """
    other = mean_power(behind)
    if not other:
        return sound
    return sound + behind * np.float32(np.sqrt(power / other * 10 ** (-snr_db / 10)))
