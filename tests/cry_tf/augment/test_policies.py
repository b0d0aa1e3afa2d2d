import numpy as np
import pytest

from cry_tf.augment import AddNoise, policies

RATE_HZ = 16_000


@pytest.mark.parametrize("name", policies.NAMES)
@pytest.mark.parametrize("rate_hz", [8_000, 32_000])
def test_a_named_policy_gives_sound(name, rate_hz, noise_folder, rng):
    policy = policies.get(name, None if name == "none" else noise_folder)
    assert policy.name == name
    for samples in (1, 50, 2 * rate_hz):
        waveform = rng.uniform(-1, 1, samples).astype(np.float32)
        for seed in range(5):
            result = policy(waveform, rate_hz, np.random.default_rng(seed))
            assert result.dtype == np.float32
            assert np.isfinite(result).all()
            assert np.abs(result).max() <= 1
            assert result.any()


def test_none_changes_nothing(cry, rng):
    result = policies.get("none")(cry, RATE_HZ, rng)
    np.testing.assert_array_equal(result, cry)


def test_noise_is_mixed_in_only_from_a_folder_that_is_given(noise_folder):
    for name in ("light", "strong"):
        without, with_ = policies.get(name), policies.get(name, noise_folder)
        kinds = [{type(t) for t, _ in policy.steps} for policy in (without, with_)]
        assert kinds[1] - kinds[0] == {AddNoise}
        assert len(with_.steps) == len(without.steps) + 1


def test_light_changes_less_than_strong(cry, noise_folder):
    def change(name):
        policy = policies.get(name, noise_folder)
        spectrum = np.abs(np.fft.rfft(cry, 2**16))
        changes = []
        for seed in range(40):
            result = policy(cry, RATE_HZ, np.random.default_rng(seed))
            found = np.abs(np.fft.rfft(result, 2**16))
            changes.append(1 - np.corrcoef(spectrum, found)[0, 1])
        return np.mean(changes)

    assert 0 < change("light") < change("strong") / 2


def test_unknown_names_are_refused_with_those_there_are(noise_folder):
    with pytest.raises(ValueError, match="none, light, strong.*'heavy'"):
        policies.get("heavy")
    with pytest.raises(ValueError, match="mixes nothing in"):
        policies.get("none", noise_folder)
