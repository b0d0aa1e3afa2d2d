"""Weights that a command needs: fetched with a progress bar, and told about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cry_tf.cli.console import Console, import_tensorflow_quietly

if TYPE_CHECKING:
    from cry_hub.weights.installation import Installation


def fetch_if_missing(console: Console, preset: str) -> None:
    """Brings published weights into the cache, unless some are installed.

    Where nothing is published or the network must not be used it does nothing:
    loading has the words for it.

    Raises:
        ValueError: If what comes is not the published file.
        OSError: If it cannot be fetched or written.
    """
    from cry_hub import registry
    from cry_hub.weights import store
    from cry_hub.weights.download import is_offline

    has_address = any(file.url for file in registry.get(preset).files)
    if is_offline() or not has_address or store.find(preset) is not None:
        return
    tell(console, fetch(console, preset))


def fetch(console: Console, preset: str) -> Installation:
    """Fetches the published weights of a preset with a progress bar.

    Raises:
        ValueError: If nothing is published, or what comes is not that.
        OSError: If it cannot be fetched or written.
    """
    from cry_hub import registry
    from cry_hub.weights import store
    from cry_hub.weights.provenance import published

    file, _ = published(registry.get(preset))
    with console.byte_progress(file.name) as progress:
        return store.fetch(preset, progress, arrived=import_tensorflow_quietly)


def tell(console: Console, made: Installation) -> None:
    """Prints what was installed, how far it can be trusted, and its licence."""
    from cry_hub import registry
    from cry_hub.weights.installation import IN_WORDS

    console.line(f"installed: {made.path} ({made.path.stat().st_size / 1e6:.1f} MB)")
    console.line(f"  sha256:{made.sha256}")
    if made.source_digest != f"sha256:{made.sha256}":
        console.line(f"  made of {made.source_file}, {made.source_digest}")
    console.line(f"  digest: {IN_WORDS[made.origin]}")
    if made.licence.startswith("CC-BY"):
        record = registry.get(made.preset)
        console.line(
            f"  licence: {made.licence}; name the source where you share the weights "
            f"or what was trained from them: {record.source}, {record.paper}"
        )
    else:
        console.line(f"  licence: {made.licence}")
