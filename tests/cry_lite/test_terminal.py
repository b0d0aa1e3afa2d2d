from __future__ import annotations

import io
import os
import sys
import time

import pytest

from cry_lite.terminal import progress_of, without_delegate_notice


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nobody_watching_gets_no_progress(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_of("a.wav") as progress:
        assert progress is None


def test_a_person_sees_the_percentage_of_long_work_and_then_a_clean_line(monkeypatch):
    terminal, now = Terminal(), [0.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with progress_of("folder/night.wav") as progress:
        assert progress is not None
        progress(0.1)
        assert terminal.getvalue() == ""  # Short work shows nothing.
        now[0] = 2.0
        progress(0.25)
        progress(0.251)
        assert terminal.getvalue() == "\rnight.wav  25 %"
    assert terminal.getvalue().endswith("\r\x1b[K")


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only silenced on Linux")
def test_only_the_notice_is_dropped_from_what_is_written_past_python(capfd):
    with without_delegate_notice():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"ERROR: something else\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "ERROR: something else\nafter\n"


def test_a_failure_passes_through_and_stderr_comes_back(capfd):
    with pytest.raises(OSError, match="broken"), without_delegate_notice():
        raise OSError("broken")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
