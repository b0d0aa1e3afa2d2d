"""Which layers keep float activations, because int8 would cost too much signal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from cry_export.calibration import trace
from cry_export.int8_places import WEIGHTED
from cry_export.layer_noise import compare_tensors
from cry_export.operators import read_graph

# Signal over noise at the last quantised layer, and how far a score may move on clips
# of the training data: a third of what the gate allows on others.
_MIN_SQNR_DB = 18.0
_MAX_SCORE_DIFFERENCE = 0.05
_FIRST_JUDGED_CLIPS, _RANKING_CLIPS = 64, 4
# Layers are spared by so many at a time, as parts of all.
_STEP = 1 / 8


def find_noisy(
    float_file: bytes,
    quantised: Callable[[Collection[int]], Any],
    chosen: Collection[int],
    waveforms: Sequence[np.ndarray],
) -> list[int]:
    """Returns the layers to spare, so that the file answers as the float one does.

    First those whose noise arrives loudest at the last quantised layer, beside the
    size of their activation: a large one is what int8 saves time on.

    Args:
        float_file: The float flatbuffer.
        quantised: Makes a `ModelT` tree of it in which these operators compute on int8.
        chosen: Places of the operators that can.
        waveforms: Clips of the training data, float32 `(samples,)`.

    Returns:
        Places among `chosen` of operators with weights: none if none needs to be
        spared, all if nothing less is enough.
    """
    graph = read_graph(float_file)
    last = int(graph.subgraphs[0].operators[max(chosen)].outputs[0])
    judges = [_Judge(float_file, waveforms, last, _FIRST_JUDGED_CLIPS)]
    if len(waveforms) > _FIRST_JUDGED_CLIPS:  # what they let through, all hear
        judges.append(_Judge(float_file, waveforms, last, len(waveforms)))

    def is_accepted(places: Collection[int]) -> bool:
        return all(judge.accepts(quantised(places)) for judge in judges)

    if is_accepted(chosen):
        return []
    ranking = _Judge(float_file, waveforms, last, _RANKING_CLIPS)
    weighted = [place for place in sorted(chosen) if _is_weighted(graph, place)]
    noise = {place: ranking.noise(quantised({place})) for place in weighted}
    noisiest = sorted(
        weighted, key=lambda place: -noise[place] / _elements(graph, place)
    )
    allowed = 10 ** (-_MIN_SQNR_DB / 10)
    step = max(1, round(_STEP * len(noisiest)))
    for count in range(step, len(noisiest), step):
        is_hopeless = sum(noise[place] for place in noisiest[count:]) > allowed
        spared = set(noisiest[:count])
        if not is_hopeless and is_accepted(set(chosen) - spared):
            return sorted(spared)
    return weighted


class _Judge:
    """Compares with the float file at the last quantised layer and at the scores."""

    def __init__(
        self, float_file: bytes, waveforms: Sequence[np.ndarray], last: int, clips: int
    ) -> None:
        outputs = read_graph(float_file).subgraphs[0].outputs
        self._last, self._scores = last, int(outputs[0])
        step = max(1, len(waveforms) // clips)
        self._clips = list(waveforms)[::step][:clips]
        self._ends = {self._last, self._scores}
        self._expected = list(trace(float_file, self._clips, self._ends))

    def accepts(self, graph: Any) -> bool:
        """Whether signal and scores are near enough; the tree is used up."""
        found = compare_tensors(self._expected, graph, self._clips, self._ends)
        return (
            found[self._last].sqnr_db >= _MIN_SQNR_DB
            and found[self._scores].max_difference <= _MAX_SCORE_DIFFERENCE
        )

    def noise(self, graph: Any) -> float:
        """Returns noise over signal at the last quantised layer, a ratio of powers."""
        found = compare_tensors(self._expected, graph, self._clips, {self._last})
        return float(10 ** (-found[self._last].sqnr_db / 10))


def _is_weighted(graph: Any, place: int) -> bool:
    operator = graph.subgraphs[0].operators[place]
    return graph.operatorCodes[operator.opcodeIndex].builtinCode in WEIGHTED


def _elements(graph: Any, place: int) -> int:
    subgraph = graph.subgraphs[0]
    shape = subgraph.tensors[subgraph.operators[place].outputs[0]].shape
    return int(np.prod(np.abs(shape)))
