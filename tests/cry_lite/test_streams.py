"""A printout never ends the work behind it."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from cry_lite import streams

WORK = """
import sys
from pathlib import Path
from cry_lite import streams

def work(output):
    output.goes_on = sys.argv[2] == "goes on"
    for number in range(3):
        print(f"line {number}: caf\\udce9 \\u2019", flush=True)
        print("a warning \\u2019", file=sys.stderr)
    Path(sys.argv[1]).write_text("done")
    return 0

sys.exit(streams.run("a-command", work))
"""


@pytest.fixture
def shell(tmp_path):
    """Runs the work above with its streams as a shell's redirections make them."""

    def run(redirections: str, kind: str = "goes on", **environment: str):
        made = tmp_path / "made"
        command = f'"{sys.executable}" -c "$WORK" made "{kind}" {redirections}'
        done = subprocess.run(
            ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
            cwd=tmp_path,
            env={**os.environ, "WORK": WORK, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, made.is_file() and made.read_text() == "done"

    return run


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_character_ends_the_work(shell, encoding):
    done, is_made = shell("", PYTHONIOENCODING=encoding)
    assert is_made
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3
    assert ("\\u2019" in done.stdout) == (encoding != "utf-8")


@pytest.mark.parametrize(
    "closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>&- >/dev/null"]
)
def test_closed_streams_cost_nothing_but_their_text(shell, closed):
    done, is_made = shell(closed)
    assert is_made
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("kind", "goes_on"), [("goes on", True), ("prints", False)])
def test_a_reader_that_leaves_ends_a_printout_quietly_and_no_work(shell, kind, goes_on):
    # `sleep` leaves nobody to read and lets the writer find that out.
    done, is_made = shell("2>errors | (exec <&-; sleep 0.2)", kind)
    assert is_made == goes_on
    assert done.returncode == streams.NOBODY_READS


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize(("kind", "goes_on"), [("goes on", True), ("prints", False)])
def test_a_full_disk_under_stdout_is_told_and_ends_no_work(shell, kind, goes_on):
    done, is_made = shell(">/dev/full", kind)
    assert is_made == goes_on
    assert done.returncode == 1
    assert "what was to be printed is lost (No space left on device)" in done.stderr
    assert "Traceback" not in done.stderr
    assert shell(">/dev/full 2>/dev/full")[1]


def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path):
    code = (
        "from cry_lite import streams; import os\n"
        "def work(output):\n"
        "    with open('made', 'w') as file:\n"
        "        os.write(2, b'a complaint of C')\n"
        "        return file.fileno()\n"
        "raise SystemExit(streams.run('x', work))"
    )
    command = f'"{sys.executable}" -c "$CODE" <&- >&- 2>&-'
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "CODE": code}
    )
    assert done.returncode > 2
    assert (tmp_path / "made").read_bytes() == b""


def test_streams_come_back_and_the_code_of_the_work_is_kept(capsys):
    before = sys.stdout, sys.stderr
    assert streams.run("x", lambda output: 2) == 2
    with pytest.raises(ZeroDivisionError):
        streams.run("x", lambda output: 1 // 0)
    assert (sys.stdout, sys.stderr) == before


def test_a_failure_of_stdout_adds_to_the_code_and_never_hides_it(monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")  # a terminal that is gone

    monkeypatch.setattr(sys, "stdout", Broken())
    monkeypatch.setattr(sys, "stderr", Broken())

    def work(code):
        def act(output):
            output.goes_on = True
            print("result")
            print("warning", file=sys.stderr)
            return code

        return act

    for code, expected in ((0, 1), (2, 2)):
        assert streams.run("x", work(code)) == expected


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain ä ’ 夜\u3000.wav", "plain ä ’ 夜\u3000.wav"),
        ("two\nlines\r.wav", "two\\nlines\\r.wav"),
        ("\x1b[31mred\x9b.wav", "\\x1b[31mred\\x9b.wav"),
        ("caf\udce9\u2028.wav", "caf\udce9\\u2028.wav"),
    ],
)
def test_control_characters_in_a_name_are_escaped(name, shown):
    assert streams.in_one_line(name) == shown


@pytest.mark.parametrize(
    ("term", "watched"), [("xterm", True), ("dumb", False), ("unknown", False)]
)
def test_a_terminal_that_cannot_redraw_a_line_shows_no_bar(term, watched, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", term)
    assert streams.is_watched(Terminal()) == watched
    assert not streams.is_watched(io.StringIO())
