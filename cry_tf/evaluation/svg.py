"""A small drawing surface: SVG text whose colours follow the page."""

from __future__ import annotations

import html
from collections.abc import Sequence


class Drawing:
    """Collects SVG elements.

    Colours are CSS variables of the page (`ink`, `muted`, `grid`, `accent`,
    `contrast`), so that one drawing serves a light and a dark page.

    Args:
        width: Width in user units.
        height: Height in user units.
        title: What the drawing shows, for readers that cannot see it.
    """

    def __init__(self, width: float, height: float, title: str):
        self.width, self.height = width, height
        self._title = title
        self._elements: list[str] = []

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: str,
        opacity: float = 1.0,
    ) -> None:
        """Adds a filled rectangle; a negative size is drawn as none."""
        self._elements.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0):.2f}" '
            f'height="{max(height, 0):.2f}" fill="var(--{colour})" '
            f'fill-opacity="{opacity:.3f}"/>'
        )

    def line(
        self,
        points: Sequence[tuple[float, float]],
        colour: str,
        width: float = 1.0,
        dash: str = "",
    ) -> None:
        """Adds a line through the points."""
        path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self._elements.append(
            f'<polyline points="{path}" fill="none" stroke="var(--{colour})" '
            f'stroke-width="{width}" stroke-linejoin="round"{dashes}/>'
        )

    def dot(
        self, x: float, y: float, radius: float, colour: str, opacity: float = 1.0
    ) -> None:
        """Adds a filled circle."""
        self._elements.append(
            f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}" '
            f'fill="var(--{colour})" fill-opacity="{opacity:.3f}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        anchor: str = "start",
        colour: str = "muted",
        size: float = 12,
        weight: int = 400,
        turn: float = 0,
    ) -> None:
        """Adds text; `anchor` is start, middle or end, `turn` in degrees."""
        turned = f' transform="rotate({turn} {x:.2f} {y:.2f})"' if turn else ""
        self._elements.append(
            f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" '
            f'fill="var(--{colour})" font-size="{size}" font-weight="{weight}"'
            f"{turned}>{html.escape(text)}</text>"
        )

    def render(self) -> str:
        """Returns the SVG element."""
        title = html.escape(self._title, quote=True)
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{title}" xmlns="http://www.w3.org/2000/svg">'
            f"{''.join(self._elements)}</svg>"
        )


class Axes:
    """A plotting area with linear scales over a given range.

    Args:
        drawing: What to draw on.
        box: Left, top, right, bottom edge of the area in user units.
        x_range: Values at the left and right edge.
        y_range: Values at the bottom and top edge.
    """

    def __init__(
        self,
        drawing: Drawing,
        box: tuple[float, float, float, float],
        x_range: tuple[float, float],
        y_range: tuple[float, float],
    ):
        self.drawing = drawing
        self.left, self.top, self.right, self.bottom = box
        self._x_range, self._y_range = x_range, y_range

    def x(self, value: float) -> float:
        """Returns the place of a value along x."""
        low, high = self._x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Returns the place of a value along y."""
        low, high = self._y_range
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def x_ticks(self, ticks: Sequence[tuple[float, str]], title: str) -> None:
        """Draws grid lines, their labels and the title of the x axis."""
        for value, label in ticks:
            x = self.x(value)
            self.drawing.line([(x, self.top), (x, self.bottom)], "grid")
            self.drawing.text(x, self.bottom + 16, label, "middle")
        middle = (self.left + self.right) / 2
        self.drawing.text(middle, self.bottom + 36, title, "middle")

    def y_ticks(self, ticks: Sequence[tuple[float, str]], title: str) -> None:
        """Draws grid lines, their labels and the title of the y axis."""
        for value, label in ticks:
            y = self.y(value)
            self.drawing.line([(self.left, y), (self.right, y)], "grid")
            self.drawing.text(self.left - 8, y + 4, label, "end")
        middle = (self.top + self.bottom) / 2
        self.drawing.text(14, middle, title, "middle", turn=-90)

    def line(
        self,
        points: Sequence[tuple[float, float]],
        colour: str,
        width: float = 2,
        dash: str = "",
    ) -> None:
        """Draws a line through values."""
        places = [(self.x(x), self.y(y)) for x, y in points]
        self.drawing.line(places, colour, width, dash)
