"""Adapts a reason run to one infant, with the steps of every run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_tf.data import EmbeddingCache, Embeddings
from cry_tf.data.bandwidth import Bandwidth
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.judgement import match_labels
from cry_tf.runs import result_folder
from cry_tf.runs.predictions import NO_FOLD
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.runs.run_folder import MODEL_FILE, RunFolder
from cry_tf.studies.personal import adapters, held_out, infants, personal_report
from cry_tf.studies.personal.adapters import PERSONAL_HEADS, Pooled
from cry_tf.studies.personal.comparison import (
    TRAINED_ON,
    UNSEEN,
    DesignComparison,
    compare,
    print_tables,
)
from cry_tf.studies.personal.held_out import InfantClips, LeaveOneOut
from cry_tf.studies.personal.infants import PROTOTYPES_NEED
from cry_tf.studies.personal.recording_time import (
    SIBLING_MINUTES,
    are_siblings,
    recording_times,
    time_sentence,
)
from cry_tf.training.context import RunContext
from cry_tf.training.cross_validation import cross_validate
from cry_tf.training.fitted_head_trainer import write_into
from cry_tf.training.head_trainer import embed
from cry_tf.training.judge import judge
from cry_tf.training.plan import Plan
from cry_tf.training.preparation import Prepared
from cry_tf.training.settings import Settings
from cry_tf.training.trainer import Fold, History, OnEpoch


@dataclass(frozen=True)
class Personal:
    """A personal model and its figures.

    Attributes:
        run: The run folder.
        comparisons: On clips held out, the most trustworthy first; none if there
            is one clip.
        warnings: Warnings for the user.
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
    if head not in PERSONAL_HEADS:
        raise ValueError(
            f"The head of a personal model is one of {', '.join(PERSONAL_HEADS)}. "
            f"Received: head={head!r}."
        )
    context = RunContext(
        progress=progress or NoProgress(),
        embeddings=EmbeddingCache(embeddings_dir),
        origin=origin,
    )
    with result_folder.writing(path, overwrite) as part:
        run, model = adapters.open_reason_run(run_path)
        labelled = match_labels(dataset, model.spec, None, context.progress)
        context.progress.line(f"data: {labelled!r}")
        times_s = recording_times(labelled, time_column)  # before clips are decoded
        adapter = _adapter(run, model, head, context)
        found = embed(model, labelled, context.embeddings, context.progress)
        infant = _infant(Path(path).name, model, head, adapter, found)
        gone = {problem.clip.path for problem in found.problems}
        is_kept = np.array([clip.path not in gone for clip in labelled.clips])
        siblings = are_siblings(times_s[is_kept], minutes)
        infant = dataclasses.replace(infant, are_siblings=siblings)
        plan = _build(run, model, head, infant, found)
        out_of_fold = cross_validate(plan, context)
        if len(infant.truth) == 1:  # scored by the run: nothing was held out
            out_of_fold = dataclasses.replace(out_of_fold, folds=np.array([NO_FOLD]))
        verdict = judge(plan, out_of_fold, context, _drawn_groups(found.dataset))
        is_known = infants.seen_in_training(run, found.dataset)
        comparisons = _compare(
            infant,
            found.dataset,
            run,
            head,
            TRAINED_ON if is_known.any() else UNSEEN,
            minutes,
            permutations,
            seed,
            context.progress,
        )
        adaptation = personal_report.Adaptation(
            run=run,
            head=head,
            comparisons=comparisons,
            is_known=is_known,
            time_sentence=time_sentence(times_s),
            seed=seed,
            minutes=minutes,
        )
        plan.model.save(part / MODEL_FILE)
        warnings = personal_report.write(part, plan, verdict, adaptation, context)
        if comparisons:
            print_tables(context.progress, comparisons)
        for sentence in warnings:
            context.progress.warn(sentence)
    return Personal(RunFolder.open(path), comparisons, warnings, len(found.problems))


