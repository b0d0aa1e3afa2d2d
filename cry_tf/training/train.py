"""One training run: prepare, build, cross-validate, judge, write."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cry_hub.weights import store
from cry_tf.data import EmbeddingCache
from cry_tf.data.content_digest import content_sha256
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation import summary_text
from cry_tf.runs import provenance, result_folder
from cry_tf.runs.checkpoint import Checkpoint
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.runs.run_folder import RunFolder
from cry_tf.training.choose_trainer import find_policy
from cry_tf.training.context import RunContext
from cry_tf.training.cross_validation import cross_validate
from cry_tf.training.devices import ONE_DEVICE, Devices, find_devices
from cry_tf.training.judge import judge
from cry_tf.training.plan import build, check_backbone
from cry_tf.training.preparation import prepare
from cry_tf.training.recipe import recipe_sentence
from cry_tf.training.settings import Settings
from cry_tf.training.writing import write


def train(
    dataset: Dataset,
    settings: Settings,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    embeddings_dir: str | os.PathLike[str] | None = None,
    origin: str = "",
    resume: bool = False,
    tensorboard: str | os.PathLike[str] | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> RunFolder:
    """Cross-validates, trains the final model on every clip, writes a run folder.

    The same seed, data and versions give the same predictions on the same
    machine. Progress is saved after each epoch in a hidden folder beside the run: a
    killed run continues with `resume`, with the same result.

    Args:
        dataset: Labelled clips with their groups.
        settings: What to train and how.
        path: The run folder to write; it appears only when complete.
        overwrite: True replaces an earlier run, finished or interrupted.
        progress: Takes lines, warnings and progress; None ignores them.
        embeddings_dir: Folder of the embedding cache, see `EmbeddingCache`.
        origin: Where the data came from, for the record.
        resume: True continues an interrupted run.
        tensorboard: Folder for TensorBoard's logs, or None.
        earlier: The `config.json` of a run to repeat; differences in data, weights
            and versions are warnings.

    Returns:
        The finished run.

    Raises:
        ValueError: If the data do not suffice, weights do not fit, or the loss
            does not stay finite; with `resume`, if data or settings are not
            those that the run began with.
        FileExistsError: If a run is there, or an interrupted one, and neither
            `overwrite` nor `resume` is given.
        OSError: If the folder cannot be written.
    """
    devices = find_devices(settings.strategy, _trained_at_once(settings))
    path = devices.place(path)
    _check(devices, settings, resume, tensorboard)
    with run_context(
        path,
        overwrite=overwrite,
        resume=resume,
        progress=progress,
        embeddings_dir=embeddings_dir,
        origin=origin,
        devices=devices,
        tensorboard=tensorboard,
    ) as (context, part):
        _require_same(dataset, settings, context)
        prepared = prepare(dataset, settings, context)
        plan = build(prepared, settings, context)
        _warn_of_differences(earlier, plan, context)
        out_of_fold = cross_validate(plan, context)
        verdict = judge(plan, out_of_fold, context)
        write(part, plan, verdict, context)
    summary_text.print_tables(
        context.progress,
        verdict.metrics,
        verdict.operating_points,
        verdict.baselines,
        verdict.domains,
    )
    devices.wait()
    return RunFolder.open(path)


@contextmanager
def run_context(
    path: str | os.PathLike[str],
    *,
    overwrite: bool,
    resume: bool,
    progress: Progress | None,
    embeddings_dir: str | os.PathLike[str] | None,
    origin: str,
    devices: Devices = ONE_DEVICE,
    tensorboard: str | os.PathLike[str] | None = None,
) -> Iterator[tuple[RunContext, Path]]:
    """Opens what surrounds a run at `path`, and the folder to write it into.

    See `train` for the arguments.
    """
    progress = progress or NoProgress()
    result_folder.check(path, overwrite)
    with (
        Checkpoint.of(path).open(resume, overwrite and not resume) as checkpoint,
        result_folder.writing(path, overwrite) as part,
    ):
        if resume and not checkpoint.has_progress:
            progress.line("no saved progress: training starts from the beginning")
        context = RunContext(
            progress=progress,
            embeddings=EmbeddingCache(embeddings_dir),
            checkpoint=checkpoint,
            devices=devices,
            tensorboard=None if tensorboard is None else Path(tensorboard).expanduser(),
            origin=origin,
        )
        yield context, part


def _check(
    devices: Devices,
    settings: Settings,
    resume: bool,
    tensorboard: str | os.PathLike[str] | None,
) -> None:
    """Checks arguments before any work starts."""
    if settings.events is not None and not settings.recipe.windows:
        raise ValueError(
            "Times of crying say where windows with a cry are drawn. Received: "
            f"events={settings.events!r} with the recipe {settings.recipe.name}, which "
            "draws none. Use the recipe field."
        )
    if resume and devices.cluster.workers > 1:
        raise ValueError(
            "--resume needs a single worker: only the first one saves progress. "
            f"Received: {devices.cluster.workers} workers. Train from the beginning, "
            "or give --strategy mirrored or none."
        )
    if tensorboard is not None and importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "Logs for TensorBoard take the package tensorboard, which is not "
            "installed. Run: pip install tensorboard"
        )


def _trained_at_once(settings: Settings) -> str:
    """Returns `all` if every layer is trained in one stage, at one rate."""
    recipe = settings.recipe
    is_plain = len(recipe.stages) == 1 and recipe.depth_factor == 1
    return recipe.trains if is_plain else "stages"


def _require_same(dataset: Dataset, settings: Settings, context: RunContext) -> None:
    """Checks weights and augmentation early, and that a resumed run is the same."""
    check_backbone(settings)
    policy = find_policy(settings)
    if context.checkpoint is not None:
        context.checkpoint.require_same(
            {
                "data": {"sha256": dataset.sha256},
                "settings": settings.to_dict(),
                "augmentation": None if policy is None else policy.fingerprint(),
                "weights": {"sha256": _weights_digest(settings)},
                "versions": provenance.versions(),
            }
        )
    context.progress.line(f"recipe: {recipe_sentence(settings.recipe)}")


def _warn_of_differences(
    earlier: Mapping[str, Any] | None, plan: Any, context: RunContext
) -> None:
    weights_sha256 = plan.model.backbone.weights_sha256
    dataset = plan.prepared.dataset
    for difference in provenance.differences(earlier, dataset, weights_sha256):
        context.progress.warn(difference)


def _weights_digest(settings: Settings) -> str | None:
    if settings.weights is None:
        return None
    if settings.weights == "pretrained":
        file = store.obtain(settings.backbone)
    else:
        file = Path(settings.weights).expanduser()
    return content_sha256(file) if file.is_file() else None
