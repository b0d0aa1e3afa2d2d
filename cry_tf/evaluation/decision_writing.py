"""Puts another decision into a saved model, whose network stays as it is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cry_lite import atomic
from cry_lite.metadata import with_decision
from cry_lite.spec import DecisionSpec
from cry_tf.runs.run_folder import MODEL_FILE, RunFolder

_CONFIG = "config.json"  # of a run folder, and inside a .keras file


def plan_target(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None,
    overwrite: bool,
) -> Path:
    """Returns what is written: the model itself, or the file that was named.

    Args:
        model: Run folder, `.keras` or `.tflite`.
        output: Another file of the same kind, None for the model itself.
        overwrite: Whether that file may exist.

    Raises:
        ValueError: If `output` is of another kind.
        OSError: If it exists, or its folder does not.
    """
    model = Path(model).expanduser()
    if output is None:
        return model
    output = Path(output).expanduser()
    suffix = ".keras" if model.is_dir() else model.suffix
    if model.is_dir() and not RunFolder.open(model).has_network:
        raise ValueError(
            f"The head of {model} is kept as arrays, in no single file. Leave out -o: "
            "the decision is written into the run folder."
        )
    if output.suffix != suffix:
        raise ValueError(
            f"The output must be a {suffix} file, as the model is. Received: {output}."
        )
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"The output must be a file in a folder: {output}.")
    if output.exists() and not overwrite:
        raise FileExistsError(
            f"{output} exists already. Choose another name, or give --overwrite."
        )
    return output


@contextlib.contextmanager
def writing(
    model: Path,
    target: Path,
    decision: DecisionSpec,
    provenance: Mapping[str, str | int | float],
    card: Mapping[str, str],
) -> Iterator[Path]:
    """Gives the changed model under another name, which takes its place afterwards.

    So that it can be loaded and compared first. After an error nothing has changed.

    Args:
        model: Run folder, `.keras` or `.tflite`.
        target: From `plan_target`.
        decision: What to write.
        provenance: For a `.tflite` and for a run's `config.json`.
        card: For a `.tflite`.

    Yields:
        A model that `load_scorer` reads.

    Raises:
        OSError: If it cannot be written.
    """
    if target.is_dir():
        with _changed_run(target, decision, provenance) as run:
            yield run
        return
    with atomic.part_of(target) as part:
        # A name that says what it is, for whoever loads it.
        named = part.with_name(f"{part.name}{target.suffix}")
        try:
            if target.suffix == ".tflite":
                content = with_decision(
                    model.read_bytes(), decision, dict(provenance), dict(card)
                )
                named.write_bytes(content)
            else:
                source = model / MODEL_FILE if model.is_dir() else model
                _copy_keras(source, named, decision)
            yield named
            named.replace(part)
        finally:
            named.unlink(missing_ok=True)
        atomic.put(part, target)


@contextlib.contextmanager
def _changed_run(
    run: Path, decision: DecisionSpec, provenance: Mapping[str, Any]
) -> Iterator[Path]:
    """Gives a copy of the run's model; then moves its changed files, one by one."""
    copy = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=run))
    try:
        changed = [_CONFIG]
        config = RunFolder.open(run).config
        config["model"]["decision"] = decision.to_dict()
        config["alarm_budget"] = dict(provenance)
        text = json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False)
        (copy / _CONFIG).write_text(text + "\n", "utf-8", "backslashreplace")
        if (run / MODEL_FILE).is_file():
            _copy_keras(run / MODEL_FILE, copy / MODEL_FILE, decision)
            changed.append(MODEL_FILE)
        else:
            for path in run.iterdir():
                if path.is_file() and path.name != _CONFIG:
                    shutil.copy(path, copy)
        yield copy
        for name in changed:
            atomic.put(copy / name, run / name)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _copy_keras(source: Path, target: Path, decision: DecisionSpec) -> None:
    """Copies a `.keras` file, entry by entry, with another decision."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == _CONFIG:
                values = json.loads(content)
                values["config"]["decision"] = decision.to_dict()
                content = json.dumps(values).encode()
            new.writestr(entry, content)
