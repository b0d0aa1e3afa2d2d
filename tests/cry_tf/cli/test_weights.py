"""`cry-tf weights`, as a user types it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

import cry_hub
from cry_hub import registry
from cry_hub.preset import WeightsFile
from cry_hub.weights import store
from cry_tf.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("weights") / "student.npz"
    cry_hub.save_npz(cry_hub.load("ds_cnn_s", weights=None), path)
    return path.read_bytes()


@pytest.fixture
def student(tmp_path, content):
    path = tmp_path / "student.npz"
    path.write_bytes(content)
    return path


@pytest.fixture
def published(monkeypatch, weights_server, content):
    """A server of weights for ds_cnn_s, whose digest is not known."""
    weights_server.content = content
    publish(monkeypatch, url=weights_server.url)
    return weights_server


def publish(monkeypatch, licence="Apache-2.0", **facts) -> None:
    file = WeightsFile(name="published.npz", **facts)
    record = registry.get("ds_cnn_s")
    record = dataclasses.replace(record, files=(file,), licence=licence)
    monkeypatch.setitem(registry._PRESETS, "ds_cnn_s", record)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("action", ["list", "fetch", "port", "verify"])
def test_every_action_has_help_with_an_example(action, capsys):
    assert main(["weights", action, "--help"]) == 0
    example = capsys.readouterr().out.split("examples:")[1]
    assert f"cry-tf weights {action}" in example


@pytest.mark.parametrize("argv", [[], ["dance"], ["fetch"], ["port", "a", "b"]])
def test_wrong_usage_is_2(argv, capsys):
    assert main(["weights", *argv]) == 2
    assert "usage: cry-tf weights" in capsys.readouterr().err


def test_list_and_verify_load_no_framework():
    code = (
        "import sys; from cry_tf.cli.main import main;"
        "main(['weights', 'list']); main(['weights', 'verify']);"
        "heavy = {'tensorflow', 'keras', 'torch', 'pooch', 'requests'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_list_has_a_row_for_every_preset(capsys, student):
    store.install("ds_cnn_s", student)
    assert main(["weights", "list"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    shown = {row.split()[0]: row for row in rows}
    assert tuple(shown) == cry_hub.presets()
    assert shown["cnn10_audioset"].split()[1:4] == ["-", "published", "CC-BY-4.0"]
    assert "at first use" in shown["yamnet_audioset"]
    assert shown["ds_cnn_s"].split()[1] == "yes"
    assert " with cry-tf " in shown["ds_cnn_s"]
    assert f" {student.stat().st_size / 1e6:.1f} " in shown["ds_cnn_s"]


def test_list_as_json_says_where_everything_is(capsys, student):
    store.install("ds_cnn_s", student)
    assert main(["weights", "list", "--json"]) == 0
    rows = {row["preset"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["ds_cnn_s"]["installed"] == str(store.find("ds_cnn_s"))
    assert rows["ds_cnn_s"]["url"] is None
    cnn10 = rows["cnn10_audioset"]
    assert cnn10["url"].startswith("https://zenodo.org/")
    assert cnn10["digest"].startswith("sha256:5240bdc47444")
    assert cnn10["digest_origin"] == "published"
    assert cnn10["installed"] is None


def test_fetch_tells_progress_place_digest_and_licence(published, content, capsys):
    assert main(["weights", "fetch", "ds_cnn_s"]) == 0
    shown = capsys.readouterr()
    path = store.find("ds_cnn_s")
    assert path.read_bytes() == content
    for part in (str(path), sha256(content), "pinned at first use", "Apache-2.0"):
        assert part in shown.out
    whole = f"{len(content) / 1e6:.1f}"
    assert shown.err.splitlines()[-1] == f"published.npz: {whole} of {whole} MB"
    assert main(["weights", "list"]) == 0
    assert " pinned " in capsys.readouterr().out


def test_fetch_names_whom_to_credit(published, content, monkeypatch, capsys):
    publish(monkeypatch, licence="CC-BY-4.0", url=published.url)
    assert main(["weights", "fetch", "ds_cnn_s"]) == 0
    shown = capsys.readouterr().out
    record = registry.get("ds_cnn_s")
    assert "CC-BY-4.0; name the source" in shown
    assert record.paper in shown


def test_fetch_again_fetches_nothing(published, capsys):
    assert main(["weights", "fetch", "ds_cnn_s"]) == 0
    capsys.readouterr()
    assert main(["weights", "fetch", "ds_cnn_s", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["path"] == str(store.find("ds_cnn_s"))
    assert "MB\n" not in shown.err.split("installed:")[0]
    assert len(published.requests) == 1


def test_fetch_from_a_file_uses_no_network(student, capsys):
    assert main(["weights", "fetch", "ds_cnn_s", "--from", str(student)]) == 0
    assert "not a known file" in capsys.readouterr().out
    assert store.find("ds_cnn_s").read_bytes() == student.read_bytes()
    assert student.is_file()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ds_cnn_s", "are bundled with the package"),
        ("yamnet_audioset", "CRY_TF_OFFLINE is set"),
        ("nonsense", "preset must be one of"),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence_and_1(name, sentence, home, capsys):
    assert main(["weights", "fetch", name]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert not home.exists()


def test_a_wrong_digest_is_1_and_leaves_the_cache_empty(
    published, monkeypatch, capsys, home
):
    publish(monkeypatch, url=published.url, digest=f"sha256:{'0' * 64}")
    assert main(["weights", "fetch", "ds_cnn_s"]) == 1
    assert "not used" in capsys.readouterr().err
    assert main(["weights", "verify"]) == 0
    assert "no weights are installed" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_part_to_go_on_with(published, content, home, number):
    published.pause_s = 0.3
    code = (
        "import dataclasses, sys; from cry_hub import registry;"
        "from cry_hub.preset import WeightsFile; from cry_tf.cli.main import main;"
        "file = WeightsFile(name='published.npz', url=sys.argv[1]);"
        "record = dataclasses.replace(registry.get('ds_cnn_s'), files=(file,));"
        "registry._PRESETS['ds_cnn_s'] = record;"
        "sys.exit(main(['weights', 'fetch', 'ds_cnn_s']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, published.url], stderr=subprocess.PIPE, text=True
    )
    part = home / "downloads" / "ds_cnn_s" / "published.npz.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert error.splitlines()[-1].startswith("Stopped.")
    kept = part.stat().st_size
    assert 0 < kept < len(content)
    assert main(["weights", "verify"]) == 1
    published.pause_s = 0.0
    assert main(["weights", "fetch", "ds_cnn_s"]) == 0
    assert published.requests[-1]["range"] == f"bytes={kept}-"
    assert main(["weights", "verify"]) == 0


def test_port_writes_our_names_and_tells_the_digest(student, tmp_path, capsys):
    arrays = np.load(student)
    source, output = tmp_path / "student.h5", tmp_path / "ported.npz"
    with h5py.File(source, "w") as file:
        for name in arrays.files:
            file[name] = arrays[name]
    argv = ["weights", "port", "ds_cnn_s", str(source), "-o", str(output)]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert sha256(output.read_bytes()) in shown
    assert f"{len(arrays.files)} tensors" in shown
    written = np.load(output)
    assert sorted(written.files) == sorted(arrays.files)
    for name in arrays.files:
        np.testing.assert_array_equal(written[name], arrays[name])
    # A second time nothing is overwritten.
    before = output.stat().st_mtime_ns
    assert main(argv) == 1
    assert "exists already" in capsys.readouterr().err
    assert output.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("ported.h5", "must end in .npz"),
        ("missing/ported.npz", "Folder not found"),
    ],
)
def test_port_refuses_an_output_before_it_works(
    student, tmp_path, output, sentence, capsys
):
    path = tmp_path / output
    assert main(["weights", "port", "ds_cnn_s", str(student), "-o", str(path)]) == 1
    assert sentence in capsys.readouterr().err
    assert not path.exists()


def test_port_refuses_what_does_not_fit_by_name(tmp_path, student, capsys):
    arrays = dict(np.load(student))
    name = sorted(arrays)[0]
    source, output = tmp_path / "short.npz", tmp_path / "ported.npz"
    np.savez(source, **{**arrays, name: arrays[name][:-1]})
    assert main(["weights", "port", "ds_cnn_s", str(source), "-o", str(output)]) == 1
    assert f"{name} is" in capsys.readouterr().err
    assert not output.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "short.npz",
        "student.npz",
    ]


def test_verify_is_1_when_a_file_has_changed(student, capsys):
    path = store.install("ds_cnn_s", student).path
    assert main(["weights", "verify"]) == 0
    assert capsys.readouterr().out == f"ok  {path}\n"
    path.write_bytes(path.read_bytes() + b" ")
    assert main(["weights", "verify", "--json"]) == 1
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert answer["ok"] is False
    assert [each["state"] for each in answer["files"]] == ["changed"]
    assert f"changed  {path}: expected sha256" in shown.err
