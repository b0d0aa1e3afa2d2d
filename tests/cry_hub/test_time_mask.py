"""The mask of real steps against the NumPy reference's counts."""

import keras
import numpy as np
import pytest

from cry_hub.front_end import FrontEnd
from cry_hub.time_mask import TimeMask, fit, real_length
from cry_lite import log_mel, padding
from cry_lite.front_ends import (
    EFFICIENTAT,
    PANNS_8K,
    PANNS_16K,
    PANNS_32K,
    VGGISH,
    YAMNET,
)
from cry_lite.padding import PADDING_LEVEL

ALL = {
    "panns_32k": PANNS_32K,
    "panns_16k": PANNS_16K,
    "panns_8k": PANNS_8K,
    "vggish": VGGISH,
    "yamnet": YAMNET,
    "efficientat": EFFICIENTAT,
    "emphasized patches": YAMNET.replace(pre_emphasis=0.97),
}
# Around a block of 512 samples, a hop, a patch and its hop.
LENGTHS = (0, 1, 511, 512, 513, 15_599, 15_600, 15_601, 23_280, 23_281, 39_999)


def padded_batch(lengths, rng, samples=40_000):
    batch = np.zeros((len(lengths), samples), np.float32)
    for row, length in zip(batch, lengths, strict=True):
        row[:length] = rng.uniform(0.1, 1.0, length)
    return batch


def test_real_length_equals_the_reference_row_by_row(rng):
    batch = padded_batch(LENGTHS, rng)
    batch[-1, 100:30_000] = 0.0  # zeros inside are signal
    batch[3, 512:] = 2.0**-15  # what stands for silence
    batch[4] *= 1e-3  # quiet throughout
    batch[4, 513:] = 1e-6
    expected = [padding.real_length(row) for row in batch]
    assert expected == list(LENGTHS)
    np.testing.assert_array_equal(real_length(batch), expected)


@pytest.mark.parametrize("level", [0.0, PADDING_LEVEL])
def test_only_the_last_block_of_512_decides(level):
    """Where a block ends, in its middle, and at its first and last sample."""
    for last in (0, 1, 511, 512, 700, 1023, 1024, 1500):
        batch = np.full((3, 1501), level, np.float32)
        batch[:, 0] = batch[0, last] = batch[2, 1500] = -0.5
        np.testing.assert_array_equal(real_length(batch), [last + 1, 1, 1501])


def test_nan_is_no_padding():
    batch = np.zeros((2, 2_000), np.float32)
    batch[:, 3], batch[0, 1_600] = 0.5, np.nan
    lengths = keras.ops.convert_to_numpy(real_length(batch))
    assert lengths[0] > 1_600
    assert lengths[1] == 4


@pytest.mark.parametrize(("old", "new"), [(5, 3), (5, 5), (5, 8)])
def test_fit_cuts_or_completes_with_zeros(old, new):
    expected = np.zeros((2, new), np.float32)
    expected[:, : min(old, new)] = 1.0
    actual = fit(np.ones((2, old), np.float32), new)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_mask_counts_the_real_steps_and_the_first_is_always_real(spec, stride, rng):
    mask = keras.ops.convert_to_numpy(
        TimeMask(spec, stride=stride)(padded_batch(LENGTHS, rng))
    )
    steps = -(-log_mel.num_steps(40_000, spec) // stride)
    assert mask.dtype == bool
    assert mask.shape == (len(LENGTHS), steps)
    for row, length in zip(mask, LENGTHS, strict=True):
        real = -(-log_mel.num_steps(length, spec) // stride)
        np.testing.assert_array_equal(row, np.arange(steps) < real)


@pytest.mark.parametrize("stride", [1, 2, 32])
def test_a_partial_group_is_dropped_where_asked(stride, rng):
    layer = TimeMask(PANNS_16K, stride=stride, partial_group="drop")
    batch = padded_batch(LENGTHS, rng)
    mask = keras.ops.convert_to_numpy(layer(batch))
    counts = [
        max(1, log_mel.num_steps(length, PANNS_16K) // stride)
        for length in (*LENGTHS, 40_000)
    ]
    assert mask.shape == (len(LENGTHS), counts[-1])
    np.testing.assert_array_equal(mask.sum(axis=1), counts[:-1])
    assert layer.compute_output_shape(batch.shape) == mask.shape
    again = TimeMask.from_config(layer.get_config())
    np.testing.assert_array_equal(again(batch), mask)


def test_another_rule_for_partial_groups_is_refused():
    with pytest.raises(ValueError, match="'keep' or 'drop'.*'floor'"):
        TimeMask(PANNS_16K, partial_group="floor")


@pytest.mark.parametrize("samples", [1, 15_600, 15_601, 40_000])
@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_mask_has_the_steps_of_the_front_end(spec, samples):
    waveform = np.ones((2, samples), np.float32)
    assert TimeMask(spec)(waveform).shape == FrontEnd(spec)(waveform).shape[:2]


def test_symbolic_shape_and_type():
    mask = TimeMask(YAMNET)(keras.Input((None,)))
    assert mask.shape == (None, None)
    assert keras.backend.standardize_dtype(mask.dtype) == "bool"
    assert TimeMask(YAMNET, stride=2)(keras.Input((32_000,))).shape == (None, 2)


def test_a_faint_sample_is_real_under_every_dtype_policy():
    waveform = np.zeros((1, 40_000), np.float32)
    waveform[0, 30_000] = 1e-30  # zero in float16
    for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
        mask = TimeMask(PANNS_16K, dtype=policy)(waveform)
        assert int(keras.ops.sum(mask)) == 1 + 30_001 // 160


def test_config_round_trip_holds_plain_values():
    layer = TimeMask(YAMNET, stride=2, name="mask")
    config = layer.get_config()
    assert config["spec"] == YAMNET.to_dict()
    again = TimeMask.from_config(config)
    assert (again.spec, again.stride, again.name) == (YAMNET, 2, "mask")


def test_save_and_load(tmp_path, rng):
    inputs = keras.Input((None,))
    model = keras.Model(inputs, TimeMask(YAMNET)(inputs))
    model.save(tmp_path / "mask.keras")
    again = keras.saving.load_model(tmp_path / "mask.keras")
    batch = padded_batch(LENGTHS, rng)
    np.testing.assert_array_equal(again(batch), model(batch))


def test_stride_must_be_positive():
    with pytest.raises(ValueError, match="stride must be positive. Received: stride=0"):
        TimeMask(YAMNET, stride=0)


@pytest.mark.parametrize(
    "waveform",
    [np.zeros(9, "f4"), np.zeros((1, 9, 1), "f4"), np.zeros((1, 0), "f4")],
    ids=["no batch", "channels", "empty"],
)
def test_what_is_no_waveform_is_refused(waveform):
    with pytest.raises(ValueError, match="takes float waveforms of shape"):
        TimeMask(YAMNET)(waveform)
