"""PyTorch's names for the weights of PANNs, to ours."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cry_hub import torch_targets
from cry_hub.backbone import Backbone, backbone_of
from cry_hub.layout import Layout, Target
from cry_lite.log_mel import fft_window
from cry_lite.mel import mel_matrix
from cry_lite.spec import FrontEndSpec

HEAD_TENSORS = frozenset(
    {"fc1.weight", "fc1.bias", "fc_audioset.weight", "fc_audioset.bias"}
)


def state_dict_layout(model: keras.Model) -> Layout:
    """Returns where the tensors of a PANNs checkpoint go.

    The names are those of `checkpoint["model"]` in the files of
    qiuqiangkong/audioset_tagging_cnn. The STFT and mel matrices there must be
    those of the model's front end; they may be left out.

    Args:
        model: A network of PANNs, or one with its AudioSet head.
    """
    has_head = not isinstance(model, Backbone)
    backbone = backbone_of(model)
    targets: dict[str, Target] = {}
    counters = set()

    def add_convolution(name: str, layer: Any) -> None:
        *size, inputs, outputs = layer.kernel.shape
        targets[f"{name}.weight"] = Target(
            layer.kernel,
            (outputs, inputs, *size),
            # out, in, time -> time, in, out
            (lambda tensor: tensor.transpose(2, 1, 0))
            if len(size) == 1
            # out, in, time, band -> time, band, in, out
            else (lambda tensor: tensor.transpose(2, 3, 1, 0)),
        )

    for name in backbone.state_dict_modules:
        layer = backbone.get_layer(name.replace(".", "_"))
        if isinstance(layer, keras.layers.BatchNormalization):
            targets.update(torch_targets.batch_norm(name, layer))
            counters.add(torch_targets.batch_counter(name))
        else:
            add_convolution(name, layer)
    if has_head:
        targets.update(torch_targets.linear("fc1", model.get_layer("fc1")))
        targets.update(torch_targets.linear("fc_audioset", model.get_layer("logits")))
    return Layout(
        targets,
        other_heads=frozenset() if has_head else HEAD_TENSORS,
        ignored=frozenset(counters),
        fixed=front_end_tensors(backbone.front_end_spec),
    )


def front_end_tensors(spec: FrontEndSpec) -> dict[str, np.ndarray]:
    """Returns the matrices with which a PANNs checkpoint computes its log-mel.

    Args:
        spec: A front end of PANNs. Its `cutoff_hz` is ours, not the checkpoint's.

    Returns:
        Float64 arrays by the checkpoint's names: cosines and negative sines
        `(bins, 1, fft_length)` times the window, and mel weights
        `(bins, bands)`.
    """
    bins = np.arange(spec.fft_length // 2 + 1)[:, None, None]
    samples = np.arange(spec.fft_length)
    phase = 2.0 * np.pi * (bins * samples % spec.fft_length) / spec.fft_length
    window = fft_window(spec)
    return {
        "spectrogram_extractor.stft.conv_real.weight": np.cos(phase) * window,
        "spectrogram_extractor.stft.conv_imag.weight": -np.sin(phase) * window,
        "logmel_extractor.melW": mel_matrix(spec.replace(cutoff_hz=None)).astype(
            np.float64
        ),
    }
