"""Downloads the weights that a command needs, with a progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cry_tf.cli.console import Console, import_tensorflow_quietly

if TYPE_CHECKING:
    from cry_hub.weights.installation import Installation


def fetch_if_missing(console: Console, preset: str) -> None:
    """Downloads the published weights of a preset unless they are installed.

    Does nothing offline or if nothing is published: loading the weights then raises.

    Raises:
        ValueError: If the download is not the published file.
        OSError: If it cannot be downloaded or written.
    """
    from cry_hub import registry
    from cry_hub.weights import store
    from cry_hub.weights.download import is_offline

    has_address = any(file.url for file in registry.get(preset).files)
    if is_offline() or not has_address or store.find(preset) is not None:
        return
    report(console, fetch(console, preset))


def fetch(console: Console, preset: str) -> Installation:
    """Downloads the published weights of a preset with a progress bar.

    Raises:
        ValueError: If nothing is published, or the download is another file.
        OSError: If it cannot be downloaded or written.
    """
    from cry_hub import registry
    from cry_hub.weights import store
    from cry_hub.weights.origin import published

    file, _ = published(registry.get(preset))
    with console.byte_progress(file.name) as progress:
        return store.fetch(preset, progress, arrived=import_tensorflow_quietly)


def report(console: Console, made: Installation) -> None:
    """Prints the installed file, the origin of its digest, and its licence."""
    from cry_hub import registry
    from cry_hub.weights.installation import IN_WORDS

    console.line(f"installed: {made.path} ({made.path.stat().st_size / 1e6:.1f} MB)")
    console.line(f"  sha256:{made.sha256}")
    if made.source_digest != f"sha256:{made.sha256}":
        console.line(f"  converted from {made.source_file}, {made.source_digest}")
    console.line(f"  digest: {IN_WORDS[made.origin]}")
    if made.licence.startswith("CC-BY"):
        record = registry.get(made.preset)
        console.line(
            f"  licence: {made.licence}; name the source if you share the weights or "
            f"a model trained from them: {record.source}, {record.paper}"
        )
    else:
        console.line(f"  licence: {made.licence}")
