import keras
import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_tf.data import load
from cry_tf.models import CryClassifier
from cry_tf.training import recipe
from cry_tf.training.waveform_trainer import WaveformTrainer

FULL = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")


@pytest.fixture(scope="module")
def model():
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    return CryClassifier(backbone, labels=("hungry", "tired"))


@pytest.mark.parametrize(
    ("micro", "sentence"),
    [
        (4, r"4 clips are scored at once\), or cut the longest clip, 1 s"),
        (1, "whole, the longest lasts 1 s: cut it"),
    ],
)
@pytest.mark.parametrize("error", [FULL, MemoryError()])
def test_a_full_memory_in_scoring_says_what_to_lower(
    model, recordings, micro, sentence, error, monkeypatch
):
    chosen = recipe.FULL.replace(batch_size=8)
    trainer = WaveformTrainer(model, load(recordings), chosen, 0, micro_batch=micro)
    given = []

    def predict(batches, **_):
        given.append(next(iter(batches))[0].shape[0])
        raise error

    monkeypatch.setattr(model, "predict", predict)
    with pytest.raises(ValueError, match=rf"while 6 clips were scored\..*{sentence}"):
        trainer.predict(np.arange(6))
    assert given == [micro]
    keras.backend.clear_session()
