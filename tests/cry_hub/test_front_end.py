"""The Keras front end against NumPy, librosa and its own .tflite."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import ops

from cry_hub.front_end import FrontEnd
from cry_hub.time_mask import TimeMask
from cry_lite.front_ends import (
    EFFICIENTAT,
    PANNS_8K,
    PANNS_16K,
    PANNS_32K,
    VGGISH,
    YAMNET,
)
from cry_lite.log_mel import log_mel, num_steps, patches
from cry_lite.mel import mel_matrix
from cry_lite.padding import PADDING_LEVEL, kept_whole

PANNS = {"panns_32k": PANNS_32K, "panns_16k": PANNS_16K, "panns_8k": PANNS_8K}
ALL = {
    **PANNS,
    "vggish": VGGISH,
    "yamnet": YAMNET,
    "efficientat": EFFICIENTAT,
    "emphasized patches": YAMNET.replace(pre_emphasis=0.97),
}
every_spec = pytest.mark.parametrize("spec", ALL.values(), ids=ALL)


def reference(waveform, spec):
    return (patches if spec.patch_frames else log_mel)(waveform, spec)


def run(layer, batch):
    return ops.convert_to_numpy(layer(batch))


def tolerance(spec):
    """2e-4 dB for decibels, 1e-4 for nats."""
    return 2e-4 if spec.log_scale == "db" else 1e-4


def assert_close(actual, expected, waveform, spec):
    """Within `tolerance` for 50 dB below the loudest band, then within rounding.

    A band farther below stands on the rounding error of a float32 FFT: 2 units in
    the last place of the spectrum of a tone as loud as the waveform.
    """
    to_db = spec.level_std
    if spec.log_scale == "ln":
        to_db *= (10 if spec.spectrum == "power" else 20) / np.log(10)
    error, below = np.abs(actual - expected), (expected.max() - expected) * to_db
    assert error[below < 50].max() <= tolerance(spec)
    peak = np.abs(waveform).max() * spec.window_samples / 4 * (1 + spec.pre_emphasis)
    if spec.mel_scale == "slaney":
        peak /= np.sqrt(spec.sample_rate_hz / spec.fft_length)  # bands of unit area
    level_db = (expected + spec.level_mean / spec.level_std) * to_db
    rounding = np.log1p(2.4e-7 * peak / 10 ** (level_db / 20))
    allowed = tolerance(spec) + 20 / np.log(10) / to_db * rounding
    assert (error <= allowed).all()


def waveforms(spec, rng, seconds=2):
    samples = seconds * spec.sample_rate_hz
    time = np.arange(samples) / spec.sample_rate_hz
    phase = 2 * np.pi * 430 * time + 15 * np.sin(2 * np.pi * 0.9 * time)
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 9))
    noise = rng.standard_normal(samples)
    made = {
        "noise": 0.1 * noise,
        "faint noise": 1e-4 * noise,
        "cry": 0.2 * harmonics + 1e-3 * noise,
        "silence": np.zeros(samples),
        "full scale": rng.choice([-1.0, 1.0], samples),
        "full-scale tone": np.sin(2 * np.pi * 440.0 * time),
        "tone between bins": 0.1 * np.sin(2 * np.pi * 2_222.2 * time),
    }
    return {name: waveform.astype(np.float32) for name, waveform in made.items()}


@pytest.mark.parametrize("by_products", [False, True], ids=["FFT", "products"])
@every_spec
def test_equals_the_numpy_reference(spec, by_products, rng):
    layer = FrontEnd(spec)
    layer.by_products = by_products
    for waveform in waveforms(spec, rng).values():
        expected = reference(waveform, spec)
        actual = run(layer, waveform[None])[0, : len(expected)]
        assert_close(actual, expected, waveform, spec)


@pytest.mark.parametrize("spec", PANNS.values(), ids=PANNS)
def test_panns_numbers_equal_librosa(spec, rng):
    librosa = pytest.importorskip("librosa")
    for waveform in waveforms(spec, rng).values():
        waveform = kept_whole(waveform)
        power = librosa.feature.melspectrogram(
            y=waveform,
            sr=spec.sample_rate_hz,
            n_fft=spec.fft_length,
            hop_length=spec.hop_samples,
            window="hann",
            center=True,
            pad_mode="reflect",
            power=2.0,
            n_mels=spec.mel_bands,
            fmin=spec.min_hz,
            fmax=spec.max_hz,
        )
        expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None).T
        actual = run(FrontEnd(spec), waveform[None])[0]
        assert_close(actual, expected, waveform, spec)


@every_spec
def test_padding_never_changes_the_real_steps(spec, rng):
    # Around an FFT, a hop, a patch; the last row fills the batch.
    lengths = (0, 1, 300, 512, 513, 640, 15_600, 15_601, 23_333, 30_960, 40_000)
    batch = np.zeros((len(lengths), 40_000), np.float32)
    for row, length in zip(batch, lengths, strict=True):
        row[:length] = 0.1 * rng.standard_normal(length)
    together, mask = run(FrontEnd(spec), batch), run(TimeMask(spec), batch)
    assert together.shape[:2] == mask.shape
    assert np.isfinite(together).all()
    for row, real, length in zip(together, mask, lengths, strict=True):
        clip = batch[lengths.index(length), : max(length, 1)]
        alone = run(FrontEnd(spec), clip[None])[0]
        assert len(alone) == real.sum() == num_steps(length, spec)
        # Another batch size may sum the matmul in another order.
        np.testing.assert_allclose(row[real], alone, rtol=0, atol=5e-5)
        np.testing.assert_allclose(
            alone, reference(clip, spec), rtol=0, atol=tolerance(spec)
        )


@every_spec
def test_the_values_in_the_padding_change_nothing(spec, rng):
    # Less than a row of reflection, around a block of 512, most of it.
    lengths = (1, 300, 512, 20_321, 31_999)
    zeros = np.zeros((len(lengths), 32_000), np.float32)
    faint = rng.uniform(-PADDING_LEVEL, PADDING_LEVEL, zeros.shape).astype("float32")
    for row, other, length in zip(zeros, faint, lengths, strict=True):
        row[:length] = other[:length] = rng.choice([-0.1, 0.1], length)
    layer = FrontEnd(spec)
    np.testing.assert_array_equal(run(layer, faint), run(layer, zeros))
    np.testing.assert_array_equal(
        run(TimeMask(spec), faint), run(TimeMask(spec), zeros)
    )
    for row, other in zip(zeros, faint, strict=True):
        np.testing.assert_array_equal(log_mel(other, spec), log_mel(row, spec))


@every_spec
def test_symbolic_shapes(spec):
    tail = (96,) * bool(spec.patch_frames) + (spec.mel_bands,)
    assert FrontEnd(spec)(keras.Input((None,))).shape == (None, None, *tail)
    steps = num_steps(40_000, spec)
    layer = FrontEnd(spec)
    assert layer(keras.Input((40_000,))).shape == (None, steps, *tail)
    assert layer.compute_output_shape((3, 40_000)) == (3, steps, *tail)
    assert layer(np.zeros((3, 40_000), np.float32)).shape == (3, steps, *tail)


def test_patches_that_are_no_multiple_of_their_hop(rng):
    waveform = rng.standard_normal(20_000).astype(np.float32)
    for frames, hop in ((10, 4), (10, 15), (10, 1)):
        spec = YAMNET.replace(patch_frames=frames, patch_hop_frames=hop)
        np.testing.assert_allclose(
            run(FrontEnd(spec), waveform[None])[0],
            patches(waveform, spec),
            rtol=0,
            atol=1e-4,
        )


@pytest.mark.parametrize("hop", [100, 1_024, 1_500])
def test_other_hops_and_a_short_centred_window(hop, rng):
    spec = PANNS_32K.replace(window_samples=800, hop_samples=hop)
    batch = 0.1 * rng.standard_normal((2, 9_000)).astype(np.float32)
    batch[1, 4_321:] = 0.0
    actual = run(FrontEnd(spec), batch)
    for row, waveform in zip(actual, batch, strict=True):
        expected = log_mel(waveform, spec)
        np.testing.assert_allclose(row[: len(expected)], expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_a_low_precision_policy_rounds_only_the_output(policy, rng):
    waveform = 0.1 * rng.standard_normal((1, 16_000)).astype(np.float32)
    exact = FrontEnd(PANNS_16K)(waveform)
    layer = FrontEnd(PANNS_16K, dtype=policy)
    rounded = layer(waveform)
    assert keras.backend.standardize_dtype(rounded.dtype) == layer.compute_dtype
    np.testing.assert_array_equal(
        ops.cast(rounded, "float32"),
        ops.cast(ops.cast(exact, layer.compute_dtype), "float32"),
    )
    symbolic = layer(keras.Input((None,)))
    assert symbolic.dtype == layer.compute_dtype


def test_the_spectrum_of_a_full_scale_clip_fits_into_float16():
    for spec in ALL.values():
        # Pre-emphasis makes [1, -1, 1] nearly twice as loud.
        loudest = np.abs(FrontEnd(spec)._window).sum() * (1 + spec.pre_emphasis)
        assert loudest**2 < np.finfo(np.float16).max


@every_spec
def test_mel_blocks_are_too_small_to_be_quantized_and_complete(spec):
    for some in (spec, spec.replace(cutoff_hz=1_000.0)):
        blocks = FrontEnd(some)._mel_blocks
        assert max(weights.size for _, weights in blocks) < 1_024
        assert sum(weights.shape[1] for _, weights in blocks) == spec.mel_bands


@every_spec
def test_the_bin_at_half_the_sample_rate_has_no_weight(spec):
    for some in (spec, spec.replace(max_hz=spec.sample_rate_hz / 2)):
        weights = mel_matrix(some)
        assert weights[-1].max() < 1e-9 * weights.max()


@every_spec
def test_a_tone_above_the_cutoff_vanishes(spec):
    samples = 2 * spec.sample_rate_hz
    tone = np.sin(2 * np.pi * 3_000 * np.arange(samples) / spec.sample_rate_hz)
    waveform = (0.5 * np.hanning(samples) * tone).astype(np.float32)
    loud = run(FrontEnd(spec), waveform[None])
    cut = run(FrontEnd(spec.replace(cutoff_hz=2_500.0)), waveform[None])
    per_decade = 10.0 if spec.log_scale == "db" else 0.5 * np.log(10.0)
    assert cut.max() < loud.max() - 5 * per_decade / spec.level_std


@every_spec
def test_the_gradient_of_silence_is_finite(spec):
    waveform = tf.zeros((1, 16_000))
    with tf.GradientTape() as tape:
        tape.watch(waveform)
        total = tf.reduce_sum(FrontEnd(spec)(waveform))
    assert np.isfinite(tape.gradient(total, waveform)).all()


@every_spec
def test_xla_gives_the_same(spec, rng):
    batch = 0.1 * rng.standard_normal((2, 20_000)).astype(np.float32)
    batch[1, 9_000:] = 0.0
    layer = FrontEnd(spec)
    compiled = tf.function(
        layer, jit_compile=True, input_signature=[tf.TensorSpec((None, None))]
    )
    np.testing.assert_allclose(compiled(batch), layer(batch), rtol=0, atol=1e-4)


def test_it_has_no_weights_and_its_name_is_frontend():
    layer = FrontEnd(YAMNET)
    layer(np.zeros((1, 100), np.float32))
    assert layer.name == "frontend"
    assert layer.weights == []


def test_config_round_trip_holds_plain_values():
    config = FrontEnd(YAMNET).get_config()
    assert config["spec"] == YAMNET.to_dict()
    again = FrontEnd.from_config(config)
    assert (again.spec, again.name) == (YAMNET, "frontend")


def test_save_and_load_beside_a_mask(tmp_path, rng):
    inputs = keras.Input((None,))
    model = keras.Model(inputs, [FrontEnd(YAMNET)(inputs), TimeMask(YAMNET)(inputs)])
    model.save(tmp_path / "front.keras")
    again = keras.saving.load_model(tmp_path / "front.keras")
    batch = rng.standard_normal((2, 20_000)).astype(np.float32)
    for before, after in zip(model(batch), again(batch), strict=True):
        np.testing.assert_array_equal(before, after)


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ValueError, match="takes float waveforms of shape"):
        FrontEnd(YAMNET)(np.zeros(100, np.float32))
    with pytest.raises(ValueError, match="dtype=int16"):
        FrontEnd(YAMNET)(np.zeros((1, 100), np.int16))
    with pytest.raises(ValueError, match="center=True takes no patches"):
        FrontEnd(PANNS_32K.replace(patch_frames=96, patch_hop_frames=96))


def test_how_it_transforms_is_not_saved():
    layer = FrontEnd(YAMNET)
    layer.by_products = True
    assert not FrontEnd.from_config(layer.get_config()).by_products


def to_tflite(model, folder, samples, quantize):
    signature = keras.InputSpec(shape=(1, samples), dtype="float32")
    model.export(folder, input_signature=[signature], verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def run_tflite(interpreter, waveform):
    given = interpreter.get_input_details()[0]
    if -1 in given["shape_signature"]:
        interpreter.resize_tensor_input(given["index"], (1, len(waveform)))
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], waveform[None])
    interpreter.invoke()
    outputs = [
        interpreter.get_tensor(output["index"])[0]
        for output in interpreter.get_output_details()
    ]
    return sorted(outputs, key=lambda output: -output.ndim)


@pytest.mark.parametrize("kind", ["products", "FFT, dynamic-range"])
@pytest.mark.parametrize("samples", [32_000, None], ids=["static", "any length"])
@every_spec
def test_tflite_equals_keras(spec, samples, kind, tmp_path, rng):
    inputs = keras.Input((samples,), batch_size=1)
    mask = ops.cast(TimeMask(spec)(inputs), "float32")
    layer = FrontEnd(spec)
    model = keras.Model(inputs, [layer(inputs), mask])
    layer.by_products = kind == "products"
    content = to_tflite(model, tmp_path, samples, quantize=kind != "products")
    layer.by_products = False
    assert len(content) <= 100_000
    interpreter = Interpreter(model_content=content)
    used = {op["op_name"] for op in interpreter._get_ops_details()}
    assert ("RFFT2D" in used) == (kind != "products")
    assert not any("Flex" in op or "CUSTOM" in op.upper() for op in used)

    lengths = [(32_000, 32_000), (20_321, 32_000), (0, 32_000)]
    if samples is None:
        lengths += [(1, 1), (399, 399), (513, 700), (15_600, 15_601), (9, 47_000)]
    for real, total in lengths:
        waveform = np.zeros(total, np.float32)
        waveform[:real] = 0.1 * rng.standard_normal(real)
        if real:
            waveform[real:] = np.resize([2.0**-15, 0, -(2.0**-12)], total - real)
        expected = [ops.convert_to_numpy(out)[0] for out in model(waveform[None])]
        actual = run_tflite(interpreter, waveform)
        np.testing.assert_allclose(
            actual[0], expected[0], rtol=0, atol=tolerance(spec), err_msg=str(real)
        )
        np.testing.assert_array_equal(actual[1], expected[1])
