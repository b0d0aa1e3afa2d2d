"""The original PyTorch networks of our presets, for `backbones.py`.

Nothing of them is part of cry-tf: they are imported from clones of their
repositories.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cry_lite.spec import FrontEndSpec

# Our preset to its class in PANNs' models.py.
PANNS = {
    "cnn10_audioset": "Cnn10",
    "cnn14_audioset": "Cnn14",
    "cnn14_16k_audioset": "Cnn14_16k",
    "cnn14_8k_audioset": "Cnn14_8k",
    "cnn14_decision_max_audioset": "Cnn14_DecisionLevelMax",
    "cnn14_decision_att_audioset": "Cnn14_DecisionLevelAtt",
    "resnet22_audioset": "ResNet22",
    "wavegram_logmel_cnn14_audioset": "Wavegram_Logmel_Cnn14",
}
# Our preset to the width of EfficientAT's MobileNet.
EFFICIENTAT = {"mn04_audioset": 0.4}
AUDIOSET_CLASSES = 527


def load(
    preset: str,
    spec: FrontEndSpec,
    panns: Path | None,
    torchlibrosa: Path | None,
    efficientat: Path | None,
) -> tuple[Any, str]:
    """Returns the original as a torch module from waveform to scores.

    Args:
        preset: Name of our preset.
        spec: Its front end.
        panns: Clone of qiuqiangkong/audioset_tagging_cnn, or None.
        torchlibrosa: Clone of qiuqiangkong/torchlibrosa, or None.
        efficientat: Clone of fschmid56/EfficientAT, or None.

    Returns:
        The module in evaluation mode, or None and the reason.
    """
    if preset in PANNS:
        needed = (panns, torchlibrosa)
        build = functools.partial(_panns, PANNS[preset], spec)
    elif preset in EFFICIENTAT:
        needed = (efficientat,)
        build = functools.partial(_efficientat, EFFICIENTAT[preset])
    else:
        return None, "no PyTorch original"
    clones = [clone for clone in needed if clone is not None]
    if len(clones) < len(needed):
        return None, "no clone of the original given"
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return build(*clones).eval(), ""
    except Exception as error:  # foreign code under newer libraries
        return None, f"{type(error).__name__}: {error}".splitlines()[0][:80]


def _panns(class_name: str, spec: FrontEndSpec, panns: Path, torchlibrosa: Path) -> Any:
    sys.path[:0] = [str(panns / "pytorch"), str(torchlibrosa)]
    models = importlib.import_module("models")
    return getattr(models, class_name)(
        sample_rate=spec.sample_rate_hz,
        window_size=spec.window_samples,
        hop_size=spec.hop_samples,
        mel_bins=spec.mel_bands,
        fmin=int(spec.min_hz),
        fmax=int(spec.max_hz),
        classes_num=AUDIOSET_CLASSES,
    )


def _efficientat(width: float, clone: Path) -> Any:
    """Returns the network behind a front end of the same operations.

    The original's front end needs torchaudio for one matrix, which it computes anew
    in each call. Here it is computed once, which is to the original's advantage;
    its numbers do not change the time.
    """
    import torch  # pyright: ignore[reportMissingImports]

    class Original(torch.nn.Module):
        def __init__(self, network: Any):
            super().__init__()
            self.network = network
            self.mel = torch.rand(128, 513) / 513
            self.window = torch.hann_window(800, periodic=False)
            self.difference = torch.as_tensor([[[-0.97, 1.0]]])

        def forward(self, waveform: Any) -> Any:
            x = torch.nn.functional.conv1d(waveform[:, None], self.difference)[:, 0]
            spectrum = torch.stft(
                x, 1024, 320, 800, self.window, center=True, return_complex=True
            )
            power = torch.view_as_real(spectrum).square().sum(dim=-1)
            log_mel = (torch.matmul(self.mel, power) + 1e-5).log()
            return self.network(((log_mel + 4.5) / 5)[:, None])

    _stand_in_for_torchvision()
    with _inside(clone):
        model = importlib.import_module("models.mn.model")
        return Original(model.get_model(width_mult=width))


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Imports from a folder that reads its metadata beside the working folder."""
    before = Path.cwd()
    sys.path.insert(0, str(folder.absolute()))
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _stand_in_for_torchvision() -> None:
    """Gives EfficientAT the one class of torchvision that it takes, if it is absent."""
    with contextlib.suppress(ImportError, RuntimeError):
        importlib.import_module("torchvision.ops.misc")
        return
    from torch import nn  # pyright: ignore[reportMissingImports]

    class ConvNormActivation(nn.Sequential):
        """A convolution, a norm and an activation."""

        def __init__(
            self,
            in_channels: int,
            out_channels: int,
            kernel_size: int = 3,
            stride: int = 1,
            dilation: int = 1,
            groups: int = 1,
            norm_layer: Any = nn.BatchNorm2d,
            activation_layer: Any = nn.ReLU,
        ):
            layers = [
                nn.Conv2d(
                    in_channels,
                    out_channels,
                    kernel_size,
                    stride,
                    (kernel_size - 1) // 2 * dilation,
                    dilation,
                    groups,
                    bias=False,
                ),
                norm_layer(out_channels),
            ]
            if activation_layer is not None:
                layers.append(activation_layer(inplace=True))
            super().__init__(*layers)
            self.out_channels = out_channels

    for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torchvision.ops.misc"].ConvNormActivation = ConvNormActivation  # type: ignore[attr-defined]