class PersonalTrainer:
    """Adapts the last layer of a run's model to clips; see `trainer.Trainer`.

    Args:
        model: Takes the adapted layer after each fit.
        adapter: Adapts it.
        features: Float `(clips, features)`, what the layer gets.
        truth: Int `(clips,)`.
        unadapted: Float `(clips, labels)`, scores of the run, which stand where there
            is no clip to adapt to.
    """

    epochs: Sequence[int] = (1,)

    def __init__(
        self,
        model: Any,
        adapter: held_out.Adapter,
        features: np.ndarray,
        truth: np.ndarray,
        unadapted: np.ndarray,
    ):
        self._model, self._adapter = model, adapter
        self._features, self._truth, self._unadapted = features, truth, unadapted
        self._head: Any = None

    def reset(self) -> None:
        """Forgets the adapted layer."""
        self._head = None

    def fit(
        self,
        indices: np.ndarray,
        on_epoch: OnEpoch | None = None,
        fold: Fold | None = None,
    ) -> History:
        """Adapts to the clips at these places, in one step and without a loss."""
        if len(indices):
            truth = self._truth[indices]
            self._head = self._adapter.adapt(self._features[indices], truth)
            write_into(self._model, self._head)
        if on_epoch is not None:
            on_epoch(0, True)
        return {"loss": [], "accuracy": []}

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores clips, by the run before it is adapted; see `Trainer`."""
        if self._head is None:
            return self._unadapted[indices]
        return self._head.scores(self._features[indices])


def _adapter(
    run: RunFolder, model: Any, head: str, context: RunContext
) -> held_out.Adapter:
    if head == "logreg":
        return adapters.logistic_adapter(model)
    seed = run.config["settings"]["seed"]
    if adapters.own_prototypes(model) is not None:
        nothing = np.array([], int)
        return adapters.prototype_adapter(model, None, nothing, nothing, seed)
    context.progress.line("measuring the run's prototypes on the clips of its training")
    training = infants.find(run, PROTOTYPES_NEED)
    found = embed(model, training, context.embeddings, context.progress)
    pooled = Pooled.of(model, found.values)
    truth, groups = found.dataset.label_indices, found.dataset.groups
    return adapters.prototype_adapter(model, pooled, truth, groups, seed)


def _infant(
    name: str, model: Any, head: str, adapter: held_out.Adapter, found: Embeddings
) -> InfantClips:
    """Returns the clips as one infant; near-copies are not yet marked."""
    pooled, count = Pooled.of(model, found.values), len(found.dataset)
    return InfantClips(
        name=name,
        places=np.arange(count),
        truth=found.dataset.label_indices,
        features={head: pooled.of_head(head)},
        adapters={head: adapter},
        unseen=pooled.scores,
        units=np.arange(count),
        are_siblings=np.zeros((count, count), bool),
    )


def _build(
    run: RunFolder, model: Any, head: str, infant: InfantClips, found: Embeddings
) -> Plan:
    """Plans to hold out each clip with its near-copies, then to adapt to all."""
    settings = Settings.from_dict(run.config["settings"])
    settings = dataclasses.replace(settings, baselines=False)
    bandwidth = Bandwidth(**run.config["bandwidth"])
    prepared = Prepared(found.dataset, found.problems, None, bandwidth)
    personal = adapters.personal_copy(model, head)
    trainer = PersonalTrainer(
        personal,
        infant.adapters[head],
        infant.features[head],
        infant.truth,
        infant.unseen,
    )
    apart = held_out.apart_from(infant.units, infant.are_siblings)
    folds = [(np.flatnonzero(apart[clip]), np.array([clip])) for clip in infant.places]
    return Plan(settings, prepared, personal, trainer, folds)


def _drawn_groups(dataset: Dataset) -> dict[Path, str] | None:
    """Of one infant without recordings, the clips are what intervals are drawn over."""
    if len(set(dataset.groups)) > 1:
        return None
    return {clip.path: clip.name for clip in dataset.clips}


def _compare(
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
                advance=advance,
            )
            for title, given, with_siblings, what in ways
        )


def _commonest(run: RunFolder, labels: Sequence[str]) -> int:
    counts = run.config["data"]["clips_of_label"]
    return int(np.argmax([counts.get(label, 0) for label in labels]))
