"""Scenes: long recordings with crying over background, or with background alone.

A scene's background is the clips without crying, one after the other, faded into each
other, each at a level of its own (RMS -38 to -24 dB re full scale, lower if its peak
would be above -3 dB), over a faint hiss. Bouts of crying are added to it.

The signal-to-noise ratio of a bout is the mean power of the bout over the samples
within its cries, to the mean power of the background at the same samples. The noise
that was recorded with the cries counts as part of the bout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cry_lite.errors import SoundFileError
from cry_tf.data import sound_source
from cry_tf.data.clip import Clip
from cry_tf.scenes.crying import (
    SAMPLE_RATE_HZ,
    Bout,
    CryClip,
    Piece,
    faded,
    lay_bout,
)

# RMS of a piece of background, dB re full scale, drawn evenly.
BACKGROUND_DB = (-38.0, -24.0)
HISS_DB = -60.0
HIGHEST_PEAK_DB = -3.0
LONGEST_PIECE_S = 60.0
# Between two bouts: at least the first, and on average the second more.
QUIET_S = (30.0, 45.0)
_EDGE_S = 10.0
_CROSSFADE_S = 0.25
_SILENCE = 10 ** (-70 / 20)
_HIGHEST_PEAK = 0.95


@dataclass(frozen=True)
class SceneEvent:
    """A cry in a scene.

    Attributes:
        start_s: Start, seconds.
        end_s: End, seconds.
        bout: Number of the bout in the scene, from 1.
        group: The infant or device.
    """

    start_s: float
    end_s: float
    bout: int
    group: str


@dataclass(frozen=True, eq=False)
class Scene:
    """A long recording, and what is in it.

    Attributes:
        waveform: Float32 `(samples,)` at 16 kHz, within (-1, 1).
        events: The cries, in order of time.
        crying: The clips with crying in it.
        background: The clips of its background.
        snr_db: The signal-to-noise ratio of its bouts; None without crying.
    """

    waveform: np.ndarray
    events: tuple[SceneEvent, ...]
    crying: tuple[Piece, ...]
    background: tuple[Piece, ...]
    snr_db: float | None = None


class BackgroundClips:
    """Gives clips without crying, each piece of all once before any again.

    A clip longer than a minute is several pieces. Digital silence at its ends, with
    which some sets fill short sounds, is left out.

    Args:
        clips: Clips without crying, at least one.
        rng: Source of every choice.
        refuse: Called with a clip that cannot be decoded and why; it is left out.

    Attributes:
        seconds: Length of all pieces together.

    Raises:
        ValueError: If no clip can be used.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        rng: np.random.Generator,
        refuse: Callable[[Clip, str], None],
    ) -> None:
        self._rng = rng
        self._parts: list[tuple[Clip, int, int]] = []
        for clip in clips:
            try:
                waveform = sound_source.read(clip.path, SAMPLE_RATE_HZ)
            except SoundFileError as error:
                refuse(clip, str(error))
                continue
            loud = np.flatnonzero(np.abs(waveform) > _SILENCE)
            if len(loud):
                first, last = int(loud[0]), int(loud[-1]) + 1
                count = -(-(last - first) // round(LONGEST_PIECE_S * SAMPLE_RATE_HZ))
                edges = np.linspace(first, last, count + 1).round().astype(int).tolist()
                self._parts += [
                    (clip, a, b) for a, b in zip(edges, edges[1:], strict=False)
                ]
        if not self._parts:
            raise ValueError(
                "A scene needs at least one clip without crying. Received: none that "
                "can be decoded and is not silent."
            )
        self.seconds = sum(b - a for _, a, b in self._parts) / SAMPLE_RATE_HZ
        self._queue = self._shuffled()

    def fill(self, samples: int) -> tuple[np.ndarray, tuple[Piece, ...]]:
        """Returns a background of this length, float32 `(samples,)`, and its pieces."""
        hiss = self._rng.normal(0, 10 ** (HISS_DB / 20), samples)
        out = hiss.astype(np.float32)
        pieces, at = [], 0
        overlap = round(_CROSSFADE_S * SAMPLE_RATE_HZ)
        end = 0
        while end < samples:
            clip, first, last = next(self._queue)
            sound = sound_source.read(clip.path, SAMPLE_RATE_HZ)[first:last]
            rms_db = 10 * np.log10(float(np.square(sound, dtype=np.float64).mean()))
            peak_db = 20 * np.log10(float(np.abs(sound).max()))
            gain_db = float(self._rng.uniform(*BACKGROUND_DB)) - rms_db
            # One click would turn the whole scene down.
            gain_db = min(gain_db, HIGHEST_PEAK_DB - peak_db)
            sound = faded(sound, _CROSSFADE_S) * np.float32(10 ** (gain_db / 20))
            sound = sound[: samples - at]
            out[at : at + len(sound)] += sound
            pieces.append(
                Piece(
                    clip,
                    at / SAMPLE_RATE_HZ,
                    (at + len(sound)) / SAMPLE_RATE_HZ,
                    first / SAMPLE_RATE_HZ,
                    gain_db,
                )
            )
            end = at + len(sound)
            at = max(end - overlap, at + 1)
        return out, tuple(pieces)

    def _shuffled(self) -> Iterator[tuple[Clip, int, int]]:
        while True:
            for place in self._rng.permutation(len(self._parts)).tolist():
                yield self._parts[place]


class Infants:
    """Gives the clips of one infant after the other, each infant once before any again.

    Args:
        clips: Clips with crying, at least one.
        rng: Source of every choice.
    """

    def __init__(self, clips: Sequence[CryClip], rng: np.random.Generator) -> None:
        self._rng = rng
        self._of_group: dict[str, list[CryClip]] = {}
        for clip in clips:
            self._of_group.setdefault(clip.clip.group, []).append(clip)
        self._queue = self._shuffled()

    def __len__(self) -> int:
        """Returns the number of infants."""
        return len(self._of_group)

    def bout(self) -> Bout:
        """Returns a bout of the next infant."""
        return lay_bout(next(self._queue), self._rng)

    def _shuffled(self) -> Iterator[list[CryClip]]:
        names = sorted(self._of_group)
        while True:
            for place in self._rng.permutation(len(names)).tolist():
                yield self._of_group[names[place]]


def quiet_scene(background: BackgroundClips, samples: int) -> Scene:
    """Makes a scene without crying."""
    waveform, pieces = background.fill(samples)
    waveform, pieces = _within_full_scale(waveform, pieces)
    return Scene(waveform, (), (), pieces)


def crying_scene(
    background: BackgroundClips,
    infants: Infants,
    samples: int,
    snr_db: float,
    rng: np.random.Generator,
) -> Scene:
    """Makes a scene with bouts of crying at a signal-to-noise ratio.

    Args:
        background: Where the background comes from.
        infants: Where the bouts come from; each is of the next infant.
        samples: Length of the scene.
        snr_db: See the module.
        rng: Source of every choice.
    """
    waveform, under = background.fill(samples)
    events: list[SceneEvent] = []
    crying: list[Piece] = []
    start = round((_EDGE_S + rng.uniform(0, QUIET_S[1])) * SAMPLE_RATE_HZ)
    number = 0
    while True:
        bout = infants.bout()
        end = start + len(bout.waveform)
        if end > samples - round(_EDGE_S * SAMPLE_RATE_HZ):
            break
        gain = _gain(bout, waveform[start:end], snr_db)
        if gain:
            number += 1
            waveform[start:end] += bout.waveform * np.float32(gain)
            at_s = start / SAMPLE_RATE_HZ
            group = bout.pieces[0].clip.group
            events += [
                SceneEvent(at_s + a, at_s + b, number, group)
                for a, b in bout.cries.tolist()
            ]
            crying += [
                Piece(
                    each.clip,
                    at_s + each.start_s,
                    at_s + each.end_s,
                    each.offset_s,
                    20 * float(np.log10(gain)),
                )
                for each in bout.pieces
            ]
        quiet_s = QUIET_S[0] + rng.exponential(QUIET_S[1])
        start = end + round(quiet_s * SAMPLE_RATE_HZ)
    waveform, pieces = _within_full_scale(waveform, (*under, *crying))
    return Scene(
        waveform,
        tuple(events),
        pieces[len(under) :],
        pieces[: len(under)],
        snr_db,
    )


def _gain(bout: Bout, under: np.ndarray, snr_db: float) -> float:
    """Returns the factor on a bout that gives the ratio; 0 for a silent bout."""
    is_active = bout.active
    if not is_active.any():
        return 0.0
    cry, noise = (
        float(np.square(sound[is_active], dtype=np.float64).mean())
        for sound in (bout.waveform, under)
    )
    return float(np.sqrt(noise * 10 ** (snr_db / 10) / cry)) if cry > 0 else 0.0


def _within_full_scale(
    waveform: np.ndarray, pieces: tuple[Piece, ...]
) -> tuple[np.ndarray, tuple[Piece, ...]]:
    """Turns a whole scene down if its peak is too high, which keeps every ratio."""
    peak = float(np.abs(waveform).max())
    if peak <= _HIGHEST_PEAK:
        return waveform, pieces
    factor = _HIGHEST_PEAK / peak
    down_db = 20 * float(np.log10(factor))
    turned = tuple(
        Piece(p.clip, p.start_s, p.end_s, p.offset_s, p.gain_db + down_db)
        for p in pieces
    )
    return waveform * np.float32(factor), turned
