"""From a trained model and a dataset to a `.tflite` that is proven equal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import cry_export
from cry_export.artefact import check_target
from cry_export.recipe import get as get_recipe
from cry_lite.spec import ModelSpec
from cry_tf.data.dataset import Dataset
from cry_tf.export_clips import (
    MAX_CHECK_CLIPS,
    MAX_CHECK_SECONDS,
    decode,
    not_in,
    representative_clips,
)
from cry_tf.export_metric import compare_metric
from cry_tf.model_card import model_card

if TYPE_CHECKING:
    import keras

    from cry_export import Artefact
    from cry_export.compress.compressed import Compressed
    from cry_tf.runs.run_folder import RunFolder


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
    """Writes the model as a `.tflite`: waveform in, labels and settings inside.

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
            not trained on tell more.
        length: Fixed length of the input in seconds, or `dynamic`. Phones
            (MediaPipe) need a fixed length; `cry-lite` takes both.
        overwrite: True replaces an earlier file.
        provenance: What made the model; written into the file beside versions,
            digests of the data and the source of the weights.
        advance: Called after each clip that was compared, for a progress bar.
        representative: For `int8`: clips that the model was trained on, as for
            `check`, of which a third is drawn, at least 64 and at most 192 if there
            are so many, 5 s of each. Clips of both are left out of `check` if
            enough others are there.
        keep_float: Names of layers that stay float32, for instance the one that a
            refusal names.
        card: Lines of the model card inside the file; None writes what the model
            knows of itself.
        seed: Seed of the draw of representative clips.
        compressed: What `cry_tf.compressing.compress` made of the model.
        strict: False makes a file that answers too far from the model again: with
            its noisiest layers float, then by the recipes that move scores less. The
            result and a warning say what was written and why. True refuses it.

    Returns:
        The paths, the size and the comparison.

    Raises:
        ValueError: If an argument breaks a rule, an operator is not builtin, or the
            file does not answer like the model, in float32 too or with `strict`
            (`cry_export.ParityError`; its figures are written, the `.tflite` is not).
        OSError: If the target exists or cannot be written.

    Warns:
        FallbackWarning: If the file is another than was asked for.
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
            "check must hold real clips, because a file that was not compared with "
            f"its model is not written. Received: {check!r}. Pass "
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
            names = [clip.name for clip in drawn.clips]
            ranges_origin = {"clips": names, "sha256": drawn.sha256}
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
        seed=seed,
        compressed=compressed,
        strict=strict,
    )


def run_provenance(run: RunFolder) -> dict[str, str | int | float]:
    """Returns what a file should say of the run that it comes from."""
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
    told = length if isinstance(length, str) else f"{length:g}s"
    return path.with_name(f"{path.stem}_{told}{path.suffix}")


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
    """Returns what a backbone says of its weights.

    One that names no digest was built at random or read back from a `.keras` file,
    which does not carry the source; then there is nothing to say here.
    """
    backbone = getattr(model, "backbone", None)
    sha256 = getattr(backbone, "weights_sha256", None)
    if sha256 is None:
        return {}
    return {
        "weights_source": str(getattr(backbone, "weights_source", "")),
        "weights_sha256": str(sha256),
    }
