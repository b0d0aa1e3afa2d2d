"""`cry-tf weights`: lists, downloads, converts and verifies pretrained weights."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from cry_tf.cli import fetching
from cry_tf.cli.console import Console, import_tensorflow_quietly

_EPILOG = """\
Weights are stored in $CRY_TF_HOME (default: ~/.cache/cry-tf) with a SHA-256 digest that
is checked at every read. With CRY_TF_OFFLINE=1 no command uses the network.

examples:
  cry-tf weights list
  cry-tf weights fetch yamnet_audioset
  cry-tf weights port cnn10_audioset Cnn10_mAP=0.380.pth -o cnn10.npz
  cry-tf weights verify
"""
_LIST_EPILOG = """\
digest: published (the authors give it), pinned (taken from the first download; later
ones must match), at first use (not yet pinned), with cry-tf (bundled weights).

examples:
  cry-tf weights list
  cry-tf weights list --json
"""
_FETCH_EPILOG = """\
An interrupted download continues where it stopped. A file with another digest, or one
that does not fit the network, is refused. PyTorch files (PANNs, EfficientAT) are read
without PyTorch; code in a file is never run.

examples:
  cry-tf weights fetch yamnet_audioset
  cry-tf weights fetch cnn14_audioset --from Cnn14_mAP=0.431.pth
"""
_PORT_EPILOG = """\
SOURCE is a PyTorch .pth or .pt, a Keras .h5, a TensorFlow checkpoint, a SavedModel
folder or an .npz. Every tensor must match a variable of the network in name and shape.
Use the written file with --weights FILE of any command. To install SOURCE in the cache
instead, use cry-tf weights fetch NAME --from SOURCE.

examples:
  cry-tf weights port vggish_audioset vggish_model.ckpt -o vggish.npz
  cry-tf weights port cnn10_audioset Cnn10_mAP=0.380.pth -o cnn10.npz
"""
_VERIFY_EPILOG = """\
ok: the digest matches. changed: it differs; fetch the file again. incomplete: an
unfinished download or install. The exit code is 1 unless every file is ok.

examples:
  cry-tf weights verify
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "weights",
        help="list, fetch, convert and check pretrained weights",
        description="Lists, fetches, converts and checks the weights of backbones.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name: str, help: str, epilog: str) -> argparse.ArgumentParser:
        action = actions.add_parser(
            name,
            help=help,
            description=help[0].upper() + help[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        action.add_argument(
            "--json", action="store_true", help="print the result as JSON on stdout"
        )
        return action

    add("list", "list the presets and their weights", _LIST_EPILOG)
    fetch = add("fetch", "download and install the weights of a preset", _FETCH_EPILOG)
    fetch.add_argument("preset", metavar="NAME", help="preset, see weights list")
    fetch.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="install this file instead of downloading",
    )
    port = add("port", "convert a weights file to an .npz", _PORT_EPILOG)
    port.add_argument("preset", metavar="NAME", help="preset, see weights list")
    port.add_argument("source", metavar="SOURCE", help="file or folder to convert")
    port.add_argument(
        "-o", "--output", metavar="FILE.npz", required=True, help="file to write"
    )
    add("verify", "check the digest of every installed file", _VERIFY_EPILOG)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If the preset is unknown, or a file does not fit it.
        OSError: If something cannot be downloaded, read or written.
    """
    console = Console(is_json=args.json)
    actions = {"list": _list, "fetch": _fetch, "port": _port, "verify": _verify}
    return actions[args.action](args, console)


def _list(args: argparse.Namespace, console: Console) -> int:
    from cry_hub import registry

    entries = [_entry(registry.get(name)) for name in registry.presets()]
    if args.json:
        console.json(entries)
        return 0
    console.table(
        ["preset", "installed", "digest", "licence", "MB", "network"],
        [
            [
                entry["preset"],
                "yes" if entry["installed"] else "-",
                entry["digest_origin"] or "-",
                entry["licence"],
                f"{entry['size_bytes'] / 1e6:.1f}" if entry["size_bytes"] else "-",
                entry["summary"],
            ]
            for entry in entries
        ],
        text_columns=6,
    )
    return 0


def _entry(record: Any) -> dict[str, Any]:
    from cry_hub.weights import store
    from cry_hub.weights.origin import expected_digest
    from cry_hub.weights.shipped import shipped_file

    shipped = shipped_file(record)
    installed = store.find(record.name) or shipped
    file = next((file for file in record.files if file.url or shipped), None)
    size = installed.stat().st_size if installed else file and file.size_bytes
    digest = origin = None
    if file is not None:
        digest = expected_digest(file)
        pinned = "pinned" if digest else "at first use"
        origin = "published" if file.digest else pinned
        if shipped is not None:
            origin = "with cry-tf"
    return {
        "preset": record.name,
        "summary": record.summary,
        "licence": record.licence,
        "paper": record.paper,
        "source": record.source,
        "file": file and file.name,
        "url": file and file.url,
        "digest": digest,
        "digest_origin": origin,
        "size_bytes": size,
        "installed": str(installed) if installed else None,
    }


def _fetch(args: argparse.Namespace, console: Console) -> int:
    from cry_hub import registry
    from cry_hub.weights import store

    registry.get(args.preset)
    if args.source is None:
        made = fetching.fetch(console, args.preset)
    else:
        import_tensorflow_quietly()
        made = store.install(args.preset, args.source)
    if args.json:
        console.json({"path": str(made.path)} | dataclasses.asdict(made))
    fetching.report(console, made)
    return 0


def _port(args: argparse.Namespace, console: Console) -> int:
    from cry_hub import formats, registry
    from cry_hub.weights.origin import origin_of

    record = registry.get(args.preset)
    output = Path(args.output).expanduser()
    _check_output(output)
    source = formats.read(Path(args.source).expanduser())
    origin_of(record, source)
    import_tensorflow_quietly()
    from cry_hub.weights import conversion

    tensors = source.tensors()
    head = conversion.convert(record.name, tensors, str(source.path), output)
    sha256 = formats.read(output).sha256
    if args.json:
        console.json({"path": str(output), "sha256": sha256, "head": head})
    console.line(f"written: {output} ({output.stat().st_size / 1e6:.1f} MB)")
    console.line(f"  sha256:{sha256}")
    with_head = f"with its head {head}" if head else "without a head"
    console.line(
        f"  {len(tensors)} tensors of {source.path} fit {record.name}, {with_head}"
    )
    console.line(f"  next: --backbone {record.name} --weights {output}")
    return 0


def _check_output(output: Path) -> None:
    """Refuses, before any work, an output that cannot be written."""
    if output.suffix != ".npz":
        raise ValueError(f"--output must end in .npz. Received: {output}.")
    if output.exists():
        raise FileExistsError(
            f"{output} exists already. Delete it or choose another name."
        )
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"Folder not found: {output.parent}. Create it first, or choose another "
            "--output."
        )


def _verify(args: argparse.Namespace, console: Console) -> int:
    from cry_hub.weights.cache_folder import cache_dir
    from cry_hub.weights.verification import verify

    findings = verify()
    is_whole = all(finding.state == "ok" for finding in findings)
    if args.json:
        rows = [
            dataclasses.asdict(finding) | {"path": str(finding.path)}
            for finding in findings
        ]
        console.json({"cache": str(cache_dir()), "ok": is_whole, "files": rows})
    for finding in findings:
        sentence = f": {finding.sentence}" if finding.sentence else ""
        console.line(f"{finding.state}  {finding.path}{sentence}")
    if not findings:
        console.line(f"no weights are installed in {cache_dir()}")
    return 0 if is_whole else 1
