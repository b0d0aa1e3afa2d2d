"""One HTML file with everything inside: no script, no font, no link."""

from __future__ import annotations

import html
from collections.abc import Sequence

_STYLE = """
:root { color-scheme: light dark;
  --page: #fff; --ink: #1c2024; --muted: #646b73; --grid: #e3e6e9;
  --accent: #3b6ea8; --contrast: #cf7a30; --notice: #fdf5e6; }
@media (prefers-color-scheme: dark) { :root {
  --page: #15181b; --ink: #e8eaec; --muted: #9aa2aa; --grid: #2d3238;
  --accent: #6aa0dc; --contrast: #e0975a; --notice: #2b2417; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 40px 24px 72px; max-width: 1000px;
  background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
    "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 26px; font-weight: 600; line-height: 1.25; margin: 0 0 6px; }
h2 { font-size: 17px; font-weight: 600; margin: 44px 0 10px; }
h3 { font-size: 14px; font-weight: 600; margin: 0 0 10px; }
p { margin: 0 0 10px; max-width: 76ch; }
.lead, .note { color: var(--muted); }
.note { font-size: 13px; margin-top: 8px; }
.notice { background: var(--notice); border-left: 3px solid var(--contrast);
  padding: 10px 14px; margin: 18px 0; }
.notice p:last-child { margin: 0; }
.scroll { overflow-x: auto; }
.figures + .scroll { margin-top: 28px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 7px 0 7px 20px; vertical-align: baseline;
  border-bottom: 1px solid var(--grid); }
th { font-weight: 500; color: var(--muted); font-size: 13px; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td:first-child { overflow-wrap: anywhere; min-width: 9em; }
td small { display: block; color: var(--muted); font-size: 12px; white-space: nowrap; }
tr.strong td { font-weight: 600; }
tr.strong td:first-child { overflow-wrap: anywhere; min-width: 9em; }
td small { font-weight: 400; }
.facts td { text-align: left; }
.facts td:first-child { color: var(--muted); white-space: nowrap; }
.facts td:last-child { overflow-wrap: anywhere; }
.figures { display: grid; gap: 36px 48px; margin-top: 16px;
  grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); }
figure { margin: 0; }
figcaption { color: var(--muted); font-size: 13px; margin-top: 4px;
  max-width: 480px; }
svg { display: block; width: 100%; height: auto; max-width: 480px; }
svg text { font-family: inherit; }
@media print { body { max-width: none; padding: 0; } .figures { break-inside: avoid; } }
"""


def page(title: str, body: str) -> str:
    """Returns a whole HTML document.

    Args:
        title: Plain text.
        body: HTML.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    strong_rows: Sequence[int] = (),
) -> str:
    """Returns a table.

    Args:
        header: Plain text of the first row.
        rows: HTML of the cells.
        strong_rows: Indices of the rows that stand out.
    """
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        ('<tr class="strong">' if i in strong_rows else "<tr>")
        + "".join(f"<td>{cell}</td>" for cell in row)
        + "</tr>\n"
        for i, row in enumerate(rows)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Returns names and plain-text values as a quiet table."""
    body = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>\n"
        for name, value in rows
    )
    return (
        f'<div class="scroll"><table class="facts"><tbody>{body}</tbody></table></div>'
    )


def figure(title: str, svg: str, caption: str = "") -> str:
    """Returns a drawing between its title and a caption, both plain text."""
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure><h3>{html.escape(title)}</h3>{svg}{below}</figure>"
