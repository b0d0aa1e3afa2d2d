"""The tables of "Infant cry recognition based on deep transfer learning" (VGGish).

Tables 2 and 3 come from one cross-validation of five folds. The paper does not say
how it makes one vector of the patches of a clip longer than 0.96 s; their mean is
taken here.
"""

from __future__ import annotations

from typing import Any

from cry_tf.reproduce.row import Figure, Row, percent

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


def _row(
    table: int, name: str, title: str, part: str, figures: tuple, **facts: Any
) -> Row:
    return Row(
        paper="vggish",
        table=f"Table {table}" if table else "Beside",
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
            _row(2, f"fold_{n}", str(n), f"fold:{n}", (percent(value),))
            for n, value in enumerate(_FOLDS, start=1)
        ),
        _row(2, "mean", "Average", "folds", (percent(_MEAN),)),
        *(
            _row(3, label.lower(), label, f"label:{label.lower()}", _shares(values))
            for label, values in _LABELS.items()
        ),
        _row(3, "weighted", "Weighted Avg.", "weighted", _shares(_WEIGHTED)),
    )


TITLES = {
    "Table 2": "Five-fold cross-validation",
    "Table 3": "Precision, recall and F1 of each label",
    "Beside": "On the same folds, not in the paper",
}

ROWS = (
    *_rows(),
    _row(0, "scratch", "VGGish without pretraining", "all", (), weights=None),
    *(
        _row(
            0,
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
