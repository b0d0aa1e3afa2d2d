import pytest

import cry_hub
from cry_tf.models import CryClassifier
from cry_tf.training import choose_trainer


@pytest.fixture(scope="module")
def model():
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    return CryClassifier(backbone, labels=("a", "b"))


def test_twice_as_long_a_clip_needs_about_twice_the_memory(model):
    short, long = (choose_trainer.clip_bytes(model, seconds) for seconds in (5, 10))
    assert long / short == pytest.approx(2, rel=0.1)


def test_the_first_layer_alone_is_in_the_estimate(model):
    # 24 filters over 24 x 32 places of a patch, 10 patches of 0.48 s, three values
    # (convolution, batch norm, ReLU), forward and backward, float32.
    least = 24 * 24 * 32 * 10 * 3 * 2 * 4
    assert least < choose_trainer.clip_bytes(model, 5.0) < 20 * least


def test_what_does_not_fit_is_cut_to_a_divisor_of_the_batch(model):
    need = choose_trainer.clip_bytes(model, 5.0)
    chosen, sentence = choose_trainer.choose(
        model, 256, 5.0, memory_bytes=2 * 100 * need
    )
    assert chosen == 64
    assert "micro batch: 64 of 256 clips at once" in sentence
    assert choose_trainer.choose(model, 32, 5.0, memory_bytes=10**15)[0] == 32
    assert choose_trainer.choose(model, 32, 5.0, memory_bytes=1)[0] == 1


def test_free_memory_is_some_and_no_more_than_a_container_may_have(
    tmp_path, monkeypatch
):
    assert choose_trainer.available_bytes() > 10**6
    for name, text in (("_CGROUP_LIMIT", "5000\n"), ("_CGROUP_USED", "2000\n")):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(choose_trainer, name, tmp_path / name)
    assert choose_trainer.available_bytes() == 3000
