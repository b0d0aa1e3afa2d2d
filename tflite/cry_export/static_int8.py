"""Static int8 of a network: weights and activations, the front end left float.

TFLiteConverter quantises a graph as a whole, ai-edge-quantizer fails on tensors
above 32 MiB, and neither knows our front end. So the float flatbuffer is rewritten:
convolutions and what lies between them compute on int8, with one scale a tensor for
activations (from real clips) and one an output channel for weights. QUANTIZE and
DEQUANTIZE stand where the float front end, masks and pooling begin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_export.calibration import ChannelMeans, Observer, channel_means, observe
from cry_export.equalization import equalize
from cry_export.errors import ConversionError
from cry_export.int8_places import activations, choose
from cry_export.int8_rewriting import Int8Rewriting
from cry_export.int8_sparing import find_noisy
from cry_export.operators import read_graph, write_graph

_SCALE_CLIPS = 64


@dataclass(frozen=True)
class StaticInt8:
    """What static quantisation made of a file.

    Attributes:
        content: The flatbuffer, float in and out.
        float_file: The float flatbuffer with equalised channels, which computes what
            the given one does; its tensors have the same indices as `content`'s.
        spared: Paths of the layers that would have added too much noise and keep
            float activations.
    """

    content: bytes
    float_file: bytes
    spared: tuple[str, ...]


def quantize_static(
    tflite: bytes,
    representative: Sequence[np.ndarray],
    is_spared: Callable[[Any, Any], bool],
    seed: int = 0,
) -> StaticInt8:
    """Quantises convolutions, and what lies between them, to int8.

    Channels are made equally loud first (see `equalization`). If the file answers too
    far from the float one all the same, the layers that the noise comes from keep
    float activations (see `int8_sparing`).

    Args:
        tflite: A float32 flatbuffer, waveform in.
        representative: Clips of the training data, float32 `(samples,)`. Up to 64,
            spread over them, give the scales of the activations; all of them say
            which layers keep float activations.
        is_spared: `(graph, operator)`, True for an operator that stays float.
        seed: Seed of the draws behind the scales.

    Raises:
        ConversionError: If nothing can be quantised, or a weight or an activation is
            not finite.
    """
    graph = read_graph(tflite)
    chosen = choose(graph, graph.subgraphs[0], is_spared)
    if not chosen:
        raise ConversionError(
            "int8 needs convolutions to quantise, and none is left in this model. Take "
            "quantize='dynamic' (--quantize dynamic), or keep fewer layers float."
        )
    clips = representative[:: -(-len(representative) // _SCALE_CLIPS)]
    # Ahead of the clips, so that no draw leaves them out.
    heard = [*_edges(clips, seed), *clips]
    float_file, rewritten = _prepare(tflite, clips, heard, chosen, seed)

    def quantised(places: Collection[int]) -> Any:
        return rewritten(choose(graph, graph.subgraphs[0], is_spared, places))

    spared = find_noisy(float_file, quantised, chosen, representative)
    if spared:  # made equal for int8 alone, their weights would only lose
        chosen = choose(graph, graph.subgraphs[0], is_spared, chosen - set(spared))
        if not chosen:  # what is left is `dynamic`
            float_file, rewritten = tflite, lambda _: read_graph(tflite)
        else:
            float_file, rewritten = _prepare(tflite, clips, heard, chosen, seed)
    paths = [_path(graph, place) for place in spared]
    return StaticInt8(write_graph(rewritten(chosen)), float_file, tuple(paths))


def _prepare(
    tflite: bytes,
    representative: Sequence[np.ndarray],
    heard: Sequence[np.ndarray],
    chosen: Collection[int],
    seed: int,
) -> tuple[bytes, Callable[[Collection[int]], Any]]:
    """Returns the equalised float file, and what makes int8 of places in it."""
    float_file = equalize(tflite, representative, chosen)
    observers = _observe(float_file, heard, chosen, seed)
    means: dict[int, ChannelMeans] = {}

    def rewriting(places: Collection[int]) -> Int8Rewriting:
        made = Int8Rewriting(read_graph(float_file), places, observers, means)
        made.run()
        return made

    means |= channel_means(float_file, representative, rewriting(chosen).heard)
    return float_file, lambda places: rewriting(places).graph


def _edges(representative: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Returns full-scale noise, long and short, and silence.

    The loudest that a microphone can give lies far outside the ranges of most clips,
    most of all where it breaks off within a patch, and must be answered as before too.
    """
    samples = max(len(clip) for clip in representative)
    noise = np.random.default_rng((seed, 1)).choice((-1.0, 1.0), samples)
    noise = noise.astype(np.float32)
    lengths = (1, 2, 5, 8)
    return [*(noise[: max(1, samples // n)] for n in lengths), np.zeros_like(noise)]


def _path(graph: Any, place: int) -> str:
    subgraph = graph.subgraphs[0]
    return subgraph.tensors[subgraph.operators[place].outputs[0]].name.decode()


def _observe(
    tflite: bytes, waveforms: Sequence[np.ndarray], chosen: Collection[int], seed: int
) -> Mapping[int, Observer]:
    graph = read_graph(tflite)
    subgraph = graph.subgraphs[0]
    wanted = {
        index
        for place in chosen
        for index in activations(graph, subgraph, subgraph.operators[place])
    }
    observers = observe(tflite, waveforms, wanted, seed)
    for index, observer in observers.items():
        if not observer.is_finite:
            raise ConversionError(
                "Activations must be finite on the representative clips. Received: NaN "
                f"or infinity in {subgraph.tensors[index].name.decode()}."
            )
    return observers
