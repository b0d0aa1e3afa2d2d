"""The bandwidth that all clips of a dataset have in common.

A network trained on 8 kHz cries against 44.1 kHz noises learns the cut-off, not
the cry. Removing from every clip what the narrowest lacks takes the hint away;
`FrontEndSpec.cutoff_hz` does so inside the model.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from cry_tf.data import sound_source
from cry_tf.data.decoding import ahead

if TYPE_CHECKING:
    from cry_tf.data.dataset import Dataset

# Anti-aliasing filters fall off below half the sample rate; 0.45 is under the
# edge of common resamplers (soxr HQ passes 0.456 of the rate untouched).
USABLE_SHARE = 0.45


class Bandwidth(NamedTuple):
    """A cut-off for every clip, and why.

    Attributes:
        cutoff_hz: Frequency above which all clips should be cut, Hz, or None
            if all have the same sample rate.
        reason: A sentence for the user.
    """

    cutoff_hz: float | None
    reason: str


def native_sample_rates(dataset: Dataset) -> dict[str, Counter[int]]:
    """Counts the sample rates of the files of each label.

    Args:
        dataset: The clips; their headers are read, not their samples.

    Returns:
        Label -> Counter of sample rate in Hz -> clips.

    Raises:
        SoundFileError: If a file cannot be read. Leave out what `check_audio`
            finds first.
    """
    rates: dict[str, Counter[int]] = {label: Counter() for label in dataset.labels}
    for clip, info in ahead(lambda clip: sound_source.info(clip.path), dataset.clips):
        if isinstance(info, OSError):
            raise info
        rates[clip.label][info.sample_rate_hz] += 1
    return rates


def shared_bandwidth(dataset: Dataset) -> Bandwidth:
    """Returns the cut-off that makes all clips equally wide, and why.

    The sample rate of the file's header is trusted: a clip that was upsampled has
    less bandwidth than its header implies.

    Raises:
        SoundFileError: If a file cannot be read.
    """
    by_label = native_sample_rates(dataset)
    rates = sorted(set().union(*by_label.values()))
    if not rates:
        return Bandwidth(None, "No clips, so no bandwidth to compare.")
    if len(rates) == 1:
        return Bandwidth(None, f"All clips have a sample rate of {rates[0]} Hz.")
    cutoff_hz = USABLE_SHARE * rates[0]
    listed = "; ".join(
        f"{hz} Hz for {_some([label for label, n in by_label.items() if n[hz]])}"
        for hz in rates
    )
    return Bandwidth(
        cutoff_hz,
        f"Sample rates differ: {listed}. What lies above {cutoff_hz:.0f} Hz "
        f"({USABLE_SHARE} x {rates[0]} Hz) shows the source of a clip, not its label, "
        "and should be removed from all clips.",
    )


def _some(labels: list[str]) -> str:
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return ", ".join(labels[:3]) + more
