"""Keras model to TFLite flatbuffer, with builtin operators only."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cry_export.errors import ConversionError
from cry_export.operators import refuse_foreign, refuse_foreign_names
from cry_export.quantization import apply_recipe
from cry_export.quantization_recipe import QuantizationRecipe
from cry_export.quiet import quiet
from cry_export.reference import front_end_of, weighted_layers


def to_tflite(
    model: keras.Model,
    recipe: QuantizationRecipe,
    samples: int | None,
    representative: Sequence[np.ndarray] = (),
) -> bytes:
    """Converts a waveform model to a TFLite flatbuffer.

    Args:
        model: Maps float32 `(batch, samples)` to scores `(batch, labels)`.
        recipe: How the weights are stored.
        samples: Fixed number of samples of the input, which becomes
            `(1, samples)`. None makes it `(1, None)`: the runtime resizes it to
            each clip.
        representative: Clips of the training data, for the recipes that need them.

    Returns:
        The file's bytes, without metadata.

    Raises:
        ConversionError: If the model needs an operator that the plain runtime
            does not have, or TensorFlow cannot convert it.
    """
    signature = [tf.TensorSpec((1, samples), tf.float32, name="waveform")]
    with tempfile.TemporaryDirectory(prefix="cry-tf-export-") as folder:
        # Not from_concrete_functions: on a Keras 3 model it writes a file without
        # weights and says nothing. Not format="litert": it lets Flex operators in.
        try:
            with quiet(), without_fft(front_end_of(model)):
                model.export(
                    folder,
                    format="tf_saved_model",
                    input_signature=signature,
                    verbose=False,
                )
                converter = tf.lite.TFLiteConverter.from_saved_model(folder)
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
                tflite = converter.convert()
        except MemoryError:
            raise
        except OSError as error:
            raise OSError(
                f"The temporary folder {tempfile.gettempdir()} must have room for the "
                f"model while it is converted: {error}"
            ) from error
        except Exception as error:
            refuse_foreign_names(_missing_operators(str(error)))
            raise ConversionError(
                f"TensorFlow cannot convert this model: {_first_line(error)}"
            ) from error
    refuse_foreign(tflite)
    return apply_recipe(tflite, recipe, representative, layers=weighted_layers(model))


@contextmanager
def without_fft(front_end: Any) -> Iterator[None]:
    """Makes a `FrontEnd` compute products while it is traced, if it is one.

    The runtime's own FFT takes about twice as long.
    """
    if not hasattr(front_end, "by_products"):
        yield
        return
    given = front_end.by_products
    front_end.by_products = True
    try:
        yield
    finally:
        front_end.by_products = given


def _missing_operators(message: str) -> list[str]:
    """Reads the names out of the converter's message, which is a page long."""
    names = []
    for line in re.findall(r"(?:Flex|Custom) ops: (.+)", message):
        for name in line.split(","):
            name = name.strip()
            place = re.search(rf'"([^"@]+)/{re.escape(name)}@', message)
            names.append(f"{name} (in {place[1]})" if place else name)
    return names


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
