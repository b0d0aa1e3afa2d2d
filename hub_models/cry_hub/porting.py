"""Named tensors into a model: nothing unused, missing or mis-shaped gets in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cry_hub import registry
from cry_hub.backbone import Backbone
from cry_hub.errors import WeightsError
from cry_hub.layout import Layout, Target
from cry_hub.preset import imported
from cry_lite import atomic


def native_layout(model: keras.Model) -> Layout:
    """Returns our own layout: `layer name/variable name`, as in `save_npz`."""
    targets = {
        name: Target(variable, tuple(variable.shape))
        for name, variable in _named_variables(model)
    }
    inner = [each for each in (model, *model.layers) if isinstance(each, Backbone)]
    head = {
        f"{layer}/{variable}"
        for layer in (inner[0] if inner else Backbone).head_layers
        for variable in ("kernel", "bias")
    }
    return Layout(targets, other_heads=frozenset(head - targets.keys()))


def port_tensors(
    layouts: tuple[Layout, ...], tensors: Mapping[str, np.ndarray], source: str
) -> None:
    """Writes tensors into the variables of the first layout that knows their names.

    Everything is checked before anything is written.

    Args:
        layouts: The ways in which the tensors may be named, best first.
        tensors: Arrays by source name.
        source: Where the tensors come from, for the error.

    Raises:
        WeightsError: If a tensor is missing, unused, of another shape, not of
            real numbers, not finite, or of another front end. Every such tensor
            is named.
    """
    layout = max(
        layouts, key=lambda each: len(each.targets.keys() & set(_names(each, tensors)))
    )
    faults = _faults(layout, tensors)
    if faults:
        shown = "; ".join(faults[:8])
        more = f"; and {len(faults) - 8} more" if len(faults) > 8 else ""
        raise WeightsError(
            f"Every tensor must fit the model. Received from {source}: {shown}{more}. "
            "Nothing was used: give the file of this preset."
        )
    names = _names(layout, tensors)
    for name, target in layout.targets.items():
        tensor = np.asarray(tensors[names[name]], "float32")
        target.variable.assign(target.arrange(tensor))
    for variable, value in layout.constants:
        variable.assign(value)


def layouts_of(preset: str, model: keras.Model) -> tuple[Layout, ...]:
    """Returns every layout in which weights of this model may come."""
    makers = [imported(name) for name in registry.get(preset).layouts]
    return (*(make(model) for make in makers), native_layout(model))


def port_weights(
    preset: str,
    tensors: Mapping[str, np.ndarray],
    head: str | None = None,
    *,
    cutoff_hz: float | None = None,
    source: str = "the given tensors",
    **arguments: Any,
) -> Any:
    """Builds a preset and fills it with named tensors.

    Args:
        preset: Name of the preset.
        tensors: Arrays by name: the names of the preset's source, or ours
            (`layer/variable`, see `save_npz`).
        head: None for the backbone alone, or the name of one of its heads.
        cutoff_hz: Float, see `cry_lite.spec.FrontEndSpec`, or None.
        source: Where the tensors come from, for errors.
        **arguments: More arguments of the backbone's constructor.

    Returns:
        The backbone, or waveform -> logits with a head.

    Raises:
        WeightsError: If a tensor is missing, unused, mis-shaped or not finite.
        ValueError: If the preset, the head or an argument does not exist.
    """
    model = registry.get(preset).build(head, cutoff_hz=cutoff_hz, **arguments)
    port_tensors(layouts_of(preset, model), tensors, source)
    return set_source(model, source, None)


def set_source(model: Any, source: str, sha256: str | None) -> Any:
    """Writes where weights come from on a model and on the backbone in it.

    Returns:
        The model.
    """
    inner = [layer for layer in model.layers if isinstance(layer, Backbone)]
    for each in (model, *inner):
        each.weights_source = source
        each.weights_sha256 = sha256
    return model


def save_npz(model: keras.Model, path: str | os.PathLike[str]) -> Path:
    """Writes the weights of a backbone as `layer/variable` arrays in a .npz.

    The file is what `cry_hub.load(preset, weights=path)` takes.

    Args:
        model: A backbone, or a backbone with a head.
        path: The file, ending in `.npz`. It must not exist.

    Returns:
        The path.

    Raises:
        ValueError: If `path` does not end in `.npz`.
        FileExistsError: If the file exists.
    """
    path = Path(path).expanduser()
    if path.suffix != ".npz":
        raise ValueError(f"path must end in .npz. Received: path={str(path)!r}.")
    if path.exists():
        raise FileExistsError(
            f"{path} exists and is not overwritten: delete it or choose another name."
        )
    arrays = {name: np.asarray(var) for name, var in _named_variables(model)}
    with atomic.replacing(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return path


def _named_variables(model: keras.Model) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _named_variables(layer)
        else:
            for variable in layer.weights:
                yield f"{layer.name}/{variable.name}", variable


def _names(layout: Layout, tensors: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Returns the layout's name of every tensor to that of the file."""
    return {layout.rename(name): name for name in tensors}


def _faults(layout: Layout, tensors: Mapping[str, np.ndarray]) -> list[str]:
    names = _names(layout, tensors)
    faults = [
        f"{name} {target.shape} is missing"
        for name, target in layout.targets.items()
        if name not in names
    ]
    for name, tensor in tensors.items():
        renamed = layout.rename(name)
        target = layout.targets.get(renamed)
        if names[renamed] != name:
            faults.append(f"{name} and {names[renamed]} are both {renamed}")
        elif renamed in layout.fixed:
            faults += _front_end_faults(name, tensor, layout.fixed[renamed])
        elif target is None:
            if not layout.is_idle(renamed):
                faults.append(f"{name} {np.shape(tensor)} has no place in the model")
        elif np.shape(tensor) != target.shape:
            faults.append(f"{name} is {np.shape(tensor)}, not {target.shape}")
        elif not np.issubdtype(np.asarray(tensor).dtype, np.floating):
            faults.append(f"{name} holds {np.asarray(tensor).dtype}, not floats")
        elif not np.isfinite(tensor).all():
            faults.append(f"{name} holds NaN or infinity")
    return faults


def _front_end_faults(name: str, tensor: Any, expected: np.ndarray) -> list[str]:
    rule = "the weights are of another front end (sample rate, window or mel bands)"
    if np.shape(tensor) != expected.shape:
        return [f"{name} is {np.shape(tensor)}, not {expected.shape}: {rule}"]
    if not np.issubdtype(np.asarray(tensor).dtype, np.floating):
        return [f"{name} holds {np.asarray(tensor).dtype}, not floats"]
    # float32 cosines and mel weights of several implementations
    error = np.abs(np.asarray(tensor, "float64") - expected).max()
    if not error <= 1e-4 * np.abs(expected).max():
        return [f"{name} is off by up to {error:.2g}: {rule}"]
    return []
