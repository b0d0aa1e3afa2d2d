"""From a model or a run to a checked `.tflite`, with its card and task metric."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import cry_export
from cry_export.artefact import check_target
from cry_export.quantization_recipe import get as get_recipe
from cry_lite.decision import answers
from cry_lite.spec import ModelSpec
from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation import bootstrap
from cry_tf.evaluation.scorer import load_scorer

if TYPE_CHECKING:
    import keras

    from cry_export import Artefact
    from cry_export.compress.compressed import Compressed
    from cry_tf.runs.run_folder import RunFolder


# As many clips of a fold are compared before its file scores all of them.
_FOLD_CLIPS = 16
_LIMITS = (
    "No medical device. Scores rank sounds; they are not probabilities. Scores of "
    "sounds unlike the training recordings may be wrong."
)


def model_card(model: Any, run: RunFolder | None = None) -> dict[str, str]:
    """Returns a short card, names to sentences.

    Args:
        model: A `CryModel`.
        run: The run that it comes from, for its data and figures; None leaves them
            out.
    """
    spec = model.spec
    labels = ", ".join(spec.labels[:12])
    if len(spec.labels) > 12:
        labels += f", ... ({len(spec.labels)} in all)"
    task = (
        "Detects a baby's crying"
        if spec.task == "detect"
        else "Classifies why a baby cries"
    )
    card = {"model": f"{task}: {labels}."}
    if run is not None:
        card |= _of_run(run)
    return card | {"limits": _LIMITS}


def _of_run(run: RunFolder) -> dict[str, str]:
    data, found = run.config["data"], {}
    if "clips" in data:
        clips = ", ".join(
            f"{label} {count}" for label, count in data["clips_of_label"].items()
        )
        found["trained_on"] = (
            f"{data['clips']} clips of {data['groups']} groups: {clips}."
        )
    if (run.path / "metrics.json").is_file():
        metrics = run.metrics
        mine, always = metrics["model"]["macro_f1"], metrics["majority"]["macro_f1"]
        interval = ""
        if mine["low"] is not None:
            interval = f" (95 % interval {mine['low']:.2f} to {mine['high']:.2f})"
        found["measured"] = (
            f"macro-F1 {mine['value']:.2f}{interval} over {metrics['clips']} clips; "
            f"always {metrics['majority_label']} gives {always['value']:.2f}. "
            f"{metrics['split']}"
        )
    return found


NAME = "macro-F1"


def compare_metric(
    spec: ModelSpec,
    truth: np.ndarray,
    groups: Sequence[str],
    before: np.ndarray,
    after: np.ndarray,
) -> dict[str, Any]:
    """Compares the macro-F1 of two sets of scores of the same clips.

    Groups are drawn with all their clips, the same ones for both sets, so that the
    interval of the change is that of the pair.

    Args:
        spec: Labels, and the threshold of a detector.
        truth: Int array `(clips,)`, index into the labels.
        groups: Group of each clip.
        before: Scores `(clips, labels)` of the Keras model.
        after: Scores `(clips, labels)` of the file.

    Returns:
        JSON types: `name`, `clips`, `groups`, `majority` (the figure of always
        answering the commonest label), and `before`, `after` and `change`, each with
        `value` and the 95 % interval `low` to `high`.
    """
    labels = len(spec.labels)
    weights = bootstrap.group_weights(groups)
    weights = np.vstack([np.ones(len(truth)), weights])  # the clips themselves first
    majority = np.full(len(truth), np.bincount(truth, minlength=labels).argmax())
    draws = {
        name: _macro_f1(truth, predicted, labels, weights)
        for name, predicted in (
            ("before", answers(before, spec)),
            ("after", answers(after, spec)),
            ("majority", majority),
        )
    }
    return {
        "name": NAME,
        "clips": len(truth),
        "groups": len(set(groups)),
        "majority": float(draws["majority"][0]),
        "before": _estimate(draws["before"]),
        "after": _estimate(draws["after"]),
        "change": _estimate(draws["after"] - draws["before"]),
    }


def _macro_f1(
    truth: np.ndarray, predicted: np.ndarray, labels: int, weights: np.ndarray
) -> np.ndarray:
    """Returns the mean F1 of the labels that occur, in each draw."""
    matrices = bootstrap.confusion_matrices(truth, predicted, labels, weights)
    right = np.diagonal(matrices, axis1=1, axis2=2)
    true, given = matrices.sum(axis=2), matrices.sum(axis=1)
    f1 = 2 * right / np.maximum(true + given, 1)
    return np.where(true > 0, f1, 0).sum(axis=1) / np.maximum((true > 0).sum(axis=1), 1)


def _estimate(draws: np.ndarray) -> dict[str, float | None]:
    low, high = bootstrap.interval(draws[1:])
    return {"value": float(draws[0]), "low": low, "high": high}


# Each clip runs through both models; more clips change the figures little.
MAX_CHECK_CLIPS = 100
MAX_CHECK_SECONDS = 30.0
# Ranges change little above the fewest; all decide which layers stay float.
_FEWEST_REPRESENTATIVE, _MOST_REPRESENTATIVE = 64, 192
MAX_REPRESENTATIVE_SECONDS = 5.0


class SkippedClipsWarning(UserWarning):
    """Some of the clips to compare on could not be read."""


def run_clips(run: RunFolder) -> Dataset:
    """Returns the clips that a run was trained on, to compare a file on them.

    Args:
        run: A finished run.

    Raises:
        ValueError: If none of them is where it was.
    """
    predictions = run.predictions()
    data = run.config["data"]
    origin = Path(data["origin"]).expanduser()
    folder = origin if origin.is_dir() else origin.parent
    if data.get("folder"):
        # Relative to the run, or absolute; a run behind a link keeps its neighbours.
        folder = Path(os.path.normpath(run.path.absolute() / data["folder"]))
    clips = tuple(
        Clip(folder / name, predictions.labels[label], group, name=name)
        for name, label, group in zip(
            predictions.files, predictions.truth, predictions.groups, strict=True
        )
        if (folder / name).is_file()
    )
    if not clips:
        raise ValueError(
            "The clips that the model was trained on are needed for the comparison. "
            f"Found none of {len(predictions.files)} at {folder}. Give others with "
            "--check DATA, and for int8 those that set its ranges with "
            "--representative DATA."
        )
    return Dataset(clips, predictions.labels)


def representative_clips(
    clips: Any, sample_rate_hz: int, seed: int
) -> tuple[Dataset | None, list[np.ndarray]]:
    """Draws the clips that `int8` learns from, if they are a dataset.

    Returns:
        The clips that were drawn, or None for waveforms, and the first seconds of
        each, float32 `(samples,)`.
    """
    if isinstance(clips, Dataset):
        # The rest is left to compare the file on.
        count = min(max(_FEWEST_REPRESENTATIVE, len(clips) // 3), _MOST_REPRESENTATIVE)
        return decode(clips, sample_rate_hz, count, MAX_REPRESENTATIVE_SECONDS, seed)
    samples = round(MAX_REPRESENTATIVE_SECONDS * sample_rate_hz)
    return None, [clip[:samples] for clip in clips]


def not_in(check: Dataset, drawn: Dataset) -> Dataset:
    """Leaves out the clips that the ranges come from, if as many others are left."""
    paths = {clip.path for clip in drawn.clips}
    rest = [i for i, clip in enumerate(check.clips) if clip.path not in paths]
    return check.subset(rest) if len(rest) >= len(drawn) else check


def decode(
    dataset: Dataset,
    sample_rate_hz: int,
    max_clips: int,
    max_seconds: float,
    seed: int = 0,
) -> tuple[Dataset, list[np.ndarray]]:
    """Draws clips and decodes them; warns of those that cannot be read."""
    chosen = dataset.subset(evenly(dataset.label_indices, max_clips, seed))
    pairs = list(
        chosen.waveforms(sample_rate_hz, on_error="skip", max_seconds=max_seconds)
    )
    if chosen.problems:
        warnings.warn(
            f"{len(chosen.problems)} of {len(chosen)} check clips were left out: "
            f"{chosen.problems[0].sentence}",
            SkippedClipsWarning,
            stacklevel=3,
        )
    read = chosen.without(problem.clip for problem in chosen.problems)
    return read, [waveform for _, waveform in pairs]


def evenly(label_indices: np.ndarray, limit: int, seed: int = 0) -> np.ndarray:
    """Draws clips label by label in turn, for one seed always the same ones."""
    rng = np.random.default_rng(seed)
    turn = np.empty(len(label_indices), int)
    for label in np.unique(label_indices):
        clips = rng.permutation(np.flatnonzero(label_indices == label))
        turn[clips] = np.arange(len(clips))
    return np.sort(np.argsort(turn, kind="stable")[:limit])


def export(
    model: keras.Model,
    path: str | Path,
    quantize: str = "dynamic",
    check: Dataset | Sequence[np.ndarray] | np.ndarray | None = None,
    length: float | Literal["dynamic"] = "dynamic",
    overwrite: bool = False,
    provenance: Mapping[str, str | int | float] | None = None,
    advance: Callable[[], None] | None = None,
    representative: Dataset | Sequence[np.ndarray] | np.ndarray | None = None,
    keep_float: Sequence[str] = (),
    card: Mapping[str, str] | None = None,
    seed: int = 0,
    compressed: Compressed | None = None,
    strict: bool = False,
) -> Artefact:
    """Writes the model as a `.tflite`: waveform input, labels and settings inside.

    The file is compared with the Keras model on real clips before it is written,
    and `FILE.parity.json` beside it keeps the figures.

    Args:
        model: A `CryClassifier` or `CryDetector`.
        path: Ends in `.tflite`.
        quantize: `none` keeps float32, `float16` halves the weights, `dynamic` stores
            the weights of convolutions and dense layers as int8, `int8` computes
            convolutions in int8 as well. The front end stays float32 in all of them,
            and waveform and scores are float32.
        check: Real clips to compare on: a dataset, of which at most 100 clips are
            taken, evenly over the labels, 30 s of each; or waveforms, float32
            `(samples,)` at `model.spec.sample_rate_hz`. Clips that the model was
            not trained on give a fairer comparison.
        length: Fixed length of the input in seconds, or `dynamic`. Phones
            (MediaPipe) need a fixed length; `cry-lite` takes both.
        overwrite: True replaces an earlier file.
        provenance: Facts about the training; written into the file beside versions,
            digests of the data and the source of the weights.
        advance: Called after each clip that was compared, for a progress bar.
        representative: For `int8`: clips that the model was trained on, as for
            `check`, of which a third is drawn, at least 64 and at most 192 if there
            are so many, 5 s of each. Clips of both are left out of `check` if
            enough others are there.
        keep_float: Names of layers that stay float32, for instance the one that a
            refusal names.
        card: Lines of the model card inside the file; None derives them from the
            model.
        seed: Seed of the draw of representative clips.
        compressed: What `cry_tf.compressing.compress` made of the model.
        strict: False retries if the scores differ too much from the model's: with
            the noisiest layers in float, then with milder recipes; a warning names
            what was written and why. True raises instead.

    Returns:
        The paths, the size and the comparison.

    Raises:
        ValueError: If an argument breaks a rule, an operator is not builtin, or the
            file does not give the model's scores, in float32 too or with `strict`
            (`cry_export.ParityError`; its figures are written, the `.tflite` is not).
        OSError: If the target exists or cannot be written.

    Warns:
        FallbackWarning: If another recipe than the one asked for was written.
        SkippedClipsWarning: If clips of the dataset cannot be read; they are left out.
    """
    spec = getattr(model, "spec", None)
    if not isinstance(spec, ModelSpec):
        raise ValueError(
            "model must be a CryClassifier or a CryDetector. Received: "
            f"{type(model).__name__}. Wrap the backbone in one, or call "
            "cry_export.export with a ModelSpec."
        )
    no_tflite_because = getattr(model.backbone, "no_tflite_because", None)
    if no_tflite_because is not None:
        raise ValueError(
            f"No .tflite can be made of a {type(model.backbone).__name__}: "
            f"{no_tflite_because}."
        )
    check_target(Path(path).expanduser(), overwrite)  # before clips are decoded
    recipe = get_recipe(quantize)
    if recipe.needs_representative and representative is None:
        raise ValueError(
            f"quantize={quantize!r} needs clips that the model was trained on, from "
            "which it takes the range of every activation. Received: none. Pass "
            "representative=... (--representative DATA), or take 'dynamic'."
        )
    if check is None or isinstance(check, (str, Path)):
        raise ValueError(
            "check must hold real clips, because every file is compared with its "
            f"model before it is written. Received: {check!r}. Pass "
            "cry_tf.data.load(folder) or a list of waveforms."
        )
    origin: dict[str, str | int | float] = dict(_weights_source(model))
    rate = spec.sample_rate_hz
    ranges: list[np.ndarray] = []
    ranges_origin = None
    if recipe.needs_representative:
        drawn, ranges = representative_clips(representative, rate, seed)
        if drawn is not None:
            origin["representative_sha256"] = drawn.sha256
            origin["representative_seed"] = seed
            names = [clip.name for clip in drawn.clips]
            ranges_origin = {"clips": names, "sha256": drawn.sha256, "seed": seed}
            if isinstance(check, Dataset):
                check = not_in(check, drawn)
    names, judge = None, None
    if isinstance(check, Dataset):
        chosen, check = decode(check, rate, MAX_CHECK_CLIPS, MAX_CHECK_SECONDS)
        names = [clip.name for clip in chosen.clips]
        origin["check_data_sha256"] = chosen.sha256
        judge = _judge(spec, chosen)
    return cry_export.export(
        model,
        path,
        spec,
        quantize,
        check=list(check),
        check_names=names,
        provenance=origin | dict(provenance or {}),
        overwrite=overwrite,
        length_s=_length_s(length),
        advance=advance,
        representative=ranges,
        representative_origin=ranges_origin,
        keep_float=keep_float,
        judge=judge,
        card=model_card(model) if card is None else card,
        compressed=compressed,
        strict=strict,
    )


def export_fold(
    model: Any, path: Path, clips: Dataset, quantize: str
) -> cry_export.Artefact:
    """Writes a file of the model of a fold, as its recipe alone makes it.

    Args:
        model: A `CryDetector` or `CryClassifier`.
        path: The `.tflite`, replaced if it is there.
        clips: The file is compared with the model on 16 of them.
        quantize: Name of the recipe.

    Raises:
        ValueError: If the file does not give the model's scores (`ParityError`), or
            cannot be made (`ConversionError`).
    """
    count = min(_FOLD_CLIPS, len(clips))
    evenly = np.linspace(0, len(clips) - 1, count).astype(int)
    checked = clips.subset(evenly)
    return export(model, path, quantize, check=checked, overwrite=True, strict=True)


def file_scores(path: Path, clips: Dataset) -> np.ndarray:
    """Returns what a file scores clips, float `(clips, labels)`."""
    scorer = load_scorer(path)
    waveforms = clips.waveforms(scorer.spec.sample_rate_hz)
    return np.stack([scorer.score(waveform) for _, waveform in waveforms])


def run_provenance(run: RunFolder) -> dict[str, str | int | float]:
    """Returns the provenance that a file keeps of its run."""
    config, settings = run.config, run.config["settings"]
    content = (run.path / "config.json").read_bytes()
    found = {
        "run_config_sha256": hashlib.sha256(content).hexdigest(),
        "data_sha256": config["data"]["sha256"],
        "weights_source": config["weights"]["source"],
        "weights_sha256": config["weights"]["sha256"],
        "backbone": settings["backbone"],
        "pooling": settings["pooling"],
        "training_recipe": settings["recipe"]["name"],
        "seed": settings["seed"],
    }
    return {name: value for name, value in found.items() if value is not None}


def length_path(path: str | Path, length: float | Literal["dynamic"]) -> Path:
    """Returns the name of one of several files of different input lengths.

    `cry.tflite` becomes `cry_5s.tflite` or `cry_dynamic.tflite`.
    """
    path = Path(path)
    name = length if isinstance(length, str) else f"{length:g}s"
    return path.with_name(f"{path.stem}_{name}{path.suffix}")


def _judge(spec: ModelSpec, chosen: Dataset) -> Any:
    """Returns what compares the task metric; None if the labels are others."""
    if not chosen.clips or not set(chosen.labels) <= set(spec.labels):
        return None
    places = np.array([spec.labels.index(label) for label in chosen.labels])
    truth = places[chosen.label_indices]
    groups = [str(group) for group in chosen.groups]
    return lambda before, after: compare_metric(spec, truth, groups, before, after)


def _length_s(length: Any) -> float | None:
    if length == "dynamic":
        return None
    if isinstance(length, bool) or not isinstance(length, (int, float)):
        raise ValueError(
            f"length must be seconds or 'dynamic'. Received: length={length!r}."
        )
    return float(length)


def _weights_source(model: Any) -> dict[str, str]:
    """Returns the source of a backbone's weights.

    One that names no digest was built at random or read back from a `.keras` file,
    which does not carry the source; then the source is unknown.
    """
    backbone = getattr(model, "backbone", None)
    sha256 = getattr(backbone, "weights_sha256", None)
    if sha256 is None:
        return {}
    return {
        "weights_source": str(getattr(backbone, "weights_source", "")),
        "weights_sha256": str(sha256),
    }
