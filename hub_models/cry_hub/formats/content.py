"""The bytes of a weights file: read once, then digested, then parsed."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cry_hub.formats import signature
from cry_hub.preset import imported

_PARSERS = {
    "npz": "cry_hub.formats.npz:parse",
    "torch": "cry_hub.formats.torch_file:parse",
    "hdf5": "cry_hub.formats.hdf5_file:parse",
    "checkpoint_v1": "cry_hub.formats.tf_checkpoint:parse_v1",
}
SAVED_MODEL = "saved_model.pb"
_VARIABLES = "variables/variables"


@dataclass(frozen=True)
class Source:
    """The files that hold the weights, in memory.

    What is parsed are the bytes that were digested, whatever happens to the
    files in between.

    Attributes:
        path: What was given: a file, a folder, or the prefix of a checkpoint.
        files: Content by name; the name of a file in a folder has the folders
            between, with `/`. A file that is given alone is the only one.
    """

    path: Path
    files: Mapping[str, bytes]

    @functools.cached_property
    def sha256(self) -> str:
        """Digest in hexadecimal.

        Of one file: that of its bytes. Of several: that of the text which
        `sha256sum` prints for them, sorted by name.
        """
        if len(self.files) == 1:
            return self.digest("sha256")
        lines = (
            f"{hashlib.sha256(content).hexdigest()}  {name}\n"
            for name, content in sorted(self.files.items())
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def digest(self, algorithm: str) -> str:
        """Returns the digest of a single file, as its authors may publish it.

        Args:
            algorithm: A name that `hashlib.new` knows: `"sha256"`, `"md5"`.

        Raises:
            ValueError: If there are several files.
        """
        if len(self.files) != 1:
            raise ValueError(
                "A published digest is that of one file. Received: "
                f"{len(self.files)} files of {self.path}. Use `sha256`."
            )
        (content,) = self.files.values()
        return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()

    def tensors(self) -> dict[str, np.ndarray]:
        """Returns the arrays by the names that the file gives them.

        Nothing in a file is ever executed.

        Raises:
            WeightsError: If the files are truncated, damaged, of another kind or
                hold a program; or if a package that reads them is missing.
        """
        if SAVED_MODEL in self.files and len(self.files) > 1:
            parse = imported("cry_hub.formats.saved_model:parse")
            return parse(self.files, self.path)
        if len(self.files) > 1:
            parse = imported("cry_hub.formats.tf_checkpoint:parse_v2")
            return parse(self.files, self.path)
        ((name, content),) = self.files.items()
        if name == SAVED_MODEL:
            raise signature.unreadable(
                self.path,
                "it is the program of a SavedModel: give its folder",
            )
        parser = _PARSERS.get(signature.kind_of(content) or "")
        if parser is None:
            raise signature.refusal(self.path, content)
        return imported(parser)(content, self.path)


def read(path: str | os.PathLike[str]) -> Source:
    """Reads the files of weights into memory.

    Args:
        path: A `.npz`, a PyTorch `.pth` or `.pt`, a Keras `.h5`, a TensorFlow
            checkpoint (the file of V1; of V2 the prefix or the `.index` file) or
            a SavedModel folder. Its content decides, not its name.

    Raises:
        FileNotFoundError: If `path` does not exist.
        WeightsError: If a folder is not a SavedModel, or a checkpoint lacks one
            of its files.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return Source(path, _saved_model_files(path))
    index = path.with_name(path.name + ".index")
    if not path.is_file():
        if not index.is_file():
            raise FileNotFoundError(
                f"File not found: {path}. Weights must be {signature.TAKEN}."
            )
        return Source(path, _checkpoint_files(index, path.name, path))
    content = path.read_bytes()
    if signature.kind_of(content) == "checkpoint_index":
        return Source(path, _checkpoint_files(path, path.stem, path))
    if re.search(r"\.data-\d{5}-of-\d{5}$", path.name):
        prefix = path.name.rpartition(".data-")[0]
        raise signature.unreadable(
            path, f"it is one part of a checkpoint: give {prefix}.index beside it"
        )
    return Source(path, {path.name: content})


def _saved_model_files(folder: Path) -> dict[str, bytes]:
    program = folder / SAVED_MODEL
    if not program.is_file():
        indices = sorted(each.name for each in folder.glob("*.index"))
        hint = f": give its file {indices[0]}" if indices else ""
        raise signature.unreadable(
            folder, f"it is a folder without a {SAVED_MODEL}{hint}"
        )
    index = folder / f"{_VARIABLES}.index"
    if not index.is_file():
        raise signature.unreadable(
            folder, f"it is a SavedModel without its {_VARIABLES}.index"
        )
    variables = _checkpoint_files(index, index.stem, folder)
    return {
        SAVED_MODEL: program.read_bytes(),
        **{f"variables/{name}": content for name, content in variables.items()},
    }


def _checkpoint_files(index: Path, prefix: str, given: Path) -> dict[str, bytes]:
    """Returns the index of a V2 checkpoint and every data file that it counts."""
    content = index.read_bytes()
    if signature.kind_of(content) != "checkpoint_index":
        raise signature.damaged(index, content, "the index of a checkpoint")
    count = signature.shards_of(content) or 0
    files = {index.name: content}
    # One by one: a damaged index may count billions.
    for part in range(count):
        data = index.with_name(f"{prefix}.data-{part:05d}-of-{count:05d}")
        if not data.is_file():
            raise signature.unreadable(
                given, f"{data.name} is missing beside its {index.name}"
            )
        files[data.name] = data.read_bytes()
    return files
