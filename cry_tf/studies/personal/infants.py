"""The infants of a study, each scored by a run that was not trained on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cry_tf import exporting
from cry_tf.data import EmbeddingCache, Embeddings
from cry_tf.data.clip import Problem
from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import plural
from cry_tf.runs.progress import Progress
from cry_tf.runs.provenance import short_digests
from cry_tf.runs.run_folder import RunFolder
from cry_tf.studies.personal.adapters import (
    Pooled,
    logistic_adapter,
    own_prototypes,
    prototype_adapter,
)
from cry_tf.studies.personal.held_out import Adapter, InfantClips
from cry_tf.training.choose_trainer import trainer_on_embeddings
from cry_tf.training.head_trainer import embed
from cry_tf.training.settings import Settings


def seen_in_training(run: RunFolder, dataset: Dataset) -> np.ndarray:
    """Returns which clips the run was trained on, bool `(clips,)`."""
    known = frozenset(run.config["data"].get("clip_digests", ()))
    return np.array([digest in known for digest in short_digests(dataset)], bool)


def find(run: RunFolder, why: str) -> Dataset:
    """Returns the clips of a run's training, by where they were.

    Args:
        run: The run.
        why: What they are needed for, and what else would do, for the error.

    Raises:
        ValueError: If most of them are gone or others stand in their place.
    """
    config: dict[str, Any] = run.config["data"]
    try:
        dataset = exporting.run_clips(run)
    except ValueError as error:
        raise ValueError(f"{why} {error}") from error
    known = seen_in_training(run, dataset)
    if 2 * int(known.sum()) < config["clips"]:
        raise ValueError(
            f"{why} Of the {config['clips']} clips that {run.path} was trained on, "
            f"{int(known.sum())} are still at {config['origin']}."
        )
    return dataset.subset(np.flatnonzero(known))


def check_backbone(run: RunFolder) -> None:
    """Refuses a run whose backbone was pretrained on its training clips.

    Raises:
        ValueError: If every layer was trained.
    """
    if run.config["settings"]["recipe"]["trains"] != "head":
        raise ValueError(
            "The study needs infants that the network was not trained on. Received: "
            f"clips of the training of {run.path}, whose backbone was trained on them. "
            "Give recordings of other infants, or a run of the recipe quick."
        )


def without_each(
    run: RunFolder,
    model: Any,
    embeddings: Embeddings,
    is_known: np.ndarray,
    advance: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
    """Trains the head of a run once a fold, as the run did, on the other groups.

    Args:
        run: The run; its recipe, folds and seed are taken.
        model: Model of the run; not changed.
        embeddings: Of the training clips, and of any others of the same infants.
            Groups are kept whole.
        is_known: Bool `(clips,)`, which of them the run was trained on.
        advance: Called after each epoch.

    Yields:
        Once a fold, the trained model, the places of the clips that it was trained
        on, and those of the clips held out. The next fold trains the same model.

    Raises:
        ValueError: If a label has too few groups, or a loss is not finite.
    """
    settings = Settings.from_dict(run.config["settings"])
    # Augmented copies are for the final model; the folds do without.
    recipe = settings.recipe.replace(augment="none", augment_copies=0)
    settings = dataclasses.replace(settings, recipe=recipe, noise=None)
    keras.utils.set_random_seed(settings.seed)
    fresh = type(model).from_config(model.get_config())
    fresh.backbone.set_weights(model.backbone.get_weights())
    trainer = trainer_on_embeddings(fresh, embeddings, settings)
    folds = embeddings.dataset.fold_indices(settings.folds, settings.seed)
    for train, test in folds:
        trained_on = train[is_known[train]]
        trainer.reset()
        trainer.fit(trained_on, lambda *_: advance())
        yield fresh, trained_on, test


def pooled(model: Any, embeddings: Embeddings, places: np.ndarray) -> Pooled:
    """Returns the pooled features of the clips at these places."""
    return Pooled.of(model, [embeddings.values[int(place)] for place in places])


PROTOTYPES_NEED = (
    "The run has no prototypes of its own, so they are measured on the clips that it "
    "was trained on. Restore them, use --head logreg, or start from a run with --head "
    "prototype."
)
_STUDY_NEEDS = (
    "The run was trained on infants of the data, so its head is trained again without "
    "them, on the other clips of its training."
)


@dataclass(frozen=True)
class Unseen:
    """Infants with several labels, ready for a trial.

    Attributes:
        infants: In alphabetical order; near-copies are not yet marked.
        dataset: The clips that `InfantClips.places` point into.
        problems: Clips that could not be decoded.
        how: Why the run counts as one that was not trained on them.
    """

    infants: tuple[InfantClips, ...]
    dataset: Dataset
    problems: tuple[Problem, ...]
    how: str


def find_infants(
    run: RunFolder,
    model: Any,
    dataset: Dataset,
    heads: Sequence[str],
    cache: EmbeddingCache,
    progress: Progress,
) -> Unseen:
    """Prepares every group with several labels.

    Args:
        run: The run.
        model: Model of the run.
        dataset: Clips under the labels of the model.
        heads: Personal heads.
        cache: Where embeddings are kept.
        progress: Takes lines, warnings and progress.

    Raises:
        ValueError: If no group has several labels, or what the run was trained on
            is needed and gone.
    """
    _require_several_labels(dataset)
    is_known = seen_in_training(run, dataset)
    if is_known.any():
        check_backbone(run)
    is_measured = "prototype" in heads and own_prototypes(model) is None
    training = None
    if is_known.any() or is_measured:
        why = _STUDY_NEEDS if is_known.any() else PROTOTYPES_NEED
        training = find(run, why)
    every, is_training = _joined(dataset, is_known, training)
    found = embed(model, every, cache, progress)
    left_out = {problem.clip.path for problem in found.problems}
    is_kept = np.array([clip.path not in left_out for clip in every.clips], bool)
    is_training = is_training[is_kept]
    asked = np.arange(len(every))[is_kept] < len(dataset)
    made: list[InfantClips] = []
    settings = run.config["settings"]
    if is_known.any():
        steps = settings["folds"] * settings["recipe"]["epochs"]
        if settings["recipe"]["head"] in ("logreg", "prototype"):
            steps = settings["folds"]
        with progress.bar("training without each infant", steps) as advance:
            folds = without_each(run, model, found, is_training, advance)
            for now, train, test in folds:
                made += _infants(now, found, train, test[asked[test]], heads, run)
        how = (
            f"{plural(int(is_known.sum()), 'clip')} of {len(dataset)} were in the "
            f"training of the run, so its head and pooling were trained again, "
            f"{settings['folds']} folds by group: each infant is scored by one "
            "trained without it"
        )
    else:
        train, test = np.flatnonzero(is_training), np.flatnonzero(asked)
        made += _infants(model, found, train, test, heads, run)
        how = "none of the clips was in the training of the run"
    if not made:
        raise ValueError(f"{_RULE} Those that had were left out, undecodable.")
    infants = tuple(sorted(made, key=lambda infant: infant.name))
    return Unseen(infants, found.dataset, found.problems, how)


_RULE = (
    "The study needs infants (groups) with clips of at least two labels: models "
    "learn from some clips and are evaluated on the others."
)


def _require_several_labels(dataset: Dataset) -> None:
    if not _several_labels(dataset):
        raise ValueError(
            f"{_RULE} Received: {len(set(dataset.groups))} groups, each of one label. "
            "Name the infant in the column 'group' of a manifest (or another with "
            "--group-by)."
        )


def _several_labels(dataset: Dataset) -> list[str]:
    """Returns the groups with clips of more than one label, sorted."""
    pairs = {(clip.group, clip.label) for clip in dataset.clips}
    groups = [group for group, _ in pairs]
    return sorted({group for group in groups if groups.count(group) > 1})


def _joined(
    dataset: Dataset, is_known: np.ndarray, training: Dataset | None
) -> tuple[Dataset, np.ndarray]:
    """Returns the clips asked about before the rest of the training clips.

    The second value says which of all were in the training. A group of the run
    with a clip that is asked about takes the group that the clip has now.
    """
    if training is None:
        return dataset, np.zeros(len(dataset), bool)
    now = dict(zip(short_digests(dataset), dataset.clips, strict=True))
    digests = short_digests(training)
    renamed = {
        clip.group: now[digest].group
        for clip, digest in zip(training.clips, digests, strict=True)
        if digest in now
    }
    others = tuple(
        dataclasses.replace(clip, group=renamed.get(clip.group, clip.group))
        for clip, digest in zip(training.clips, digests, strict=True)
        if digest not in now
    )
    every = dataclasses.replace(dataset, clips=(*dataset.clips, *others), problems=[])
    return every, np.concatenate([is_known, np.ones(len(others), bool)])


def _adapters(
    model: Any, found: Embeddings, train: np.ndarray, heads: Sequence[str], run: Any
) -> dict[str, Adapter]:
    adapters: dict[str, Adapter] = {}
    if "prototype" in heads:
        is_measured = own_prototypes(model) is None
        adapters["prototype"] = prototype_adapter(
            model,
            pooled(model, found, train) if is_measured else None,
            found.dataset.label_indices[train],
            found.dataset.groups[train],
            run.config["settings"]["seed"],
        )
    if "logreg" in heads:
        adapters["logreg"] = logistic_adapter(model)
    return adapters


def _infants(
    model: Any,
    found: Embeddings,
    train: np.ndarray,
    test: np.ndarray,
    heads: Sequence[str],
    run: RunFolder,
) -> list[InfantClips]:
    """Returns the infants of the test clips that have clips of several labels.

    Args:
        model: A model that was not trained on them.
        found: Embeddings of all clips.
        train: Places of the clips that the model was trained on.
        test: Places of the clips of these infants.
        heads: Personal heads.
        run: The run.
    """
    names = _several_labels(found.dataset.subset(test))
    if not names:
        return []
    adapters = _adapters(model, found, train, heads, run)
    groups = found.dataset.groups[test]
    return [
        _infant(name, model, found, test[groups == name], heads, adapters)
        for name in names
    ]


def _infant(
    name: str,
    model: Any,
    found: Embeddings,
    places: np.ndarray,
    heads: Sequence[str],
    adapters: dict[str, Adapter],
) -> InfantClips:
    own = pooled(model, found, places)
    count = len(places)
    return InfantClips(
        name,
        places,
        found.dataset.label_indices[places],
        {head: own.of_head(head) for head in heads},
        adapters,
        own.scores,
        np.arange(count),
        np.zeros((count, count), bool),
    )


def of_infant(dataset: Dataset, infant: str) -> Dataset:
    """Returns the clips of one group.

    Raises:
        ValueError: If no clip has that group.
    """
    places = np.flatnonzero(dataset.groups == infant)
    if not len(places):
        names = sorted(set(dataset.groups))
        shown = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
        raise ValueError(
            f"The infant must be one of the {plural(len(names), 'group')} of the "
            f"clips: {shown}. Received: {infant!r}."
        )
    return dataset.subset(places)
