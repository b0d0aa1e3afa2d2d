"""From a Keras model to a TFLite file on disk, or to a refusal with figures."""

from __future__ import annotations

import dataclasses
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cry_export import artefact
from cry_export.compress.compressed import (
    Compressed,
    recipe_of,
    record,
    trained_tflite,
)
from cry_export.convert import to_tflite
from cry_export.error_feedback import Probes
from cry_export.errors import ConversionError, FallbackWarning
from cry_export.fallback import Attempt, attempts, sentence
from cry_export.inputs import (
    check_clips,
    check_model,
    check_representative,
    fit_window,
    samples_of,
)
from cry_export.layer_noise import measure_layers
from cry_export.metadata_writer import add_audio_metadata
from cry_export.operators import list_operators
from cry_export.parity import (
    Judge,
    KerasScores,
    ParityError,
    ParityReport,
    measure,
)
from cry_export.precision import in_float32
from cry_export.probe_sounds import probe_sounds
from cry_export.quantization import apply_recipe
from cry_export.quantization_recipe import QuantizationRecipe, get
from cry_export.reference import weighted_layers
from cry_export.slimming import slim
from cry_lite import __version__
from cry_lite.metadata import pack, read_metadata
from cry_lite.spec import ModelSpec

_LAYER_CLIPS, _LAYER_SECONDS = 4, 5.0


def export(
    model: keras.Model,
    path: str | Path,
    spec: ModelSpec,
    quantize: str = "dynamic",
    *,
    check: Sequence[np.ndarray],
    check_names: Sequence[str] | None = None,
    provenance: Mapping[str, str | int | float] | None = None,
    overwrite: bool = False,
    length_s: float | None = None,
    advance: Callable[[], None] | None = None,
    representative: Sequence[np.ndarray] = (),
    representative_origin: Mapping[str, Any] | None = None,
    keep_float: Sequence[str] = (),
    judge: Judge | None = None,
    card: Mapping[str, str] | None = None,
    compressed: Compressed | None = None,
    strict: bool = False,
) -> artefact.Artefact:
    """Writes a TFLite file that takes a waveform and is proven equal to the model.

    The file holds builtin operators only, and inside it the labels, the spec and
    where it comes from. It is compared with the Keras model on real clips before
    it is written; `FILE.parity.json` beside it keeps the figures. The layer named
    `frontend` stays float32 in every recipe. A file that answers too far from the
    model is made again with its noisiest layers float, then by the recipes that move
    scores less; a file of float32 that does is refused.

    Args:
        model: Maps waveforms, float32 `(batch, samples)` at the spec's sample rate,
            to scores `(batch, labels)`; has a front-end layer named `frontend`.
        path: Ends in `.tflite`.
        spec: What the model answers, written into the file.
        quantize: Name of a recipe: `none`, `float16`, `dynamic` or `int8`.
        check: Real clips, each float32 `(samples,)` at the spec's sample rate.
        check_names: One name a clip for the report; None numbers them.
        provenance: What made the model (versions, seed, digests); written into the
            file beside this package's own entries.
        overwrite: True replaces an earlier file.
        length_s: Fixed length of the input, seconds; the runtime completes shorter
            clips with zeros, and MediaPipe can read the file. None lets the
            runtime resize the input to each clip.
        advance: Called after each clip that was compared, for a progress bar.
        representative: Clips of the training data, each float32 `(samples,)`, from
            which `int8` takes the range of every activation. No clip that the model
            is judged on belongs here.
        representative_origin: Which clips they are, in JSON types, for the report.
        keep_float: Names of layers that stay float32.
        judge: See `cry_export.parity.measure`; None leaves the task metric out.
        card: A short model card, names to text, written into the file.
        compressed: What `cry_export.compress` made of the model. A pruned or
            clustered one is exported in its place, with any recipe; what was
            trained for int8 is taken as it is. The report says what it is.
        strict: True refuses a file that answers too far from the model as it was
            asked for, and tries nothing else.

    Returns:
        The paths, the size and the comparison.

    Raises:
        ValueError: If an argument breaks a rule.
        ConversionError: If the model needs an operator that the plain runtime does
            not have. A ValueError.
        ParityError: If the file answers differently from the model, in float32 too or
            with `strict`: no `.tflite` is written, the figures are. A ValueError.
        OSError: If the target exists or cannot be written; nothing is left then.

    Warns:
        FallbackWarning: If the file is another than was asked for, with the reason.
    """
    is_trained = compressed is not None and bool(compressed.tflite)
    recipe = get(quantize) if compressed is None else recipe_of(compressed, quantize)
    if recipe.needs_representative and not is_trained and not len(representative):
        raise ValueError(
            f"quantize={recipe.name!r} needs representative clips of the training "
            "data, from which it takes the range of every activation. Received: none. "
            "Pass representative=... (--representative DATA), or take 'dynamic'."
        )
    path = Path(path).expanduser()
    artefact.check_target(path, overwrite)
    check_model(model, spec)
    waveforms, names = check_clips(check, check_names)
    ranged = check_representative(representative)
    samples = samples_of(length_s, spec)

    exported = in_float32((compressed and compressed.model) or model)
    spec, shortened = fit_window(spec, samples)
    layers = weighted_layers(exported)
    known = KerasScores(exported, spec)
    float_file = trained = None
    if compressed is not None and is_trained:
        trained = trained_tflite(compressed, samples)
    else:
        float_file = to_tflite(exported, get("none"), samples)
    # Compression chose these weights, zeros and clusters: they stay as they are.
    probes = Probes(probe_sounds(spec.sample_rate_hz)) if compressed is None else None
    texts = dict(card or {})
    provenance = {
        **(provenance or {}),
        "cry_tf_version": __version__,
        "tensorflow_version": tf.__version__,
        "keras_version": keras.__version__,
        "python_version": sys.version.split()[0],
        "recipe_asked": recipe.name,
        **({"kept_float": ", ".join(keep_float)} if keep_float else {}),
        **({"representative_clips": len(ranged)} if ranged else {}),
        "input_samples": "dynamic" if samples is None else samples,
    }
    if compressed is not None:
        provenance["compression"] = str(compressed.compression)

    def attempt(
        recipe: QuantizationRecipe,
        left_float: tuple[str, ...] = (),
        advance: Callable[[], None] | None = None,
    ) -> Attempt:
        if trained is not None:
            made = trained
        else:
            assert float_file is not None  # noqa: S101
            made = apply_recipe(
                float_file,
                recipe,
                ranged,
                keep_float,
                layers,
                probes,
                left_float,
            )
        stored = texts | {"stored_as": recipe.summary}
        tflite = slim(made, layers)
        if samples is not None:  # all that MediaPipe takes
            tflite = add_audio_metadata(tflite, spec, stored)
        origin = provenance | {"recipe": recipe.name}
        if left_float:
            origin["left_float"] = ", ".join(left_float)
        packed = pack(tflite, spec, origin, stored)
        if read_metadata(packed).spec != spec:
            raise ConversionError(
                "The settings inside the file must read back as they were written. "
                "Received: a spec that JSON cannot hold."
            )
        parity = measure(
            known, packed, spec, recipe, waveforms, names, samples, advance, judge
        )
        if (
            recipe.name != "none"
            and float_file is not None
            and _is_worth_a_look(parity, recipe)
        ):
            parity = _with_layers(parity, float_file, made, waveforms, spec, layers)
        return Attempt(recipe, left_float, made, packed, parity)

    first = found = attempt(recipe, advance=advance)
    if first.parity.is_refused and _may_fall_back(first.parity, strict, trained):
        for found in attempts(first, attempt):
            if not found.parity.is_refused:
                break
    parity = found.parity
    details = {
        "check_clips": list(names),
        "provenance": read_metadata(found.packed).provenance,
        "operators": _count_operators(found.made),
        "kept_float": list(keep_float),
        "representative": dict(representative_origin or {}) if ranged else None,
    }
    if compressed is not None:
        before = measure(
            in_float32(model),
            found.packed,
            spec,
            found.recipe,
            waveforms,
            names,
            samples,
        )
        details["compression"] = record(compressed, found.packed, before)
    if parity.is_refused:
        report_path = artefact.write_refusal(path, parity, found.recipe, details)
        figures = "; ".join(parity.reasons)
        where = f" Figures: {report_path}." if report_path else ""
        advice = _advice(parity, found.recipe)
        raise ParityError(
            f"{path} was not written: compared with the Keras model over "
            f"{parity.clips} clips, {figures}.{where}{advice}",
            parity,
        )
    fallback = None
    if found is not first:
        fallback = sentence(first.recipe, first.parity, found)
    for notice in (fallback, shortened):
        if notice is not None:
            warnings.warn(notice, FallbackWarning, stacklevel=2)
    return artefact.write(
        path,
        found.packed,
        parity,
        found.recipe,
        details,
        asked=recipe.name,
        left_float=found.left_float,
        fallback=fallback,
    )


