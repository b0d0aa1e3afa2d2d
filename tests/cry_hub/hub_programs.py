"""SavedModels with the signatures of the published programs, and clips for them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

WAVEFORM = tf.TensorSpec([None], tf.float32)
PATCH, YAMNET_HOP, VGGISH_HOP = 15_600, 7_680, 15_360


def log_spectrum(waveform):
    frames = tf.signal.frame(waveform, 400, 160) * tf.signal.hann_window(400)
    return tf.math.log(tf.abs(tf.signal.rfft(frames, [512]))[:, :16] + 0.01)


class TinyProgram(tf.Module):
    def __init__(self, features):
        super().__init__()
        kernel = np.random.default_rng(0).normal(0, 0.03, (96 * 16, features))
        self.kernel = tf.Variable(kernel.astype("float32"))

    def embed(self, waveform, hop_frames):
        patches = tf.signal.frame(log_spectrum(waveform), 96, hop_frames, axis=0)
        return tf.matmul(tf.reshape(patches, (-1, 96 * 16)), self.kernel)


class TinyVGGish(TinyProgram):
    """As on the hub: the tail is left out, and below 0.975 s nothing is left."""

    @tf.function(input_signature=[WAVEFORM])
    def __call__(self, waveform):
        return self.embed(waveform, 96)


class TinyYAMNet(TinyProgram):
    """As on the hub: completed with zeros to whole patches; three outputs."""

    @tf.function(input_signature=[WAVEFORM])
    def __call__(self, waveform):
        samples = tf.maximum(tf.size(waveform), PATCH)
        hops = -(-(samples - PATCH) // YAMNET_HOP)
        samples = PATCH + hops * YAMNET_HOP
        waveform = tf.pad(waveform, [[0, samples - tf.size(waveform)]])
        embeddings = self.embed(waveform, 48)
        scores = tf.sigmoid(embeddings[:, :3])
        return scores, embeddings, log_spectrum(waveform)


def clip(rng, samples: int) -> np.ndarray:
    waveform = rng.normal(0, 0.1, samples).astype("float32")
    waveform[-1] = 0.1
    return waveform


def save(program, path) -> str:
    tf.saved_model.save(program, str(path))
    return str(path)
