"""The front-end numbers of the published networks.

Each is part of that network's weights; see `FrontEndSpec`.
"""

from __future__ import annotations

from cry_lite.spec import FrontEndSpec

# qiuqiangkong/audioset_tagging_cnn, README ("Train PANNs from scratch").
PANNS_32K = FrontEndSpec(
    sample_rate_hz=32_000,
    window_samples=1024,
    hop_samples=320,
    fft_length=1024,
    mel_bands=64,
    min_hz=50.0,
    max_hz=14_000.0,
    mel_scale="slaney",
    spectrum="power",
    log_scale="db",
    log_offset=1e-10,
    center=True,
)
PANNS_16K = PANNS_32K.replace(
    sample_rate_hz=16_000,
    window_samples=512,
    hop_samples=160,
    fft_length=512,
    max_hz=8_000.0,
)
PANNS_8K = PANNS_32K.replace(
    sample_rate_hz=8_000,
    window_samples=256,
    hop_samples=80,
    fft_length=256,
    max_hz=4_000.0,
)

# tensorflow/models, research/audioset/vggish/vggish_params.py.
VGGISH = FrontEndSpec(
    sample_rate_hz=16_000,
    window_samples=400,
    hop_samples=160,
    fft_length=512,
    mel_bands=64,
    min_hz=125.0,
    max_hz=7_500.0,
    mel_scale="htk",
    spectrum="magnitude",
    log_scale="ln",
    log_offset=0.01,
    patch_frames=96,
    patch_hop_frames=96,
    partial_patch="drop",
)

# tensorflow/models, research/audioset/yamnet/params.py.
YAMNET = VGGISH.replace(log_offset=0.001, patch_hop_frames=48, partial_patch="pad")

# fschmid56/EfficientAT, models/preprocess.py (AugmentMelSTFT, without its
# augmentation); the highest frequency is 1000 Hz below half the rate.
EFFICIENTAT = FrontEndSpec(
    sample_rate_hz=32_000,
    window_samples=800,
    window="hann_symmetric",
    hop_samples=320,
    fft_length=1024,
    mel_bands=128,
    min_hz=0.0,
    max_hz=15_000.0,
    mel_scale="htk",
    spectrum="power",
    log_scale="ln",
    log_offset=1e-5,
    center=True,
    pre_emphasis=0.97,
    level_mean=-4.5,
    level_std=5.0,
)
