"""Where the sound lies inside a file, whatever the lengths in its header say.

Recorders die, encoders write to pipes, and 32 bits end at 4 GiB: a length in a header
is a promise, and the bytes that are there are the sound. Each walk steps over the
parts of a container, from header to header, and decodes nothing. Where the promise
hides sound from libsndfile, it gets the file in pieces with the promise put right.
"""

from __future__ import annotations

import bisect
import functools
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

Piece = bytes | tuple[int, int]
"""Bytes, or a stretch of a file: where it starts and ends."""

_UNKNOWN = 0xFFFFFFFF
_MOST_CHUNKS = 10_000
_ID3V1_BYTES = 128
_PADDING_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class ContainerLayout:
    """How a file is given to libsndfile, and what its header says of the length.

    Attributes:
        pieces: The file as libsndfile shall get it: bytes, and stretches `(start,
            end)` of the file. Empty if it is good as it is.
        more: Stretches that are recordings of their own, after the first.
        claimed_bytes: Size of the file to tell libsndfile; None is the true one.
        frames: Samples of one channel, counted; None if libsndfile knows.
        promised: Share of the sound that is there to the sound that the header
            promises, 1 if they agree; None if the header promises no length.
        notes: What is wrong with the file, a sentence each.
    """

    pieces: tuple[Piece, ...] = ()
    more: tuple[tuple[int, int], ...] = ()
    claimed_bytes: int | None = None
    frames: int | None = None
    promised: float | None = 1.0
    notes: tuple[str, ...] = ()


class Pieces(io.RawIOBase):
    """A file made of bytes and of stretches of another, to be read from any place.

    Args:
        file: The other file.
        pieces: Bytes, and `(start, end)` of `file`, one after the other.
        claimed_bytes: The size to tell; None is the sum of the pieces.

    Attributes:
        error: What went wrong while `file` was read, None if nothing did. libsndfile
            calls from C, through which no exception passes.
    """

    def __init__(
        self,
        file: IO[bytes],
        pieces: tuple[Piece, ...],
        claimed_bytes: int | None = None,
    ) -> None:
        self.error: OSError | None = None
        self._source = file
        self._pieces = pieces
        self._starts = [0]
        for piece in pieces:
            length = len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
            self._starts.append(self._starts[-1] + length)
        self._claimed = self._starts[-1] if claimed_bytes is None else claimed_bytes
        self._at = 0
        self._piece = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a place, as files do; the end is where it was claimed to be."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._claimed}
        self._at = max(0, base[whence] + offset)
        return self._at

    def tell(self) -> int:
        """Returns the place."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Reads on; less than the buffer takes is the end."""
        target = memoryview(buffer).cast("B")
        done = 0
        while done < len(target) and self._at < self._starts[-1]:
            place = bisect.bisect_right(self._starts, self._at) - 1
            piece, inside = self._pieces[place], self._at - self._starts[place]
            count = min(len(target) - done, self._starts[place + 1] - self._at)
            if isinstance(piece, bytes):
                target[done : done + count] = piece[inside : inside + count]
            else:
                count = self._copy(piece[0] + inside, target[done : done + count])
                if not count:
                    break
            self._at += count
            done += count
        if self._starts[-1] < self._claimed - _ID3V1_BYTES <= self._at:
            # Of a size that is not there, mpg123 wants to see the end of the file.
            done = min(len(target), self._claimed - self._at)
            target[:done] = bytes(done)
            self._at += done
        return done

    def _copy(self, at: int, target: memoryview) -> int:
        try:
            self._source.seek(at)
            block = self._source.read(len(target))
        except OSError as error:
            self.error = error
            return 0
        target[: len(block)] = block
        return len(block)


