from __future__ import annotations

import pytest

from cry_export.compress import process
from cry_export.compress.compression import Compression, FineTuning
from cry_tf import compressing

FACTS = {
    "epochs": 10,
    "clips": 300,
    "gzipped_bytes": 1_740_000,
    "against_the_model_before": {
        "clips": 100,
        "max_score_difference": 0.0523,
        "mean_score_difference": 0.01,
        "flips": [{"clip": "a.wav"}],
    },
}


@pytest.fixture(autouse=True)
def _is_installed(monkeypatch):
    monkeypatch.setattr(process, "check_installed", lambda: None)


def test_a_request_is_read_before_anything_is_loaded():
    assert compressing.check_request(None, None, "none") is None
    found = compressing.check_request("prune=0.8", 3, "dynamic")
    assert found is not None
    assert found[0] == Compression("prune", sparsity=0.8)
    assert found[1].epochs == 3
    default = compressing.check_request("qat", None, "dynamic")
    assert default is not None
    assert default[1] == FineTuning()


@pytest.mark.parametrize(
    ("text", "epochs", "quantize", "sentence"),
    [
        ("shrink", None, "dynamic", "must be one of"),
        ("prune=0.8", 0, "dynamic", "epochs must be at least 1"),
        (None, 3, "dynamic", "needs --compress"),
        ("qat", None, "none", "no other recipe"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(text, epochs, quantize, sentence):
    with pytest.raises(ValueError, match=sentence):
        compressing.check_request(text, epochs, quantize)


def test_a_file_without_its_run_has_no_clips_to_train_on():
    with pytest.raises(ValueError, match="Give the run folder"):
        compressing.training_clips(None)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"compression": "prune=0.8", "sparsity": 0.8, "layers": 9},
            "prune=0.8: 80.0% zeros in 9 layers",
        ),
        (
            {
                "compression": "cluster=16",
                "largest_number_of_values_in_a_layer": 16,
                "layers": 9,
            },
            "at most 16 values in each of 9 layers",
        ),
        ({"compression": "qat"}, "qat: trained for int8"),
    ],
)
def test_the_record_is_told_in_words(facts, words):
    sentence = compressing.sentence(FACTS | facts)
    assert words in sentence
    assert "10 epochs on 300 clips" in sentence
    assert "1 of 100 decisions changed" in sentence