def _may_fall_back(parity: ParityReport, strict: bool, trained: bytes | None) -> bool:
    """Whether another recipe may help: not where Keras itself is in the way."""
    reference = parity.reference_difference
    is_of_keras = reference is not None and not (
        reference <= get("none").budget.max_reference_difference
    )
    return not strict and trained is None and not is_of_keras


def _is_worth_a_look(parity: ParityReport, recipe: QuantizationRecipe) -> bool:
    half = recipe.budget.max_score_difference / 2
    return parity.is_refused or parity.max_score_difference > half


def _with_layers(
    parity: ParityReport,
    float_file: bytes,
    made: bytes,
    waveforms: Sequence[np.ndarray],
    spec: ModelSpec,
    layers: Sequence[str],
) -> ParityReport:
    """Adds the signal over noise of each layer, and names the noisiest."""
    samples = round(_LAYER_SECONDS * spec.sample_rate_hz)
    step = max(1, len(waveforms) // _LAYER_CLIPS)
    clips = [clip[:samples] for clip in waveforms[::step][:_LAYER_CLIPS]]
    measured = measure_layers(float_file, made, clips, layers)
    noisy = [layer for layer in measured if layer.added_noise > 0]
    worst = max(noisy, key=lambda layer: layer.added_noise).layer if noisy else None
    return dataclasses.replace(parity, layers=tuple(measured), worst_layer=worst)


def _advice(parity: ParityReport, recipe: QuantizationRecipe) -> str:
    if recipe.name == "none":
        return ""
    if recipe.name == "qat":
        return " Train it longer (--compress-epochs), or leave qat away."
    advice = ""
    if parity.worst_layer is not None:
        name = parity.worst_layer
        advice = (
            f" Most of the noise comes from the layer {name}: keep it float with "
            f"keep_float=[{name!r}] (--keep-float {name})."
        )
    return f"{advice} Or leave strict away (--strict): what moves scores less is tried."


def _count_operators(tflite: bytes) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for operator in list_operators(tflite):
        counts[operator.name] = counts.get(operator.name, 0) + 1
    return dict(sorted(counts.items()))
