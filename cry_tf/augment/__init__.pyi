from . import policies
from .add_noise import AddNoise
from .band_limit import BandLimit
from .codec_like import CodecLike
from .gain import Gain
from .mixup import Mixup
from .noise_folder import NoiseFolder
from .pitch_shift import PitchShift
from .policy import Policy
from .reverb import Reverb
from .time_shift import TimeShift
from .time_stretch import TimeStretch
from .transform import Transform

__all__ = [
    "AddNoise",
    "BandLimit",
    "CodecLike",
    "Gain",
    "Mixup",
    "NoiseFolder",
    "PitchShift",
    "Policy",
    "Reverb",
    "TimeShift",
    "TimeStretch",
    "Transform",
    "policies",
]
