"""What compression made of a model, and what the report says of it."""

from __future__ import annotations

import dataclasses
import gzip
from dataclasses import dataclass
from typing import Any

import keras

from cry_export.compress.compression import Compression
from cry_export.errors import ConversionError
from cry_export.operators import refuse_foreign
from cry_export.parity import ParityReport
from cry_export.quantization_recipe import QuantizationRecipe, get

# Recipes beside which `qat` may be asked for: the default, and what it is.
_BESIDE_QAT = ("dynamic", "int8")

# Fine-tuning moves scores even before rounding: those of a detector (ds_cnn_m) by at
# most 0.17, on average 0.004, on 165 clips that it was not trained on.
_QAT_ROOM = {
    "max_score_difference": 0.25,
    "max_mean_difference": 0.03,
    "near_tie": 0.25,
    "max_flip_fraction": 0.02,
}


@dataclass(frozen=True)
class Compressed:
    """A compressed model.

    Attributes:
        compression: What was done.
        model: The pruned or clustered Keras model, a new one. None for `qat`.
        tflite: For `qat`: the flatbuffer of each input length, samples or None.
        facts: What the report says of it, in JSON types.
    """

    compression: Compression
    model: keras.Model | None
    tflite: dict[int | None, bytes]
    facts: dict[str, Any]


def check_recipe(compression: Compression, quantize: str) -> None:
    """Refuses a recipe that cannot be had with a compression.

    Raises:
        ValueError: If it is another than int8 beside `qat`.
    """
    if compression.name == "qat" and quantize not in _BESIDE_QAT:
        raise ValueError(
            "qat trains for int8 and has no other recipe. Received: "
            f"quantize={quantize!r}. Leave it away."
        )


def recipe_of(compressed: Compressed, quantize: str) -> QuantizationRecipe:
    """Returns how the weights of a compressed model are stored, and the budget.

    Raises:
        ValueError: If there is no such recipe, or not with this compression.
    """
    check_recipe(compressed.compression, quantize)
    if compressed.compression.name != "qat":
        return get(quantize)
    int8 = get("int8")
    return dataclasses.replace(
        int8,
        name="qat",
        summary="int8 weights and activations, trained for; the front end is float32",
        budget=dataclasses.replace(int8.budget, **_QAT_ROOM),
    )


def trained_tflite(compressed: Compressed, samples: int | None) -> bytes:
    """Returns the flatbuffer of a model that was trained for int8.

    Raises:
        ValueError: If none was made for that length.
        ConversionError: If an operator is no builtin. A ValueError.
    """
    if samples not in compressed.tflite:
        raise ValueError(
            "qat writes files of the lengths that it was asked for. Received: "
            f"{samples} samples; made: {list(compressed.tflite)}."
        )
    tflite = compressed.tflite[samples]
    if tflite[4:8] != b"TFL3":
        raise ConversionError("qat must give a TFLite flatbuffer. It gave another.")
    refuse_foreign(tflite)
    return tflite


def record(
    compressed: Compressed, packed: bytes, before: ParityReport
) -> dict[str, Any]:
    """Returns the part of the report on the compression.

    Args:
        compressed: What was made.
        packed: The file's bytes.
        before: The comparison of the file with the model before compression.
    """
    figures = before.to_dict()
    names = ("clips", "max_score_difference", "mean_score_difference", "flips")
    return {
        **compressed.facts,
        "gzipped_bytes": len(gzip.compress(packed, mtime=0)),
        "against_the_model_before": {name: figures[name] for name in names},
    }
