"""Channels become one without one cancelling the other.

The mean of two channels is silence where one is the other upside down, as a plug
wired the wrong way round or a balanced cable makes it. There the channels are turned
the same way round before the mean.
"""

from __future__ import annotations

import numpy as np

# Power of the mean of the channels, where 1 is what unrelated channels would leave:
# channels that agree have their number, one channel alone has 1, of two that are
# opposite nothing is left. Two thresholds keep the choice from flickering.
_CANCELS_BELOW = 0.1
_AGREES_ABOVE = 0.5
_FADE_S = 0.01


class ChannelMix:
    """Mixes blocks of a sound, in order.

    The choice is made for a whole block, so blocks must begin at the same samples
    wherever the sound is read: `sound_file.SoundStream` sees to that. A change fades in
    over 10 ms. Where no channel is turned, the mix is the mean of the channels.

    Args:
        sample_rate_hz: Int > 0, Hz.

    Attributes:
        turned_samples: Samples so far that were mixed with a channel turned.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self.turned_samples = 0
        self._fade = max(1, round(_FADE_S * sample_rate_hz))
        self._signs: np.ndarray | None = None  # None: the mean.
        self._has_begun = False

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Returns the mix, float32 `(samples,)`, of float32 `(samples, channels)`."""
        if block.shape[1] == 1:
            return block[:, 0]
        before = self._signs
        self._signs = self._choose(block)
        mixed = _mix(block, self._signs)
        if self._signs is not None:
            self.turned_samples += len(block)
        if not _equal(before, self._signs) and self._has_begun:
            fade = min(self._fade, len(block))
            share = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
            old = _mix(block[:fade], before)
            mixed[:fade] = old + share * (mixed[:fade] - old)
        self._has_begun = True
        return mixed

    def _choose(self, block: np.ndarray) -> np.ndarray | None:
        """Returns 1 or -1 for each channel, or None for the mean."""
        # A constant offset is no sound, and may be all that the mean leaves.
        centred = block - block.mean(axis=0, dtype=np.float64).astype(np.float32)
        products = centred.T @ centred
        power = float(np.trace(products))
        if not power:
            return self._signs
        left = float(products.sum()) / power
        if left >= (_CANCELS_BELOW if self._signs is None else _AGREES_ABOVE):
            return None
        loudest = int(np.argmax(np.diag(products)))
        signs = np.where(products[loudest] < 0, -1, 1).astype(np.float32)
        return signs * signs[0]  # The first channel keeps its way round.


def _mix(block: np.ndarray, signs: np.ndarray | None) -> np.ndarray:
    return (block if signs is None else block * signs).mean(axis=1)


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
