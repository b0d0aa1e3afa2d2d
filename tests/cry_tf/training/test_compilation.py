from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from cry_tf.augment import policies
from cry_tf.data import load
from cry_tf.training.compilation import is_compiled

SUITS_XLA = SimpleNamespace(backbone=SimpleNamespace(prefers_jit=True))


@pytest.fixture
def two_clips(tmp_path):
    """Clips of 1 s and 2 s."""
    for label, seconds in (("hungry", 1), ("tired", 2)):
        (tmp_path / label).mkdir()
        wave = np.full(8_000 * seconds, 0.1)
        soundfile.write(tmp_path / label / "0.wav", wave, 8_000)
    return load(tmp_path)


def test_clips_of_many_lengths_are_not_compiled_for_each(two_clips):
    assert not is_compiled(SUITS_XLA, two_clips, max_seconds=30)
    # What is heard of them is of one length.
    assert is_compiled(SUITS_XLA, two_clips, max_seconds=1)
    assert is_compiled(SUITS_XLA, two_clips.subset([0]), max_seconds=30)


def test_what_xla_does_not_suit_or_augmentation_stretches_is_not(two_clips):
    other = SimpleNamespace(backbone=SimpleNamespace(prefers_jit=False))
    assert not is_compiled(other, two_clips, 1)
    assert not is_compiled(SUITS_XLA, two_clips, 1, policies.get("light"))
