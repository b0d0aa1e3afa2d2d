"""A model that was trained in mixed precision, computed in float32."""

from __future__ import annotations

from typing import Any

import keras

from cry_export.reference import all_layers


def in_float32(model: keras.Model) -> keras.Model:
    """Returns the model itself, or a float32 copy if a layer computes in less.

    Under `mixed_float16` and `mixed_bfloat16` the weights are float32 all along; a
    TFLite file, and what it is compared with, compute in float32 too.
    """
    if all(layer.compute_dtype == "float32" for layer in [model, *all_layers(model)]):
        return model
    config: Any = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    # Not safe_mode: it guards against files of others, this is the caller's model.
    copy: Any = keras.saving.deserialize_keras_object(_float32(config), safe_mode=False)
    copy.set_weights(model.get_weights())
    return copy


def _float32(config: Any) -> Any:
    """Returns a config with every policy of less than float32 replaced."""
    if isinstance(config, dict):
        if str(config.get("class_name", "")).endswith("DTypePolicy"):
            return "float32"
        return {
            key: "float32" if key == "dtype" and _is_short(value) else _float32(value)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_float32(each) for each in config)
    return config


def _is_short(dtype: Any) -> bool:
    return isinstance(dtype, str) and dtype.removeprefix("mixed_") in (
        "float16",
        "bfloat16",
    )
