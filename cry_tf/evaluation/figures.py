"""Records of the figures of an evaluation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from cry_tf.evaluation.detection import OperatingPoint, RecallAtRate
from cry_tf.evaluation.score_calibration import Calibration


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval from a bootstrap over groups.

    Attributes:
        value: The figure, None where the data cannot give it.
        low: 2.5th percentile of the draws.
        high: 97.5th percentile of the draws.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Summary:
    """The figures of one row of the table.

    Attributes:
        accuracy: Share of the clips answered rightly.
        balanced_accuracy: Mean recall of the labels that occur.
        macro_f1: Mean F1 of the labels that occur.
        auc: Area under the ROC curve; for a classifier the mean over its
            labels of one against the rest. It does not depend on a threshold.
        average_precision: For a detector; None for a classifier.
    """

    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    auc: Estimate
    average_precision: Estimate | None = None


@dataclass(frozen=True)
class LabelMetrics:
    """The figures of one label.

    Attributes:
        label: Name of the label.
        clips: Number of clips that truly have it.
        groups: Number of groups they come from.
        predicted: Number of clips that were given it.
        precision: Share of `predicted` that is right, 0 if never given.
        recall: Share of `clips` that is found.
        f1: Harmonic mean of the two.
        auc: Area under the ROC curve, this label against the rest.
    """

    label: str
    clips: int
    groups: int
    predicted: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    auc: Estimate


@dataclass(frozen=True)
class FoldMetrics:
    """The figures of the clips that one fold held out."""

    fold: int
    clips: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    auc: float | None


@dataclass(frozen=True)
class Metrics:
    """All figures of a set of predictions.

    Attributes:
        clips: Number of clips.
        groups: Number of groups.
        model: The model's row.
        majority_label: The commonest label of the data.
        majority: Figures of always giving that label.
        labels: One entry a label.
        confusion_matrix: Counts; rows are true labels, columns predicted labels.
        calibration: Scores against frequencies.
        folds: One entry a fold, empty without cross-validation.
        fold_mean: Mean of each figure over the folds.
        fold_deviation: Standard deviation over the folds (n - 1).
        operating_point: Of a detector, at the threshold of the predictions.
        recall_at_rates: For a detector: the highest recall at each false-positive rate.
    """

    clips: int
    groups: int
    model: Summary
    majority_label: str
    majority: Summary
    labels: tuple[LabelMetrics, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]
    calibration: Calibration
    folds: tuple[FoldMetrics, ...] = ()
    fold_mean: dict[str, float] = dataclasses.field(default_factory=dict)
    fold_deviation: dict[str, float] = dataclasses.field(default_factory=dict)
    operating_point: OperatingPoint | None = None
    recall_at_rates: tuple[RecallAtRate, ...] = ()

    @property
    def verdict(self) -> str | None:
        """A warning if the model is no better than the commonest label, or None.

        The balanced accuracy is compared, because accuracy favours always giving
        the commonest label.
        """
        found = self.model.balanced_accuracy
        chance = self.majority.balanced_accuracy.value
        if found.value is None or found.low is None or chance is None or chance == 1:
            return None
        if found.low > chance:
            return None
        return (
            f"Not better than chance: the balanced accuracy is {found.value:.3f} "
            f"({found.low:.3f} to {found.high:.3f}), and always answering "
            f"“{self.majority_label}” gives {chance:.3f}. Across groups, the model "
            "has not learned these labels."
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the metrics as JSON types only."""
        return dataclasses.asdict(self)
