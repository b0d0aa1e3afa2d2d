"""The figures of classical methods beside those of a run."""

from __future__ import annotations

from pathlib import Path

from cry_tf.evaluation.figures import Summary
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.predictions import Predictions
from cry_tf.training.baselines import BASELINES, score_baselines
from cry_tf.training.listener import Listener
from cry_tf.training.preparation import Prepared
from cry_tf.training.settings import Settings


def measure_baselines(
    prepared: Prepared,
    predictions: Predictions,
    settings: Settings,
    cache_dir: Path,
    listener: Listener,
) -> tuple[tuple[str, Summary], ...]:
    """Measures classical methods on the folds of the model."""
    if not settings.baselines:
        return ()
    dataset = prepared.dataset
    steps = len(dataset) + settings.folds * len(BASELINES)
    with listener.progress("classical baselines", steps) as advance:
        try:
            scores = score_baselines(
                dataset,
                dataset.fold_indices(settings.folds, settings.seed),
                settings.seed,
                is_balanced=settings.recipe.imbalance != "none",
                cutoff_hz=prepared.bandwidth.cutoff_hz,
                cache_dir=cache_dir,
                tell=advance,
            )
        except (ValueError, OSError) as error:  # the model itself is not lost
            listener.warn(f"the classical baselines are left out: {error}")
            return ()
    return tuple(
        (name, measure(predictions.replace(scores=found)).model)
        for name, found in scores.items()
    )
