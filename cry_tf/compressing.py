"""Compresses a trained model: pruned, clustered, or trained for int8.

```python
compressed = cry_tf.compressing.compress(model, "prune=0.8", train)
cry_tf.export(model, "cry.tflite", check=test, compressed=compressed)
```
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cry_export.compress import process
from cry_export.compress.compressed import Compressed, check_recipe
from cry_export.compress.compression import Compression, FineTuning
from cry_tf.exporting import SkippedClipsWarning, run_clips

if TYPE_CHECKING:
    from cry_tf.data.dataset import Dataset
    from cry_tf.runs.run_folder import RunFolder

# A longer clip takes many times the memory of its beginning.
_MAX_SECONDS = 10.0


def compress(
    model: Any,
    compression: str | Compression,
    clips: Dataset,
    tuning: FineTuning | None = None,
    lengths: Sequence[float | str] = ("dynamic",),
    advance: Callable[[], None] | None = None,
) -> Compressed:
    """Compresses a model, with training that keeps its scores.

    Args:
        model: A `CryClassifier` or `CryDetector`. It is not changed.
        compression: `prune=0.8` sets four of five weights to zero, `cluster=16` lets
            a layer have 16 different weights, `qat` trains for int8.
        clips: Clips that the model was trained on, 10 s of each; their labels are
            not needed. Never clips that it is evaluated on.
        tuning: Epochs and learning rate; None takes the defaults.
        lengths: For `qat`: the lengths that it will be exported with, seconds or
            `dynamic`.
        advance: Called after each epoch, for a progress bar.

    Returns:
        What `cry_tf.export` takes as `compressed`. Its `model`, if it has one, is a
        Keras model like the one given.

    Raises:
        ValueError: If an argument breaks a rule, a layer cannot be compressed, or
            tensorflow-model-optimization is not installed.
        OSError: If the process that does it fails.

    Warns:
        SkippedClipsWarning: If clips cannot be read; they are left out.
    """
    if isinstance(compression, str):
        compression = Compression.parse(compression)
    tuning = tuning or FineTuning.of(compression)
    process.check_installed()
    process.check_model(model, compression)
    rate = model.spec.sample_rate_hz
    clips = clips.subset(range(len(clips)))  # with no problems of another reading
    found = clips.waveforms(rate, on_error="skip", max_seconds=_MAX_SECONDS)
    compressed = process.compress(
        model,
        compression,
        (waveform for _, waveform in found),
        tuning,
        [None if each == "dynamic" else round(float(each) * rate) for each in lengths],
        advance,
    )
    if clips.problems:
        warnings.warn(
            f"{len(clips.problems)} of {len(clips)} clips to train on were left out: "
            f"{clips.problems[0].sentence}",
            SkippedClipsWarning,
            stacklevel=2,
        )
    return compressed


def check_request(
    text: str | None, epochs: int | None, quantize: str
) -> tuple[Compression, FineTuning] | None:
    """Reads `--compress` and `--compress-epochs`, before anything is loaded.

    Returns:
        What to do and how, or None if nothing is asked for.

    Raises:
        ValueError: If a value breaks its rule, they do not go together, or
            tensorflow-model-optimization is not installed.
    """
    if text is None:
        if epochs is not None:
            raise ValueError(
                "--compress-epochs needs --compress. Received: "
                f"--compress-epochs {epochs} alone."
            )
        return None
    compression = Compression.parse(text)
    check_recipe(compression, quantize)
    tuning = FineTuning.of(compression, epochs)
    process.check_installed()
    return compression, tuning


def training_clips(run: RunFolder | None) -> Dataset:
    """Returns the clips that a run was trained on, to fine-tune on them.

    Raises:
        ValueError: If there is no run, or none of its clips is where it was.
    """
    if run is None:
        raise ValueError(
            "A compressed network is trained on the clips that it learned from, and a "
            ".keras file does not say which. Give the run folder in place of the file."
        )
    return run_clips(run)


def sentence(facts: dict[str, Any]) -> str:
    """Returns the report's sentence on a compression."""
    before = facts["against_the_model_before"]
    if "sparsity" in facts:
        what = f"{facts['sparsity']:.1%} zeros in {facts['layers']} layers"
    elif "largest_number_of_values_in_a_layer" in facts:
        what = (
            f"at most {facts['largest_number_of_values_in_a_layer']} values in each of "
            f"{facts['layers']} layers"
        )
    else:
        what = "trained for int8"
    return (
        f"{facts['compression']}: {what}, after {facts['epochs']} epochs on "
        f"{facts['clips']} clips; gzipped {facts['gzipped_bytes'] / 1e6:.2f} MB. "
        "Against the model before: scores differ by at most "
        f"{before['max_score_difference']:.2g}, {len(before['flips'])} of "
        f"{before['clips']} decisions changed"
    )
