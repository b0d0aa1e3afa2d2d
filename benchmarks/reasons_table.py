"""Prints the rows that `reasons.py` computed."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from cry_tf.studies.reproduce.clips import BY_CLIP

GROUPED = "BY GROUP: each device or infant is on one side of every fold."
FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "auc")
_HEADER = ("", "seeds", "accuracy", "balanced", "macro-F1", "AUC", "balanced, seed 0")


def print_tables(found: Mapping[Any, dict[str, Any]]) -> None:
    """Prints a table a split, then the personal figures.

    Args:
        found: Figures by row.
    """
    for split, title in (
        ("grouped", GROUPED),
        ("by_clip", BY_CLIP),
    ):
        rows = {row: entry for row, entry in found.items() if row.split == split}
        trained = {row: e for row, e in rows.items() if "model" in e}
        if trained:
            _print_split(title, trained)
    _print_personal({row: e for row, e in found.items() if "comparisons" in e})
    for row, entry in found.items():
        if "error" in entry:
            print(f"{row.name} could not be run: {entry['error']}")


def _print_split(title: str, rows: Mapping[Any, dict[str, Any]]) -> None:
    first = next(iter(rows.values()))
    lines: dict[str, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    always = f"always {first['majority_label']}"
    for row, entry in rows.items():
        if not lines[always]:
            lines[always].append((row.seed, entry["majority"]))
        for name, summary in entry["baselines"].items():
            lines[name].append((row.seed, summary))
    for row, entry in rows.items():
        recipe = row.recipe
        if entry.get("epochs"):
            of_last, of_all = entry["epochs"]
            recipe += f" (last {of_last}, all {of_all} epochs)"
        what = f"{row.backbone}, {recipe}, {row.pooling}, {row.head}"
        lines[what].append((row.seed, entry["model"]))
    print(f"\n{title}")
    print(
        f"{first['clips']} clips, {first['groups']} groups, 5 folds; mean ± standard ",
        end="",
    )
    print("deviation over seeds;")
    print("last column: 95 % interval over groups of the balanced accuracy, one seed\n")
    _print_columns([_HEADER, *(_cells(name, found) for name, found in lines.items())])


def _cells(name: str, found: Sequence[tuple[int, Mapping[str, Any]]]) -> list[str]:
    cells = [name, "-" if name.startswith("always") else str(len(found))]
    for figure in FIGURES:
        values = [summary[figure]["value"] for _, summary in found]
        cells.append(spread([value for value in values if value is not None]))
    of_seed_0 = next((s["balanced_accuracy"] for seed, s in found if seed == 0), None)
    interval = "-"
    if of_seed_0 is not None and of_seed_0["low"] is not None:
        interval = f"{of_seed_0['low']:.3f} to {of_seed_0['high']:.3f}"
    return [*cells, interval]


def spread(values: Sequence[float]) -> str:
    """Returns the mean and, of several values, their standard deviation (n - 1)."""
    if not values:
        return "-"
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


def _print_personal(studies: Mapping[Any, dict[str, Any]]) -> None:
    """Prints every design: what some clips of the same infant are worth."""
    by_backbone: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row, entry in studies.items():
        by_backbone[row.backbone].append(entry)
    for backbone, entries in by_backbone.items():
        print(f"\nPersonal: {backbone}, quick, statistic; infants with several labels")
        for number, comparison in enumerate(entries[0]["comparisons"]):
            if not comparison["rows"]:
                continue
            same = [entry["comparisons"][number] for entry in entries]
            infants = len(comparison["infants"])
            print(f"\n{comparison['title']}: {comparison['clips']} clips, ", end="")
            print(f"{comparison['answers']} answers, {infants} infants\n")
            _print_columns([_PERSONAL, *_personal_lines(same)])


_PERSONAL = ("", "kind", "seeds", "accuracy", "balanced", "macro-F1", "p, by seed")


def _personal_lines(comparisons: Sequence[dict[str, Any]]) -> list[list[str]]:
    lines = []
    for place, row in enumerate(comparisons[0]["rows"]):
        same = [comparison["rows"][place] for comparison in comparisons]
        p_values = [entry["p_value"] for entry in same if entry["p_value"] is not None]
        lines.append(
            [
                row["name"],
                row["kind"],
                str(len(same)),
                *(spread([e[f]["value"] for e in same]) for f in FIGURES[:3]),
                " ".join(f"{value:.3f}" for value in p_values) or "-",
            ]
        )
    return lines


def _print_columns(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cells[i]) for cells in lines) for i in range(len(lines[0]))]
    for cells in lines:
        padded = [cell.rjust(n) for cell, n in zip(cells, widths, strict=True)]
        padded[0] = cells[0].ljust(widths[0])
        print("  ".join(padded).rstrip())
