import pytest

from cry_hub import registry
from cry_tf.papers import papers
from cry_tf.papers.row import Figure, Row, percent
from cry_tf.studies.reproduce.paper_tables import printed

INFANTCRYNET = {
    "Table 2": """\
CNN10	99.8%
CNN14	99.8%""",
    "Table 3": """\
Wavegram-Logmel-CNN with pretraining	70.33%
Resnet22 with pretraining	53.85%
CNN10 with pretraining	52.75%
CNN14	64.84%
CNN14 with pretraining	74.73%""",
    "Table 4": """\
Max pooling	62.64%
Average pooling	70.33%
Max pooling + average pooling	71.42%
Statistic pooling (ours)	74.73%
Multi-head attention pooling (ours)	72.53%""",
    "Table 5": """\
CNN14 (teacher)	73.63%	81M
Resnet22 (student)	53.85%	64M
Knowledge distillation	68.23%	64M
Model quantization	73.63%	75M
Model quantization + distillation	67.42%	58M""",
}
VGGISH = {
    "Table 2": """\
1 96.5
2 95.4
3 96.0
4 95.9
5 97.7
Average 96.3""",
    "Table 3": """\
Hunger 0.963 0.976 0.969
Boredom 0.981 0.994 0.987
Tiredness 0.935 0.929 0.932
Discomfort 0.956 0.925 0.940
Weighted Avg. 0.964 0.963 0.963""",
}


def ours(paper, table, between):
    """The rows of a table, put together as the paper prints them."""
    lines = []
    for row in papers.get(paper).rows:
        if row.table != table:
            continue
        figures = [printed(figure) for figure in row.figures]
        if paper == "vggish":
            figures = [text.removesuffix(" %") for text in figures]
        else:
            figures = [text.replace(" ", "") for text in figures]
        # "(ours)" would be taken for a row of ours where theirs stand beside them.
        assert "(ours)" not in row.title
        title = row.title.replace("(the authors' own)", "(ours)")
        lines.append(between.join([title, *figures] + ([row.size] if row.size else [])))
    return "\n".join(lines)


@pytest.mark.parametrize("table", INFANTCRYNET)
def test_every_row_of_infantcrynet_has_the_figure_that_the_paper_prints(table):
    assert ours("infantcrynet", table, "\t") == INFANTCRYNET[table]


@pytest.mark.parametrize("table", VGGISH)
def test_every_row_of_vggish_has_the_figures_that_the_paper_prints(table):
    assert ours("vggish", table, " ") == VGGISH[table]


@pytest.mark.assets
def test_what_is_compared_with_is_in_the_text_of_the_papers(assets):
    folder = assets.parent / "papers"
    if not folder.is_dir():
        pytest.skip("the papers' texts are not here")
    text = (folder / "infantcrynet_acml2024.txt").read_text(encoding="utf-8")
    for table in INFANTCRYNET.values():
        assert table in text
    text = (folder / "vggish_infant_cry.txt").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for table in VGGISH.values():
        wanted = table.splitlines()
        at = lines.index(wanted[0])
        assert lines[at : at + len(wanted)] == wanted


@pytest.mark.parametrize("paper", papers.PAPERS)
def test_every_row_names_a_preset_and_a_table_that_exist(paper):
    found = papers.get(paper)
    names = [row.name for row in found.rows]
    assert len(set(names)) == len(names)
    for row in found.rows:
        assert registry.get(row.preset)
        assert row.table in found.titles


def test_what_the_papers_train_alike_is_trained_once():
    rows = {row.name: row for row in papers.get("infantcrynet").rows}
    same = ("cnn14", "statistic", "teacher", "quantized")
    assert len({rows[name].experiment for name in same}) == 1
    assert rows["resnet22"].experiment == rows["student"].experiment
    assert rows["cnn14_scratch"].experiment.weights is None
    tables = [row for row in papers.get("vggish").rows if row.table != "Beside"]
    for weights in ("pretrained", None):
        found = {row.experiment for row in tables if row.weights == weights}
        assert len(found) == 1


def test_both_tables_of_vggish_are_there_without_pretraining_too():
    rows = {row.name: row for row in papers.get("vggish").rows}
    for name in ("fold_3", "mean", "hunger", "weighted"):
        scratch = rows[f"scratch_{name}"]
        assert (scratch.part, scratch.measures) == (
            rows[name].part,
            rows[name].measures,
        )
        assert (scratch.figures, scratch.weights) == ((), None)
        assert scratch.experiment == rows["scratch"].experiment


def test_a_label_that_the_paper_does_not_have_stands_behind_its_own():
    vggish = papers.get("vggish")
    names = [row.name for row in papers.with_own_labels(vggish, ["hunger", "pain"])]
    for prefix in ("", "scratch_"):
        at = names.index(f"{prefix}label_pain")
        assert names[at - 1] == f"{prefix}discomfort"
        assert names[at + 1] == f"{prefix}weighted"
    assert len(names) == len(set(names)) == len(vggish.rows) + 2
    infantcrynet = papers.get("infantcrynet")
    assert papers.with_own_labels(infantcrynet, ["pain"]) == infantcrynet.rows


def test_a_teacher_is_a_row_of_the_same_task_that_has_none_itself():
    rows = {row.name: row for row in papers.get("infantcrynet").rows}
    taught = [row for row in rows.values() if row.teacher]
    assert {"distilled", "quantized_distilled"} <= {row.name for row in taught}
    for row in taught:
        teacher = rows[row.teacher]
        assert (teacher.task, teacher.teacher) == (row.task, "")
        # Nothing of a row without pretraining comes from pretrained weights.
        assert not row.name.startswith("scratch_") or teacher.weights is None
    # One CNN14 teaches every student, and is the one of Table 3.
    assert rows["scratch_teacher"].experiment == rows["cnn14_scratch"].experiment
    assert rows["distilled"].experiment == rows["quantized_distilled"].experiment
    assert rows["distilled"].experiment != rows["student"].experiment


def test_a_percentage_keeps_the_digits_that_were_printed():
    assert percent(74.73) == Figure("accuracy", 0.7473, 2)
    assert printed(percent(96.0)) == "96.0 %"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"file": "int4"}, "file must be one of"),
        ({"file": "dynamic"}, "must export it"),
        ({"figures": (Figure("accuracy", 99.8, 1),)}, "a share of"),
        ({"figures": (Figure("luck", 0.5, 1),)}, "a share of"),
    ],
)
def test_a_row_that_cannot_be_is_refused(changes, sentence):
    facts = {"figures": (), "preset": "ds_cnn_s", "recipe": "full"} | changes
    with pytest.raises(ValueError, match=sentence):
        Row(paper="vggish", table="Table 2", name="x", title="X", **facts)
