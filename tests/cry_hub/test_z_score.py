"""Z-score normalisation inside the front end: NumPy, Keras and TFLite agree."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import ops

from cry_hub.front_end import FrontEnd
from cry_hub.time_mask import TimeMask
from cry_hub.z_score import z_scored
from cry_lite.front_ends import EFFICIENTAT, PANNS_16K, VGGISH, YAMNET
from cry_lite.log_mel import log_mel, num_steps, patches
from cry_lite.log_mel import z_scored as reference_z_scored

PATCHES = VGGISH.replace(pre_emphasis=0.97, z_score=True)
FRAMES = PANNS_16K.replace(pre_emphasis=0.97, z_score=True)
SPECS = {
    "patches": PATCHES,
    "patches without pre-emphasis": YAMNET.replace(z_score=True),
    "centred frames": FRAMES,
    "centred frames, 32 kHz": EFFICIENTAT.replace(z_score=True),
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def reference(waveform, spec):
    return (patches if spec.patch_frames else log_mel)(waveform, spec)


def run(layer, batch):
    return ops.convert_to_numpy(layer(np.asarray(batch, np.float32)))


def assert_close(actual, expected, spec, message=""):
    """Within 5e-4 dB or 1e-4 nat for 50 dB below the loudest band, then within 1e-3.

    A band farther below stands on the rounding of a float32 FFT, and on that of the
    waveform: 3e-8 of 0.5, where 60 dB below a deviation of 0.05 are 5e-5.
    """
    to_db = spec.level_std
    if spec.log_scale == "ln":
        to_db *= (10 if spec.spectrum == "power" else 20) / np.log(10)
    error = np.abs(np.asarray(actual) - expected)
    is_loud = (np.max(expected) - expected) * to_db < 50
    assert error[is_loud].max() <= (5e-4 if spec.log_scale == "db" else 1e-4), message
    assert error.max() <= 1e-3, message


def cry(rng, samples=40_000):
    time_s = np.arange(samples) / 16_000
    phase = 2 * np.pi * 430 * time_s + 15 * np.sin(2 * np.pi * 0.9 * time_s)
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 9))
    noise = rng.standard_normal(samples)
    return (0.1 * harmonics + 0.02 * noise).astype(np.float32)


@every_spec
def test_equals_the_numpy_reference(spec, rng):
    noise = rng.standard_normal(40_000)
    for name, waveform in {
        "cry": cry(rng),
        "with a direct current": cry(rng) + np.float32(0.5),
        "faint": 1e-4 * noise,
        "fainter than the least deviation": 1e-6 * noise,
        "full scale": rng.choice([-1.0, 1.0], 40_000),
        "silence": np.zeros(40_000),
    }.items():
        waveform = waveform.astype(np.float32)
        expected = reference(waveform, spec)
        actual = run(FrontEnd(spec), waveform[None])[0, : len(expected)]
        assert_close(actual, expected, spec, name)


@every_spec
def test_padding_takes_no_part_in_the_statistics(spec, rng):
    lengths = (0, 1, 2, 3, 300, 511, 512, 513, 514, 15_600, 15_601, 30_962, 40_000)
    batch = np.zeros((len(lengths), 40_000), np.float32)
    for row, length in zip(batch, lengths, strict=True):
        row[:length] = 0.3 + cry(rng, length)
    together, mask = run(FrontEnd(spec), batch), run(TimeMask(spec), batch)
    assert np.isfinite(together).all()
    for clip, row, real, length in zip(batch, together, mask, lengths, strict=True):
        expected = reference(clip, spec)
        assert len(expected) == real.sum() == num_steps(length, spec)
        assert_close(row[real], expected, spec, f"{length} samples in a batch")
        alone = run(FrontEnd(spec), clip[None, : max(length, 1)])[0]
        assert_close(alone, expected, spec, f"{length} samples alone")


def test_the_padding_of_a_waveform_stays_zero(rng):
    batch = np.zeros((3, 1_300), np.float32)
    batch[0] = 0.5 + rng.normal(0, 0.1, 1_300)
    batch[1, :700] = 0.5 + rng.normal(0, 0.1, 700)
    found = ops.convert_to_numpy(z_scored(batch, np.array([1_300, 700, -1], np.int32)))
    assert found.shape == (3, 1_536)
    for row, clip, length in zip(found, batch, (1_300, 700, 0), strict=True):
        expected = reference_z_scored(clip[:length].astype(np.float64))
        # 1e-6: float32 of up to 4 deviations
        np.testing.assert_allclose(row[:length], expected, atol=2e-6)
        assert not row[length:].any()


@pytest.mark.parametrize("level", [0.3, -0.9])
def test_the_rounding_of_a_mean_is_not_blown_up(level):
    constant = np.full((1, 100_000), level, np.float32)
    found = z_scored(constant, np.array([100_000], np.int32))
    # One subtraction of the mean leaves 0.02 of -0.9.
    assert np.abs(found).max() < 1e-3


@every_spec
def test_neither_loudness_nor_a_direct_current_is_heard(spec, rng):
    waveform = 0.5 * cry(rng)
    # Both stay above the least deviation; float32 has 3e-8 beside 0.4.
    given = np.stack([waveform, 0.01 * waveform, waveform + np.float32(0.4)])
    plain, quiet, shifted = run(FrontEnd(spec), given)
    assert_close(quiet, plain, spec)
    np.testing.assert_allclose(shifted, plain, rtol=0, atol=2e-3)
    heard = run(FrontEnd(spec.replace(z_score=False)), given)
    assert np.abs(heard[1] - heard[0]).max() > 0.5  # it is heard without


@every_spec
def test_a_constant_is_silence(spec):
    constant = np.full((2, 30_000), 0.3, np.float32)
    constant[1, 20_000:] = 0.0
    if spec.pre_emphasis == 0:
        found = run(FrontEnd(spec), constant)
    else:  # which leaves a constant of another height
        found = run(FrontEnd(spec), 0.1 * constant)
    floor = reference(np.zeros(10, np.float32), spec).max()
    np.testing.assert_allclose(found, floor, rtol=0, atol=1e-3)


@every_spec
def test_the_gradient_of_silence_and_of_a_constant_is_finite(spec):
    for level in (0.0, 0.3):
        waveform = tf.fill((1, 16_000), level)
        with tf.GradientTape() as tape:
            tape.watch(waveform)
            total = tf.reduce_sum(FrontEnd(spec)(waveform))
        assert np.isfinite(tape.gradient(total, waveform)).all()


@every_spec
def test_the_spectrum_fits_into_float16_whatever_the_waveform(spec):
    """Half a minute of silence around the loudest frame there can be."""
    layer = FrontEnd(spec)
    longest = 2**20
    burst = np.zeros(longest)
    # By Cauchy-Schwarz the window itself, turned to and fro, is the loudest.
    shape = layer._window * (-1.0) ** np.arange(spec.fft_length)
    burst[5_000 : 5_000 + spec.fft_length] = shape
    burst = reference_z_scored(burst)[5_000 : 5_000 + spec.fft_length]
    power = np.abs(np.fft.rfft(burst * layer._window)) ** 2
    # Above a 17th of float16: the scale is not smaller than it has to be.
    assert np.finfo(np.float16).max / 17 < power.max() < np.finfo(np.float16).max


def test_a_low_precision_policy_rounds_only_the_output(rng):
    waveform = cry(rng)[None]
    exact = FrontEnd(PATCHES)(waveform)
    for policy in ("mixed_bfloat16", "mixed_float16"):
        layer = FrontEnd(PATCHES, dtype=policy)
        rounded = ops.cast(layer(waveform), "float32")
        once = ops.cast(ops.cast(exact, layer.compute_dtype), "float32")
        np.testing.assert_array_equal(rounded, once)


def test_xla_gives_the_same(rng):
    batch = np.stack([cry(rng), cry(rng)])
    batch[1, 9_000:] = 0.0
    layer = FrontEnd(PATCHES)
    compiled = tf.function(
        layer, jit_compile=True, input_signature=[tf.TensorSpec((None, None))]
    )
    assert_close(compiled(batch), layer(batch), PATCHES)


def test_a_saved_model_keeps_it(tmp_path, rng):
    inputs = keras.Input((None,))
    model = keras.Model(inputs, FrontEnd(PATCHES)(inputs))
    model.save(tmp_path / "front.keras")
    again = keras.saving.load_model(tmp_path / "front.keras")
    assert again.layers[-1].spec == PATCHES
    waveform = cry(rng)[None]
    np.testing.assert_array_equal(again(waveform), model(waveform))


@pytest.mark.parametrize("samples", [160_000, None], ids=["static", "any length"])
def test_tflite_equals_keras_and_holds_no_number_a_sample(samples, tmp_path, rng):
    inputs = keras.Input((samples,), batch_size=1)
    frames = FrontEnd(FRAMES, name="other_frontend")
    model = keras.Model(inputs, [FrontEnd(PATCHES)(inputs), frames(inputs)])
    signature = keras.InputSpec(shape=(1, samples), dtype="float32")
    model.export(tmp_path, input_signature=[signature], verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    content = converter.convert()
    assert len(content) <= 140_000  # two front ends; 10 s as int16 are 320,000
    interpreter = Interpreter(model_content=content)
    given = interpreter.get_input_details()[0]["index"]

    lengths = [(160_000, 160_000), (20_321, 160_000), (0, 160_000)]
    if samples is None:
        lengths = [(1, 1), (2, 2), (399, 399), (513, 700), (16_001, 47_000)]
    for real, total in lengths:
        waveform = np.zeros((1, total), np.float32)
        waveform[0, :real] = 0.3 + cry(rng, real)
        interpreter.resize_tensor_input(given, waveform.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given, waveform)
        interpreter.invoke()
        found = [
            interpreter.get_tensor(output["index"])
            for output in interpreter.get_output_details()
        ]
        found.sort(key=lambda output: -output.ndim)
        for spec, actual, expected in zip(
            (PATCHES, FRAMES), found, model(waveform), strict=True
        ):
            assert_close(actual, expected, spec, f"{real} of {total} samples")
