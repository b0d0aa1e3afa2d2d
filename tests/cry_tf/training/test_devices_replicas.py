import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_tf.training.devices import moving_statistics, share


@pytest.mark.parametrize("clips", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("replicas", [2, 3, 4])
def test_shares_count_each_clip_as_the_whole_batch_does(clips, replicas, rng):
    losses, weights = rng.uniform(1, 2, (2, clips)).astype("float32")
    total, seen = 0.0, []
    for number in range(replicas):
        batch = (tf.constant(losses), np.arange(clips), weights)
        shared = share(batch, number, replicas)
        values, places, scaled = (np.asarray(each) for each in shared)
        assert len(values) >= 1
        seen += list(places[scaled > 0])
        total += np.mean(values * scaled) / replicas  # what Keras makes of it
    assert seen == list(range(clips))
    np.testing.assert_allclose(total, np.mean(losses * weights), rtol=1e-6)


def test_statistics_that_training_moves_are_those_of_batch_norm_in_training():
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    found = [variable.path for variable in moving_statistics(backbone)]
    every = [variable.path for variable in backbone.weights]
    assert sorted(found) == sorted(path for path in every if "/moving_" in path)
    assert len(found) == 2 * 13
    backbone.trainable = False
    assert moving_statistics(backbone) == []
    assert moving_statistics(cry_hub.YAMNet()) == []
