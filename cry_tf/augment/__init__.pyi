from . import policies
from .add_noise import AddNoise
from .band_limit import BandLimit
from .codec_like import CodecLike
from .equalize import Equalize
from .field_windows import FieldMix, FieldWindows
from .gain import Gain
from .level import Level
from .mixup import Mixup
from .noise_floor import NoiseFloor
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
    "Equalize",
    "FieldMix",
    "FieldWindows",
    "Gain",
    "Level",
    "Mixup",
    "NoiseFloor",
    "NoiseFolder",
    "PitchShift",
    "Policy",
    "Reverb",
    "TimeShift",
    "TimeStretch",
    "Transform",
    "policies",
]
