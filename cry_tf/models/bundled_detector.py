"""The detectors that are included, as Keras models to fine-tune.

`weights/NAME.npz` holds the settings of the model, as `get_config` gives them, and its
weights by their paths: kernels in float16, vectors (batch norm, biases) in float32.
They are the weights from which `cry_lite/models/NAME.tflite` was exported, so both give
the same scores up to the rounding of each. `weights/NAME.npz.sha256` is its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from cry_hub.errors import WeightsError
from cry_hub.formats import npz
from cry_lite import atomic, models

if TYPE_CHECKING:
    from cry_tf.models.cry_model import CryModel

FOLDER = Path(__file__).with_name("weights")
"""Where they are."""

NAMES = models.NAMES
"""The presets, named as the `.tflite` files are."""

_CONFIG = "config.json"
# The state of a random generator is drawn anew.
_DRAWN = "seed_generator_state"


def save(model: CryModel, path: str | os.PathLike[str]) -> Path:
    """Writes a model as an included detector, with its digest beside it.

    Args:
        model: A trained `CryDetector`.
        path: Ends in `.npz`; what is there is replaced.

    Raises:
        ValueError: If a weight does not fit into float16.
        OSError: If it cannot be written.
    """
    path = Path(path).expanduser()
    config = json.dumps(model.get_config()).encode()
    arrays: dict[str, np.ndarray] = {_CONFIG: np.frombuffer(config, np.uint8)}
    for variable in _variables(model):
        value = np.asarray(variable)
        if value.ndim > 1:
            rounded = value.astype(np.float16)
            if not np.isfinite(rounded).all():
                raise ValueError(f"{variable.path} holds numbers beyond float16.")
            value = rounded
        arrays[variable.path] = value
    with atomic.replacing(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    atomic.write_bytes(_digest_file(path), f"{digest}\n".encode())
    return path


def build(
    model_class: type[CryModel],
    name: str,
    weights: str | os.PathLike[str] | None = "pretrained",
    trainable_backbone: bool = True,
    **changes: Any,
) -> CryModel:
    """Builds an included detector.

    Args:
        model_class: `CryDetector`.
        name: One of `NAMES`.
        weights: `pretrained`, or None for random ones.
        trainable_backbone: False freezes the backbone.
        **changes: In place of its own settings: `decision`, `dropout`, `name`.

    Raises:
        ValueError: If another setting is to be changed.
        WeightsError: If its file is missing or damaged.
    """
    if weights not in ("pretrained", None):
        raise ValueError(
            f"The detector {name} has weights of its own. Received: weights="
            f"{weights!r}. Take the preset of its backbone to start from others."
        )
    path = FOLDER / f"{name}.npz"
    arrays, digest = _read(path)
    config = json.loads(arrays.pop(_CONFIG).tobytes())
    for key, value in changes.items():
        if key not in ("decision", "dropout", "name") and value != _stated(config, key):
            raise ValueError(
                f"The detector {name} is trained with {key}={_stated(config, key)!r}. "
                f"Received: {key}={value!r}. Take the preset of its backbone for "
                "another."
            )
    decision = changes.get("decision")
    if decision is not None:
        config["decision"] = decision.to_dict()
    config |= {key: changes[key] for key in ("dropout", "name") if key in changes}
    model = model_class.from_config(config)
    if weights is not None:
        _assign(model, arrays, path)
        model.backbone.weights_source = f"the included detector {name}"
        model.backbone.weights_sha256 = digest
    model.backbone.trainable = trainable_backbone
    return model


def _stated(config: dict[str, Any], key: str) -> Any:
    """Returns a setting as a user gives it: lists as tuples, a layer by its name."""
    value = config.get(key)
    if key == "pooling" and isinstance(value, dict):
        words = re.findall("[A-Z][a-z]+", value["class_name"].removesuffix("Pooling"))
        value = "_".join(words).lower()
    if key == "cutoff_hz":
        value = config["backbone"]["config"].get(key)
    return tuple(value) if isinstance(value, list) else value


def _read(path: Path) -> tuple[dict[str, np.ndarray], str]:
    try:
        content = path.read_bytes()
        stated = _digest_file(path).read_text("ascii").strip()
    except OSError as error:
        raise WeightsError(
            f"The detector {path.stem} is missing ({path}). Install cry-tf again."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != stated:
        raise WeightsError(
            f"{path} is damaged: its sha256 is {digest[:12]}..., expected "
            f"{stated[:12]}.... It was not used. Install cry-tf again."
        )
    return npz.parse(content, path), digest


def _assign(model: CryModel, arrays: dict[str, np.ndarray], path: Path) -> None:
    variables = {variable.path: variable for variable in _variables(model)}
    if variables.keys() != arrays.keys():
        odd = sorted(variables.keys() ^ arrays.keys())
        raise WeightsError(
            f"{path} does not fit the network that its settings describe: {odd[:3]}. "
            "Install cry-tf again."
        )
    for name, variable in variables.items():
        variable.assign(arrays[name].astype(np.float32))


def _variables(model: CryModel) -> list[keras.Variable]:
    return [v for v in model.variables if not v.path.endswith(_DRAWN)]


def _digest_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
