"""What is written in place of a file that answers too far from its model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cry_export.parity import ParityReport
from cry_export.quantization_recipe import QuantizationRecipe, get

# Recipes that move scores less, the smaller file first.
_NEXT = {
    "int8": ("dynamic", "float16", "none"),
    "dynamic": ("float16", "none"),
    "float16": ("none",),
}
# Each is one more comparison by the runtime. Where these do not help, the noise comes
# from everywhere, and float16 takes it all.
_TRIES = 4


@dataclass(frozen=True)
class Attempt:
    """One file, compared with its model.

    Attributes:
        recipe: How its weights are stored.
        left_float: Layers that are float16 where the recipe has int8.
        made: The file before its metadata.
        packed: The file.
        parity: The comparison.
    """

    recipe: QuantizationRecipe
    left_float: tuple[str, ...]
    made: bytes
    packed: bytes
    parity: ParityReport


def attempts(
    first: Attempt, attempt: Callable[[QuantizationRecipe, tuple[str, ...]], Attempt]
) -> Iterator[Attempt]:
    """Yields files that answer nearer and nearer to the model.

    Args:
        first: The file as it was asked for, refused by the gate.
        attempt: Makes a file by a recipe, with some layers left float, and compares
            it; the signal over noise of its layers is measured if it is refused.
    """
    if first.recipe.name == "dynamic":
        yield from _sparing(first, attempt)
    for name in _NEXT.get(first.recipe.name, ()):
        made = attempt(get(name), ())
        yield made
        if name == "dynamic":
            yield from _sparing(made, attempt)


def _sparing(
    last: Attempt, attempt: Callable[[QuantizationRecipe, tuple[str, ...]], Attempt]
) -> Iterator[Attempt]:
    for _ in range(_TRIES):
        noisiest = _noisiest(last)
        if not noisiest:
            return
        last = attempt(last.recipe, (*last.left_float, *noisiest))
        yield last


def _noisiest(last: Attempt) -> list[str]:
    """Returns the int8 layers that half of the noise comes from, the worst first."""
    noise: dict[str, float] = {}
    for layer in last.parity.layers:
        if layer.has_int8_weights and layer.layer not in last.left_float:
            noise[layer.layer] = noise.get(layer.layer, 0.0) + layer.added_noise
    ranked = sorted(noise, key=lambda name: -noise[name])
    half, chosen = sum(noise.values()) / 2, []
    for name in ranked:
        chosen.append(name)
        half -= noise[name]
        if half <= 0:
            break
    return chosen


def sentence(asked: QuantizationRecipe, first: ParityReport, written: Attempt) -> str:
    """Returns what was done and why, one line."""
    got = written.recipe.name
    if written.left_float:
        got += f" with {', '.join(written.left_float)} left float"
    return (
        f"{asked.name} was asked for, {got} was written: with {asked.name} "
        f"{first.reasons[0]}."
    )
