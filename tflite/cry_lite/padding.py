"""What counts as padding at the end of a waveform, for every part of cry-tf.

A batch and a window of fixed length are filled up with zeros, and these must not
change the scores. A model takes only the waveform, so it has to distinguish the padding
from the sound. Exact zeros alone would be a rule that one bit breaks: what an encoder,
a dither or a telephone's A-law makes of digital silence is not exactly zero. So the
rule is a level: the tail of a waveform is padding as long as no sample is above

- `PADDING_LEVEL`, -66 dB of full scale or 16 steps of 16 bits: A-law's smallest value
  is 8 steps, dither reaches 2 and coded silence 4. A microphone's own noise is louder.
- and the waveform's highest peak times `PADDING_SHARE`, 36 dB below it: a recording
  that is quiet throughout keeps its sound.

Padding is taken for zeros: the value of a sample in it changes nothing. Quiet between
sounds is signal, whatever its level.
"""

from __future__ import annotations

import numpy as np

# Powers of two: a float16 delegate computes with the same numbers.
PADDING_LEVEL = 2.0**-11
PADDING_SHARE = 2.0**-6


def padding_level(waveform: np.ndarray) -> float:
    """Returns the level up to which the tail of a waveform is padding.

    Args:
        waveform: Float array `(samples,)`.

    Returns:
        Float in [0, `PADDING_LEVEL`]; 0 for zeros and for no sample.
    """
    peak = float(np.abs(waveform).max(initial=0))
    return min(PADDING_LEVEL, peak * PADDING_SHARE)


def kept_whole(waveform: np.ndarray) -> np.ndarray:
    """Returns a waveform without padding, whatever its end is.

    For recordings whose quiet end is a part of what is asked. Where there is padding,
    the last sample takes a value just above its level.

    Args:
        waveform: Float array `(samples,)`, at least one sample.

    Returns:
        The waveform itself, or a copy that differs in its last sample.
    """
    if real_length(waveform) == len(waveform):
        return waveform
    waveform = waveform.copy()
    waveform[-1] = max(1e-12, 1.001 * padding_level(waveform))
    return waveform


def real_length(waveform: np.ndarray) -> int:
    """Returns the number of samples before the padding.

    Args:
        waveform: Float array `(samples,)`.

    Returns:
        Index of the last sample that is above `padding_level`, plus 1; 0 for zeros.
    """
    magnitude = np.abs(waveform)
    # Not "above": NaN is no padding.
    from_the_end = ~(magnitude[::-1] <= padding_level(magnitude))
    return len(from_the_end) - int(from_the_end.argmax()) if from_the_end.any() else 0
