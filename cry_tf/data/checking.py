"""Decodes every clip once to find the bad ones before training starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cry_tf.data import sound_source
from cry_tf.data.clip import Clip, Problem
from cry_tf.data.decoding import ahead

if TYPE_CHECKING:
    from cry_tf.data.dataset import Dataset

SHORTEST_S = 0.1
SILENT_PEAK = 1e-4  # -80 dB of full scale, three steps of 16 bits
CLIPPED_SAMPLE = 0.999
CLIPPED_SHARE = 0.01


def check_audio(dataset: Dataset) -> list[Problem]:
    """Decodes every clip in threads and returns what is wrong.

    Not usable: a file that cannot be decoded, holds no sample or a NaN, is
    shorter than 0.1 s, or is silent (peak under -80 dB of full scale). Usable
    but reported: more than 1 % of the samples at full scale (clipped), or a file
    that ends before its header says.

    Args:
        dataset: The clips.

    Returns:
        One problem for each clip with any, in the order of the clips.
    """
    return [
        Problem(clip, str(found)) if isinstance(found, OSError) else found
        for clip, found in ahead(_check, dataset.clips)
        if found is not None
    ]


def _check(clip: Clip) -> Problem | None:
    waveform, rate_hz, notes = sound_source.read_native(clip.path)
    duration_s = len(waveform) / rate_hz
    if duration_s < SHORTEST_S:
        return Problem(
            clip,
            f"{clip.path} is too short: {duration_s * 1000:.0f} ms, and a clip has at "
            f"least {SHORTEST_S * 1000:.0f} ms.",
        )
    level = np.abs(waveform)
    if (peak := float(level.max())) < SILENT_PEAK:
        return Problem(
            clip,
            f"{clip.path} is silent: its highest peak is {peak:.1g} of full scale.",
        )
    found = list(notes)
    if (share := float((level >= CLIPPED_SAMPLE).mean())) > CLIPPED_SHARE:
        found.append(f"clipped, {share:.1%} of its samples are at full scale")
    if found:
        return Problem(clip, f"{clip.path}: {'; '.join(found)}.", is_usable=True)
    return None
