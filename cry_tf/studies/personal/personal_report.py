"""What a personal run and a study write: records and pages."""

from __future__ import annotations

import copy
import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_tf.data.grouping import plural
from cry_tf.evaluation.figures import Estimate
from cry_tf.reports import pages, plots
from cry_tf.reports.plots import Bar, Plot
from cry_tf.reports.tables import DASH, Cell, Table, estimate
from cry_tf.runs.provenance import data_facts, versions
from cry_tf.runs.result_folder import write_json
from cry_tf.runs.run_folder import RunFolder
from cry_tf.studies.personal.comparison import (
    SEEN,
    TRAINED_ON,
    UNSEEN,
    WITHIN,
    DesignComparison,
    MethodFigures,
)
from cry_tf.training.context import RunContext
from cry_tf.training.judge import Verdict
from cry_tf.training.plan import Plan

_COLOURS = {SEEN: "accent", UNSEEN: "contrast", TRAINED_ON: "contrast"}
_SHORT = 14


@dataclass(frozen=True)
class PersonalReport:
    """The content of a report.

    Attributes:
        title: First line.
        lead: A sentence: which run, which clips.
        comparisons: The most trustworthy first.
        warnings: Sentences for the top of the page.
        overall: `metrics.json` of the run: how it does with unseen infants.
        plots: Further drawings.
        facts: How it was made: name and value.
    """

    title: str
    lead: str
    comparisons: tuple[DesignComparison, ...]
    warnings: tuple[str, ...] = ()
    overall: dict[str, Any] | None = None
    plots: tuple[Plot, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def render(report: PersonalReport) -> str:
    """Returns the report as one HTML document."""
    judged = [entry for entry in report.comparisons if entry.rows]
    chosen = [entry for entry in judged if 1 < len(entry.infants) <= 60]
    return pages.render(
        "personal.html",
        title=report.title,
        lead=report.lead,
        warnings=report.warnings,
        comparisons=[
            (entry.title, _sentence(entry), _table(entry), accuracy_bars(entry))
            for entry in judged
        ],
        too_few=[entry.title for entry in report.comparisons if not entry.rows],
        infant_plots=[infant_dots(entry) for entry in chosen[:2]],
        overall=report.overall,
        overall_table=None if report.overall is None else _overall(report.overall),
        plots=report.plots,
        facts=report.facts,
    )


def accuracy_bars(comparison: DesignComparison) -> Plot:
    """Draws the accuracy of each row with its 95 % interval."""
    return plots.interval_bars(
        "Accuracy",
        [row.name for row in comparison.rows],
        [
            [Bar(row.accuracy, _COLOURS.get(row.kind, "muted"))]
            for row in comparison.rows
        ],
        "share of clips right, with 95 % interval",
    )


def infant_dots(comparison: DesignComparison) -> Plot:
    """Draws how often each method is right with each infant, one line each."""
    seen = next(row.name for row in comparison.rows if row.kind == SEEN)
    unseen = comparison.run_row.name
    return plots.share_dots(
        comparison.title,
        [
            (
                f"{_short(entry.name)}, n = {entry.clips}",
                entry.right[seen],
                entry.right[unseen],
                entry.right[WITHIN],
            )
            for entry in comparison.infants
        ],
        ("seen", "unseen", "majority within"),
        "share of the infant’s clips right",
        f"n: test clips. Seen: {seen.split(', ', 1)[1]}.",
    )


def _short(name: str) -> str:
    return name if len(name) <= _SHORT else f"{name[:6]}…{name[-6:]}"


def _sentence(entry: DesignComparison) -> str:
    count = f"{plural(entry.clips, 'clip')} of {plural(len(entry.infants), 'infant')}"
    if entry.answers > entry.clips:
        count += f", {entry.answers:,} answers"
    sentence = f"{count}: {entry.sentence}."
    if entry.not_judged:
        sentence += f" {entry.not_judged:,} more could not be scored: nothing that may "
        sentence += "be learned from is left."
    return sentence


def _table(entry: DesignComparison) -> Table:
    header = ["", "accuracy", "balanced accuracy", "macro-F1", "p", "gained / lost"]
    strong = [i for i, row in enumerate(entry.rows) if row.p_value is not None]
    return Table(header, [_cells(row) for row in entry.rows], strong)


def _cells(row: MethodFigures) -> list[Cell | str]:
    pair = Cell(DASH)
    if row.gained is not None and row.sign_p_value is not None:
        pair = Cell(f"{row.gained} / {row.lost}", f"p {_p(row.sign_p_value)}")
    return [
        row.name,
        estimate(row.accuracy),
        estimate(row.balanced_accuracy),
        estimate(row.macro_f1),
        DASH if row.p_value is None else _p(row.p_value).removeprefix("= "),
        pair,
    ]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _overall(metrics: dict[str, Any]) -> Table:
    header = ["", "accuracy", "balanced accuracy", "macro-F1"]
    rows = [
        [name]
        + [
            estimate(Estimate(**metrics[key][figure]))
            for figure in ("accuracy", "balanced_accuracy", "macro_f1")
        ]
        for name, key in (
            ("unseen infant, the run", "model"),
            (f"always “{metrics['majority_label']}”", "majority"),
        )
    ]
    return Table(header, rows, strong=(0,))


HOW = {
    "prototype": "prototypes of the infant, shrunk towards the run’s",
    "logreg": "logistic regression on the infant’s clips, from the run’s weights",
}


@dataclass(frozen=True)
class Adaptation:
    """How a run was adapted to one infant, beside the steps of every run.

    Attributes:
        run: The run that it started from.
        head: `prototype` or `logreg`.
        comparisons: On clips held out; none if there is one clip.
        is_known: Bool `(clips,)`, whether the run was trained on the clip.
        time_sentence: Warning about missing recording times, or empty.
        seed: Seed of the shuffles.
        minutes: Clips so near in time are near-copies.
    """

    run: RunFolder
    head: str
    comparisons: tuple[DesignComparison, ...]
    is_known: np.ndarray
    time_sentence: str
    seed: int
    minutes: float


def write(
    folder: Path,
    plan: Plan,
    verdict: Verdict,
    made: Adaptation,
    context: RunContext,
) -> tuple[str, ...]:
    """Writes everything but the model, and returns warnings for the user.

    Args:
        folder: The run folder.
        plan: The infant's clips and the personal model.
        verdict: Figures of the clips held out.
        made: How the run was adapted.
        context: Takes a warning if the report cannot be written; the rest stays.
    """
    clips = len(plan.prepared.dataset)
    config = _config(plan, made, context, folder)
    metrics = verdict.metrics
    warnings = _warnings(plan, made)
    sentence = _verdict(made)
    write_json(folder / "config.json", config)
    split = _split(clips, made)
    values = {"split": split, "verdict": sentence, "warnings": list(warnings)}
    values |= metrics.to_dict()
    values |= {"baselines": {}, "threshold": None}
    values["personal"] = [entry.to_dict() for entry in made.comparisons]
    write_json(folder / "metrics.json", values)
    verdict.predictions.write_csv(folder / "predictions.csv")
    report = PersonalReport(
        title="Personal cry classifier",
        lead=f"{made.run.path.name} adapted to one infant on {plural(clips, 'clip')}: "
        f"{HOW[made.head]}. {split}",
        comparisons=made.comparisons,
        warnings=(sentence, *warnings),
        overall=made.run.metrics if "personal" not in made.run.config else None,
        plots=(
            plots.confusion_matrix(
                "Confusion matrix, clips held out",
                [entry.label for entry in metrics.labels],
                metrics.confusion_matrix,
            ),
        ),
        facts=_facts(made, config),
    )
    pages.write(folder / "report.html", lambda: render(report), context.progress.warn)
    return warnings


def _split(clips: int, made: Adaptation) -> str:
    if clips < 2:
        return "One clip: none can be held out, so its scores are the run’s own."
    return (
        "Each clip is scored by a model that learned from the infant’s other clips, "
        f"those within {made.minutes:g} minutes of it left out where times are known; "
        "by the run itself where none is left."
    )


def _verdict(made: Adaptation) -> str:
    if not made.comparisons:
        return (
            "One clip is too few to evaluate this model on the infant. Record a few "
            "more of each label."
        )
    return made.comparisons[0].verdict


def _warnings(plan: Plan, made: Adaptation) -> tuple[str, ...]:
    dataset, problems = plan.prepared.dataset, plan.prepared.problems
    found = []
    known = int(made.is_known.sum())
    if known:
        found.append(
            f"The run was trained on {known} of {len(made.is_known)} clips: the "
            "figures of the run itself are not to be trusted, and those of the "
            "personal model, which starts from it, are too good as well. cry-tf "
            "personalize --study trains the head without the infant."
        )
    if made.time_sentence and len(dataset) > 1:
        found.append(made.time_sentence)
    absent = [label for label, n in dataset.label_counts.items() if not n]
    if absent:
        found.append(f"No clip, so unchanged from the run: {', '.join(absent)}.")
    if problems:
        found.append(
            f"{plural(len(problems), 'clip')} could not be decoded and were left "
            "out; config.json names them."
        )
    return tuple(found)


def _config(
    plan: Plan, made: Adaptation, context: RunContext, folder: Path
) -> dict[str, Any]:
    """Returns the configuration of the run, with what the infant changed."""
    config = copy.deepcopy(made.run.config)
    base, prepared = config["data"], plan.prepared
    content = (made.run.path / "config.json").read_bytes()
    now = datetime.datetime.now(datetime.UTC)
    config["created"] = now.isoformat(timespec="seconds")
    if made.head == "prototype":
        recipe = {"head": "prototype", "mixup": 0.0, "imbalance": "class_weight"}
        config["settings"]["recipe"] |= recipe
    config["model"] = plan.model.spec.to_dict()
    facts = data_facts(prepared.dataset, context.origin, prepared.problems, folder)
    # Trained on both: the infant's clips, and before them the run's.
    facts["clip_digests"] += base.get("clip_digests", ())
    config["data"] = base | facts | {"grouping": "Clips of one infant."}
    config["personal"] = {
        "run": str(made.run.path.absolute()),
        "run_config_sha256": hashlib.sha256(content).hexdigest(),
        "run_data_sha256": base["sha256"],
        "head": made.head,
        "what": HOW[made.head],
        "minutes": made.minutes,
        "seed": made.seed,
        "heard_before": int(made.is_known.sum()),
    }
    config["versions"] = versions()
    return config


def _facts(made: Adaptation, config: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    data, personal = config["data"], config["personal"]
    counts = ", ".join(f"{label} {n}" for label, n in data["clips_of_label"].items())
    rows = [
        ("clips", f"{data['origin'] or 'given as a Dataset'}, sha256 {data['sha256']}"),
        ("labels", counts),
        ("run", f"{personal['run']}, config sha256 {personal['run_config_sha256']}"),
        ("head", f"{made.head}: {HOW[made.head]}"),
        ("backbone", f"{config['settings']['backbone']}, as in the run"),
        ("seed", str(made.seed)),
        ("versions", ", ".join(f"{k} {v}" for k, v in config["versions"].items())),
        ("made", config["created"]),
    ]
    if made.comparisons:
        shuffles = made.comparisons[0].permutations
        rows.insert(5, ("p-values", f"{shuffles} shuffles of the infant’s labels"))
    return tuple(rows)
