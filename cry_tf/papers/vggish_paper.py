"""The tables of "Infant cry recognition based on deep transfer learning" (VGGish).

Tables 2 and 3 come from one cross-validation of five folds. The paper does not state
how it makes one vector of the patches of a clip longer than 0.96 s; their mean is
taken here. Both stand here once more for a network from random weights, for a machine
without those of AudioSet.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from cry_tf.papers.row import Figure, Row, percent

NETWORK = "vggish_audioset"
_FOLDS = (96.5, 95.4, 96.0, 95.9, 97.7)
_MEAN = 96.3
# Precision, recall, F1.
_LABELS = {
    "Hunger": (0.963, 0.976, 0.969),
    "Boredom": (0.981, 0.994, 0.987),
    "Tiredness": (0.935, 0.929, 0.932),
    "Discomfort": (0.956, 0.925, 0.940),
}
_WEIGHTED = (0.964, 0.963, 0.963)
_SCRATCH = "without pretraining"


def _row(
    table: str, name: str, title: str, part: str, figures: tuple, **facts: Any
) -> Row:
    return Row(
        paper="vggish",
        table=table,
        name=name,
        title=title,
        part=part,
        figures=figures,
        preset=NETWORK,
        pooling="average",
        recipe="vggish",
        **facts,
    )


def _shares(values: tuple[float, ...]) -> tuple[Figure, ...]:
    names = ("precision", "recall", "f1")
    return tuple(Figure(name, v, 3) for name, v in zip(names, values, strict=True))


def _rows() -> tuple[Row, ...]:
    """Returns both tables, with what the paper printed."""
    return (
        *(
            _row("Table 2", f"fold_{n}", str(n), f"fold:{n}", (percent(value),))
            for n, value in enumerate(_FOLDS, start=1)
        ),
        _row("Table 2", "mean", "Average", "folds", (percent(_MEAN),)),
        *(
            _row("Table 3", name.lower(), name, f"label:{name.lower()}", _shares(three))
            for name, three in _LABELS.items()
        ),
        _row("Table 3", "weighted", "Weighted Avg.", "weighted", _shares(_WEIGHTED)),
    )


def _without_pretraining(row: Row) -> Row:
    """Returns the row of a network from random weights, which no paper has."""
    return dataclasses.replace(
        row,
        table=f"{row.table} {_SCRATCH}",
        name=f"scratch_{row.name}",
        figures=(),
        weights=None,
    )


TITLES = {
    "Table 2": "Five-fold cross-validation",
    "Table 3": "Precision, recall and F1 of each label",
    f"Table 2 {_SCRATCH}": "The same from random weights, not in the paper",
    f"Table 3 {_SCRATCH}": "The same from random weights, not in the paper",
    "Beside": "On the same folds, not in the paper",
}

ROWS = (
    *_rows(),
    *(_without_pretraining(row) for row in _rows()),
    _row(
        "Beside", "scratch", f"VGGish {_SCRATCH}", part="all", figures=(), weights=None
    ),
    *(
        _row(
            "Beside",
            name.lower().replace(" + ", "_"),
            name,
            "all",
            (),
            classical=name,
            weights=None,
        )
        for name in ("MFCC + GMM", "MFCC + SVM")
    ),
)
