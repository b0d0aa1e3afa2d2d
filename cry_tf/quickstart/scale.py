"""How much of everything a quickstart makes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Sizes of the synthetic sets, of the training and of the night.

    Attributes:
        infants: Synthetic infants, that is, groups.
        detection_clips: Clips an infant in the detection set, half of them cries.
        detection_s: Length of each, seconds.
        reason_clips: Cries an infant and reason in the reason set.
        reason_s: Length of each, seconds.
        night_s: Length of the night, seconds.
        cry_episodes: Cry episodes in it.
        household_events: Other sounds in it.
        scratch_epochs: Passes where every layer is trained from random weights.
        scratch_batch: Clips a step there: few, as there are few clips, and a
            network learns by the step.
        scratch_folds: Folds there: each is a whole training.
        head_epochs: Passes where only the head is trained.
        head_folds: Folds there.
        parity_clips: Clips on which a `.tflite` is compared with its model.
    """

    infants: int = 16
    detection_clips: int = 30
    detection_s: float = 2.0
    reason_clips: int = 4
    reason_s: float = 3.0
    night_s: float = 600.0
    cry_episodes: int = 6
    household_events: int = 24
    scratch_epochs: int = 6
    scratch_batch: int = 16
    scratch_folds: int = 2
    head_epochs: int = 30
    head_folds: int = 5
    parity_clips: int = 40


# Sized by measurement: from random weights about 150 s of processor time, two thirds of
# it training, which two cores share; with the weights that come along 75 s.
STANDARD = Scale()
