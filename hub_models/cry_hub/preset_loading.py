"""A preset's name to a model with checked weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cry_hub import formats, porting, registry
from cry_hub.weights import store
from cry_hub.weights.download import Progress
from cry_hub.weights.installation import IN_WORDS, Installation
from cry_hub.weights.origin import origin_of, recorded_origin
from cry_hub.weights.shipped import shipped_file


def load(
    preset: str,
    weights: str | os.PathLike[str] | None = "pretrained",
    head: str | None = None,
    cutoff_hz: float | None = None,
    progress: Progress | None = None,
    **arguments: Any,
) -> Any:
    """Returns a preset with its weights.

    Args:
        preset: Name of the preset, one of `cry_hub.presets()`.
        weights: `"pretrained"` takes the file installed in the cache, else bundled
            weights, else downloads the published file (unless `CRY_TF_OFFLINE=1`).
            None or `"none"` leaves the weights random. A path is read in any format
            of `cry_hub.formats.read`; a file with the name of a known one must have
            its digest, any other must fit in every tensor.
        head: None for the backbone alone, or the name of one of its heads
            (`"audioset"`).
        cutoff_hz: Float > 0, Hz: the front end removes frequencies above it, so that
            recordings of different bandwidth look alike. None keeps the whole
            spectrum.
        progress: Called with (bytes received, total bytes or None) during a download.
        **arguments: More arguments of the backbone's constructor, as
            `pre_emphasis=0.97, z_score=True` for `vggish_audioset`.

    Returns:
        A `Backbone`, waveform -> embeddings; with a head a `WaveformClassifier`,
        waveform -> logits, whose `labels` are the names of its classes. Both carry
        `weights_source` (a sentence) and `weights_sha256` (of the file, or None).

    Raises:
        ValueError: If the preset, the head, `cutoff_hz` or an argument is not
            possible.
        WeightsError: If nothing is installed or published for `"pretrained"`, or
            the file is changed, damaged, or does not fit.
        ConnectionError: If the published file cannot be downloaded.
        FileNotFoundError: If `weights` is a path that does not exist.
    """
    record = registry.get(preset)
    if weights is None or weights == "none":
        arguments = {**record.from_scratch, **arguments}
        model = record.build(head, cutoff_hz=cutoff_hz, **arguments)
        return porting.set_source(model, "random initialisation", None)

    made = None
    is_shipped = False
    if weights == "pretrained":
        path = store.obtain(preset, progress)
        source = store.read_installed(path)
        made = Installation.read(path)
        is_shipped = path == shipped_file(record)
    else:
        source = formats.read(Path(weights).expanduser())
    if made is None:
        kind = IN_WORDS[origin_of(record, source)]
    else:
        kind = IN_WORDS[recorded_origin(record, made)]
    model = porting.port_weights(
        preset,
        source.tensors(),
        head,
        cutoff_hz=cutoff_hz,
        source=str(source.path),
        **arguments,
    )
    if is_shipped:
        kind = "comes with cry-tf"
    name = source.path.name
    if made is not None and made.source_file != name:
        name = f"{name} of {made.source_file}"
    return porting.set_source(model, f"{name} ({kind})", source.sha256)
