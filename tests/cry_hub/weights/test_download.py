"""One file over the network: whole and checked, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time

import pytest

import cry_hub
from cry_hub.weights import download as downloading
from cry_hub.weights.download import download
from cry_hub.weights.part_file import PartFile


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(downloading, "PAUSE_S", 0.0)


@pytest.fixture
def content(rng) -> bytes:
    return rng.bytes(1_500_000)


@pytest.fixture
def server(weights_server, content):
    weights_server.content = content
    return weights_server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "weights.bin"


def digest(content: bytes, kind: str = "sha256") -> str:
    return f"{kind}:{hashlib.new(kind, content).hexdigest()}"


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["sha256", "md5", None])
def test_a_file_comes_whole_and_leaves_nothing_beside_it(
    server, target, content, kind, capfd
):
    told = []
    path = download(
        server.url,
        target,
        digest=digest(content, kind) if kind else None,
        progress=lambda done, total: told.append((done, total)),
    )
    assert path == target
    assert path.read_bytes() == content
    assert names(target.parent) == ["weights.bin"]
    assert told[-1] == (len(content), len(content))
    assert told == sorted(told)
    assert len(told) > 3
    assert server.requests[0]["accept-encoding"] == "identity"
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_there_with_its_digest_is_not_fetched_again(
    server, target, content
):
    download(server.url, target, digest=digest(content))
    download(server.url, target, digest=digest(content))
    assert len(server.requests) == 1
    target.write_bytes(b"changed")
    download(server.url, target, digest=digest(content))
    assert target.read_bytes() == content


def test_a_dropped_connection_is_taken_up_where_it_broke_off(server, target, content):
    server.drops = [700_000, 300_000]
    told = []
    download(server.url, target, progress=lambda done, _: told.append(done))
    assert target.read_bytes() == content
    starts = [request.get("range") for request in server.requests]
    assert starts[0] is None
    assert 0 < int(starts[1][6:-1]) < int(starts[2][6:-1])
    assert server.requests[1]["if-range"] == '"1"'
    assert told == sorted(told)


def test_what_has_come_is_kept_when_the_connection_keeps_breaking(
    server, target, content
):
    server.drops = [600_000] + [0] * downloading.TRIES
    with pytest.raises(ConnectionError, match="kept") as error:
        download(server.url, target)
    assert server.url in str(error.value)
    part = target.with_name("weights.bin.part")
    kept = part.stat().st_size
    assert kept > 500_000
    assert part.read_bytes() == content[:kept]
    assert not target.exists()
    server.drops = []
    download(server.url, target)
    assert server.requests[-1]["range"] == f"bytes={kept}-"
    assert target.read_bytes() == content
    assert names(target.parent) == ["weights.bin"]


def test_a_killed_process_leaves_a_part_that_the_next_one_takes_up(
    server, target, content
):
    server.pause_s = 0.05
    code = (
        "import sys; from cry_hub.weights.download import download;"
        "download(*sys.argv[1:])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, server.url, str(target)])
    part = target.with_name("weights.bin.part")
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = part.stat().st_size
    assert 0 < kept < len(content)
    server.pause_s = 0.0
    download(server.url, target, digest=digest(content))
    assert server.requests[-1]["range"] == f"bytes={kept}-"
    assert target.read_bytes() == content


def begun(server, target, part: bytes, etag: str | None = '"1"') -> PartFile:
    """Leaves a part as a download that was killed does."""
    target.parent.mkdir()
    found = PartFile(target.with_name(target.name + ".part"), server.url)
    with found.begin({} if etag is None else {"ETag": etag}) as file:
        file.write(part)
    return found


def test_a_server_that_knows_no_ranges_sends_everything_anew(server, target, content):
    server.takes_ranges = False
    begun(server, target, content[:1000])
    download(server.url, target)
    assert server.requests[0]["range"] == "bytes=1000-"
    assert target.read_bytes() == content


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(
    server, target, content
):
    begun(server, target, b"x" * 1000, etag='"0"')
    download(server.url, target)
    assert server.requests[0]["if-range"] == '"0"'
    assert target.read_bytes() == content


def test_a_part_of_another_address_is_not_used(server, target, content):
    begun(server, target, b"x" * 1000)
    download(f"{server.url}?mirror", target)
    assert "range" not in server.requests[0]
    assert target.read_bytes() == content


def test_without_a_version_the_digest_decides_whether_the_rest_fits(
    server, target, content
):
    server.etag = None
    begun(server, target, content[:1000], etag=None)
    download(server.url, target, digest=digest(content))
    assert [each.get("range") for each in server.requests] == ["bytes=1000-"]
    assert target.read_bytes() == content
    # The beginning is of another file: once more from the start.
    target.unlink()
    shutil.rmtree(target.parent)
    begun(server, target, b"x" * 1000, etag=None)
    download(server.url, target, digest=digest(content))
    assert "range" not in server.requests[-1]
    assert target.read_bytes() == content


def test_without_a_version_and_a_digest_nothing_is_resumed(server, target, content):
    server.etag = None
    begun(server, target, content[:1000], etag=None)
    download(server.url, target)
    assert "range" not in server.requests[0]
    assert target.read_bytes() == content


@pytest.mark.parametrize("etag", ['W/"1"', None])
def test_a_weak_version_is_no_reason_to_resume(server, target, content, etag):
    begun(server, target, content[:1000], etag=etag)
    download(server.url, target)
    assert "range" not in server.requests[0]
    assert target.read_bytes() == content


def test_a_part_that_is_complete_is_only_moved(server, target, content):
    begun(server, target, content)
    download(server.url, target, digest=digest(content))
    assert target.read_bytes() == content


def test_a_part_that_is_too_long_is_fetched_from_the_start(server, target, content):
    begun(server, target, content + b"more")
    download(server.url, target)
    assert target.read_bytes() == content


def test_a_body_shorter_than_promised_never_becomes_the_file(server, target):
    server.takes_ranges = False
    server.length = len(server.content) + 100
    with pytest.raises(ConnectionError, match="could not be fetched"):
        download(server.url, target)
    assert not target.exists()


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_wrong_digest_is_refused_and_nothing_is_kept(server, target, content, kind):
    expected = digest(b"another", kind)
    with pytest.raises(cry_hub.WeightsError, match="not used") as error:
        download(server.url, target, digest=expected)
    found = digest(content, kind)
    for part in (server.url, *expected.split(":"), found.split(":")[1]):
        assert part in str(error.value)
    assert names(target.parent) == []


def test_another_length_than_published_is_refused(server, target):
    with pytest.raises(cry_hub.WeightsError, match="expected 1499999 bytes"):
        download(server.url, target, size_bytes=1_499_999)
    assert names(target.parent) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html; charset=utf-8", b"anything"),
        ("application/octet-stream", b"\n <!DOCTYPE html><title>Log in</title>"),
        ("application/octet-stream", b"<HTML>"),
    ],
)
def test_a_web_page_is_refused_and_a_part_survives_it(
    server, target, content, kind, body
):
    begun(server, target, content[:1000])
    server.takes_ranges, server.content_type = False, kind
    server.content = body
    with pytest.raises(cry_hub.WeightsError, match="gives a web page"):
        download(server.url, target)
    part = target.with_name("weights.bin.part")
    assert part.read_bytes() == content[:1000]
    assert not target.exists()


@pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (503, "Service")])
def test_an_error_of_the_server_is_one_sentence(server, target, status, reason):
    server.status = status
    with pytest.raises(ConnectionError, match=f"answers {status} .{reason}") as error:
        download(server.url, target)
    assert server.url in str(error.value)
    assert "\n" not in str(error.value)
    assert len(server.requests) == 1
    assert names(target.parent) == []


def test_no_network_is_one_sentence(weights_server, target):
    url = "http://127.0.0.1:9/weights.bin"  # the port where nobody answers
    with pytest.raises(ConnectionError, match="refused") as error:
        download(url, target)
    assert url in str(error.value)
    assert "kept" not in str(error.value)
    assert "\n" not in str(error.value)


def test_an_address_that_is_none_is_one_sentence(weights_server, target):
    with pytest.raises(ConnectionError, match="not-an-address"):
        download("not-an-address", target)


def test_a_server_that_says_nothing_is_given_up(server, target, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT_S", (5.0, 0.1))
    server.pause_s = 1.0
    server.content = server.content[:200_000]
    with pytest.raises(ConnectionError, match="timed out"):
        download(server.url, target)
    assert not target.exists()


@pytest.mark.parametrize(("switch", "is_off"), [("1", True), ("0", False), ("", False)])
def test_offline_means_that_nobody_is_asked(
    server, target, monkeypatch, switch, is_off
):
    monkeypatch.setenv("CRY_TF_OFFLINE", switch)
    assert downloading.is_offline() is is_off
    if is_off:
        with pytest.raises(ConnectionError, match="CRY_TF_OFFLINE is set"):
            download(server.url, target)
        assert server.requests == []
        assert not target.parent.exists()


def test_a_disk_that_fills_up_keeps_nothing(server, target, monkeypatch):
    class FullDisk:
        """Takes the first 300 kB."""

        def __init__(self, file):
            self.file = file
            self.room = 300_000

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, chunk):
            self.room -= len(chunk)
            if self.room < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(chunk)

    begin = PartFile.begin
    monkeypatch.setattr(PartFile, "begin", lambda *args: FullDisk(begin(*args)))
    with pytest.raises(OSError, match="It is full") as error:
        download(server.url, target)
    assert str(target.parent) in str(error.value)
    assert "CRY_TF_HOME" in str(error.value)
    assert names(target.parent) == []


def test_too_little_room_is_said_before_anything_is_fetched(
    server, target, content, monkeypatch
):
    begun(server, target, content[:1000])
    free = shutil.disk_usage(target.parent)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(OSError, match="room for 1,499,000 bytes"):
        download(server.url, target)
    assert target.with_name("weights.bin.part").read_bytes() == content[:1000]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(server, target):
    target.parent.mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="CRY_TF_HOME") as error:
        download(server.url, target)
    assert str(target.parent) in str(error.value)
    assert server.requests == []


def test_a_read_only_disk_is_named(server, target, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="CRY_TF_HOME") as error:
        download(server.url, target)
    assert str(target.parent) in str(error.value)
    assert server.requests == []
