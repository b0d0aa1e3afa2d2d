"""Draws the way of the data, from a sound file to events.

    python docs/drawings/data_way.py > docs/data_way.svg

A test compares the table with the code, and the drawing with the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, BOX_WIDTH, BOX_HEIGHT, GAP = 720, 170, 530, 44, 26


@dataclass(frozen=True)
class Step:
    """A box.

    Attributes:
        place: Who runs it: the label at the left, once for neighbours.
        name: What a user calls, as a dotted name, or a layer of the model.
        gives: The type that it returns; of a layer, what comes out of it.
        note: What it does.
    """

    place: str
    name: str
    gives: str
    note: str


TRAIN, MODEL, EXPORT, DEVICE = "cry_tf", "the model", "cry_export", "cry_lite"
STEPS = (
    Step(TRAIN, "cry_tf.data.load", "Dataset", "folder or CSV: file, label, group"),
    Step(TRAIN, "cry_tf.data.Dataset.split", "tuple[Dataset, Dataset]", "by group"),
    Step(TRAIN, "cry_tf.data.Dataset.to_tf", "tf.data.Dataset", "decodes, augments"),
    Step(MODEL, "waveform", "(batch, samples)", "float32, mono, in [-1, 1]"),
    Step(MODEL, "backbone", "(batch, time, features)", "frontend: log-mel; network"),
    Step(MODEL, "pooling", "(batch, features)", "padding takes no part"),
    Step(MODEL, "logits", "(batch, labels)", "dense"),
    Step(MODEL, "scores", "(batch, labels)", "softmax"),
    Step(EXPORT, "cry_tf.export", "Artefact", "one .tflite, compared with the model"),
    Step(DEVICE, "cry_lite.Analyzer.scores", "windows, scores", "3 s every 1 s"),
    Step(DEVICE, "cry_lite.Analyzer.analyze_file", "Analysis", "events with times"),
)


def draw() -> str:
    """Returns the SVG."""
    height = 16 + len(STEPS) * (BOX_HEIGHT + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="14">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    before = None
    for index, step in enumerate(STEPS):
        top = 12 + index * (BOX_HEIGHT + GAP)
        middle = LEFT + BOX_WIDTH // 2
        if step.place != before:
            lines.append(_text(16, top + 27, step.place, 'font-weight="bold"'))
            before = step.place
        lines += [
            f'<rect x="{LEFT}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
            'rx="4" fill="#eef3f8" stroke="#4a6785"/>',
            _text(LEFT + 12, top + 19, step.name, 'font-family="monospace"'),
            _text(LEFT + 12, top + 36, step.note, 'font-size="12" fill="#444444"'),
            _text(
                LEFT + BOX_WIDTH - 12,
                top + 19,
                f"gives {step.gives}",
                'text-anchor="end" font-size="13"',
            ),
        ]
        if index + 1 < len(STEPS):
            bottom = top + BOX_HEIGHT
            lines.append(
                f'<path d="M{middle} {bottom}v{GAP - 6}l-5 -6m5 6l5 -6" fill="none" '
                'stroke="#4a6785"/>'
            )
    return "\n".join([*lines, "</svg>", ""])


def _text(x: int, y: int, text: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}" {attributes}>{escape(text)}</text>'


if __name__ == "__main__":
    print(draw(), end="")
