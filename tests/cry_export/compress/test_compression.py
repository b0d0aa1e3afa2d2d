from __future__ import annotations

import pytest

from cry_export.compress.compression import Compression, FineTuning


@pytest.mark.parametrize("text", ["prune=0.8", "cluster=16", "qat"])
def test_what_is_read_is_written_the_same(text):
    assert str(Compression.parse(text)) == text


def test_a_compression_says_what_it_does():
    assert Compression.parse("prune=0.8") == Compression("prune", sparsity=0.8)
    assert Compression.parse(" cluster=16 ") == Compression("cluster", clusters=16)


@pytest.mark.parametrize(
    "text", ["shrink", "prune", "cluster", "qat=8", "prune=most", "cluster=1.5", ""]
)
def test_what_is_no_compression_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="prune=0.8, cluster=16 or qat"):
        Compression.parse(text)


@pytest.mark.parametrize("amount", ["0", "1", "-0.5", "1.5", "nan"])
def test_a_share_of_zeros_lies_between_none_and_all(amount):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Compression.parse(f"prune={amount}")


@pytest.mark.parametrize("amount", [1, 0, -3, 257])
def test_a_layer_needs_two_values_and_no_more_than_a_byte_has(amount):
    with pytest.raises(ValueError, match="2 to 256"):
        Compression.parse(f"cluster={amount}")


def test_name_and_amount_belong_together():
    with pytest.raises(ValueError, match="one of prune"):
        Compression("prune", clusters=16)
    with pytest.raises(ValueError, match="one of prune"):
        Compression("squeeze")


@pytest.mark.parametrize("given", [{"epochs": 0}, {"batch_size": 0}])
def test_no_training_is_refused(given):
    with pytest.raises(ValueError, match="at least 1"):
        FineTuning(**given)


@pytest.mark.parametrize("rate", [0.0, -1e-3, float("nan"), float("inf")])
def test_a_learning_rate_is_positive(rate):
    with pytest.raises(ValueError, match="learning_rate"):
        FineTuning(learning_rate=rate)
