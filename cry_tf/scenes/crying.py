"""Lays the cries of one infant into bouts, as babies cry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cry_tf.data import sound_source
from cry_tf.data.clip import Clip

SAMPLE_RATE_HZ = 16_000
# Length of a bout, drawn evenly on a log scale; it ends with the clip that reaches it.
BOUT_S = (8.0, 60.0)
# An infant takes breath between two clips.
PAUSE_S = (0.3, 2.0)
# A device with one clip of 7 s cannot cry for a minute.
MOST_USES = 2
ACTIVE_DB = 25.0
_FRAME_S, _SHORTEST_PAUSE_S, _SHORTEST_CRY_S = 0.02, 0.3, 0.1
_FADE_S = 0.02


@dataclass(frozen=True, eq=False)
class CryClip:
    """A clip with crying in it.

    Attributes:
        clip: The clip.
        events: Float64 `(cries, 2)`: start and end of its cries, seconds, as annotated;
            None takes its loud parts, see `active_spans`.
    """

    clip: Clip
    events: np.ndarray | None = None


@dataclass(frozen=True)
class Piece:
    """A clip, or a part of one, in a scene.

    Attributes:
        clip: The clip.
        start_s: Where it starts in the scene (or bout), seconds.
        end_s: Where it ends there, seconds.
        offset_s: Where it starts in the clip, seconds.
        gain_db: Gain on the clip, dB.
    """

    clip: Clip
    start_s: float
    end_s: float
    offset_s: float = 0.0
    gain_db: float = 0.0


@dataclass(frozen=True, eq=False)
class Bout:
    """Successive cries of one infant.

    Attributes:
        waveform: Float32 `(samples,)` at 16 kHz, at the level of the clips.
        cries: Float64 `(cries, 2)`, seconds from the start of the bout, in order.
        pieces: The clips in it.
    """

    waveform: np.ndarray
    cries: np.ndarray
    pieces: tuple[Piece, ...]

    @property
    def active(self) -> np.ndarray:
        """Bool `(samples,)`, True within a cry."""
        is_active = np.zeros(len(self.waveform), bool)
        for first, last in np.round(self.cries * SAMPLE_RATE_HZ).astype(int):
            is_active[first:last] = True
        return is_active


def active_spans(waveform: np.ndarray) -> np.ndarray:
    """Returns the loud parts of a clip with crying, float64 `(spans, 2)`, seconds.

    Frames of 20 ms are loud if their level is at most 25 dB below that of the loudest
    twentieth. Pauses under 0.3 s belong to a part, parts under 0.1 s are left out.

    Args:
        waveform: Float `(samples,)` at 16 kHz.
    """
    size = round(_FRAME_S * SAMPLE_RATE_HZ)
    frames = np.asarray(waveform, np.float64)[: len(waveform) // size * size]
    power = np.square(frames.reshape(-1, size)).mean(axis=1)
    if not len(power) or not power.any():
        return np.zeros((0, 2))
    limit = np.percentile(power, 95) * 10 ** (-ACTIVE_DB / 10)
    is_loud = power >= max(limit, 1e-12)
    turns = np.flatnonzero(np.diff(is_loud, prepend=False, append=False))
    spans: list[list[float]] = []
    for first, last in (turns.reshape(-1, 2) * _FRAME_S).tolist():
        if spans and first - spans[-1][1] < _SHORTEST_PAUSE_S:
            spans[-1][1] = last
        else:
            spans.append([first, last])
    kept = [span for span in spans if span[1] - span[0] >= _SHORTEST_CRY_S]
    return np.array(kept, np.float64).reshape(-1, 2)


def lay_bout(clips: Sequence[CryClip], rng: np.random.Generator) -> Bout:
    """Lays clips of one infant one after the other, with pauses.

    The clips keep their levels to each other. Each is used twice at most.

    Args:
        clips: Clips of one infant, at least one.
        rng: Source of every choice.

    Raises:
        SoundFileError: If a clip cannot be decoded.
    """
    target_s = float(np.exp(rng.uniform(*np.log(BOUT_S))))
    parts, cries, pieces = [], [], []
    samples = 0
    for place in _in_turn(len(clips), rng):
        if samples:
            pause = round(float(rng.uniform(*PAUSE_S)) * SAMPLE_RATE_HZ)
            parts.append(np.zeros(pause, np.float32))
            samples += pause
        chosen = clips[place]
        waveform = faded(sound_source.read(chosen.clip.path, SAMPLE_RATE_HZ))
        start_s = samples / SAMPLE_RATE_HZ
        events = active_spans(waveform) if chosen.events is None else chosen.events
        cries.append(np.minimum(events, len(waveform) / SAMPLE_RATE_HZ) + start_s)
        parts.append(waveform)
        samples += len(waveform)
        pieces.append(Piece(chosen.clip, start_s, samples / SAMPLE_RATE_HZ))
        if samples >= target_s * SAMPLE_RATE_HZ:
            break
    return Bout(np.concatenate(parts), np.concatenate(cries), tuple(pieces))


def faded(waveform: np.ndarray, seconds: float = _FADE_S) -> np.ndarray:
    """Returns a copy that starts and ends without a click."""
    out = np.array(waveform, np.float32)
    size = min(round(seconds * SAMPLE_RATE_HZ), len(out) // 2)
    ramp = np.linspace(0, 1, size, endpoint=False, dtype=np.float32)
    out[:size] *= ramp
    out[len(out) - size :] *= ramp[::-1]
    return out


def _in_turn(count: int, rng: np.random.Generator) -> Iterator[int]:
    for _ in range(MOST_USES):
        yield from rng.permutation(count).tolist()
