"""Feature maps of the frozen layers of a backbone, computed once and kept on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cry_hub.backbone_cut import BackboneCut
from cry_lite import atomic
from cry_tf.augment import Policy
from cry_tf.data import Dataset, sound_source
from cry_tf.data.decoding import decoding_threads
from cry_tf.data.embedding_plan import EmbeddingPlan
from cry_tf.data.epoch_order import EpochOrder


class Versions:
    """Numbers clips and copies: first all clips, then the copies of each clip.

    Args:
        clips: How many there are.
        copies: Of each clip; empty for none at all.

    Attributes:
        clip: Int array `(versions,)`, the clip of each.
    """

    def __init__(self, clips: int, copies: Sequence[int] = ()):
        counts = np.array(copies if len(copies) else np.zeros(clips), int)
        ends = clips + np.cumsum(counts)
        self._of_clip = [
            np.append(clip, np.arange(end - count, end))
            for clip, (end, count) in enumerate(zip(ends, counts, strict=True))
        ]
        self.clip = np.append(np.arange(clips), np.repeat(np.arange(clips), counts))

    def of(self, clips: np.ndarray) -> np.ndarray:
        """Returns the numbers of these clips and of their copies."""
        return np.concatenate([self._of_clip[clip] for clip in clips])


class FeatureMaps:
    """The tensors that pass a cut, a file for each clip and each copy of it.

    Each clip goes through the stem on its own, so that its maps do not depend on
    the other clips of a batch. Batches are read from disk as they are needed. Maps
    are stored as float32, some hundred kilobytes per clip: float16 would halve
    that, and train slightly differently from the waveform.

    Args:
        cut: Of the backbone; its stem is run here, and must not change any more.
        dataset: The clips.
        sample_rate_hz: Sample rate of the backbone, Hz.
        max_seconds: A longer clip is trained on its beginning; it is kept whole
            beside that, to be scored.
        folder: Where files are kept, and taken from if they are there; None for a
            temporary folder, deleted with this object.
        policy: Makes augmented copies, or None.
        copies: Of each clip.
        seed: Draws them.
        advance: Called after each clip or copy.

    Attributes:
        versions: Numbers what training shows.
        folder: Where the files are.

    Raises:
        OSError: If a clip cannot be decoded, or the disk is full.
    """

    def __init__(
        self,
        cut: BackboneCut,
        dataset: Dataset,
        sample_rate_hz: int,
        max_seconds: float,
        folder: Path | None = None,
        policy: Policy | None = None,
        copies: int = 0,
        seed: int = 0,
        advance: Callable[[], None] = lambda: None,
    ):
        if folder is None:
            self._until_gone = tempfile.TemporaryDirectory(prefix="cry-tf-maps-")
            folder = Path(self._until_gone.name)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._specs = list(cut.stem.outputs)
        clips = dataset.clips
        long = [
            place
            for place, clip in enumerate(clips)
            if sound_source.info(clip.path).duration_s > max_seconds
        ]
        plans = [EmbeddingPlan(clips, max_seconds, policy, copies, seed)]
        plans.append(EmbeddingPlan([clips[n] for n in long], None, None, 0, seed))
        for plan in plans:
            self._compute(cut, plan, sample_rate_hz, advance)
        shown, whole = (plan.keys for plan in plans)
        self.versions = Versions(len(clips), [len(keys) - 1 for keys in shown])
        self._keys = [keys[0] for keys in shown]
        self._keys += [key for keys in shown for key in keys[1:]]
        self._scored = np.arange(len(clips))
        self._scored[long] = len(self._keys) + np.arange(len(long))
        self._keys += [keys[0] for keys in whole]
        places = np.append(self.versions.clip, np.array(long, int))
        self._labels = dataset.label_indices[places]

    @property
    def megabytes(self) -> float:
        """Disk space of the files, MB."""
        return sum(file.stat().st_size for file in self.folder.iterdir()) / 1e6

    def training(self, order: EpochOrder, batch_size: int) -> Any:
        """Returns batches of ((maps, time mask), int `(batch,)` labels).

        Args:
            order: Of `versions`.
            batch_size: Clips per batch, int >= 1.

        Returns:
            A `tf.data.Dataset`. What has fewer steps than the longest of its batch
            ends in zeros.
        """
        return self._batches(order.to_tf().map(lambda number, *_: number), batch_size)

    def scoring(self, places: np.ndarray, batch_size: int) -> Any:
        """Returns batches as `training` does, of whole clips in this order."""
        numbers: Any = tf.data.Dataset.from_tensor_slices(self._scored[places])
        return self._batches(numbers, batch_size)

    def _batches(self, numbers: Any, batch_size: int) -> Any:
        labels = tf.constant(self._labels)
        dtypes = [_kept_type(spec) for spec in self._specs]
        shapes = [tuple(spec.shape[1:]) for spec in self._specs]

        def load(number):
            found = tf.numpy_function(self._read, [number], dtypes)
            maps = map(tf.ensure_shape, found, shapes)
            return tuple(maps), tf.gather(labels, number)

        def cast(maps, label):
            pairs = zip(maps, self._specs, strict=True)
            return tuple(tf.cast(each, spec.dtype) for each, spec in pairs), label

        rows = numbers.map(load, num_parallel_calls=decoding_threads())
        batches = rows.padded_batch(batch_size, (tuple(shapes), ()))
        return batches.map(cast).prefetch(2)

    def _read(self, number: np.ndarray) -> list[np.ndarray]:
        path = self._path(self._keys[int(number)])
        content = np.fromfile(path, np.uint8)
        at = 8 * len(self._specs)
        found = []
        for steps, spec in zip(content[:at].view(np.int64), self._specs, strict=True):
            shape = (int(steps), *spec.shape[2:])
            kept_type = _kept_type(spec).as_numpy_dtype
            size = int(np.prod(shape)) * np.dtype(kept_type).itemsize
            found.append(content[at : at + size].view(kept_type).reshape(shape))
            at += size
        return found

    def _write(self, key: str, outputs: Any) -> None:
        """Writes a file: the steps of each map, int64, then one after the other.

        NumPy's own format takes longer to read than a step of a small network takes.
        """
        path = self._path(key)
        maps = [
            tf.cast(output[0], _kept_type(spec)).numpy()
            for output, spec in zip(outputs, self._specs, strict=True)
        ]
        try:
            # Only this run reads it, so it need not survive a power cut.
            with (
                atomic.replacing(path, is_synced=False) as part,
                open(part, "wb") as file,
            ):
                file.write(np.array([len(each) for each in maps], np.int64).tobytes())
                file.writelines(each.tobytes() for each in maps)
        except OSError as error:
            raise OSError(
                f"Feature maps could not be kept in {self.folder} ({error}). Make "
                "room there, or take a recipe without a stage of the last layers."
            ) from error

    def _compute(
        self,
        cut: BackboneCut,
        plan: EmbeddingPlan,
        sample_rate_hz: int,
        advance: Callable[[], None],
    ) -> None:
        run = tf.function(
            lambda waveforms: cut.stem(waveforms, training=False),
            input_signature=[tf.TensorSpec([None, None], tf.float32)],
            autograph=False,
        )
        missing = [key for key in plan.entries if not self._path(key).is_file()]
        for _ in range(len(plan.entries) - len(missing)):
            advance()
        for key, waveform in plan.waveforms(missing, sample_rate_hz):
            self._write(key, run(waveform[None]))
            advance()
        for error in plan.errors.values():
            raise error

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.maps"


def _kept_type(spec: Any) -> Any:
    """Returns float32 for any float: NumPy's files know no bfloat16."""
    return tf.bool if spec.dtype == "bool" else tf.float32
