import dataclasses
from pathlib import Path

import pytest

from cry_lite.speed import Speed
from cry_tf.benchmarking import benchmark_page
from cry_tf.benchmarking.candidate import Candidate, front
from cry_tf.benchmarking.comparing import FileComparison
from cry_tf.benchmarking.limits import Limits, choose, parse_bytes
from cry_tf.evaluation.figures import Estimate

SPEED = Speed(
    threads=1,
    window_s=3.0,
    load_s=0.01,
    first_s=0.02,
    median_s=0.01,
    slow_s=0.02,
    runs=9,
    peak_bytes=50_000_000,
)


def candidate(name, file_bytes, ms, auc=None):
    fast = dataclasses.replace(SPEED, threads=2, median_s=ms / 2e3)
    return Candidate(
        path=Path(name),
        name=name,
        file_bytes=file_bytes,
        gzip_bytes=file_bytes // 2,
        recipe="dynamic",
        task="detect",
        speeds=(dataclasses.replace(SPEED, median_s=ms / 1e3), fast),
        accuracy={} if auc is None else {"auc": Estimate(auc)},
    )


def names(candidates):
    return [each.name for each in candidates]


def test_the_front_keeps_what_no_other_one_beats():
    small = candidate("small", 100, 4.0, 0.90)
    fast = candidate("fast", 300, 2.0, 0.90)
    good = candidate("good", 900, 9.0, 0.99)
    beaten = candidate("beaten", 900, 9.0, 0.98)
    twin = candidate("twin", 100, 4.01, 0.90)  # equal in two digits of its latency
    found = front([beaten, good, twin, fast, small])
    assert names(found) == ["twin", "small", "fast", "good"]


def test_accuracy_does_not_count_where_one_file_has_none():
    known, unknown = candidate("known", 200, 4.0, 0.99), candidate("unknown", 100, 4.0)
    assert names(front([known, unknown])) == ["unknown"]


def test_the_best_within_the_limits_is_chosen():
    small = candidate("small", 100, 4.0, 0.90)
    good = candidate("good", 900, 9.0, 0.99)
    equal = candidate("equal", 950, 8.0, 0.99)
    everyone = [equal, small, good]
    assert choose(everyone, Limits()) is good  # the smaller of two equals
    assert choose(everyone, Limits(max_latency_s=0.0085)) is equal
    assert choose(everyone, Limits(max_bytes=899)) is small
    # Half the time with two threads.
    assert choose(everyone, Limits(max_latency_s=0.0045, threads=2)) is good
    assert choose(everyone, Limits(max_bytes=99)) is None


def test_each_broken_limit_is_named():
    limits = Limits(max_bytes=99, max_latency_s=0.001, max_memory_bytes=1_000_000)
    words = limits.broken_by(candidate("x", 1_234, 4.0))
    assert words == ["1,234 bytes", "4.0 ms", "50 MB of memory"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("150000", 150_000), ("300k", 300_000), ("1.5 MB", 1_500_000), ("2Ki", 2_048)],
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "k", "-3k", "0", "3 apples", "i"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="A size must be positive bytes"):
        parse_bytes(text)


def test_a_limit_must_be_positive():
    with pytest.raises(ValueError, match="max_latency_s must be positive"):
        Limits(max_latency_s=0.0)


def compared(*candidates):
    return FileComparison(
        candidates=candidates,
        machine="a machine",
        clips=90,
        groups=30,
        majority_label="no_cry",
        majority={"auc": Estimate(0.5), "balanced_accuracy": Estimate(0.5)},
    )


def test_a_file_that_knows_nothing_has_no_star_and_is_named():
    tiny = candidate("tiny", 100, 1.0, 0.451)
    coin = candidate("coin", 90, 1.0, 0.5)
    good = candidate("good", 900, 9.0, 0.97)
    found = compared(tiny, coin, good)
    assert [each.name for each in found.front] == ["good"]
    starred = [row[0] for row in benchmark_page.rows(found) if row[0].endswith("*")]
    assert starred == ["3 good *"]
    assert "no better than always no_cry, so no star: tiny, coin" in (
        benchmark_page.sentences(found)
    )
    files = found.to_dict()["files"]
    assert [each["is_on_front"] for each in files] == [False, False, True]


def test_without_clips_nothing_is_said_of_chance():
    found = FileComparison(candidates=(candidate("a", 100, 1.0),), machine="a machine")
    assert [each.name for each in found.front] == ["a"]
    assert not any("no star" in each for each in benchmark_page.sentences(found))
