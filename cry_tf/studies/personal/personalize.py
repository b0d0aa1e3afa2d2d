"""From a reason run and a handful of clips to a run of one infant."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_tf.data import EmbeddingCache
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.judgement import match_labels
from cry_tf.heads.logistic import LogisticHead
from cry_tf.heads.prototypes import PrototypeHead
from cry_tf.runs import result_folder
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.runs.run_folder import MODEL_FILE, RunFolder
from cry_tf.studies.personal import adapters, held_out, infants, personal_report
from cry_tf.studies.personal.adapters import PERSONAL_HEADS, Pooled
from cry_tf.studies.personal.comparison import (
    TRAINED_ON,
    UNSEEN,
    DesignComparison,
    compare,
    tell,
)
from cry_tf.studies.personal.held_out import InfantClips, LeaveOneOut
from cry_tf.studies.personal.infants import PROTOTYPES_NEED
from cry_tf.studies.personal.recording_time import (
    SIBLING_MINUTES,
    are_siblings,
    recording_times,
    time_sentence,
)
from cry_tf.training.head_trainer import embed


@dataclass(frozen=True)
class Personal:
    """A personal model and what is known of it.

    Attributes:
        run: The run folder.
        comparisons: On clips held out, the most trustworthy first; none if there
            is one clip.
        warnings: What the user must know.
        left_out: Number of clips that could not be decoded.
    """

    run: RunFolder
    comparisons: tuple[DesignComparison, ...]
    warnings: tuple[str, ...]
    left_out: int


def personalize(
    run_path: str | os.PathLike[str],
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    head: str = "prototype",
    minutes: float = SIBLING_MINUTES,
    time_column: str | None = None,
    permutations: int = held_out.PERMUTATIONS,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
    embeddings_dir: str | os.PathLike[str] | None = None,
    origin: str = "",
) -> Personal:
    """Adapts the last layer of a reason run to the clips of one infant.

    Backbone and pooling are frozen. The new run and the old one are evaluated on
    clips of the infant that are held out in turn.

    Args:
        run_path: A reason run with a network.
        dataset: Labelled clips of one infant, at least one. Several groups are
            taken for recordings.
        path: The run folder to write; it appears only when complete.
        head: `prototype`, see `PrototypeAdapter`, or `logreg`, see
            `LogisticAdapter`.
        minutes: Clips recorded within so many minutes of one another are
            near-copies.
        time_column: Manifest column with the time, see `recording_times`; None
            takes the file names.
        permutations: Shuffles behind each p-value, positive.
        seed: Int, random seed of the shuffles.
        overwrite: True replaces an earlier run.
        progress: Takes lines, warnings and progress; None ignores them.
        embeddings_dir: Folder of the embedding cache, see `EmbeddingCache`.
        origin: Where the clips came from; an export compares the file on them.

    Returns:
        The new run and its figures.

    Raises:
        ValueError: If the run, a label or the head does not fit, or no clip can be
            decoded.
        OSError: If something cannot be read or written.
    """
    progress = progress or NoProgress()
    if head not in PERSONAL_HEADS:
        raise ValueError(
            f"The head of a personal model is one of {', '.join(PERSONAL_HEADS)}. "
            f"Received: head={head!r}."
        )
    with result_folder.writing(path, overwrite) as part:
        run, model = adapters.open_reason_run(run_path)
        labelled = match_labels(dataset, model.spec, None, progress)
        progress.line(f"data: {labelled!r}")
        times_s = recording_times(labelled, time_column)  # before clips are decoded
        cache = EmbeddingCache(embeddings_dir)
        adapter = _adapter(run, model, head, cache, progress)
        found = embed(model, labelled, cache, progress)
        kept, pooled = found.dataset, Pooled.of(model, found.values)
        gone = {problem.clip.path for problem in found.problems}
        is_kept = [clip.path not in gone for clip in labelled.clips]
        siblings = are_siblings(times_s[np.array(is_kept)], minutes)
        infant = InfantClips(
            name=Path(path).name,
            places=np.arange(len(kept)),
            truth=kept.label_indices,
            features={head: pooled.of_head(head)},
            adapters={head: adapter},
            unseen=pooled.scores,
            units=np.arange(len(kept)),
            are_siblings=siblings,
        )
        fitted = adapter.adapt(infant.features[head], infant.truth)
        made = _model(model, fitted)
        is_known = infants.seen_in_training(run, kept)
        run_kind = TRAINED_ON if is_known.any() else UNSEEN
        comparisons = _judge(
            infant, kept, run, head, run_kind, minutes, permutations, seed, progress
        )
        record = personal_report.PersonalModel(
            run=run,
            model=made,
            head=head,
            dataset=kept,
            problems=found.problems,
            comparisons=comparisons,
            scores=_held_out_scores(infant, head),
            is_known=is_known,
            time_sentence=time_sentence(times_s),
            origin=origin,
            seed=seed,
            minutes=minutes,
        )
        made.save(part / MODEL_FILE)
        warnings = personal_report.write(part, record, progress.warn)
        if comparisons:
            tell(progress, comparisons)
        for sentence in warnings:
            progress.warn(sentence)
    return Personal(RunFolder.open(path), comparisons, warnings, len(found.problems))


def _adapter(
    run: RunFolder, model: Any, head: str, cache: EmbeddingCache, progress: Progress
) -> held_out.Adapter:
    if head == "logreg":
        return adapters.logistic_adapter(model)
    seed = run.config["settings"]["seed"]
    if adapters.own_prototypes(model) is not None:
        nothing = np.array([], int)
        return adapters.prototype_adapter(model, None, nothing, nothing, seed)
    progress.line("measuring the run's prototypes on the clips of its training")
    training = infants.find(run, PROTOTYPES_NEED)
    found = embed(model, training, cache, progress)
    pooled = Pooled.of(model, found.values)
    truth, groups = found.dataset.label_indices, found.dataset.groups
    return adapters.prototype_adapter(model, pooled, truth, groups, seed)


def _model(model: Any, fitted: Any) -> Any:
    """Returns the classifier with its new last layer."""
    if isinstance(fitted, PrototypeHead):
        return adapters.with_prototypes(model, fitted)
    if isinstance(fitted, LogisticHead):
        return adapters.with_dense(model, fitted)
    raise ValueError(f"No layer holds a {type(fitted).__name__}.")


def _judge(
    infant: InfantClips,
    dataset: Dataset,
    run: RunFolder,
    head: str,
    run_kind: str,
    minutes: float,
    permutations: int,
    seed: int,
    progress: Progress,
) -> tuple[DesignComparison, ...]:
    """Holds out clips, and recordings where groups say which they are."""
    if len(dataset) < 2:
        return ()
    ways: list[tuple[str, InfantClips, bool, str]] = []
    if infant.are_siblings.any():
        title = f"Leave one clip out, clips within {minutes:g} min left out"
        ways.append((title, infant, False, "clip"))
    title = "Leave one clip out, near-copies left in"
    ways.append((title, infant, True, "clip"))
    recordings = dataset.groups
    if 1 < len(set(recordings)) < len(dataset):
        title = "Leave one recording out"
        ways.insert(
            0, (title, dataclasses.replace(infant, units=recordings), True, "recording")
        )
    commonest = _commonest(run, dataset.labels)
    with progress.bar("shuffling labels", len(ways)) as advance:
        return tuple(
            compare(
                [given],
                dataset.labels,
                [head],
                LeaveOneOut(what),
                title,
                with_siblings=with_siblings,
                commonest=commonest,
                run_kind=run_kind,
                permutations=permutations,
                seed=seed,
                tell=advance,
            )
            for title, given, with_siblings, what in ways
        )


def _commonest(run: RunFolder, labels: Sequence[str]) -> int:
    counts = run.config["data"]["clips_of_label"]
    return int(np.argmax([counts.get(label, 0) for label in labels]))


def _held_out_scores(infant: InfantClips, head: str) -> np.ndarray:
    """Scores each clip without it and its near-copies; by the run, if none is left."""
    scores = infant.unseen.copy()
    judged = held_out.judge([infant], head, LeaveOneOut(), with_siblings=False)
    scores[judged.clips] = judged.scores
    return scores
