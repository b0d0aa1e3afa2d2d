"""A preset's name to a model with checked weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cry_hub import porting, registry, store
from cry_hub.errors import WeightsError
from cry_hub.preset import Preset


def load(
    preset: str,
    weights: str | os.PathLike[str] | None = "pretrained",
    head: str | None = None,
    cutoff_hz: float | None = None,
) -> Any:
    """Returns a preset with its weights.

    Args:
        preset: Name of the preset, one of `cry_hub.presets()`.
        weights: `"pretrained"` takes the file installed in the cache; None leaves
            the weights random; a path is read as an `.npz`. A file that carries
            the name of a known one must have its digest. A file of another
            name is taken if every tensor fits.
        head: None for the backbone alone, or the name of one of its heads
            (`"audioset"` for YAMNet).
        cutoff_hz: Float, Hz: nothing above it is heard, so that recordings of
            different bandwidth look alike. None keeps the whole spectrum.

    Returns:
        A `Backbone`, waveform -> embeddings; with a head a `keras.Model`,
        waveform -> logits. Both carry `weights_source` (a sentence) and
        `weights_sha256` (of the file, or None).

    Raises:
        ValueError: If the preset, the head or `cutoff_hz` is not possible.
        WeightsError: If nothing is installed for `"pretrained"`, or the file is
            changed, damaged, or does not fit.
        FileNotFoundError: If `weights` is a path and not a file.
    """
    record = registry.get(preset)
    if weights is None:
        model = record.build(head, cutoff_hz=cutoff_hz, **record.from_scratch)
        return porting.set_source(model, "random initialisation", None)

    if weights == "pretrained":
        path = _installed(record)
        content = store.read_installed(path)
    else:
        path = Path(weights)
        content = store.read(path)
    digest = store.sha256(content)
    is_known = store.check_digest(preset, path, digest)
    model = porting.port_weights(
        preset,
        store.parse(content, path),
        head,
        cutoff_hz=cutoff_hz,
        source=str(path),
    )
    kind = "a known file" if is_known else "not a known file; every tensor fits"
    return porting.set_source(model, f"{path.name} ({kind})", digest)


def _installed(record: Preset) -> Path:
    path = store.find(record.name)
    if path is not None:
        return path
    where = f"Found none for {record.name} in {store.weights_dir(record.name)}."
    if not record.files:
        raise WeightsError(
            f"weights='pretrained' needs an installed file. {where} Nothing is "
            f"published: it is {record.source}. Use weights=None (`--weights none`) to "
            "start from random weights, or give a file of yours (`--weights FILE`)."
        )
    file = record.files[0]
    raise WeightsError(
        f"weights='pretrained' needs an installed file. {where} The published file is "
        f"{file.name} ({file.url}, {file.digest or 'without a digest'}). Its tensors "
        "under their names in an .npz can be given as weights=PATH (`--weights FILE`), "
        f"or installed once with cry_hub.store.install({record.name!r}, PATH)."
    )
