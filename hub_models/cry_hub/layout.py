"""How a file of weights names the tensors of a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Target:
    """Where one source tensor goes.

    Attributes:
        variable: The variable of the model.
        shape: Shape of the source tensor, before `arrange`.
        arrange: Source layout to Keras layout; the identity where they agree.
    """

    variable: Any
    shape: tuple[int, ...]
    arrange: Callable[[np.ndarray], np.ndarray] = np.asarray


@dataclass(frozen=True)
class Layout:
    """One way in which a file names the weights of a model.

    Attributes:
        targets: Source name to target, for every tensor the model needs.
        constants: Variables that the source does not hold, with their values.
        other_heads: Names that may be in the file and that this model, built
            without that head, does not need.
        ignored: Names that may be in the file and say nothing about the result.
        fixed: Tensors that may be in the file and must then have these values:
            they are part of the model's front end.
        rename: A file's name for a tensor to the name that the fields above have
            for it; a name that says nothing to it comes back as it is.
        training_state: Pattern of names, after `rename`, of what an optimizer
            keeps: a checkpoint may hold it, and inference has no use for it.
    """

    targets: Mapping[str, Target]
    constants: tuple[tuple[Any, np.ndarray], ...] = ()
    other_heads: frozenset[str] = field(default_factory=frozenset)
    ignored: frozenset[str] = field(default_factory=frozenset)
    fixed: Mapping[str, np.ndarray] = field(default_factory=dict)
    rename: Callable[[str], str] = str
    training_state: re.Pattern[str] | None = None

    def is_idle(self, name: str) -> bool:
        """Returns whether a tensor may be in the file without being used."""
        return (
            name in self.other_heads
            or name in self.ignored
            or bool(self.training_state and self.training_state.search(name))
        )
