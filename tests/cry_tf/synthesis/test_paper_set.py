import csv
import hashlib
import json
from collections import Counter

import numpy as np
import pytest
import soundfile

from cry_tf.data import load
from cry_tf.synthesis import PAPER_INFANTS, write_paper_set

# <Table 1> of the paper as printed, "Infant Hunger Boredom Tiredness Discomfort".
PRINTED = """\
1 month boy 35 0 0 9
1 month boy 30 6 4 12
1 month girl 14 144 24 0
1 month girl 20 1 6 2
2 months boy 56 76 38 14
2 months boy 14 28 2 106
3 months boy 14 12 28 17
3 months girl 20 31 30 20
3 months girl 0 14 9 0
4 months girl 2 0 11 3"""
TOTAL = {"hunger": 205, "boredom": 312, "tiredness": 152, "discomfort": 183}
FEW = (PAPER_INFANTS[3], PAPER_INFANTS[9])


def printed_rows(text):
    rows = []
    for line in text.splitlines():
        age, _, sex, *counts = line.split()
        rows.append((int(age), sex, *map(int, counts)))
    return rows


def rows(manifest):
    with open(manifest, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    return write_paper_set(folder, seed=1, infants=FEW)


def test_the_infants_are_those_of_table_1():
    found = [
        (i.age_months, i.sex, i.hunger, i.boredom, i.tiredness, i.discomfort)
        for i in PAPER_INFANTS
    ]
    assert found == printed_rows(PRINTED)
    sums = {name: sum(getattr(i, name) for i in PAPER_INFANTS) for name in TOTAL}
    assert sums == TOTAL
    assert sum(sums.values()) == 852


@pytest.mark.assets
def test_table_1_is_what_the_paper_prints(assets):
    paper = assets.parent / "papers" / "vggish_infant_cry.txt"
    if not paper.is_file():
        pytest.skip("the paper's text is not here")
    text = paper.read_text(encoding="utf-8")
    table = text.split("Infant Hunger Boredom Tiredness Discomfort")[1]
    lines = [line.strip() for line in table.splitlines() if "month" in line][:10]
    assert printed_rows("\n".join(lines)) == printed_rows(PRINTED)


def test_clips_are_as_short_and_as_sampled_as_the_papers(few):
    lengths_s = []
    for row in rows(few):
        info = soundfile.info(few.parent / row["file"])
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        lengths_s.append(info.duration)
        # The manifest has four decimals.
        assert abs(float(row["duration_s"]) - info.duration) < 1e-4
    # A sample more or less than 0.18 and 2.5 s.
    assert min(lengths_s) >= 0.18 - 1e-4
    assert max(lengths_s) <= 2.5 + 1e-4
    assert max(lengths_s) > 2 * min(lengths_s)


def test_every_row_says_that_it_is_synthetic_and_whose_it_is(few):
    found = rows(few)
    assert {row["synthetic"] for row in found} == {"yes"}
    assert Counter(row["group"] for row in found) == {
        "synthetic_infant_01": 29,
        "synthetic_infant_02": 16,
    }
    told = json.loads((few.parent / "paper_set.json").read_text())
    assert "no evidence about real infants" in told["synthetic"]
    dataset = load(few.parent)
    assert dataset.label_counts == {
        "boredom": 1,
        "discomfort": 5,
        "hunger": 22,
        "tiredness": 17,
    }


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(few, tmp_path):
    again = write_paper_set(tmp_path / "again", seed=1, infants=FEW)
    assert digests(again.parent) == digests(few.parent)
    other = write_paper_set(tmp_path / "other", seed=2, infants=FEW[:1])
    name = rows(other)[0]["file"]
    assert (other.parent / name).read_bytes() != (few.parent / name).read_bytes()


def test_no_clip_is_silent_or_clipped(few):
    for row in rows(few):
        waveform, _ = soundfile.read(few.parent / row["file"])
        assert 1e-3 < np.abs(waveform).max() < 1


def test_a_set_is_never_overwritten(few):
    with pytest.raises(FileExistsError, match="never overwritten"):
        write_paper_set(few.parent, infants=FEW)


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seed must be 0 or more"):
        write_paper_set(tmp_path, seed=-1)
