"""From a Keras model to a TFLite file on disk, or to a refusal with figures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from cry_export.errors import ConversionError, ParityError
from cry_export.metadata_writer import add_audio_metadata
from cry_export.operators import list_operators
from cry_export.parity import measure
from cry_export.recipe import get
from cry_lite import __version__
from cry_lite.metadata import pack, read_metadata
from cry_lite.spec import ModelSpec


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
    compressed: Compressed | None = None,
) -> artefact.Artefact:
    """Writes a TFLite file that takes a waveform and is proven equal to the model.

    The file holds builtin operators only, and inside it the labels, the spec and
    where it comes from. It is compared with the Keras model on real clips before
    it is written; `FILE.parity.json` beside it keeps the figures. The layer named
    `frontend` stays float32 in every recipe.

    Args:
        model: Maps waveforms, float32 `(batch, samples)` at the spec's sample rate,
            to scores `(batch, labels)`; has a front-end layer named `frontend`.
        path: Ends in `.tflite`.
        spec: What the model answers, written into the file.
        quantize: Name of a recipe: `none` or `dynamic`.
        check: Real clips, each float32 `(samples,)` at the spec's sample rate.
        check_names: One name a clip for the report; None numbers them.
        provenance: What made the model (versions, seed, digests); written into the
            file beside this package's own entries.
        overwrite: True replaces an earlier file.
        length_s: Fixed length of the input, seconds; the runtime completes shorter
            clips with zeros, and MediaPipe can read the file. None lets the
            runtime resize the input to each clip.
        advance: Called after each clip that was compared, for a progress bar.
        compressed: What `cry_export.compress` made of the model. A pruned or
            clustered one is exported in its place, with any recipe; what was
            trained for int8 is taken as it is. The report says what it is.

    Returns:
        The paths, the size and the comparison.

    Raises:
        ValueError: If an argument breaks a rule.
        ConversionError: If the model needs an operator that the plain runtime does
            not have. A ValueError.
        ParityError: If the file answers differently from the model: no `.tflite` is
            written, the figures are. A ValueError.
        OSError: If the target exists or cannot be written; nothing is left then.
    """
    recipe = get(quantize) if compressed is None else recipe_of(compressed, quantize)
    path = Path(path)
    artefact.check_target(path, overwrite)
    _check_model(model, spec)
    waveforms, names = _check_clips(check, check_names)
    samples = _samples(length_s, spec)

    exported = model if compressed is None else compressed.model or model
    if compressed is not None and compressed.tflite:
        tflite = trained_tflite(compressed, samples)
    else:
        tflite = to_tflite(exported, recipe, samples)
    if samples is not None:  # all that MediaPipe takes
        tflite = add_audio_metadata(tflite, spec)
    origin = {
        **(provenance or {}),
        "cry_tf_version": __version__,
        "tensorflow_version": tf.__version__,
        "keras_version": keras.__version__,
        "python_version": sys.version.split()[0],
        "recipe": recipe.name,
        "input_samples": "dynamic" if samples is None else samples,
    }
    if compressed is not None:
        origin["compression"] = str(compressed.compression)
    packed = pack(tflite, spec, origin)
    if read_metadata(packed).spec != spec:
        raise ConversionError(
            "The settings inside the file must read back as they were written. "
            "Received: a spec that JSON cannot hold."
        )
    parity = measure(exported, packed, spec, recipe, waveforms, names, samples, advance)
    details = {
        "check_clips": list(names),
        "provenance": origin,
        "operators": _count_operators(tflite),
    }
    if compressed is not None:
        before = measure(model, packed, spec, recipe, waveforms, names, samples)
        details["compression"] = record(compressed, packed, before)
    if parity.is_refused:
        report_path = artefact.write_refusal(path, parity, recipe, details)
        figures = "; ".join(parity.reasons)
        where = f" Figures: {report_path}." if report_path else ""
        advice = " Try quantize='none' (--quantize none)." if quantize != "none" else ""
        raise ParityError(
            f"{path} was not written: compared with the Keras model over "
            f"{parity.clips} clips, {figures}.{where}{advice}",
            parity,
        )
    return artefact.write(path, packed, parity, recipe, details)


def _check_model(model: keras.Model, spec: ModelSpec) -> None:
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model. Received: {type(model)!r}.")
    shapes = getattr(model, "input_shape", None), getattr(model, "output_shape", None)
    if not all(isinstance(shape, tuple) and len(shape) == 2 for shape in shapes):
        raise ValueError(
            "model must map one waveform (batch, samples) to scores (batch, labels). "
            f"Received: input {shapes[0]}, output {shapes[1]}."
        )
    if model.output_shape[-1] != len(spec.labels):
        raise ValueError(
            f"model must give one score a label. Received: {model.output_shape[-1]} "
            f"scores and {len(spec.labels)} labels ({', '.join(spec.labels)})."
        )
    front_ends = [layer for layer in _layers(model) if layer.name == "frontend"]
    if not front_ends:
        raise ValueError(
            "model must hear waveforms through a layer named 'frontend', which stays "
            f"float. Received: {model.name!r} without one. Build it from a backbone."
        )
    heard = getattr(front_ends[0], "spec", spec.front_end)
    if heard != spec.front_end:
        raise ValueError(
            "spec.front_end must be that of the model's layer named 'frontend'. "
            f"Received: {spec.front_end} beside {heard}."
        )


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


def _check_clips(
    check: Sequence[np.ndarray], names: Sequence[str] | None
) -> tuple[list[np.ndarray], list[str]]:
    waveforms = [np.asarray(clip, np.float32) for clip in check]
    if not waveforms or not any(clip.any() for clip in waveforms):
        raise ValueError(
            "check must hold at least one real clip that is not silent. "
            f"Received: {len(waveforms)} clips, all silent."
        )
    for index, clip in enumerate(waveforms):
        if clip.ndim != 1 or not len(clip) or not np.isfinite(clip).all():
            raise ValueError(
                "A check clip must be a finite waveform (samples,). Received: clip "
                f"{index} of shape {clip.shape}."
            )
    names = [f"clip {i}" for i in range(len(waveforms))] if names is None else names
    if len(names) != len(waveforms):
        raise ValueError(
            "check_names must name every clip. Received: "
            f"{len(names)} names, {len(waveforms)} clips."
        )
    return waveforms, list(names)


def _samples(length_s: float | None, spec: ModelSpec) -> int | None:
    if length_s is None:
        return None
    if not 0 < length_s <= 3600:
        raise ValueError(
            f"length_s must be in (0, 3600] seconds, or None. Received: {length_s!r}."
        )
    samples = round(length_s * spec.sample_rate_hz)
    if samples < spec.front_end.window_samples:
        raise ValueError(
            "length_s must hold at least one window of the front end "
            f"({spec.front_end.window_samples} samples). Received: {samples} samples."
        )
    return samples


def _count_operators(tflite: bytes) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for operator in list_operators(tflite):
        counts[operator.name] = counts.get(operator.name, 0) + 1
    return dict(sorted(counts.items()))