def find_layout(file: IO[bytes], name: str = "") -> ContainerLayout:
    """Walks a file's container.

    Args:
        file: The file, open for reading from any place.
        name: Its name. One that ends in `.mp3` may begin in the middle of a frame, as
            what was cut out of a stream does.

    Returns:
        Its layout; one without pieces for what is no container of a known kind.

    Raises:
        OSError: If it cannot be read.
    """
    size = file.seek(0, os.SEEK_END)
    start = _after_id3v2(file, 0)
    head = _read(file, start, 40)
    walk: Callable[[IO[bytes], int, int], ContainerLayout | None] | None = None
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        walk = _walk_riff
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        walk = _walk_aiff
    elif head[:16] == _W64_RIFF:
        walk = _walk_w64
    elif head[:4] == b"caff":
        walk = _walk_caf
    elif head[:4] in (b".snd", b"dns."):
        walk = _walk_au
    elif head[:4] == b"fLaC":
        walk = _walk_flac
    elif head[:4] == b"OggS":
        walk = _walk_ogg
    elif start or head[:1] == b"\xff" or name.lower().endswith(".mp3"):
        walk = _walk_mpeg
    layout = walk(file, start, size) if walk else None
    return layout or ContainerLayout()


# --- PCM containers: a chunk of sound, whose length may lie ---------------------


def _walk_riff(file: IO[bytes], start: int, size: int) -> ContainerLayout | None:
    riff = _read(file, start, 4)
    order = ">" if riff == b"RIFX" else "<"
    is_64 = riff in (b"RF64", b"BW64")
    riff = b"RIFX" if order == ">" else b"RIFF"
    long_bytes, long_at = None, 0
    for marker, at, length in _chunks(file, start + 12, size, order + "4sI"):
        if marker == b"ds64" and is_64:
            long_at = at + 8
            long_bytes = struct.unpack("<Q", _read(file, long_at, 8).ljust(8, b"\0"))[0]
        if marker != b"data":
            continue
        promised = length
        if is_64 and long_bytes is not None and length in (0, _UNKNOWN):
            promised = long_bytes
        room = size - at
        tail = at + promised
        is_whole, notes = _ends_well(file, tail, size, order + "4sI", not promised)
        if promised > room:  # libsndfile reads what is there, except of RF64.
            is_unknown = _is_no_length(promised) or promised >= 1 << 62
            layout = _short(room, None if is_unknown else promised)
            if not is_64:
                return layout
        elif is_whole:
            # A fault in what follows the sound would be one of the file to libsndfile.
            pieces = ((start, tail),) if tail < size else ()
            return ContainerLayout(pieces=pieces, notes=notes)
        else:
            layout = _long(promised)
        if is_64 and long_at:
            patches = {
                start: b"RF64",
                long_at: struct.pack("<Q", room),
                at - 4: struct.pack("<I", _UNKNOWN),
            }
            pieces = _patched(start, size, patches)
        elif room < _UNKNOWN or order == ">":
            length = struct.pack(order + "I", min(room, _UNKNOWN))
            pieces = _patched(start, size, {start: riff, at - 4: length})
        else:  # More than 32 bits can tell: RF64 has a chunk for that.
            sizes = struct.pack("<4sIQQQI", b"ds64", 28, size, room, 0, 0)
            head = b"RF64" + struct.pack("<I", _UNKNOWN) + b"WAVE" + sizes
            length = struct.pack("<I", _UNKNOWN)
            pieces = (head, *_patched(start + 12, size, {at - 4: length}))
        return replace(layout, pieces=pieces)
    return None


