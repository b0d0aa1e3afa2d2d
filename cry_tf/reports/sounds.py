"""Sounds inside a page: a player and a small spectrogram, with nothing outside."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cry_lite.front_ends import VGGISH
from cry_lite.log_mel import log_mel

SAMPLE_RATE_HZ = 16_000
SECONDS = 10.0
# Of all sounds and spectrograms of a page. Noise, which FLAC cannot pack, takes
# 0.43 MB for ten seconds.
MAX_BYTES = 6_000_000
_COLUMNS = 240
_RANGE_NEPERS = 9.0  # 78 dB below the loudest point is black


@dataclass(frozen=True)
class Sound:
    """A recording to play.

    Attributes:
        audio: Data URI of a FLAC file, "" where there is none.
        spectrogram: Data URI of a PNG file, "" where there is none.
        note: What is missing and why, or "".
    """

    audio: str = ""
    spectrogram: str = ""
    note: str = ""


def embed(
    paths: Iterable[Path | None], max_bytes: int = MAX_BYTES
) -> tuple[Sound, ...]:
    """Reads the beginning of each recording for a page.

    A recording that cannot be read, or that has no place left, has no
    sound and with the reason.

    Args:
        paths: The sound files, None where one is not known.
        max_bytes: Limit of all that is embedded, in characters of the page.

    Returns:
        As many sounds, in the same order.
    """
    made, left = [], max_bytes
    for path in paths:
        sound = Sound(note="The recording is not known.")
        if path is not None:
            try:
                sound = _read(path)
            except Exception as error:  # a page without a sound is still a page
                sound = Sound(note=f"No player: {error}")
        size = len(sound.audio) + len(sound.spectrogram)
        if size > left:
            sound = Sound(
                note=f"No player: the sounds of a page are limited to "
                f"{max_bytes / 1e6:g} MB in all."
            )
            size = 0
        left -= size
        made.append(sound)
    return tuple(made)


def _read(path: Path) -> Sound:
    from cry_tf.data import sound_source

    blocks, samples, wanted = [], 0, round(SECONDS * SAMPLE_RATE_HZ)
    # Block by block: a recording of a night is not read to its end.
    for block in sound_source.stream(path, SAMPLE_RATE_HZ):
        blocks.append(block)
        samples += len(block)
        if samples > wanted:
            break
    waveform = np.concatenate(blocks)
    note = f"The first {SECONDS:g} s." if len(waveform) > wanted else ""
    waveform = waveform[:wanted]
    return Sound(_flac(waveform), _spectrogram(waveform), note)


def _flac(waveform: np.ndarray) -> str:
    """FLAC: every browser plays it, and the sound is the one that was scored."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return _uri("audio/flac", file.getvalue())


def _spectrogram(waveform: np.ndarray) -> str:
    from matplotlib.image import imsave

    frames = log_mel(waveform, VGGISH.replace(patch_frames=0, patch_hop_frames=0))
    if not len(frames):  # shorter than a window
        return ""
    columns = np.array_split(frames, min(_COLUMNS, len(frames)))
    image = np.stack([column.mean(axis=0) for column in columns], axis=1)
    file = io.BytesIO()
    high = float(image.max())
    imsave(
        file,
        image,
        vmin=high - _RANGE_NEPERS,
        vmax=high,
        cmap="magma",
        origin="lower",
        format="png",
    )
    return _uri("image/png", file.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
