"""Tables of a report: cells of text, with a smaller line below where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

DASH = "–"
# Estimated width of a letter and of a cell's padding, CSS pixels.
_LETTER_PX, _SMALL_LETTER_PX, _PADDING_PX = 7.6, 6.4, 20
_FIRST_PX = 130  # what the page leaves of the first column before it scrolls
_WIDTHS_PX = (360, 480, 600, 720, 840, 960)


class Interval(Protocol):
    """A figure with its interval, as `cry_tf.evaluation.figures.Estimate`."""

    @property
    def value(self) -> float | None:
        """The figure, None where the data cannot give it."""
        ...

    @property
    def low(self) -> float | None:
        """Lower end of the interval, None without one."""
        ...

    @property
    def high(self) -> float | None:
        """Upper end of the interval, None without one."""
        ...


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: Plain text.
        below: A second, smaller line.
    """

    text: str
    below: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        header: Titles of the columns.
        rows: As many cells as the header has, plain text or a `Cell`.
        strong: Indices of the rows that stand out.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    strong: Sequence[int] = ()

    @property
    def cells(self) -> list[list[Cell]]:
        """Every cell as a `Cell`."""
        return [
            [cell if isinstance(cell, Cell) else Cell(cell) for cell in row]
            for row in self.rows
        ]

    @property
    def over_px(self) -> int:
        """The table is wider than this, 0 if it fits on a phone.

        The page shows a hint on screens that are narrower. It has no script, so
        the width is estimated from the letters.
        """
        width_px = 0.0
        for column, title in enumerate(self.header):
            widest_px = _LETTER_PX * len(title)
            for row in self.cells:
                cell = row[column]
                widest_px = max(
                    widest_px,
                    _LETTER_PX * len(cell.text),
                    _SMALL_LETTER_PX * len(cell.below),
                )
            if column == 0:  # the only column whose text wraps
                widest_px = min(widest_px, _FIRST_PX)
            width_px += widest_px + _PADDING_PX
        return max((each for each in _WIDTHS_PX if each < width_px), default=0)


def number(value: float | None, digits: int = 3) -> str:
    """Returns a figure; a dash where there is none."""
    return DASH if value is None else f"{value:.{digits}f}"


def estimate(found: Interval | None) -> Cell:
    """Returns a figure with its interval below; a dash where there is none."""
    if found is None or found.value is None:
        return Cell(DASH)
    if found.low is None or found.high is None:
        return Cell(number(found.value))
    return Cell(number(found.value), f"{number(found.low)} {DASH} {number(found.high)}")


def split(text: str) -> Cell:
    """Puts what stands in brackets after a figure on a line of its own.

    Args:
        text: A cell of a table for a terminal, `0.9 (0.8-1.0)` or
            `0.9 [0.8, 1.0]`. Other text is left as it is.
    """
    for opening, closing in ("()", "[]"):
        figure, bracket, inside = text.partition(f" {opening}")
        if bracket and inside.endswith(closing) and figure[:1].isdigit():
            return Cell(figure, inside[:-1])
    return Cell(text)
