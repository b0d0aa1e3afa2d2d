"""The tables for a machine."""

from __future__ import annotations

import dataclasses
from typing import Any

from cry_tf.reproduce.budget import budget_sentence, loss_for, settings_for
from cry_tf.reproduce.clips import SPLITS
from cry_tf.reproduce.reproduced import Reproduced
from cry_tf.reproduce.row import Row
from cry_tf.runs.provenance import versions

FORMAT = "cry-tf tables 1"


def to_dict(found: Reproduced) -> dict[str, Any]:
    """Returns everything as JSON types."""
    return {
        "format": FORMAT,
        "paper": found.paper.name,
        "citation": found.paper.citation,
        "setup": found.paper.setup,
        "synthetic": found.is_synthetic,
        "warnings": list(found.warnings),
        "budget": found.budget.name,
        "left_out_by_budget": list(found.budgets),
        "seed": found.seed,
        "data": {
            "origin": found.origin,
            "sha256": found.data_sha256,
            "clips": len(found.dataset),
            "of_clips": found.clips_there,
            "groups": len(set(found.dataset.groups)),
            "grouping": found.dataset.grouping,
            "left_out": found.left_out,
        },
        "versions": versions(),
        "rows": [_row_dict(found, row) for row in found.rows],
    }


def _row_dict(found: Reproduced, row: Row) -> dict[str, Any]:
    settings = settings_for(row, found.budget, found.seed)
    values = dataclasses.asdict(row)
    values["budget"] = budget_sentence(row, found.budget)
    values["settings"] = settings.to_dict()
    values["loss"] = loss_for(row, found.budget, found.seed)
    for split in SPLITS:
        cell = found.cells[row.name, split]
        values[split] = {"reason": cell.reason}
        if cell.result is not None and cell.measured is not None:
            values[split] |= cell.measured.to_dict()
            values[split] |= {
                "file_bytes": cell.result.file_bytes.get(row.file),
                "weights_source": cell.result.weights,
                "training_accuracy": cell.result.training_accuracy,
                "seconds": cell.result.seconds,
            }
    return values
