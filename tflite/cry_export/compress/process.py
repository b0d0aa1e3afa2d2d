"""Hands a model to another process to be compressed, and takes it back."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cry_export.compress.compressed import Compressed
from cry_export.compress.compression import Compression, FineTuning
from cry_export.compress.edges import edges
from cry_export.compress.kernels import compressed_layers, kernel_facts
from cry_export.compress.layer_set import twin_names
from cry_export.compress.worker import SAMPLES_FILE, tflite_name

_NEEDED = ("tensorflow_model_optimization", "tf_keras")


class CompressionError(ChildProcessError):
    """The process that compresses a model failed; nothing was changed."""


def check_installed() -> None:
    """Refuses to begin where what compresses is not installed.

    Raises:
        ValueError: If it is not; the message says what to install.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            "Pruning, clustering and qat need tensorflow-model-optimization. Not "
            f'installed: {", ".join(missing)}. Run: pip install "cry-tf[compress]"'
        )


def check_model(model: keras.Model, compression: Compression) -> None:
    """Refuses a model that cannot be compressed, before anything is done.

    Raises:
        ValueError: If a layer cannot be in a twin, or there is nothing to compress.
    """
    if compression.name == "qat":
        twin_names(model)
    else:
        compressed_layers(model)


def compress(
    model: keras.Model,
    compression: Compression,
    clips: Iterable[np.ndarray],
    tuning: FineTuning | None = None,
    lengths: Sequence[int | None] = (None,),
    advance: Callable[[], None] | None = None,
) -> Compressed:
    """Compresses a model, training it on clips to answer as it did before.

    tensorflow-model-optimization does it, in another process. The front end has no
    weights and stays as it is; the statistics of batch norm stay, too.

    Args:
        model: Functional, waveform to scores, of the layers in `layer_set`. It is
            not changed.
        compression: What to do.
        clips: Waveforms to train on, each float32 `(samples,)`. No check clips.
        tuning: How to train; None takes the defaults.
        lengths: For `qat`: the lengths of the input, samples or None, to write a
            flatbuffer for.
        advance: Called after each epoch, for a progress bar.

    Returns:
        The new model or the flatbuffers, and what to record.

    Raises:
        ValueError: If an argument breaks a rule, or tensorflow-model-optimization is
            not installed.
        CompressionError: If the other process fails. An OSError.
        OSError: If the temporary folder is full.
    """
    tuning = tuning or FineTuning.of(compression)
    check_installed()
    check_model(model, compression)
    with tempfile.TemporaryDirectory(prefix="cry-tf-compress-") as name:
        folder = Path(name)
        count = _write_clips(folder, clips)
        model.save(folder / "model.keras")
        job = {
            "compression": dataclasses.asdict(compression),
            "tuning": dataclasses.asdict(tuning),
            "modules": sorted(_modules(model)),
            "lengths": list(lengths),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        _run(folder, advance)
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        facts = {
            "compression": str(compression),
            "epochs": tuning.epochs,
            "learning_rate": tuning.learning_rate,
            "batch_size": tuning.batch_size,
            "seed": tuning.seed,
            "clips": count,
            "loss": result["losses"],
            "largest_change_of_a_training_score": result["largest_change_of_a_score"],
        }
        if compression.name == "qat":
            tflite = {
                each: (folder / tflite_name(each)).read_bytes() for each in lengths
            }
            return Compressed(compression, None, tflite, facts)
        changed: Any = keras.saving.load_model(folder / "model.keras", compile=False)
        with np.load(folder / "weights.npz", allow_pickle=False) as archive:
            _put_weights(changed, dict(archive))
        facts |= kernel_facts(changed, compression)
        return Compressed(compression, changed, {}, facts)


def _write_clips(folder: Path, clips: Iterable[np.ndarray]) -> int:
    """Writes the twin's training clips; returns their number without the edges."""
    lengths, count = [], 0
    with open(folder / SAMPLES_FILE, "wb") as file:  # one clip in memory at a time
        for clip in edges():
            lengths.append(len(clip))
            file.write(clip.tobytes())
        for clip in clips:
            clip = np.asarray(clip, "<f4")
            if clip.ndim == 1 and clip.any():
                lengths.append(len(clip))
                file.write(clip.tobytes())
                count += 1
    if not count:
        raise ValueError(
            "clips must hold at least one waveform (samples,) that is not silent, to "
            "train the compressed network on. Received: none."
        )
    np.save(folder / "ends.npy", np.cumsum(lengths))
    return count


def _modules(model: keras.Model) -> Iterator[str]:
    """Yields where the classes of a model come from, but for Keras's own."""
    parts = [model, *twin_names(model).values()]
    parts += [each for each in model.layers if isinstance(each, keras.Model)]
    for each in parts:
        module = type(each).__module__
        if module.split(".")[0] != "keras":
            yield module


def _run(folder: Path, advance: Callable[[], None] | None) -> None:
    """Runs the other process to its end.

    Raises:
        CompressionError: If it fails; the message is its last sentence.
    """
    paths = [each for each in sys.path if each]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "TF_USE_LEGACY_KERAS": "1",
        "KERAS_BACKEND": "tensorflow",
    }
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    command = [sys.executable, "-m", "cry_export.compress.worker", str(folder)]
    with (
        open(folder / "stderr.txt", "wb") as said,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, env=environment, text=True
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                if advance is not None and _is_epoch(line):
                    advance()
            code = process.wait()
        finally:  # an interrupt must not leave it running
            if process.poll() is None:
                process.kill()
    if code:
        raise CompressionError(
            f"The process that compresses the model {_ending(folder, code)} The model "
            "is as it was, and no file was written."
        )


def _is_epoch(line: str) -> bool:
    with contextlib.suppress(ValueError):
        return "epoch" in json.loads(line)
    return False


def _ending(folder: Path, code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        advice = " Perhaps the memory was full: give fewer clips." if code == -9 else ""
        return f"was ended by {name}.{advice}"
    lines = (folder / "stderr.txt").read_text("utf-8", errors="replace").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"failed: {last[:500]}" + ("" if last.endswith(".") else ".")


def _put_weights(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    for name, layer in twin_names(model).items():
        count = len(layer.weights)
        if count:
            layer.set_weights([weights[f"{name}/{number}"] for number in range(count)])
