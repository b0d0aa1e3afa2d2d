"""The warning that a model is not better than chance."""

from __future__ import annotations

from cry_tf.evaluation.figures import Metrics


def verdict(metrics: Metrics) -> str | None:
    """Returns a warning if a model is no better than the commonest label.

    The balanced accuracy is compared, because accuracy favours always giving
    the commonest label.

    Args:
        metrics: Figures of the model.

    Returns:
        A sentence, or None if the model is better than chance.
    """
    found = metrics.model.balanced_accuracy
    chance = metrics.majority.balanced_accuracy.value
    if found.value is None or found.low is None or chance is None or chance == 1:
        return None
    if found.low > chance:
        return None
    return (
        f"Not better than chance: the balanced accuracy is {found.value:.3f} "
        f"({found.low:.3f} to {found.high:.3f}), and always answering "
        f"“{metrics.majority_label}” gives {chance:.3f}. Across groups, the model "
        "has not learned these labels."
    )
