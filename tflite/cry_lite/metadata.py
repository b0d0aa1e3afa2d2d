"""The labels, settings and digest inside a `.tflite`.

A zip is appended to the flatbuffer: LiteRT reads the front of the file, any zip
program the back. It holds `labels.txt`, one label a line, and `cry_tf.json`:

    {"format_version": 1,
     "model": ModelSpec.to_dict(),
     "provenance": {name: text or number},
     "card": {name: text},  (a short model card; files of 0.1 have none)
     "flatbuffer": {"bytes": size, "sha256": digest of that many first bytes}}

The digest is checked before anything else looks at the network, because a
damaged flatbuffer can crash the C++ that reads it. Only the standard library is
used, so an exporter and a device share this file.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from dataclasses import dataclass, field
from typing import IO, Any

from cry_lite.errors import ModelFileError
from cry_lite.spec import DecisionSpec, ModelSpec

FORMAT_VERSION = 1
IDENTIFIER = b"TFL3"
"""Bytes 4 to 8 of every TFLite flatbuffer."""

_SETTINGS = "cry_tf.json"
_LABELS = "labels.txt"
_COPY_AGAIN = "Copy the file again, or export it again."
_BLOCK_BYTES = 1 << 20
# All that zipfile raises on damaged archives: a bad directory, a missing name, an
# unknown method, a password, a cut or false number.
_ZIP_ERRORS = (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError) + (
    EOFError,
    OSError,
    OverflowError,
    ValueError,
)

# What settings of another shape raise, and text that is nested a thousand times.
_SHAPE_ERRORS = (ArithmeticError, AttributeError, LookupError) + (
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What `pack` put into a `.tflite`.

    Attributes:
        spec: Labels, front end and decision of the model.
        provenance: How the file was made: names to text or numbers.
        flatbuffer_bytes: Size of the network without the zip.
        flatbuffer_sha256: Digest of the network, hexadecimal.
        card: A short model card: names to text.
    """

    spec: ModelSpec
    provenance: dict[str, str | int | float]
    flatbuffer_bytes: int
    flatbuffer_sha256: str
    card: dict[str, str] = field(default_factory=dict)


def pack(
    tflite_bytes: bytes,
    spec: ModelSpec,
    provenance: dict[str, str | int | float],
    card: dict[str, str] | None = None,
) -> bytes:
    """Appends labels and settings to a network; the same input, the same bytes.

    Args:
        tflite_bytes: A `.tflite` with nothing appended yet.
        spec: What the model answers.
        provenance: How it was made: names to text or finite numbers.
        card: A short model card: names to text.

    Returns:
        The bytes of the file to write, which `read_metadata` reads.

    Raises:
        ValueError: If `tflite_bytes` is no network or has files inside already,
            if a label holds a line break, or a provenance value or a line of the card
            is of another type.
    """
    tflite_bytes = bytes(tflite_bytes)
    if tflite_bytes[4:8] != IDENTIFIER:
        raise ValueError(
            "tflite_bytes must be a TFLite flatbuffer, with TFL3 as bytes 4 to 8. "
            f"Received: {len(tflite_bytes)} bytes that start with {tflite_bytes[:8]!r}."
        )
    if zipfile.is_zipfile(io.BytesIO(tflite_bytes)):
        raise ValueError(
            "tflite_bytes must have no files inside yet. Give the bytes that the "
            "converter wrote."
        )
    split = [label for label in spec.labels if label.splitlines() != [label]]
    if split:
        raise ValueError(f"labels must be one line of text each. Received: {split}.")
    wrong = {
        name: value
        for name, value in provenance.items()
        if not isinstance(name, str)
        or not isinstance(value, str | int | float)
        or (isinstance(value, float) and not math.isfinite(value))
    }
    if wrong:
        raise ValueError(
            f"provenance must map names to text or finite numbers. Received: {wrong!r}."
        )
    odd = {
        name: text
        for name, text in (card or {}).items()
        if not isinstance(name, str) or not isinstance(text, str)
    }
    if odd:
        raise ValueError(f"card must map names to text. Received: {odd!r}.")
    settings = {
        "format_version": FORMAT_VERSION,
        "model": spec.to_dict(),
        "provenance": provenance,
        **({"card": card} if card else {}),
        "flatbuffer": {
            "bytes": len(tflite_bytes),
            "sha256": hashlib.sha256(tflite_bytes).hexdigest(),
        },
    }
    file = io.BytesIO()
    file.write(tflite_bytes)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        for name, text in (
            (_LABELS, "".join(f"{label}\n" for label in spec.labels)),
            (_SETTINGS, json.dumps(settings, separators=(",", ":"), allow_nan=False)),
        ):
            # An explicit ZipInfo stores no time, unlike a bare name.
            archive.writestr(zipfile.ZipInfo(name), text.encode())
    return file.getvalue()


