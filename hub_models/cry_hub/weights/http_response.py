"""What the head of an HTTP response, or its failure, says."""

from __future__ import annotations

import re
from typing import Any


def first_byte(response: Any) -> int | None:
    """Returns the position in the file of the first byte of the body."""
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def total_bytes(response: Any) -> int | None:
    """Returns the length of the whole file, or None if the server does not say."""
    if is_packed(response):
        return None
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None
    match = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def is_packed(response: Any) -> bool:
    """Returns whether the body is compressed on the way."""
    return response.headers.get("Content-Encoding", "identity") != "identity"


def reason(error: BaseException) -> str:
    """Returns the innermost cause in a few words."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    inner = getattr(error, "reason", None)
    if isinstance(inner, BaseException):
        return reason(inner)
    text = str(error.args[-1] if error.args else error) or type(error).__name__
    return text.splitlines()[0].split(": ", 1)[-1].rstrip(".")
