"""One interface to any saved model: waveform in, scores out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cry_hub.weights.shipped import trained_on
from cry_lite import models
from cry_lite.alarm_budget import ScoredRecording
from cry_lite.decision import Decision, decide
from cry_lite.spec import ModelSpec
from cry_lite.windows import score_windows
from cry_tf.heads import storing


@dataclass(frozen=True)
class Scorer:
    """A model that can be evaluated.

    Attributes:
        path: The file that holds the model.
        spec: Labels, task and decision.
        score: Waveform `(samples,)`, float32 at `spec.sample_rate_hz`, to scores
            `(labels,)`, the whole at once; a `.tflite` of fixed length scores a
            longer one in windows of that length.
        trained_on: Digests of the files that it was trained on, as
            `cry_tf.runs.provenance.short_digests` gives them; empty if unknown.
        data_sha256: Digest of the data set that it was trained on, or None.
        pretrained_on: Digests, of the same kind, of the files that the weights had
            were pretrained on, where these are bundled with cry-tf.
    """

    path: Path
    spec: ModelSpec
    score: Callable[[np.ndarray], np.ndarray]
    trained_on: frozenset[str] = field(default=frozenset(), repr=False)
    data_sha256: str | None = None
    pretrained_on: frozenset[str] = field(default=frozenset(), repr=False)

    def decide(self, blocks: Iterable[np.ndarray]) -> tuple[Decision, float]:
        """Answers a recording from its windows, as `cry-lite analyze` does.

        Args:
            blocks: Float32 arrays `(samples,)` at `spec.sample_rate_hz`, which
                joined are the recording; at least one sample.

        Returns:
            The answer with its events, and the length of the recording, seconds.

        Raises:
            ValueError: If a score is not finite.
        """
        starts_s, ends_s, scores = self._windows(blocks)
        duration_s = float(ends_s[-1])
        return decide(starts_s, ends_s, scores, self.spec, duration_s), duration_s

    def record(self, name: str, blocks: Iterable[np.ndarray]) -> ScoredRecording:
        """Scores a recording with a detector, window by window.

        Args:
            name: Name of the recording.
            blocks: As for `decide`.

        Raises:
            ValueError: If the model is no detector, or a score is not finite.
        """
        if self.spec.positive_label is None:
            raise ValueError(f"A detector is needed. {self.path} is for reasons.")
        starts_s, ends_s, scores = self._windows(blocks)
        return ScoredRecording(
            name=name,
            duration_s=float(ends_s[-1]),
            starts_s=starts_s,
            ends_s=ends_s,
            scores=scores[:, self.spec.labels.index(self.spec.positive_label)],
        )

    def _windows(
        self, blocks: Iterable[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns starts and ends in seconds, and the scores of the windows."""
        starts, ends, scores = score_windows(blocks, self.spec, self.score)
        rate_hz = self.spec.sample_rate_hz
        return starts / rate_hz, ends / rate_hz, scores


def load_scorer(path: str | os.PathLike[str]) -> Scorer:
    """Reads a model.

    A `.keras` file inside a run folder brings the record of its training data
    along; a `.tflite` brings a digest of the whole set.

    Args:
        path: A run folder, a `.keras` file or a `.tflite` file, or the name of an
            included detector.

    Returns:
        The model, ready to score.

    Raises:
        OSError: If nothing readable is there.
        ValueError: If it is none of the three.
    """
    path = Path(models.resolve(path)).expanduser()
    if (path / storing.ARRAYS_FILE).is_file():
        return _array_scorer(path, _run_config(path))
    if path.is_dir():
        return _keras_scorer(path / "model.keras", _run_config(path))
    if not path.is_file():
        raise FileNotFoundError(
            "A model is a run folder, a .keras or a .tflite file. "
            f"Nothing is at {path}."
        )
    if path.suffix == ".tflite":
        return _tflite_scorer(path)
    if path.suffix == ".keras":
        has_record = (path.parent / "config.json").is_file()
        return _keras_scorer(path, _run_config(path.parent) if has_record else {})
    raise ValueError(
        "A model is a run folder, a .keras or a .tflite file. "
        f"Received: {path.suffix or 'no'} suffix of {path}."
    )


def _run_config(folder: Path) -> dict:
    from cry_tf.runs.run_folder import RunFolder

    return RunFolder.open(folder).config


def _array_scorer(folder: Path, config: dict) -> Scorer:
    """Reads a run whose head is kept as arrays, after a network of its own."""
    from cry_tf.runs.run_folder import FEATURES_FILE

    head = storing.load(folder)
    pool = _graph(_load_keras(folder / FEATURES_FILE))
    return Scorer(
        path=folder / storing.ARRAYS_FILE,
        spec=_with_positives(ModelSpec.from_dict(config["model"]), config),
        score=lambda waveform: head.scores(pool(waveform[None]).numpy())[0],
        trained_on=frozenset(config["data"]["clip_digests"]),
        data_sha256=config["data"]["sha256"],
        pretrained_on=trained_on(config["weights"]["sha256"]),
    )


def _with_positives(spec: ModelSpec, config: dict) -> ModelSpec:
    """Adds the run's positive labels where the model does not hold them."""
    stated = config.get("settings", {}).get("positive")
    if spec.task != "detect" or spec.positive_names or not stated:
        return spec
    return spec.replace(positive_names=tuple(stated))


def _load_keras(path: Path) -> Any:
    import keras

    import cry_tf.models  # noqa: F401  (registers the classes)

    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} must be a model that cry-tf saved. Keras cannot load it: {error}"
        ) from error


def _graph(model: Any) -> Any:
    """Returns the model as one graph for every length of waveform."""
    import tensorflow as tf

    return tf.function(
        lambda waveforms: model(waveforms, training=False),
        input_signature=[tf.TensorSpec([1, None], tf.float32)],  # type: ignore[arg-type]
        jit_compile=False,
    )


def _keras_scorer(path: Path, config: dict) -> Scorer:
    from cry_tf.models import CryModel

    model = _load_keras(path)
    if not isinstance(model, CryModel):
        raise ValueError(
            "The model must be a CryDetector or a CryClassifier. "
            f"Received: {type(model).__name__} in {path}."
        )

    scores = _graph(model)
    data = config.get("data", {})
    return Scorer(
        path=path,
        spec=_with_positives(model.spec, config),
        score=lambda waveform: scores(waveform[None]).numpy()[0],
        trained_on=frozenset(data.get("clip_digests", ())),
        data_sha256=data.get("sha256"),
        pretrained_on=trained_on(config.get("weights", {}).get("sha256")),
    )


def _tflite_scorer(path: Path) -> Scorer:
    from cry_lite.detector import Analyzer
    from cry_lite.terminal import without_delegate_notice
    from cry_lite.windows import window_samples_of, window_starts

    with without_delegate_notice():
        analyzer = Analyzer(path, num_threads=os.cpu_count() or 1)
    spec, model, provenance = (
        analyzer.spec,
        analyzer.model,
        analyzer.metadata.provenance,
    )

    def score(waveform: np.ndarray) -> np.ndarray:
        samples = model.input_samples
        if samples is None or len(waveform) <= samples:
            return model(waveform)
        _, hop = window_samples_of(spec)
        starts = window_starts(len(waveform), samples, hop)
        return np.mean([model(waveform[s : s + samples]) for s in starts], axis=0)

    return Scorer(
        path=path,
        spec=spec,
        score=score,
        data_sha256=_text(provenance.get("data_sha256")),
        pretrained_on=trained_on(_text(provenance.get("weights_sha256"))),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
