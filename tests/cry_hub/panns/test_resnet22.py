"""What ResNet22 does with lengths and in training, on a network of few filters.

Its port is compared with the original in `test_resnet22_and_wavegram.py`.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from cry_hub.panns.resnet22 import ResNet22


class Narrow(ResNet22):
    """ResNet22 with 8 to 32 filters."""

    blocks = ((8, True),)
    stages = (8, 12, 16, 24)
    last_filters = 32


@pytest.fixture(scope="module")
def narrow() -> Any:
    keras.utils.set_random_seed(0)
    backbone = Narrow()
    rng = np.random.default_rng(0)
    for variable in backbone.weights:
        if variable.name == "beta":
            variable.assign(rng.normal(0, 0.1, variable.shape))
        elif variable.name == "moving_variance" and "bn0" not in variable.path:
            variable.assign(rng.uniform(0.5, 2.0, variable.shape))
    return backbone


# Frames around the multiples of 32, odd lengths at every pool among them.
@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 47, 63, 64, 65, 95, 96, 126])
def test_padding_never_changes_a_real_step(count, narrow, rng):
    clip = rng.normal(0, 0.1, (1, count * 320 - 1)).astype("float32")
    alone = np.asarray(narrow(clip))
    assert alone.shape == (1, max(1, count // 32), 32)
    together = np.zeros((2, 140 * 320), "float32")
    together[0, : clip.shape[1]] = clip[0]
    together[1] = rng.normal(0, 0.1, together.shape[1])
    mask = np.asarray(narrow.time_mask()(together))
    assert mask.sum(axis=1).tolist() == [alone.shape[1], 4]
    scale = np.abs(alone).max()
    assert scale > 0.01
    # float32 in another order of summing
    np.testing.assert_allclose(
        narrow(together)[0][mask[0]] / scale, alone[0] / scale, atol=2e-5
    )


def test_padding_never_changes_what_a_training_step_learns(
    narrow, rng, check_training_ignores_padding
):
    batch = rng.normal(0, 0.1, (2, 30_000)).astype("float32")
    moves = 2 * (1 + 2 + 16 + 3 + 2)  # mean and variance
    check_training_ignores_padding(narrow, batch, moves)


def test_a_gradient_reaches_every_trainable_weight(narrow, check_gradients):
    check_gradients(narrow)
