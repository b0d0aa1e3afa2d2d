from __future__ import annotations

import pytest

from .markdown_blocks import read_page
from .test_documented_blocks import PAGES


@pytest.fixture
def page(tmp_path):
    """Writes lines to a page and reads it."""

    def read(*lines: str):
        path = tmp_path / "page.md"
        path.write_text("\n".join(lines) + "\n")
        return read_page(path)

    return read


def test_blocks_are_found_with_language_and_line(page):
    found = page("text", "", "```sh", "one", "two", "```", "```python", "3", "```")
    assert [(b.language, b.line, b.code) for b in found.blocks] == [
        ("sh", 4, "one\ntwo\n"),
        ("python", 8, "3\n"),
    ]


def test_a_fence_in_a_list_loses_its_indentation(page):
    (block,) = page("1. do", "", "   ```sh", "   one", "     two", "   ```").blocks
    assert block.code == "one\n  two\n"


def test_a_mark_belongs_to_the_next_block_alone(page):
    marked = ("<!-- not run: needs a phone -->", "", "```sh", "a", "```")
    first, second = page(*marked, "", "```sh", "b", "```").blocks
    assert first.not_run == "needs a phone"
    assert second.not_run is None


def test_output_is_shown_and_not_run(page):
    assert page("```text", "anything", "```").blocks == ()


def test_needs_are_collected(page):
    assert page("<!-- needs: runs/a, b.tflite -->").needs == ("runs/a", "b.tflite")


def test_text_that_goes_on_in_a_list_is_no_block(page):
    assert page("- one", "", "    more of it", "").blocks == ()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["text", "", "    command"], "page.md:3: an indented code block"),
        (["```", "command", "```"], "page.md:1: the language of a fence"),
        (["```bash", "command", "```"], "Received: 'bash'"),
        (["```sh", "command"], "page.md:1: the fence is not closed"),
        (["<!-- not run: why -->", "text"], "page.md:1: 'not run' must stand"),
        (["<!-- not run: why -->"], "page.md:1: 'not run' stands before nothing"),
        (["<!-- not run: why -->", "```text", "```"], "is never run"),
    ],
)
def test_what_would_escape_the_runner_is_refused(page, lines, message):
    with pytest.raises(ValueError, match=message):
        page(*lines)


def test_every_page_of_the_project_can_be_read():
    assert len(PAGES) > 10
    for path in PAGES:
        read_page(path)
