"""A study of personal models: a few clips of an infant to train on, others to test."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_tf.data import EmbeddingCache
from cry_tf.data.clip import Problem
from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import plural
from cry_tf.evaluation.judgement import match_labels
from cry_tf.reports import pages
from cry_tf.runs import result_folder
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.runs.provenance import versions
from cry_tf.studies.personal import held_out, personal_report
from cry_tf.studies.personal.adapters import (
    PERSONAL_HEADS,
    open_reason_run,
    own_prototypes,
)
from cry_tf.studies.personal.comparison import (
    DesignComparison,
    compare,
    print_tables,
    write_answers,
)
from cry_tf.studies.personal.held_out import FewShots, InfantClips, LeaveOneOut
from cry_tf.studies.personal.infants import find_infants
from cry_tf.studies.personal.personal_report import PersonalReport
from cry_tf.studies.personal.recording_time import (
    SIBLING_MINUTES,
    are_siblings,
    recording_times,
    time_sentence,
)

SHOTS = (1, 2, 5)
FORMAT = "cry-tf personal study 1"


@dataclass(frozen=True)
class Study:
    """What was found.

    Attributes:
        path: The folder with `metrics.json`, `predictions.csv`, `report.html`.
        comparisons: The most trustworthy first.
        left_out: Clips that could not be decoded.
    """

    path: Path
    comparisons: tuple[DesignComparison, ...]
    left_out: tuple[Problem, ...]


def study(
    run_path: str | os.PathLike[str],
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    heads: Sequence[str] | None = None,
    shots: Sequence[int] = SHOTS,
    minutes: float = SIBLING_MINUTES,
    time_column: str | None = None,
    permutations: int = held_out.PERMUTATIONS,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
    embeddings_dir: str | os.PathLike[str] | None = None,
    origin: str = "",
) -> Study:
    """Measures how much a few clips of an infant improve the model for that infant.

    Takes every group of the data with several labels. Where the run was trained on
    these infants, its head is trained again without them, fold by fold; the
    personal models start from that head.

    Args:
        run_path: A reason run with a network.
        dataset: Labelled clips whose groups are infants or devices.
        path: The folder to write; it appears only when complete.
        heads: Personal heads to compare, of `PERSONAL_HEADS`; None takes all that
            the run allows.
        shots: Numbers of training clips per label, besides leaving one clip out.
        minutes: Clips recorded within so many minutes of one another are
            near-copies.
        time_column: Manifest column with the time, see `recording_times`; None
            takes the file names.
        permutations: Shuffles behind each p-value, positive; a tenth where each
            shuffle is evaluated on 20 draws.
        seed: Int, random seed of clips and shuffles.
        overwrite: True replaces an earlier result.
        progress: Takes lines, warnings and progress; None ignores them.
        embeddings_dir: Folder of the embedding cache, see `EmbeddingCache`.
        origin: Where the data came from, for the record.

    Returns:
        What was found.

    Raises:
        ValueError: If the run or the labels do not fit, or no group has several
            labels.
        OSError: If something cannot be read or written.
    """
    progress = progress or NoProgress()
    with result_folder.writing(path, overwrite) as part:
        run, model = open_reason_run(run_path)
        dataset = match_labels(dataset, model.spec, None, progress)
        progress.line(f"data: {dataset!r}")
        progress.line(f"  {dataset.grouping}")
        if heads is None:
            is_own = own_prototypes(model) is not None
            heads = PERSONAL_HEADS[:1] if is_own else PERSONAL_HEADS
        cache = EmbeddingCache(embeddings_dir)
        unseen = find_infants(run, model, dataset, heads, cache, progress)
        progress.line(unseen.how)
        kept = unseen.dataset
        times_s = recording_times(kept, time_column)
        siblings = are_siblings(times_s, minutes)
        infants = [_timed(infant, siblings) for infant in unseen.infants]
        comparisons = _compare_all(
            infants, kept, heads, shots, minutes, permutations, seed, times_s, progress
        )
        warnings = [entry.verdict for entry in comparisons[:2]]
        warnings.append(time_sentence(times_s))
        if unseen.problems:
            count = plural(len(unseen.problems), "clip")
            warnings.append(f"{count} could not be decoded.")
        warnings = [sentence for sentence in warnings if sentence]
        facts = {
            "run": str(run.path.absolute()),
            "data": f"{origin or 'given as a Dataset'}, sha256 {kept.sha256}",
            "groups": dataset.grouping,
            "unseen infant": unseen.how,
            "near-copies": _sibling_sentence(infants, minutes),
            "p-values": f"{permutations} shuffles of labels within infants (a tenth "
            f"where there are 20 draws), seed {seed}",
            "versions": ", ".join(f"{k} {v}" for k, v in versions().items()),
        }
        values = {
            "format": FORMAT,
            "warnings": warnings,
            "facts": facts,
            "left_out": [
                {"file": problem.clip.name, "reason": problem.sentence}
                for problem in unseen.problems
            ],
            "unseen_every_clip": _overall(run.metrics),
            "comparisons": [entry.to_dict() for entry in comparisons],
        }
        result_folder.write_json(part / result_folder.MARK, values)
        write_answers(part / "predictions.csv", infants, kept, heads, seed)
        page = PersonalReport(
            title="Seen infant, unseen infant",
            lead=f"{len(infants)} infants or devices with several labels, "
            f"{sum(len(infant.truth) for infant in infants)} clips: what a few of "
            f"their own clips add to {run.path.name}.",
            comparisons=comparisons,
            warnings=tuple(warnings),
            overall=run.metrics,
            facts=tuple(facts.items()),
        )
        pages.write(
            part / "report.html", lambda: personal_report.render(page), progress.warn
        )
        print_tables(progress, comparisons)
    return Study(Path(path), comparisons, unseen.problems)


def _timed(infant: InfantClips, siblings: np.ndarray) -> InfantClips:
    own = siblings[np.ix_(infant.places, infant.places)]
    return dataclasses.replace(infant, are_siblings=own)


def _compare_all(
    infants: Sequence[InfantClips],
    dataset: Dataset,
    heads: Sequence[str],
    shots: Sequence[int],
    minutes: float,
    permutations: int,
    seed: int,
    times_s: np.ndarray,
    progress: Progress,
) -> tuple[DesignComparison, ...]:
    """Compares every design, near-copies left out before left in."""
    designs: list[tuple[str, held_out.Design]] = [("Leave one clip out", LeaveOneOut())]
    designs += [(f"{plural(k, 'clip')} a label", FewShots(k)) for k in shots]
    ways = [(True, "near-copies left in")]
    if not np.isnan(times_s).all():
        ways.insert(0, (False, f"clips within {minutes:g} min left out"))
    commonest = int(np.argmax(np.bincount(dataset.label_indices)))
    done = []
    total = len(designs) * len(ways) * len(heads) * len(infants)
    with progress.bar("shuffling labels", total) as advance:
        for title, design in designs:
            for with_siblings, way in ways:
                done.append(
                    compare(
                        infants,
                        dataset.labels,
                        heads,
                        design,
                        f"{title}, {way}",
                        with_siblings=with_siblings,
                        commonest=commonest,
                        permutations=permutations
                        if isinstance(design, LeaveOneOut)
                        else math.ceil(permutations / 10),
                        seed=seed,
                        advance=advance,
                    )
                )
    return tuple(done)


def _sibling_sentence(infants: Sequence[InfantClips], minutes: float) -> str:
    close = sum(int(infant.are_siblings.any(axis=1).sum()) for infant in infants)
    total = sum(len(infant.truth) for infant in infants)
    return (
        f"{close} of these {total} clips have another of the same infant within "
        f"{minutes:g} minutes"
    )


def _overall(metrics: dict[str, Any]) -> dict[str, Any]:
    names = ("split", "clips", "groups", "model", "majority_label", "majority")
    return {name: metrics.get(name) for name in names}
