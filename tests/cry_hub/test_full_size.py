"""The large networks as a user has them: saved, and as files for a device."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from cry_hub import registry

# 300 MB each. test_backbones.py checks the same code with a few filters, and the
# tests of a family what its network of full size says.
pytestmark = pytest.mark.slow

PRESETS = (
    "vggish_audioset",
    "cnn14_audioset",
    "resnet22_audioset",
    "wavegram_logmel_cnn14_audioset",
)


@pytest.fixture(scope="module", params=PRESETS)
def backbone(request):
    keras.utils.set_random_seed(0)
    return registry.get(request.param).build()


def test_it_is_saved_and_reloaded_by_plain_keras(backbone, rng, tmp_path):
    path = tmp_path / "backbone.keras"
    backbone.save(path)
    again = keras.saving.load_model(path)
    path.unlink()
    waveform = rng.normal(0, 0.1, (1, 20_000)).astype("float32")
    np.testing.assert_array_equal(again(waveform), backbone(waveform))


def test_tflite_of_any_length_says_the_same_in_builtin_ops(backbone, check_tflite):
    check_tflite(backbone, None)
