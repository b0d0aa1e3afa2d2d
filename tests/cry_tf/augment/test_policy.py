import json

import numpy as np
import pytest

from cry_tf.augment import AddNoise, Gain, Policy, TimeShift, TimeStretch, policies

RATE_HZ = 16_000


def test_steps_are_taken_in_order(cry):
    """A gain beyond full scale is cut to it: the order of two gains matters."""
    up, down = Gain(20, 20), Gain(-20, -20)
    peak = np.abs(cry).max()
    rng = np.random.default_rng
    first_up = Policy("x", ((up, 1), (down, 1)))(cry, RATE_HZ, rng(0))
    first_down = Policy("x", ((down, 1), (up, 1)))(cry, RATE_HZ, rng(0))
    np.testing.assert_allclose(first_up, cry / peak * 0.1, atol=1e-6)
    np.testing.assert_allclose(first_down, cry, atol=1e-6)


def test_steps_are_taken_as_often_as_their_probability_says(cry):
    policy = Policy("x", ((Gain(-20, -20), 0.3),))
    rng = np.random.default_rng(1)
    short = cry[:4000]
    taken = [
        not np.array_equal(policy(short, RATE_HZ, rng), short) for _ in range(1000)
    ]
    # Three standard deviations of a binomial.
    assert np.mean(taken) == pytest.approx(0.3, abs=3 * np.sqrt(0.3 * 0.7 / 1000))


def test_it_draws_and_applies_as_its_transform_does(cry):
    rng = np.random.default_rng(2)
    assert rng.random() < 1
    expected = TimeStretch()(cry, RATE_HZ, rng)
    policy = Policy("x", ((TimeStretch(), 1.0),))
    found = policy(cry, RATE_HZ, np.random.default_rng(2))
    np.testing.assert_array_equal(found, expected)


def test_a_seed_repeats_a_clip(cry, noise_folder):
    policy = policies.get("strong", noise_folder)
    one, same, other = (
        policy(cry, RATE_HZ, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_without_steps_a_copy_comes_back(cry):
    for policy in (Policy("mine"), Policy("x", ((Gain(), 0.0),))):
        result = policy(cry, RATE_HZ, np.random.default_rng(0))
        np.testing.assert_array_equal(result, cry)
        assert result is not cry
        with pytest.raises(ValueError, match="peak of nan"):
            policy(cry * np.float32(np.nan), RATE_HZ, np.random.default_rng(0))


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_wrong_probability_is_refused(probability):
    with pytest.raises(ValueError, match=r"\[0, 1\].*Gain in 'x'"):
        Policy("x", ((Gain(), probability),))


def test_the_fingerprint_follows_everything_but_the_name(noise_folder):
    policy = Policy("x", ((Gain(), 0.5), (TimeShift(), 0.5)))
    others = [
        Policy("x", ((Gain(), 0.6), (TimeShift(), 0.5))),
        Policy("x", ((Gain(-11), 0.5), (TimeShift(), 0.5))),
        Policy("x", ((TimeShift(), 0.5), (Gain(), 0.5))),
        Policy("x", ((Gain(), 0.5),)),
        Policy("x", ((Gain(), 0.5), (TimeShift(), 0.5), (AddNoise(noise_folder), 1))),
    ]
    assert Policy("y", policy.steps).fingerprint() == policy.fingerprint()
    found = {p.fingerprint() for p in (policy, *others)}
    assert len(found) == 6
    (noise_folder / "a.wav").unlink()
    fewer = Policy("x", (*policy.steps, (AddNoise(noise_folder), 1)))
    assert fewer.fingerprint() not in found


def test_the_record_is_json(noise_folder):
    about = policies.get("strong", noise_folder).to_dict()
    assert json.loads(json.dumps(about))["name"] == "strong"
    assert [step["transform"] for step in about["steps"]] == [
        "PitchShift",
        "TimeStretch",
        "TimeShift",
        "Reverb",
        "AddNoise",
        "Gain",
        "BandLimit",
        "CodecLike",
    ]
    assert all(0 < step["probability"] < 1 for step in about["steps"])
