"""Maps any set of labels to cry and no_cry."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cry_tf.data.clip import label_name

if TYPE_CHECKING:
    from cry_tf.data.dataset import Dataset

NEGATIVE = "no_cry"
POSITIVE = "cry"
LABELS = (NEGATIVE, POSITIVE)

# A cry by any name: the event itself (AudioSet, ESC, Donate-a-Cry, CryCeleb), and
# the reasons that labelled cry sets use.
_CRY_NAMES = """
    cry cries crying baby_cry baby_crying crying_baby infant_cry infant_crying
    baby_cry_infant_cry crying_sobbing newborn_cry
    hungry hunger tired tiredness sleepy discomfort uncomfortable belly_pain pain
    burping burp needs_burping needs_to_burp cold_hot cold hot lonely scared fear
    boredom bored awake hug diaper dirty_diaper
"""
CRY_NAMES = frozenset(_CRY_NAMES.split())
# Who labelled these did not decide.
UNSURE_NAMES = frozenset(["unsure", "uncertain", "ambiguous"])


@dataclass(frozen=True)
class LabelMapping:
    """Which labels of a data set mean a cry.

    Attributes:
        positive: Labels that mean a cry, with the number of clips of each.
        negative: The others.
        reason: Where the choice came from, in words.
    """

    positive: tuple[tuple[str, int], ...]
    negative: tuple[tuple[str, int], ...]
    reason: str

    def __call__(self, label: str) -> str:
        """Returns `cry` or `no_cry` for a label of the data set."""
        return POSITIVE if label in dict(self.positive) else NEGATIVE

    def sentences(self) -> tuple[str, str]:
        """Returns a line for each side, with the number of clips of each label."""
        return (
            f"{POSITIVE} ({_count(self.positive)}, {self.reason}): "
            f"{_list(self.positive)}",
            f"{NEGATIVE} ({_count(self.negative)}): {_list(self.negative)}",
        )


def map_labels(
    clip_labels: Sequence[str],
    positive: Sequence[str] | None = None,
    is_training: bool = True,
    remembered: Sequence[str] = (),
) -> LabelMapping:
    """Decides which labels mean a cry.

    Args:
        clip_labels: Label of each clip.
        positive: Labels that mean a cry; None takes those of `remembered` that
            occur, and where none does the well-known names.
        is_training: True requires both sides. A finished detector may also be
            evaluated on one side alone, for instance on nights without a cry.
        remembered: What was stated as positive when the detector was trained.

    Returns:
        The mapping.

    Raises:
        ValueError: If a label of `positive` does not occur, or a side that
            must not be empty is.
    """
    counts = Counter(clip_labels)
    known = set(map(label_name, remembered)) & set(counts)
    if positive is None and known:
        chosen, reason = known, "as in the training of the model"
    elif positive is None:
        chosen = {label for label in counts if _normalised(label) in CRY_NAMES}
        reason = "by well-known names"
    else:
        chosen = set(map(label_name, positive))
        reason = "as stated"
        unknown = sorted(chosen - set(counts))
        if unknown:
            raise ValueError(
                "Every positive label must occur in the data. "
                f"Received: {', '.join(unknown)}. Labels: {_names(counts)}."
            )
    if is_training and (not chosen or chosen == set(counts)):
        side = "no label that means a cry" if not chosen else "nothing but cries"
        raise ValueError(
            f"A detector learns from cries and from other sounds. The data has {side} "
            f"({reason}). Labels: {_names(counts)}. "
            + (
                "Name the cries with --positive."
                if not chosen
                else "Add recordings of a home without crying."
            )
        )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return LabelMapping(
        positive=tuple(item for item in ordered if item[0] in chosen),
        negative=tuple(item for item in ordered if item[0] not in chosen),
        reason=reason,
    )


def without_unsure(
    dataset: Dataset, positive: Sequence[str] | None = None
) -> tuple[Dataset, str | None]:
    """Leaves out clips whose label says that it is not known.

    Args:
        dataset: Labelled clips.
        positive: Labels that mean a cry, whatever their names; or None.

    Returns:
        The other clips, and a sentence for the user, None if there is no such clip.
    """
    stated = set(map(label_name, positive or ()))
    counts = dataset.label_counts
    unsure = {
        label: counts[label]
        for label in dataset.labels
        if _normalised(label) in UNSURE_NAMES and label not in stated
    }
    if not any(unsure.values()):
        return dataset, None
    kept = dataset.map_labels(lambda label: None if label in unsure else label)
    named = ", ".join(f"{label} {count}" for label, count in unsure.items())
    return kept, f"left out, neither cry nor other sound: {named}"


def _normalised(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


def _count(side: tuple[tuple[str, int], ...]) -> str:
    clips = sum(n for _, n in side)
    return f"{clips} clip" if clips == 1 else f"{clips} clips"


def _list(side: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{label} {n}" for label, n in side) or "none"


def _names(counts: Counter[str]) -> str:
    return ", ".join(sorted(counts))