def _walk_aiff(file: IO[bytes], start: int, size: int) -> ContainerLayout | None:
    is_coded = _read(file, start + 8, 4) == b"AIFC"
    frames_at = frames = frame_bytes = 0
    for marker, at, length in _chunks(file, start + 12, size, ">4sI"):
        if marker == b"COMM":
            common = _read(file, at, 22)
            if len(common) < (22 if is_coded else 8):
                return None
            channels, frames, bits = struct.unpack(">HIH", common[:8])
            if not is_coded or common[18:22] in _AIFF_PLAIN:
                frames_at, frame_bytes = at + 2, channels * ((bits + 7) // 8)
        if marker != b"SSND":
            continue
        # 8 bytes of the chunk come before the sound.
        promised, room = max(0, length - 8), max(0, size - at - 8)
        is_whole, notes = _ends_well(
            file, at + max(8, length), size, ">4sI", not promised
        )
        offset, block = struct.unpack(">II", _read(file, at, 8).ljust(8, b"\0"))
        skips = offset > 0 and offset >= block  # An offset aligns to a block.
        if promised > room and not skips:
            return _short(room, None if _is_no_length(length) else promised)
        if skips:
            layout, promised = _long(promised), min(promised, room)
        elif not is_whole:
            layout, promised = _long(promised), min(room, _UNKNOWN - 8)
        elif frame_bytes and frames_at and frames * frame_bytes < promised:
            layout = _long(frames)
        else:
            return ContainerLayout(notes=notes)
        patches = {at - 4: struct.pack(">I", promised + 8)}
        if skips:
            patches[at] = bytes(8)
        if frame_bytes and frames_at:
            patches[frames_at] = struct.pack(">I", promised // frame_bytes)
        return replace(layout, pieces=_patched(start, size, patches))
    return None


# Codings of AIFC whose frames take as many bytes as their bits say.
_AIFF_PLAIN = frozenset(
    (b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"42ni", b"23ni")
    + (b"fl32", b"FL32", b"fl64", b"FL64")
)
_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


def _walk_w64(file: IO[bytes], start: int, size: int) -> ContainerLayout | None:
    at = start + 40
    while at + 24 <= size:
        marker, length = struct.unpack("<16sQ", _read(file, at, 24))
        if marker != _W64_DATA:
            if length < 24:
                return None
            at += length + -length % 8
            continue
        promised, room = length - 24, size - at - 24
        if promised > room:
            return _short(room, None if length >= 1 << 62 else promised)
        tail = at + max(24, length) + -length % 8
        next_length = struct.unpack("<Q", _read(file, tail + 16, 8).ljust(8, b"\0"))[0]
        is_whole = tail + 24 > size or 24 <= next_length <= size - tail
        if is_whole and length >= 24:
            return ContainerLayout()
        layout = _long(max(0, promised))
        length = struct.pack("<Q", room + 24)
        return replace(layout, pieces=_patched(start, size, {at + 16: length}))
    return None


def _walk_caf(file: IO[bytes], start: int, size: int) -> ContainerLayout | None:
    for marker, at, length in _chunks(file, start + 8, size, ">4sQ"):
        if marker != b"data":
            continue
        # Less a count of edits.
        promised, room = length - 4, max(0, size - at - 4)
        is_whole, notes = _ends_well(
            file, at + max(4, length), size, ">4sQ", promised <= 0
        )
        if length >= 1 << 63:  # -1: up to the end of the file, as the format allows.
            layout = ContainerLayout()
        elif promised > room:
            layout = _short(room, promised)
        elif is_whole and length >= 4:
            return ContainerLayout(notes=notes)
        else:
            layout = _long(max(0, promised))
        patch = struct.pack(">Q", room + 4)
        return replace(layout, pieces=_patched(start, size, {at - 8: patch}))
    return None


def _walk_au(file: IO[bytes], start: int, size: int) -> ContainerLayout | None:
    order = "<" if _read(file, start, 4) == b"dns." else ">"
    head = _read(file, start, 12)
    if len(head) < 12:
        return None
    offset, promised = struct.unpack(order + "II", head[4:])
    room = size - start - offset
    if room <= 0 or promised == _UNKNOWN:  # Unknown, as the format allows.
        return None
    if promised > room:
        return _short(room, promised)
    if promised == room:
        return None
    patch = struct.pack(order + "I", _UNKNOWN)
    pieces = _patched(start, size, {start + 8: patch})
    return replace(_long(promised), pieces=pieces)


def _short(room: int, promised: int | None) -> ContainerLayout:
    """Returns the layout of less sound than promised; None promises no length."""
    if promised is None:
        return ContainerLayout(promised=None, notes=(_unsaid("says no length"),))
    return ContainerLayout(promised=room / promised)


def _is_no_length(length: int) -> bool:
    """Returns whether programs that stream write this: 2 or 4 GiB, less a header."""
    return any(limit - 0xFFFF <= length <= limit for limit in (1 << 31, _UNKNOWN))


def _long(promised: int) -> ContainerLayout:
    """Returns the layout of more sound than promised."""
    said = "promises less than is there" if promised else "says 0 bytes"
    return ContainerLayout(promised=None, notes=(_unsaid(said),))


def _unsaid(said: str) -> str:
    return (
        f"the header {said}, as when a recorder is stopped: the sound was read to the "
        "end of the file"
    )


def _chunks(
    file: IO[bytes], at: int, size: int, form: str
) -> Iterator[tuple[bytes, int, int]]:
    """Yields marker, place and length of each chunk; the last may be cut."""
    header = struct.calcsize(form)
    for _ in range(_MOST_CHUNKS):
        if at + header > size:
            break
        marker, length = struct.unpack(form, _read(file, at, header))
        at += header
        yield marker, at, length
        at += length + (length & 1 if header == 8 else 0)


_TAGS = frozenset(
    (b"LIST", b"INFO", b"id3 ", b"ID3 ", b"bext", b"fact", b"cue ", b"iXML", b"PEAK")
    + (b"_PMX", b"NAME", b"ANNO", b"AUTH", b"MARK", b"INST", b"strg", b"info", b"free")
)


def _ends_well(
    file: IO[bytes], at: int, size: int, form: str, is_empty: bool
) -> tuple[bool, tuple[str, ...]]:
    """Returns whether what follows the sound is no sound, and notes on it.

    What may follow: nothing, chunks, tags of a player, zeros of a full disk block. If
    the header says that there `is_empty` sound, chunks must fit to the last byte.
    """
    header = struct.calcsize(form)
    if size - at < header or not _has_sound(file, at, size):
        return True, ()
    # Some writers leave out the byte that makes the length even.
    for place in (at + (at & 1), at) if header == 8 else (at,):
        for _ in range(_MOST_CHUNKS):
            if place + header > size:
                return True, ()
            marker, length = struct.unpack(form, _read(file, place, header))
            if marker[:3] == b"TAG" and size - place == _ID3V1_BYTES:
                return True, ()
            if _read(file, place + 8, 4) in (b"WAVE", b"AIFF", b"AIFC"):
                return True, (
                    f"{(size - place) / 1e6:.1f} MB of another recording follow in the "
                    "same file and were not read: split the file",
                )
            if not all(32 <= byte < 127 for byte in marker):
                break
            place += header + length + (length & 1 if header == 8 else 0)
            # A recorder that died in a list of tags has lost no sound.
            if place > size + 1 and (is_empty or marker not in _TAGS):
                break
    return False, ()


def _has_sound(file: IO[bytes], at: int, size: int) -> bool:
    """Returns whether any byte from here on is other than 0."""
    while at < size:
        block = _read(file, at, min(_PADDING_BLOCK_BYTES, size - at))
        if block.count(0) < len(block):
            return True
        if not block:
            break
        at += len(block)
    return False


# --- FLAC -------------------------------------------------------------------------


def _walk_flac(file: IO[bytes], start: int, size: int) -> ContainerLayout | None:
    """Hides the number of samples, at which libFLAC would stop."""
    head = _read(file, start, _FLAC_HEAD_BYTES)
    if len(head) < _FLAC_HEAD_BYTES or head[4] & 0x7F:
        return None
    if _read(file, size - _ID3V1_BYTES, 3) == b"TAG":
        size -= _ID3V1_BYTES
    fields = struct.unpack(">Q", head[18:26])[0]
    frames = fields & ((1 << 36) - 1)
    head = head[:18] + struct.pack(">Q", fields ^ frames) + head[26:]
    return ContainerLayout(
        pieces=(head, (start + _FLAC_HEAD_BYTES, size)),
        frames=frames,
        promised=1.0 if frames else None,
    )


def after_damage(
    layout: ContainerLayout, at: int, file: IO[bytes]
) -> ContainerLayout | None:
    """Returns the layout of what is left of a FLAC file after a damaged place.

    Args:
        layout: Of the whole file, as `find_layout` gives it.
        at: Bytes of that layout which were read, up to the damage or beyond.
        file: The file.

    Returns:
        None if it is no FLAC file, or no frame follows.
    """
    head, rest = layout.pieces[0], layout.pieces[-1]
    if not isinstance(head, bytes) or head[:4] != b"fLaC" or isinstance(rest, bytes):
        return None
    start, end = rest
    # Only the first block of metadata is kept, so it is the last one.
    head = head[:4] + bytes([head[4] | 0x80]) + head[5:_FLAC_HEAD_BYTES]
    at = start + max(1, at - _FLAC_HEAD_BYTES)
    while at < end:
        block = _read(file, at, min(_PADDING_BLOCK_BYTES, end - at))
        place = block.find(b"\xff")
        while 0 <= place < len(block) - 1:
            if block[place + 1] & 0xFE == 0xF8 and _is_flac_frame(
                _read(file, at + place, 16), head
            ):
                return replace(layout, pieces=(head, (at + place, end)))
            place = block.find(b"\xff", place + 1)
        at += max(1, len(block) - 1)
    return None


_FLAC_HEAD_BYTES = 42
_FLAC_SAMPLE_BITS = (0, 8, 12, -1, 16, 20, 24, 32)


def _is_flac_frame(frame: bytes, head: bytes) -> bool:
    """Returns whether a frame begins here, of as many channels as the file has."""
    if len(frame) < 16 or frame[3] & 1:
        return False
    channels, bits = frame[3] >> 4, _FLAC_SAMPLE_BITS[frame[3] >> 1 & 7]
    of_head = struct.unpack(">Q", head[18:26])[0]
    if (channels + 1 if channels < 8 else 2) != (of_head >> 41 & 7) + 1:
        return False
    if bits and bits != (of_head >> 36 & 31) + 1:
        return False
    ones = 8 - (frame[4] ^ 0xFF).bit_length()  # Of the number's first byte.
    if ones in (1, 8):
        return False
    length = 4 + max(1, ones)
    length += {6: 1, 7: 2}.get(frame[2] >> 4, 0)
    length += {12: 1, 13: 2, 14: 2}.get(frame[2] & 15, 0)
    checksum = 0
    for byte in frame[:length]:
        checksum ^= byte
        for _ in range(8):
            checksum = (checksum << 1 ^ (7 if checksum & 0x80 else 0)) & 0xFF
    return length < 16 and checksum == frame[length]


# --- Ogg --------------------------------------------------------------------------


def _walk_ogg(file: IO[bytes], start: int, size: int) -> ContainerLayout | None:
    """Finds the recordings that follow each other, and whether the last one ends."""
    begins: list[int] = []
    is_ended = True
    damaged_bytes = waiting_bytes = 0
    at = start
    while at < size:
        page = _ogg_page(file, at)
        if page is None:
            after = _find(file, b"OggS", at + 1, size)
            # Damage if a page follows, or was here; else what ends the file.
            waiting_bytes += after - at
            if _read(file, at, 4) == b"OggS" and is_ended:
                damaged_bytes, waiting_bytes = damaged_bytes + waiting_bytes, 0
            at = after
            continue
        damaged_bytes, waiting_bytes = damaged_bytes + waiting_bytes, 0
        if page[5] & 2 and is_ended:  # The first page of a stream.
            begins.append(at)
            is_ended = False
        if page[5] & 4:  # The last page.
            is_ended = True
        at += len(page)
    if not begins:
        return None
    notes = []
    if damaged_bytes:
        notes.append(
            f"the file is damaged: {damaged_bytes} bytes are no sound and were left out"
        )
    if not is_ended:
        notes.append("the file may be cut short: the end of its stream is missing")
    ends = [*begins[1:], size]
    more = tuple(zip(begins, ends, strict=True))[1:]
    pieces = ((begins[0], ends[0]),) if more else ()
    return ContainerLayout(pieces=pieces, more=more, notes=tuple(notes))


_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_page(file: IO[bytes], at: int) -> bytes | None:
    """Returns the page that begins here, None if there is none or it is damaged."""
    head = _read(file, at, 27)
    if len(head) < 27 or head[:4] != b"OggS" or head[4]:
        return None
    segments = file.read(head[26])
    page = head + segments + file.read(sum(segments))
    if len(page) < 27 + head[26] + sum(segments):
        return None
    # The checksum of Ogg is that of zlib with the bits of each byte turned round.
    plain = page[:22] + bytes(4) + page[26:]
    turned = zlib.crc32(plain.translate(_BITS_REVERSED), _UNKNOWN) ^ _UNKNOWN
    found = int(f"{turned:032b}"[::-1], 2)
    return page if found == int.from_bytes(page[22:26], "little") else None


# --- MPEG audio -------------------------------------------------------------------

_KBPS = {
    (1, 1): range(32, 449, 32),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = (44_100, 48_000, 32_000)
_LONGEST_FRAME_BYTES = 2_881
# So many frames must follow each other before sound is believed to begin.
_RUN = 4


@dataclass(frozen=True)
class _Frame:
    """A frame's length, and what all frames of a stream have in common."""

    length_bytes: int
    samples: int
    rate_hz: int
    kind: tuple[int, int, int, bool]
    side_bytes: int


@functools.lru_cache(maxsize=4096)
def _mpeg_frame(head: bytes) -> _Frame | None:
    """Reads the 4 bytes of a frame's header; None if they are none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbps_at, rate_at = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or kbps_at in (0, 15) or rate_at == 3:
        return None  # A rate of its own (0) says nothing of the frame's length.
    is_first = version == 3
    rate_hz = _RATES_HZ[rate_at] // (1 if is_first else 2 if version == 2 else 4)
    bits = 1000 * _KBPS[1 if is_first else 2, layer][kbps_at - 1]
    padding = head[2] >> 1 & 1
    is_mono = head[3] >> 6 == 3
    if layer == 1:
        samples, length = 384, (12 * bits // rate_hz + padding) * 4
    else:
        samples = 576 if layer == 3 and not is_first else 1152
        length = samples // 8 * bits // rate_hz + padding
    side = (17 if is_mono else 32) if is_first else (9 if is_mono else 17)
    kind = (version, layer, rate_hz, is_mono)
    return _Frame(length, samples, rate_hz, kind, side)


def _walk_mpeg(file: IO[bytes], start: int, size: int) -> ContainerLayout | None:
    """Counts the frames, and leaves out what lies between them."""
    spans: list[list[int]] = []
    lost: list[tuple[int, int]] = []  # Frames before, and bytes that are none.
    count, first, is_cut = 0, None, False
    at = start
    while at + 4 <= size:
        frame = _mpeg_frame(_read(file, at, 4))
        if frame and (first is None or frame.kind == first.kind):
            if first is None:
                if not _is_run(file, at, size, frame.kind):
                    at += 1
                    if at - start > _PADDING_BLOCK_BYTES:
                        return None
                    continue
                first = frame
                # A frame's rest comes first in what was cut out of a stream.
                is_rest = at - start <= _LONGEST_FRAME_BYTES
                is_rest &= _mpeg_frame(_read(file, start, 4)) is None
                if at > start and not is_rest and _has_sound(file, start, at):
                    lost.append((0, at - start))
            if at + frame.length_bytes > size:
                is_cut = True
                break
            if spans and spans[-1][1] == at:
                spans[-1][1] = at + frame.length_bytes
            else:
                spans.append([at, at + frame.length_bytes])
            count += 1
            at += frame.length_bytes
            continue
        if first is None:
            at += 1
            if at - start > _PADDING_BLOCK_BYTES:
                return None
            continue
        after = _after_tags(file, at, size)
        if after == at:
            after = _find_frame(file, at + 1, size, first.kind)
            if after < size or _has_sound(file, at, after):
                lost.append((count, after - at))
        at = after
    if first is None or not spans:
        return None
    return _mpeg_layout(file, first, spans, count, lost, is_cut)


def _mpeg_layout(
    file: IO[bytes],
    first: _Frame,
    spans: list[list[int]],
    count: int,
    lost: list[tuple[int, int]],
    is_cut: bool,
) -> ContainerLayout:
    frame_s = first.samples / first.rate_hz
    notes = []
    if lost:
        when, damaged = lost[0][0] * frame_s, sum(length for _, length in lost)
        places = f" and {len(lost) - 1} more places" if len(lost) > 1 else ""
        notes.append(
            f"the file is damaged at {when:.1f} s{places}: {damaged} bytes are no "
            "sound and were left out"
        )
    begin, end = spans[0]
    head = bytearray(_read(file, begin, min(end - begin, _LONGEST_FRAME_BYTES)))
    pieces: list[Piece] = [(begin, end) for begin, end in spans]
    total = sum(end - begin for begin, end in spans)
    info_at = 4 + first.side_bytes
    promised = None
    if head[info_at : info_at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(head[info_at + 4 : info_at + 8], "big")
        field = info_at + 8
        count -= 1  # The frame of the lengths holds no sound.
        if flags & 1:
            promised = int.from_bytes(head[field : field + 4], "big")
            head[field : field + 4] = max(promised, count).to_bytes(4, "big")
            field += 4
        head[4:info_at] = bytes(first.side_bytes)  # mpg123 wants to see zeros.
        if flags & 2:
            head[field : field + 4] = min(total, _UNKNOWN).to_bytes(4, "big")
    elif head[36:40] == b"VBRI" and len(head) > 54:
        count -= 1
        promised = int.from_bytes(head[50:54], "big")
        head[50:54] = max(promised, count).to_bytes(4, "big")
    if promised:
        pieces[:1] = [bytes(head), (begin + len(head), end)]
        return ContainerLayout(pieces=tuple(pieces), notes=tuple(notes))
    if is_cut:
        notes.append("the file may be cut short: its last frame is incomplete")
    # Without a count, libsndfile stops where it guesses the end to be: from so large
    # a size it guesses far beyond.
    return ContainerLayout(
        pieces=tuple(pieces),
        claimed_bytes=(count + 1) * _LONGEST_FRAME_BYTES,
        frames=count * first.samples,
        promised=None,
        notes=tuple(notes),
    )


def _is_run(
    file: IO[bytes], at: int, size: int, kind: tuple[int, int, int, bool]
) -> bool:
    """Returns whether frames of a kind follow each other from here on."""
    for _ in range(_RUN):
        if at == size:
            return True
        frame = _mpeg_frame(_read(file, at, 4))
        if frame is None or frame.kind != kind:
            return _after_tags(file, at, size) > at
        at += frame.length_bytes
        if at > size:  # The last one is cut.
            return True
    return True


def _find_frame(
    file: IO[bytes], at: int, size: int, kind: tuple[int, int, int, bool]
) -> int:
    """Returns where frames of a kind go on, `size` if they do not."""
    while at + 4 <= size:
        block = _read(file, at, _PADDING_BLOCK_BYTES)
        place = block.find(b"\xff")
        while 0 <= place <= len(block) - 4:
            frame = _mpeg_frame(block[place : place + 4])
            if frame and frame.kind == kind and _is_run(file, at + place, size, kind):
                return at + place
            place = block.find(b"\xff", place + 1)
        at += max(1, len(block) - 3)
    return size


def _after_tags(file: IO[bytes], at: int, size: int) -> int:
    """Returns where the tags of a player end that begin here."""
    head = _read(file, at, 32)
    if head[:3] == b"TAG":
        return min(size, at + _ID3V1_BYTES)
    if head[:3] == b"ID3":
        return min(size, _after_id3v2(file, at))
    if head[:8] == b"APETAGEX" and len(head) == 32:
        length, _, flags = struct.unpack("<III", head[12:24])
        return min(size, at + length + (32 if flags & 0xA0000000 else 0))
    if head[:11] == b"LYRICSBEGIN":
        return min(size, _find(file, b"LYRICS200", at, size) + 9)
    return at


def _after_id3v2(file: IO[bytes], at: int) -> int:
    head = _read(file, at, 10)
    if head[:3] != b"ID3" or len(head) < 10 or max(head[6:10]) > 127:
        return at
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte
    return at + 10 + length + (10 if head[5] & 0x10 else 0)


# --- bytes ------------------------------------------------------------------------


def _read(file: IO[bytes], at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _patched(start: int, end: int, patches: dict[int, bytes]) -> tuple[Piece, ...]:
    """Returns a stretch of a file with some bytes replaced, by their place in it."""
    pieces: list[Piece] = []
    at = start
    for place, patch in sorted(patches.items()):
        pieces += [(at, place), patch]
        at = place + len(patch)
    return (*pieces, (at, end))


def _find(file: IO[bytes], what: bytes, at: int, size: int) -> int:
    """Returns where some bytes come next, `size` if they do not."""
    while at < size:
        block = _read(file, at, _PADDING_BLOCK_BYTES)
        found = block.find(what)
        if found >= 0:
            return at + found
        if len(block) < len(what):
            break
        at += len(block) - len(what) + 1
    return size
