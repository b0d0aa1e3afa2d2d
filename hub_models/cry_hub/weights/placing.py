"""A weights file into the cache: proven first, then there whole or not at all."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

from cry_hub.formats import Source, signature
from cry_hub.preset import Preset
from cry_hub.weights import pins
from cry_hub.weights.cache_folder import (
    cache_dir,
    digest_file,
    explained,
    weights_dir,
)
from cry_hub.weights.installation import Installation
from cry_hub.weights.origin import origin_of, url_to_pin
from cry_lite import atomic


def place(record: Preset, source: Source, url: str | None) -> Installation:
    """Installs what was read, if it fits; the caller holds the lock of the preset.

    Args:
        record: The preset.
        source: What was read.
        url: Where it was fetched from, or None if a user gave it.

    Returns:
        What is installed now. A file of the same name is replaced.

    Raises:
        WeightsError: If it is not what its name promises, cannot be parsed, or
            does not fit the preset. Nothing has changed then.
        OSError: If the cache cannot be written.
    """
    # Here, since they load TensorFlow, which finding and checking files needs not.
    from cry_hub import porting
    from cry_hub.weights import conversion

    origin = origin_of(record, source)
    model, head = conversion.filled(record.name, source.tensors(), str(source.path))
    new_url = url_to_pin(record, source)
    target = weights_dir(record.name) / npz_name(source.path.name)
    with explained(cache_dir()):
        target.parent.mkdir(parents=True, exist_ok=True)
        for stray in target.parent.glob(".*"):  # of an install that was killed
            stray.unlink()
        staged = target.with_name(f".{target.name}")
        try:
            if _is_npz(source):
                atomic.write_bytes(staged, *source.files.values())
            else:
                porting.save_npz(model, staged)
            if new_url is not None:
                pins.pin(new_url, f"sha256:{source.sha256}")
                origin = "pinned"
            made = Installation(
                preset=record.name,
                file=target.name,
                sha256=_sha256_of(staged),
                source_file=source.path.name,
                source_url=url,
                source_digest=f"sha256:{source.sha256}",
                origin=origin,
                head=head,
                date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                licence=record.licence,
            )
            # Without its digest a file is not seen: first the old digest goes, last
            # the new one comes.
            digest_file(target).unlink(missing_ok=True)
            atomic.put(staged, target)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        made.write(target)
        line = f"{made.sha256}  {target.name}\n"
        atomic.write_bytes(digest_file(target), line.encode())
    return made


def _is_npz(source: Source) -> bool:
    contents = [*source.files.values()]
    return len(contents) == 1 and signature.kind_of(contents[0]) == "npz"


def npz_name(name: str) -> str:
    """Returns the name under which a weights file is installed."""
    return Path(name).with_suffix(".npz").name


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
