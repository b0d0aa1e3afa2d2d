"""Writes a small untrained detector and a recording for the runtime's check."""

import sys

import numpy as np
import soundfile

import cry_hub
import cry_tf

if __name__ == "__main__":
    model_path, sound_path = sys.argv[1:]
    rng = np.random.default_rng(0)
    noise = rng.uniform(-0.5, 0.5, 5 * 16_000).astype(np.float32)
    model = cry_tf.CryDetector(cry_hub.load("ds_cnn_s", weights=None))
    cry_tf.export(model, model_path, check=[noise])
    soundfile.write(sound_path, noise, 16_000)
