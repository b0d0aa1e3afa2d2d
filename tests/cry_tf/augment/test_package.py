"""The names of the package load when they are used."""

import subprocess
import sys

import pytest

from cry_tf import augment


def test_every_public_name_resolves():
    assert dir(augment) == sorted(augment.__all__)
    for name in augment.__all__:
        assert getattr(augment, name) is not None
    with pytest.raises(AttributeError, match="Nothing"):
        augment.Nothing  # noqa: B018


def test_transforms_take_neither_tensorflow_nor_keras():
    code = """
import sys, numpy as np, cry_tf.augment
assert "scipy" not in sys.modules
cry_tf.augment.policies.get("strong")(
    np.ones(16_000, np.float32), 16_000, np.random.default_rng(0)
)
cry_tf.augment.Mixup(0.2, 2)
print(*sys.modules)
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"tensorflow", "keras"}.isdisjoint(loaded)