def with_decision(
    content: bytes,
    decision: DecisionSpec,
    provenance: dict[str, str | int | float] | None = None,
    card: dict[str, str] | None = None,
) -> bytes:
    """Returns a packed file with another decision; its network stays as it is.

    Args:
        content: A whole file that `pack` made.
        decision: In place of its own; the windows are those of the network, so they
            stay.
        provenance: Added to what the file holds, or put in place of it, name by name.
        card: The same for the model card.

    Raises:
        ModelFileError: If `content` was not made by `pack`, or is damaged.
        ValueError: If the windows differ, or as for `pack`.
    """
    inside = read_metadata(content)
    earlier = inside.spec.decision
    if (decision.window_s, decision.hop_s) != (earlier.window_s, earlier.hop_s):
        raise ValueError(
            f"The windows must stay {earlier.window_s:g} s every {earlier.hop_s:g} s. "
            f"Received: window_s={decision.window_s}, hop_s={decision.hop_s}."
        )
    return pack(
        content[: inside.flatbuffer_bytes],
        inside.spec.replace(decision=decision),
        {**inside.provenance, **(provenance or {})},
        {**inside.card, **(card or {})},
    )


def read_metadata(path_or_bytes: str | os.PathLike[str] | bytes) -> Metadata:
    """Reads what `pack` appended and checks that the network is unharmed.

    Args:
        path_or_bytes: A `.tflite` file, or its content.

    Raises:
        ModelFileError: If it is missing, no `.tflite`, without cry-tf settings,
            damaged, or of a newer format.
    """
    name = describe_source(path_or_bytes)
    with open_model(path_or_bytes) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                labels = _read_stored(archive, _LABELS)
                text = _read_stored(archive, _SETTINGS)
                begin = min(entry.header_offset for entry in archive.infolist())
        except _ZIP_ERRORS as error:
            raise ModelFileError(
                f"{name} has no cry-tf settings inside that can be read: it was not "
                f"written by cry-tf export, or it was cut short. {_COPY_AGAIN}"
            ) from error
        metadata = _parse(name, text)
        digest = _sha256(file, metadata.flatbuffer_bytes)
    # LiteRT reads all of it, and not only what the digest is of.
    if metadata.flatbuffer_bytes != begin:
        raise ModelFileError(
            f"{name} is damaged: its network takes {begin} bytes, it was written with "
            f"{metadata.flatbuffer_bytes}. {_COPY_AGAIN}"
        )
    if labels.split("\n")[:-1] != list(metadata.spec.labels):
        raise ModelFileError(
            f"{name} names other labels in {_LABELS} than in {_SETTINGS}. {_COPY_AGAIN}"
        )
    if digest != metadata.flatbuffer_sha256:
        raise ModelFileError(
            f"{name} is damaged: its sha256 is {digest[:12]}..., it was written with "
            f"{metadata.flatbuffer_sha256[:12]}.... {_COPY_AGAIN}"
        )
    return metadata


def open_model(path_or_bytes: str | os.PathLike[str] | bytes) -> IO[bytes]:
    """Opens a file, or its content, that is a TFLite flatbuffer by its identifier.

    Raises:
        ModelFileError: If it is missing, unreadable or something else.
    """
    name = describe_source(path_or_bytes)
    try:
        if isinstance(path_or_bytes, bytes):
            file: IO[bytes] = io.BytesIO(path_or_bytes)
        else:
            file = open(name, "rb")  # noqa: SIM115 (the caller closes it)
    except FileNotFoundError as error:
        raise ModelFileError(f"File not found: {name}.") from error
    except OSError as error:
        raise ModelFileError(
            f"{name} cannot be opened ({error.strerror}). Check the path."
        ) from error
    if file.read(8)[4:] != IDENTIFIER:
        file.close()
        raise ModelFileError(
            f"{name} is not a TFLite model: TFL3 is missing at its start. "
            "Name a file that cry-tf export wrote."
        )
    file.seek(0)
    return file


def describe_source(path_or_bytes: str | os.PathLike[str] | bytes) -> str:
    """Returns the path with its home folder, or how many bytes were given."""
    if isinstance(path_or_bytes, bytes):
        return f"the model of {len(path_or_bytes)} bytes"
    return os.path.expanduser(os.fspath(path_or_bytes))


def _read_stored(archive: zipfile.ZipFile, name: str) -> str:
    # A damaged method would set a decompressor on bytes that are not compressed.
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise zipfile.BadZipFile(f"{name} is not stored as it is")
    return archive.read(name).decode()


def _parse(name: str, text: str) -> Metadata:
    try:
        settings: dict[str, Any] = json.loads(text)
        version = settings["format_version"]
        if version != FORMAT_VERSION:
            raise ModelFileError(
                f"{name} has settings of format {version!r}, this cry-tf reads "
                f"{FORMAT_VERSION}. Upgrade with: pip install --upgrade cry-tf"
            )
        return Metadata(
            spec=ModelSpec.from_dict(settings["model"]),
            provenance=dict(settings["provenance"]),
            flatbuffer_bytes=int(settings["flatbuffer"]["bytes"]),
            flatbuffer_sha256=str(settings["flatbuffer"]["sha256"]),
            card={
                str(key): str(text) for key, text in settings.get("card", {}).items()
            },
        )
    except _SHAPE_ERRORS as error:
        raise ModelFileError(
            f"{name} has cry-tf settings that cannot be read ({error}). {_COPY_AGAIN}"
        ) from error


def _sha256(file: IO[bytes], size_bytes: int) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while size_bytes > 0 and (block := file.read(min(size_bytes, _BLOCK_BYTES))):
        digest.update(block)
        size_bytes -= len(block)
    return digest.hexdigest()
