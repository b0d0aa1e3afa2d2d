"""A night put together from recordings that no model was trained on."""

from __future__ import annotations

import numpy as np

from cry_tf.data.dataset import Dataset
from cry_tf.data.detection_labels import POSITIVE, LabelMapping
from cry_tf.synthesis.night import Night, TrueEvent
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ

_FLOOR_DB = -70.0
_MAX_CLIP_S = 30.0


def held_out_night(
    dataset: Dataset, mapping: LabelMapping, seed: int, duration_s: float
) -> Night:
    """Strings clips together, with some seconds of near silence between them.

    Clips are drawn until the night is full, cries at most a third of them, and
    each is heard as it was recorded, its first 30 seconds at most.

    Args:
        dataset: The clips.
        mapping: Which labels mean a cry.
        seed: Draws the clips, their order and the pauses.
        duration_s: Length wanted, seconds; fewer clips make a shorter night.

    Returns:
        The night; a cry's label is its `reason`.

    Raises:
        ValueError: If the clips hold no cry or nothing else.
    """
    rng = np.random.default_rng([seed, 1])
    is_cry = np.array([mapping(clip.label) == POSITIVE for clip in dataset.clips])
    cries = rng.permutation(np.flatnonzero(is_cry))
    others = rng.permutation(np.flatnonzero(~is_cry))
    if not len(cries) or not len(others):
        raise ValueError(
            "A night takes cries and other sounds. Received: "
            f"{len(cries)} clips with a cry and {len(others)} without."
        )
    order: list[int] = []
    while len(cries) or len(others):
        order += [*cries[:1], *others[:2]]
        cries, others = cries[1:], others[2:]
    chosen = dataset.subset(order)

    pieces, events, position = [], [], 0
    for clip, waveform in chosen.waveforms(
        SAMPLE_RATE_HZ, on_error="skip", max_seconds=_MAX_CLIP_S
    ):
        pause = int(rng.uniform(3, 8) * SAMPLE_RATE_HZ)
        if events and position + pause + len(waveform) > duration_s * SAMPLE_RATE_HZ:
            break
        pieces += [np.zeros(pause, np.float32), waveform]
        start, position = position + pause, position + pause + len(waveform)
        cry = mapping(clip.label) == POSITIVE
        events.append(
            TrueEvent(
                start_s=start / SAMPLE_RATE_HZ,
                end_s=position / SAMPLE_RATE_HZ,
                label=POSITIVE if cry else clip.label,
                reason=clip.label if cry else "",
            )
        )
    if not pieces:
        raise ValueError(
            f"A night takes clips that can be decoded. None of {len(chosen)} can. The "
            f"first: {chosen.problems[0].sentence}"
        )
    out = np.concatenate([*pieces, np.zeros(3 * SAMPLE_RATE_HZ, np.float32)])
    floor = rng.standard_normal(len(out), dtype=np.float32)
    out += floor * np.float32(10 ** (_FLOOR_DB / 20))
    return Night(out.clip(-0.999, 0.999), tuple(events))
