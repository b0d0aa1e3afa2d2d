"""The numbers of EfficientAT's MobileNets, of any width."""

from __future__ import annotations

import functools
from typing import NamedTuple


class Block(NamedTuple):
    """An inverted residual: widen, filter each channel, narrow.

    Attributes:
        kernel: Length of the depthwise kernel, in frames and in bands.
        expanded: Channels of the depthwise convolution.
        filters: Channels of the output.
        squeezes: Whether squeeze-and-excitation weighs the expanded channels.
        activation: `relu` or `hard_swish`.
        stride: Of the depthwise convolution, in frames and in bands.
    """

    kernel: int
    expanded: int
    filters: int
    squeezes: bool
    activation: str
    stride: int


# MobileNetV3-Large (Howard et al., 2019, table 1), as fschmid56/EfficientAT has it
# in models/mn/model.py. Channels are those of width 1.
FIRST_FILTERS = 16
BLOCKS = (
    Block(3, 16, 16, False, "relu", 1),
    Block(3, 64, 24, False, "relu", 2),
    Block(3, 72, 24, False, "relu", 1),
    Block(5, 72, 40, True, "relu", 2),
    Block(5, 120, 40, True, "relu", 1),
    Block(5, 120, 40, True, "relu", 1),
    Block(3, 240, 80, False, "hard_swish", 2),
    Block(3, 200, 80, False, "hard_swish", 1),
    Block(3, 184, 80, False, "hard_swish", 1),
    Block(3, 184, 80, False, "hard_swish", 1),
    Block(3, 480, 112, True, "hard_swish", 1),
    Block(3, 672, 112, True, "hard_swish", 1),
    Block(5, 672, 160, True, "hard_swish", 2),
    Block(5, 960, 160, True, "hard_swish", 1),
    Block(5, 960, 160, True, "hard_swish", 1),
)
HIDDEN_UNITS = 1280
# The last convolution widens the last block so many times.
LAST_EXPANSION = 6
SQUEEZE_DIVISOR = 4


def scaled(channels: float, width: float = 1.0) -> int:
    """Returns a number of channels times a width, as a multiple of 8.

    Rounded to the nearest, but never to less than 8 nor by more than a tenth
    downwards.
    """
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


@functools.cache
def blocks(width: float) -> tuple[Block, ...]:
    """Returns the blocks of a network of that width."""
    return tuple(
        block._replace(
            expanded=scaled(block.expanded, width), filters=scaled(block.filters, width)
        )
        for block in BLOCKS
    )
