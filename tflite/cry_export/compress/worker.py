"""The other process: reads a job from a folder, compresses, writes the answer there.

`python -m cry_export.compress.worker FOLDER`. It prints one line of JSON per epoch on
stdout; after a failure the last line on stderr is the error.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cry_export.compress.compression import Compression, FineTuning

SAMPLES_FILE = "samples.f32"


def main(folder: Path) -> None:
    """Does the job in a folder.

    Args:
        folder: Holds `job.json`, `model.keras`, `samples.f32` and `ends.npy`, see
            `process.py`. Gets `result.json` and `weights.npz`, or a `.tflite` for
            each length.
    """
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    compression = Compression(**job["compression"])
    tuning = FineTuning(**job["tuning"])
    import keras

    from cry_export.compress import twin as twins
    from cry_export.compress.fine_tuning import Clips, answers
    from cry_export.compress.kernels import compressed_layers

    for module in job["modules"]:  # registers the classes of the model
        importlib.import_module(module)
    model: Any = keras.saving.load_model(folder / "model.keras", compile=False)
    clips = Clips(
        np.memmap(folder / SAMPLES_FILE, "<f4", mode="r"),
        np.load(folder / "ends.npy", allow_pickle=False),
    )
    keras.utils.set_random_seed(tuning.seed)
    twin = twins.build(model, trains_batch_norm=compression.name != "qat")
    targets = answers(twin, clips)
    result: dict[str, Any] = {}
    if compression.name == "qat":
        from cry_export.compress import qat

        trained, losses = qat.train_for_int8(twin, clips, targets, tuning)
        for samples in job["lengths"]:
            tflite = qat.to_tflite(trained, samples)
            (folder / tflite_name(samples)).write_bytes(tflite)
    else:
        names = list(compressed_layers(model))
        if compression.sparsity is not None:
            from cry_export.compress.prune import prune

            trained, losses = prune(
                twin, names, compression.sparsity, clips, targets, tuning
            )
        else:
            from cry_export.compress.cluster import cluster

            trained, losses = cluster(
                twin, names, compression.clusters or 0, clips, targets, tuning
            )
        weights: Any = twins.read_weights(trained, model)
        np.savez(folder / "weights.npz", **weights)
    result["losses"] = losses
    result["largest_change_of_a_score"] = float(
        np.abs(answers(trained, clips) - targets).max()
    )
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def tflite_name(samples: int | None) -> str:
    """Returns the name of the flatbuffer for an input of that length."""
    return f"{'dynamic' if samples is None else samples}.tflite"


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:
        import traceback

        traceback.print_exc()
        text = " ".join(str(error).split()) or type(error).__name__
        print(text, file=sys.stderr)
        sys.exit(1)
