"""Scores of recordings, window by window, computed once for each file and model."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cry_hub.weights.cache_folder import cache_dir
from cry_lite import __version__, atomic
from cry_lite.alarm_budget import ScoredRecording
from cry_lite.metadata import read_metadata
from cry_lite.windows import window_samples_of
from cry_tf.data import sound_source
from cry_tf.data.content_digest import content_sha256
from cry_tf.evaluation.scorer import Scorer
from cry_tf.heads import storing
from cry_tf.runs.run_folder import FEATURES_FILE


class WindowScores:
    """Scores recordings with a detector, and keeps the scores.

    An entry belongs to the bytes of a sound file, to the network and to its windows; a
    threshold that changes keeps it. Nothing is ever deleted: to make room, delete the
    folder.

    Args:
        scorer: The detector.
        dir: The folder. None takes `scores` in `$CRY_TF_HOME`, or in
            `~/.cache/cry-tf`.

    Attributes:
        computed: How many recordings were not in the cache.
        unwritable: Why scores could not be kept, or None.
    """

    def __init__(
        self, scorer: Scorer, dir: str | os.PathLike[str] | None = None
    ) -> None:
        spec = scorer.spec
        if spec.positive_label is None:
            raise ValueError(
                "Scores of a detector are needed. Received: a classifier of "
                f"{', '.join(spec.labels)}."
            )
        self._scorer = scorer
        network = network_sha256(scorer.path)
        column = spec.labels.index(spec.positive_label)
        parts = [network, *window_samples_of(spec), column, __version__]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        root = cache_dir() / "scores" if dir is None else Path(dir).expanduser()
        self._folder = root / key
        self.computed = 0
        self.unwritable: OSError | None = None

    def of(self, path: Path, name: str) -> ScoredRecording:
        """Returns the scores of a recording, read from the cache or computed.

        Args:
            path: The sound file.
            name: For messages.

        Raises:
            SoundFileError: If it cannot be decoded.
            ValueError: If a score is not finite.
        """
        digest = content_sha256(path)
        entry = self._folder / digest[:2] / f"{digest}.npz"
        windows = _read(entry)
        if windows is None:
            rate_hz = self._scorer.spec.sample_rate_hz
            found = self._scorer.record(name, sound_source.stream(path, rate_hz))
            self._keep(entry, [found.starts_s, found.ends_s, found.scores])
            self.computed += 1
            return found
        return ScoredRecording(
            name=name,
            duration_s=float(windows[-1, 1]),
            starts_s=windows[:, 0],
            ends_s=windows[:, 1],
            scores=windows[:, 2],
        )

    def _keep(self, entry: Path, columns: Sequence[np.ndarray]) -> None:
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            with (
                atomic.replacing(entry, is_synced=False) as part,
                open(part, "wb") as file,
            ):
                np.savez(file, windows=np.stack(columns, axis=1))
        except OSError as error:
            self.unwritable = error


def network_sha256(path: Path) -> str:
    """Returns a digest of what gives the scores: the model without its decision.

    Args:
        path: A `.tflite` or `.keras` file, or the arrays of a run's head, see
            `Scorer.path`.

    Raises:
        OSError: If it cannot be read.
    """
    if path.suffix == ".tflite":
        return read_metadata(path).flatbuffer_sha256
    digest = hashlib.sha256()
    if path.name == storing.ARRAYS_FILE:
        for part in (path, path.with_name(FEATURES_FILE)):
            digest.update(content_sha256(part).encode())
        return digest.hexdigest()
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            content = archive.read(name)
            if name == "config.json":
                values = json.loads(content)
                values["config"].pop("decision", None)
                content = json.dumps(values, sort_keys=True).encode()
            if name != "metadata.json":  # when it was saved
                digest.update(name.encode() + content)
    return digest.hexdigest()


def _read(entry: Path) -> np.ndarray | None:
    """Returns float64 `(windows, 3)`: start, end, score; None if damaged or absent."""
    try:
        with open(entry, "rb") as file, np.load(file, allow_pickle=False) as archive:
            windows = archive["windows"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if windows.ndim != 2 or windows.shape[1] != 3 or not len(windows):
        return None
    return windows
