import jinja2
import pytest

from cry_tf.reports import pages

EMPTY = {"comparisons": (), "too_few": (), "infant_plots": (), "overall": None}
EMPTY |= {"overall_table": None, "plots": (), "facts": ()}


def page(**values):
    given = {"title": "t", "lead": "l", "warnings": (), **EMPTY, **values}
    return pages.render("personal.html", **given)


def test_every_text_is_escaped():
    html = page(title="<i>", lead="a & b", warnings=("<u>",), facts=(("<s>", "<b>"),))
    for tag in ("<i>", "<u>", "<s>", "<b>"):
        assert tag not in html
        assert tag.replace("<", "&lt;").replace(">", "&gt;") in html
    assert "a &amp; b" in html


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="lead"):
        pages.render("personal.html", title="t", warnings=(), **EMPTY)


def test_a_page_that_fails_is_one_line_and_leaves_no_file(tmp_path):
    said = []

    def fails():
        raise RuntimeError("no\nfont")

    pages.write(tmp_path / "report.html", fails, said.append)
    assert said == [
        "report.html is not written: RuntimeError: no font. The figures are in the "
        "other files of the folder."
    ]
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_file_that_is_no_utf_8_costs_no_page(tmp_path):
    said = []
    pages.write(tmp_path / "report.html", lambda: "caf\udce9.wav", said.append)
    assert (tmp_path / "report.html").read_text("utf-8") == "caf\\udce9.wav"
    assert said == []


def test_a_page_that_fails_leaves_the_earlier_one_alone(tmp_path):
    path = tmp_path / "report.html"
    pages.write(path, lambda: "first", print)
    pages.write(path, lambda: str(1 // 0), lambda _: None)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
