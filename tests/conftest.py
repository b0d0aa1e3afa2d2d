"""Fixtures shared by every package's tests."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

# MediaPipe is in no environment with TensorFlow: .ci/clients runs these.
collect_ignore = ["clients"]


def pytest_configure() -> None:
    """Lets commands that tests start see signals, as in a terminal.

    A shell lets what it starts in the background ignore Ctrl-C, nohup a closed
    terminal, and commands keep ignoring what they were started to ignore.
    """
    for name in ("SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            default = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(number, default)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch) -> None:
    """No test fetches weights, unless it is given `weights_server`."""
    monkeypatch.setenv("CRY_TF_OFFLINE", "1")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real audio and weights; tests that need it skip elsewhere."""
    beside_the_project = Path(__file__).parents[2] / "shared" / "assets"
    folder = Path(os.environ.get("CRY_TF_ASSETS", beside_the_project))
    if not (folder / "data" / "MANIFEST.csv").is_file():
        pytest.skip(f"no real audio at {folder}: set CRY_TF_ASSETS to its folder")
    return folder


@pytest.fixture(scope="module")
def few_filters() -> Iterator[None]:
    """The large networks with a few filters in each layer, under their own names.

    For a module whose tests are of the code, which is the same, and not of a size:
    81 M random weights take 1 s to draw and more to convert. The networks of full
    size stand beside their originals in `panns` and `vggish`.
    """
    from cry_hub.panns import cnn10, cnn14, resnet22, wavegram_logmel_cnn14
    from cry_hub.vggish import vggish

    with pytest.MonkeyPatch.context() as patch:
        for network in (
            cnn10.CNN10,
            cnn14.CNN14,
            wavegram_logmel_cnn14.WavegramLogmelCNN14,
        ):
            pools = [pool for _, pool in network.blocks]
            patch.setattr(network, "blocks", tuple((16, pool) for pool in pools))
        patch.setattr(resnet22.ResNet22, "blocks", ((16, True),))
        patch.setattr(resnet22.ResNet22, "stages", (16, 16, 24, 24))
        patch.setattr(resnet22.ResNet22, "last_filters", 32)
        convolutions = tuple(
            tuple((scope, 16) for scope, _ in group) for group in vggish.CONV_GROUPS
        )
        dense = tuple((scope, 64) for scope, _ in vggish.DENSE_LAYERS[:-1])
        patch.setattr(vggish, "CONV_GROUPS", convolutions)
        patch.setattr(vggish, "DENSE_LAYERS", (*dense, vggish.DENSE_LAYERS[-1]))
        yield


class WeightsServer:
    """One file over HTTP on this machine, with the faults of real servers.

    Attributes:
        content: The bytes of the file.
        etag: Its version; None sends none.
        takes_ranges: False sends the whole file whatever is asked for.
        status: Of every answer.
        content_type: Of every answer.
        drops: How many bytes to send of each coming body before the connection
            breaks off; the whole where the list has run out.
        length: The Content-Length to claim; None for the true one.
        pause_s: Wait after each 64 kB.
        requests: The headers of the requests so far, in lower case.
    """

    def __init__(self) -> None:
        self.content = b""
        self.etag: str | None = '"1"'
        self.takes_ranges = True
        self.status = 200
        self.content_type = "application/octet-stream"
        self.drops: list[int] = []
        self.length: int | None = None
        self.pause_s = 0.0
        self.requests: list[dict[str, str]] = []
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(asked)
        body, status = self.content, self.status
        start = self._start(asked) if status == 200 else None
        if start is not None:
            status = 206 if start < len(self.content) else 416
            body = self.content[start:] if status == 206 else b""
        request.send_response(status)
        request.send_header("Content-Type", self.content_type)
        if self.etag is not None:
            request.send_header("ETag", self.etag)
        if start is not None:
            span = f"{start}-{len(self.content) - 1}" if status == 206 else "*"
            request.send_header("Content-Range", f"bytes {span}/{len(self.content)}")
        length = len(body) if self.length is None else self.length
        request.send_header("Content-Length", str(length))
        request.end_headers()
        if self.drops:
            body = body[: self.drops.pop(0)]
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(body), 1 << 16):
                request.wfile.write(body[at : at + (1 << 16)])
                time.sleep(self.pause_s)

    def _start(self, asked: dict[str, str]) -> int | None:
        match = re.match(r"bytes=(\d+)-$", asked.get("range", ""))
        is_same = asked.get("if-range", self.etag) == self.etag
        return int(match[1]) if match and is_same and self.takes_ranges else None


@pytest.fixture
def weights_server(monkeypatch) -> Iterator[WeightsServer]:
    """A server of a weights file; the network may be used, as far as to it."""
    server = WeightsServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.delenv("CRY_TF_OFFLINE")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}/weights.bin"
        yield server
        http.shutdown()
        thread.join()
