"""What `verify` finds among the installed weights."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from cry_hub.weights import store
from cry_hub.weights.verification import verify

pytestmark = pytest.mark.usefixtures("home")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_verify_tells_what_is_whole_changed_and_incomplete(home, student, tmp_path):
    assert verify() == ()
    whole = store.install("ds_cnn_s", student).path
    changed = whole.with_name("changed.npz")
    changed.write_bytes(b"changed")
    changed.with_name("changed.npz.sha256").write_text(f"{'0' * 64}  changed.npz\n")
    incomplete = whole.with_name("incomplete.npz")
    incomplete.write_bytes(b"half")
    stray = whole.with_name(".stray.npz")
    stray.write_bytes(b"half")
    part = home / "downloads" / "yamnet_audioset" / "yamnet.h5.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    part.with_name("yamnet.h5.part.json").write_text("{}")
    part.with_name("tmp123").write_bytes(b"")
    found = {finding.path: finding for finding in verify()}
    assert {path: finding.state for path, finding in found.items()} == {
        whole: "ok",
        changed: "changed",
        incomplete: "incomplete",
        stray: "incomplete",
        part: "incomplete",
    }
    assert sha256(b"changed") in found[changed].sentence
    assert "fetch yamnet_audioset" in found[part].sentence
    assert found[whole].sentence == ""


def test_an_install_clears_away_what_a_killed_one_left(student):
    path = store.install("ds_cnn_s", student).path
    path.with_name(".stray.npz").write_bytes(b"half")
    store.install("ds_cnn_s", student)
    assert [finding.state for finding in verify()] == ["ok"]


def test_verifying_loads_no_framework():
    code = (
        "import sys; from cry_hub.weights import store;"
        "from cry_hub.weights.verification import verify;"
        "verify(); store.find('ds_cnn_s');"
        "heavy = {'tensorflow', 'keras', 'torch', 'pooch', 'requests'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
