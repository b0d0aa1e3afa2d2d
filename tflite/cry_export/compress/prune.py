"""Sets the smallest weights to zero, bit by bit while the network trains."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras

from cry_export.compress.compression import FineTuning
from cry_export.compress.fine_tuning import Clips, fine_tune, steps_of

# The last part of the training recovers from the last weights that went.
_PRUNING_SHARE = 0.6
# Each time sorts every kernel.
_PRUNINGS = 20


def prune(
    twin: tf_keras.Model,
    names: Collection[str],
    sparsity: float,
    clips: Clips,
    targets: np.ndarray,
    tuning: FineTuning,
) -> tuple[tf_keras.Model, list[float]]:
    """Prunes kernels by magnitude, each to the same sparsity.

    Args:
        twin: Changed by it.
        names: Layers whose kernel is pruned.
        sparsity: Share of zeros, in (0, 1).
        clips: What it is trained on.
        targets: The scores that it should give.
        tuning: How to train.

    Returns:
        The pruned twin, and the loss of each epoch.
    """
    steps = steps_of(clips, tuning)
    every = max(1, int(steps * _PRUNING_SHARE) // _PRUNINGS)
    last = int(steps * _PRUNING_SHARE) // every * every
    schedule: Any = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=sparsity / 2 if last else sparsity,
        final_sparsity=sparsity,
        begin_step=0,
        end_step=max(1, last),
        frequency=every,
    )

    def wrapped(layer):
        if layer.name not in names:
            return layer
        return tfmot.sparsity.keras.prune_low_magnitude(layer, schedule)

    pruned = tf_keras.models.clone_model(twin, clone_function=wrapped)
    losses = fine_tune(
        pruned, clips, targets, tuning, [tfmot.sparsity.keras.UpdatePruningStep()]
    )
    return tfmot.sparsity.keras.strip_pruning(pruned), losses
