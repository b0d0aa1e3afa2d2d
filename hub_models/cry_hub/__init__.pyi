from .backbone import Backbone
from .ds_cnn.ds_cnn import DSCNN
from .efficientat.mobile_net import EfficientAT
from .errors import WeightsError
from .front_end import FrontEnd
from .hub_handle import HubBackbone
from .panns.cnn10 import CNN10
from .panns.cnn14 import CNN14
from .panns.resnet22 import ResNet22
from .panns.wavegram_logmel_cnn14 import WavegramLogmelCNN14
from .porting import port_weights, save_npz
from .preset import Preset
from .preset_loading import load
from .registry import presets
from .time_mask import TimeMask
from .vggish.vggish import VGGish
from .waveform_classifier import WaveformClassifier
from .yamnet.yamnet import YAMNet

__all__ = [
    "CNN10",
    "CNN14",
    "DSCNN",
    "Backbone",
    "EfficientAT",
    "FrontEnd",
    "HubBackbone",
    "Preset",
    "ResNet22",
    "TimeMask",
    "VGGish",
    "WaveformClassifier",
    "WavegramLogmelCNN14",
    "WeightsError",
    "YAMNet",
    "load",
    "port_weights",
    "presets",
    "save_npz",
]
