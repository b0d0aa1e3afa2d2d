import json

import numpy as np
import pytest

from cry_tf.evaluation.channel_score import ChannelScore, ChannelWithout
from cry_tf.evaluation.domains import measure_domains, recorded_apart
from cry_tf.evaluation.figures import Estimate
from cry_tf.runs.predictions import NO_FOLD, Predictions


def detector(rows, threshold=0.5, **changes):
    """Rows of (domain, is a cry, score[, group])."""
    scores = np.array([row[2] for row in rows], float)
    values = {
        "files": tuple(f"{i}.wav" for i in range(len(rows))),
        "labels": ("no_cry", "cry"),
        "truth": np.array([int(row[1]) for row in rows]),
        "scores": np.stack([1 - scores, scores], axis=1),
        "groups": tuple(
            row[3] if len(row) > 3 else str(i) for i, row in enumerate(rows)
        ),
        "folds": np.full(len(rows), NO_FOLD),
        "durations_s": np.full(len(rows), 5.0),
        "positive_label": "cry",
        "threshold": threshold,
        "domains": tuple(row[0] for row in rows),
    }
    return Predictions(**{**values, **changes})


def channel(recorded, limited, without=()):
    return ChannelScore(
        clips=10,
        folds=5,
        limit_hz=3600.0,
        recorded=Estimate(recorded, recorded - 0.01, recorded + 0.01),
        limited=Estimate(limited, limited - 0.01, limited + 0.01),
        without=without,
    )


MIXED = [
    ("phone", True, 0.9),
    ("phone", True, 0.4),
    ("phone", False, 0.7),
    ("phone", False, 0.1),
    ("phone", False, 0.2),
    ("studio", False, 0.8),
    ("studio", False, 0.6),
]


def test_each_domain_has_its_own_counts_recall_and_false_alarms():
    phone, studio = measure_domains(detector(MIXED)).domains

    assert (phone.domain, phone.clips, phone.positives, phone.negatives) == (
        "phone",
        5,
        2,
        3,
    )
    assert phone.recall.value == pytest.approx(1 / 2)
    assert phone.false_positive_rate.value == pytest.approx(1 / 3)
    # Of six pairs the cry of 0.4 loses one, to 0.7.
    assert phone.auc.value == pytest.approx(5 / 6)
    assert studio.recall == studio.auc == Estimate(None)
    assert studio.false_positive_rate.value == 1


def test_pairs_of_two_domains_take_no_part_in_the_auc_within_domains():
    # Over all pairs, 2 of 10 more are lost to the studio's 0.8 and 0.6.
    found = measure_domains(detector(MIXED)).within_auc
    assert found.value == pytest.approx(5 / 6)
    assert found.low is not None
    assert found.low <= found.value <= found.high


def test_pairs_count_the_same_in_every_domain():
    rows = [("a", True, 0.9), ("a", False, 0.1)]
    rows += [("b", True, 0.2), ("b", False, 0.8), ("b", False, 0.7)]
    # One pair of three is won.
    assert measure_domains(detector(rows)).within_auc.value == pytest.approx(1 / 3)


def test_domains_of_one_label_have_no_auc_within():
    rows = [("a", True, 0.9), ("b", False, 0.1)]
    found = measure_domains(detector(rows))
    assert found.within_auc == Estimate(None)
    assert any("One label only" in note for note in found.notes)


def test_one_group_gives_no_interval():
    rows = [("a", True, 0.9, "x"), ("a", True, 0.1, "x"), ("b", False, 0.1, "y")]
    first, _ = measure_domains(detector(rows)).domains
    assert first.recall == Estimate(0.5)


def test_left_out_scores_are_cut_at_a_threshold_of_the_other_domains():
    rows = [("a", True, 0.9), ("a", False, 0.5)]  # 0.7 lies halfway
    rows += [("b", True, 0.6), ("b", False, 0.1)]
    found = measure_domains(
        detector(rows), left_out=np.array([np.nan, np.nan, 0.65, 0.75])
    )
    (entry,) = found.left_out
    assert entry.domain == "b"
    assert entry.threshold == pytest.approx(0.7)
    assert entry.recall.value == 0
    assert entry.false_positive_rate.value == 1
    assert entry.auc.value == 0


