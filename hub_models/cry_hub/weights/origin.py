"""Whether a weights file is the one that its authors gave out."""

from __future__ import annotations

from cry_hub.errors import WeightsError
from cry_hub.formats import Source
from cry_hub.preset import Preset, WeightsFile
from cry_hub.weights import pins
from cry_hub.weights.installation import Installation, Origin


def published(record: Preset) -> tuple[WeightsFile, str]:
    """Returns the file to fetch for a preset, and its address.

    Raises:
        WeightsError: If no file has an address.
    """
    for file in record.files:
        if file.url is not None:
            return file, file.url
    if record.shipped is not None:
        raise WeightsError(
            f"The weights of {record.name} are bundled with the package and need no "
            "download. Use weights='pretrained' (`--weights pretrained`)."
        )
    raise WeightsError(
        f"Only published weights can be fetched. Nothing is published for "
        f"{record.name}: it is {record.source}. Use weights=None (`--weights none`) to "
        "start from random weights, or give a file of yours (`--weights FILE`)."
    )


def expected_digest(file: WeightsFile) -> str | None:
    """Returns the published or else the pinned digest of a file, or None."""
    return file.digest or (pins.pinned(file.url) if file.url else None)


def origin_of(record: Preset, source: Source) -> Origin:
    """Returns whether a file is a published, a rebuilt or a pinned one, or unknown.

    Raises:
        WeightsError: If it has the name of a known one, and another digest.
    """
    if len(source.files) != 1:
        return "own"
    known = [(file, expected_digest(file)) for file in record.files]
    for file, digest in known:
        if digest and _has(source, digest):
            known_digest = "rebuilt" if file.is_rebuilt else "published"
            return known_digest if file.digest else "pinned"
    for file, digest in known:
        if digest and file.name == source.path.name:
            algorithm = digest.partition(":")[0]
            found = f"{algorithm}:{source.digest(algorithm)}"
            if file.digest is None and file.url is not None:
                raise WeightsError(pins.refusal(file.url, digest, found))
            kind = "known" if file.is_rebuilt else "published"
            raise WeightsError(
                f"{source.path} is not the {kind} file of that name and is not used: "
                f"expected {digest}, found {found}. Fetch it again, or rename it if it "
                "is your own file."
            )
    return "own"


def recorded_origin(record: Preset, made: Installation) -> Origin:
    """Returns the origin of an installed file as it is known today."""
    known = {file.digest for file in record.files if file.is_rebuilt}
    return "rebuilt" if made.source_digest in known else made.origin


def url_to_pin(record: Preset, source: Source) -> str | None:
    """Returns the address to pin a file for: it has its name and no digest yet."""
    for file in record.files:
        if file.name == source.path.name and len(source.files) == 1:
            return None if expected_digest(file) else file.url
    return None


def _has(source: Source, digest: str) -> bool:
    kind, _, expected = digest.partition(":")
    return source.digest(kind) == expected