def test_cries_and_other_sounds_of_different_recorders_are_warned_of():
    rows = [("phone", True, 0.9)] * 3 + [("studio", False, 0.1)] * 3
    found = measure_domains(detector(rows), channel=channel(0.987, 0.965))

    assert found.warning is not None
    assert found.warning.startswith(
        "All cries were recorded by phone; no other sound was: the score may measure "
        "the recorder, not the cry."
    )
    assert "AUC 0.987 (0.977-0.997)" in found.warning
    assert "0.965 (0.955-0.975) below 3600 Hz" in found.warning


def apart(rows):
    domains, positive, groups = zip(*rows, strict=True)
    return recorded_apart(np.array(domains), groups, np.array(positive))


def test_most_cries_are_enough_for_a_warning():
    rows = [("phone", True, f"p{i}") for i in range(9)]
    rows += [("studio", True, "s")] + [("studio", False, f"s{i}") for i in range(9)]
    assert (apart(rows) or "").startswith("9 of 10 cries (90 %) were recorded by phone")


def test_other_sounds_of_the_same_phone_in_another_set_are_other_sounds():
    rows = [("cries", True, f"phone{i}") for i in range(9)]
    rows += [("quiet", False, "phone3"), ("quiet", False, "phone4")]
    assert apart(rows) is None
    rows[9:] = [("quiet", False, "tablet1"), ("quiet", False, "tablet2")]
    assert (apart(rows) or "").startswith("All cries were recorded by cries;")


def test_other_sounds_without_a_cry_of_their_recorder_are_warned_of():
    rows = [("phone", True, "p0"), ("phone", False, "p1")]
    rows += [("radio", False, f"r{i}") for i in range(9)]
    assert (apart(rows) or "").startswith(
        "9 of 10 sounds without crying (90 %) were recorded by radio; no cry was"
    )


def test_sounds_from_anywhere_are_welcome_beside_those_of_the_cries_recorder():
    rows = [("phone", True, "p0")] + [("phone", False, f"p{i}") for i in range(1, 4)]
    rows += [("radio", False, f"r{i}") for i in range(9)]
    assert apart(rows) is None


@pytest.mark.parametrize(
    "rows",
    [
        [("", True, "a"), ("", False, "b")],
        [("x", True, "a"), ("x", False, "b")],
        [("x", True, "a"), ("y", True, "b")][:1],
    ],
    ids=["none stated", "one domain", "one clip"],
)
def test_where_there_is_one_domain_there_is_nothing_to_warn_of(rows):
    assert apart(rows) is None


def test_the_notes_say_by_how_much_a_domain_changes_the_channel():
    without = (
        ChannelWithout("phone", 0.99, 0.96),
        ChannelWithout("studio", 0.951, 0.941),
        ChannelWithout("only", None, None),
    )
    found = measure_domains(detector(MIXED), channel=channel(0.95, 0.94, without))
    changes = [note for note in found.notes if "the AUC of the channel" in note]
    assert changes == [
        "phone changes the AUC of the channel by -0.040 as recorded, -0.020 below the "
        "limit (without it 0.990 and 0.960)."
    ]


def test_clips_without_a_domain_are_named_so():
    rows = [("", True, 0.9), ("a", False, 0.1)]
    assert {entry.domain for entry in measure_domains(detector(rows)).domains} == {
        "a",
        "not stated",
    }


@pytest.mark.parametrize(
    ("domains", "sentence"),
    [
        (None, "No recorder or data set is stated"),
        (("a", "a"), "All 2 clips are of one domain, a"),
    ],
)
def test_one_domain_for_all_is_said_in_a_sentence(domains, sentence):
    rows = [("a", True, 0.9), ("a", False, 0.1)]
    found = measure_domains(detector(rows, domains=domains))
    assert found.warning is None
    assert any(note.startswith(sentence) for note in found.notes)


def test_the_figures_are_json(tmp_path):
    found = measure_domains(detector(MIXED), channel=channel(0.95, 0.94))
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["domains"][0]["domain"] == "phone"
    assert again["channel"]["limited"]["value"] == 0.94
