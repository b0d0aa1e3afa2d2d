"""Tags a recording with AudioSet's classes, by a pretrained network.

A recording is scored in windows, block by block, so an hour costs no more memory
than a minute.
"""

from __future__ import annotations

import array
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from cry_lite.padding import kept_whole
from cry_lite.sound_file import SoundStream
from cry_lite.spec import FrontEndSpec
from cry_lite.waveform import check_waveform
from cry_lite.windows import stream_windows
from cry_tf.tags import Tag, Tags

CRY_LABELS = ("Crying, sobbing", "Baby cry, infant cry")
"""What AudioSet calls a cry, and PANNs and YAMNet after it."""

# Heads by their time resolution; a preset has at least one of them.
_HEADS = ("frames", "audioset")
# The window of a network without patches of its own: the clips of AudioSet, on which
# it was trained, are as long. mn04 gives a cry of 5 s a third of its score in windows
# of 2 s.
_WINDOW_S = 10.0
# Of a network that decides by segments: about the 10 s it was trained on.
_SEGMENTS_PER_WINDOW = 32
# Sound that runs through the network at once.
_BATCH_S = 32.0


class Tagger:
    """Tags a recording, window by window.

    Args:
        model: Waveform `(batch, samples)` to logits `(batch, classes)`, or
            `(batch, frames, classes)` of the frames of its front end. The scores
            are the sigmoid of the logits.
        labels: Names of the classes, in the order of the logits.
        front_end: Front end of the model.
        segment_frames: Int, of logits for frames: how many frames have one answer
            together. 0 if the logits are of whole windows.
        window_s: Float > 0, length of a window, seconds. None takes a patch of the
            front end, or 10 s where it has none, every half of that; or 32
            segments, one window after the other.
        follow: Labels whose score is kept for each window; those that `labels`
            does not have are left out.

    Attributes:
        weights_source: A sentence: where the weights come from.
        weights_sha256: Digest of the weights file, or None.

    Raises:
        ValueError: If `window_s` is not positive or `segment_frames` negative.

    Example:
        >>> tagger = Tagger.from_preset("yamnet_audioset")
        >>> for tag in tagger.tag_file("night.wav").top(3):
        ...     print(tag.label, tag.mean)
    """

    def __init__(
        self,
        model: Any,
        labels: Sequence[str],
        front_end: FrontEndSpec,
        *,
        segment_frames: int = 0,
        window_s: float | None = None,
        follow: Sequence[str] = CRY_LABELS,
    ) -> None:
        if window_s is not None and not 0 < window_s < float("inf"):
            raise ValueError(
                f"window_s must be positive and finite. Received: window_s={window_s}."
            )
        if segment_frames < 0:
            raise ValueError(
                "segment_frames must be 0 or positive. Received: "
                f"segment_frames={segment_frames}."
            )
        import tensorflow as tf

        self.labels = tuple(labels)
        self.followed = tuple(label for label in follow if label in self.labels)
        self.front_end = front_end
        self.segment_frames = segment_frames
        self.window_samples, self.hop_samples = _window(
            front_end, segment_frames, window_s
        )
        self.weights_source: str = getattr(model, "weights_source", "not told")
        self.weights_sha256: str | None = getattr(model, "weights_sha256", None)
        self._places = [self.labels.index(label) for label in self.followed]
        self._graph = tf.function(
            lambda waveforms: tf.sigmoid(model(waveforms, training=False)),
            input_signature=[tf.TensorSpec([None, None], tf.float32)],
            autograph=False,
            jit_compile=False,  # XLA compiles for seconds at each new length.
        )

    @classmethod
    def from_preset(
        cls,
        preset: str = "yamnet_audioset",
        weights: str | os.PathLike[str] | None = "pretrained",
        **arguments: Any,
    ) -> Tagger:
        """Returns a tagger with a preset's own head.

        Args:
            preset: One of `cry_hub.presets()` that has a head.
            weights: As `cry_hub.load` takes them, with the weights of the head.
            **arguments: `window_s` and `follow`.

        Raises:
            ValueError: If there is no such preset, it has no head, or the weights
                do not fit (`cry_hub.WeightsError`).
            OSError: If the weights cannot be read.
        """
        import cry_hub
        from cry_hub import registry
        from cry_hub.backbone import backbone_of

        record = registry.get(preset)
        head = next((name for name in _HEADS if name in record.heads), None)
        if head is None:
            able = [
                name
                for name in cry_hub.presets()
                if set(_HEADS) & registry.get(name).heads.keys()
            ]
            raise ValueError(
                f"preset must have classes of its own. Received: preset={preset!r}. "
                f"Take one of {', '.join(able)}."
            )
        model = cry_hub.load(preset, weights=weights, head=head)
        segment_frames = 0
        if head == "frames":
            segment_frames = backbone_of(model).frames_per_embedding
        return cls(
            model,
            record.labels,
            record.front_end,
            segment_frames=segment_frames,
            **arguments,
        )

    def tag_file(
        self,
        path: str | os.PathLike[str],
        *,
        note: Callable[[str], None] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Tags:
        """Tags a recording, block by block, however long it is.

        Args:
            path: A sound file, or a video with a sound track.
            note: Called with what was noticed while decoding, a sentence each.
            progress: Called now and then with the share that is done, 0 to 1.

        Raises:
            SoundFileError: If the file cannot be used.
        """
        from cry_tf.data import sound_source

        with sound_source.open_stream(path, self.front_end.sample_rate_hz) as sound:
            blocks = sound if progress is None else _reported(sound, progress)
            tags = self.tag(blocks)
        if note is not None:
            for sentence in sound.notes():
                note(sentence)
        return tags

    def tag(self, waveform: np.ndarray | Iterable[np.ndarray]) -> Tags:
        """Tags a waveform.

        Args:
            waveform: Float array `(samples,)` in [-1, 1] at the model's rate
                `front_end.sample_rate_hz`, or blocks which joined are that. A quiet
                end is silence here, not padding.

        Raises:
            ValueError: If there is no sample, or samples are integers, not finite, or
                more than 24 dB beyond full scale.
        """
        blocks = [waveform] if isinstance(waveform, np.ndarray) else waveform
        blocks = _checked(blocks)
        total = np.zeros(len(self.labels))
        highest = np.full(len(self.labels), -1.0)
        highest_at = np.zeros(len(self.labels), np.int64)
        bounds, kept = array.array("q"), array.array("f")
        for starts, ends, scores in self._scores(blocks):
            total += scores.sum(axis=0, dtype=np.float64)
            best = scores.argmax(axis=0)
            peak = scores[best, np.arange(len(self.labels))]
            highest_at = np.where(peak > highest, starts[best], highest_at)
            highest = np.maximum(peak, highest)
            bounds.extend(np.stack([starts, ends], axis=1).ravel().tolist())
            kept.frombytes(np.ascontiguousarray(scores[:, self._places]).tobytes())
        if not bounds:
            raise ValueError("waveform must hold at least one sample. Received: none.")
        windows = np.array(bounds, np.int64).reshape(-1, 2)
        mean = total / len(windows)
        rate_hz = self.front_end.sample_rate_hz
        return Tags(
            duration_s=float(windows[-1, 1] / rate_hz),
            tags=tuple(
                Tag(
                    label=self.labels[place],
                    mean=float(mean[place]),
                    highest=float(highest[place]),
                    highest_at_s=float(highest_at[place] / rate_hz),
                )
                for place in np.argsort(-mean, kind="stable")
            ),
            windows=windows / rate_hz,
            followed=self.followed,
            scores=np.array(kept, np.float32).reshape(len(windows), len(self._places)),
        )

    def _scores(
        self, blocks: Iterable[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yields starts and ends in samples, and scores `(windows, classes)`."""
        covered = 0
        for starts, waveforms in self._batches(blocks):
            scores = np.asarray(self._graph(waveforms))
            if not self.segment_frames:
                yield starts, starts + waveforms.shape[1], scores
                continue
            for start, frames in zip(starts, scores, strict=True):
                rows = self._segments(start, waveforms.shape[1], frames)
                # The last window ends with the recording and begins in the one
                # before: the scores from there stay.
                new = rows[1] > covered
                begins, ends, segments = (each[new] for each in rows)
                yield np.maximum(begins, covered), ends, segments
                covered = start + waveforms.shape[1]

    def _segments(
        self, start: int, samples: int, frames: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns starts, ends and scores of the segments of one window."""
        length = self.segment_frames * self.front_end.hop_samples
        # Of frames in excess, as many as do not fill a segment, the last is in force.
        count = max(1, samples // length)
        begins = start + length * np.arange(count)
        ends = np.append(begins[1:], start + samples)
        return begins, ends, frames[:: self.segment_frames][:count]

    def _batches(
        self, blocks: Iterable[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields starts and waveforms `(windows, samples)`, of one length."""
        most = max(
            1, int(_BATCH_S * self.front_end.sample_rate_hz) // self.window_samples
        )
        starts: list[int] = []
        waveforms: list[np.ndarray] = []
        for start, window in stream_windows(
            blocks, self.window_samples, self.hop_samples
        ):
            starts.append(start)
            waveforms.append(window)
            if len(waveforms) == most:
                yield _stacked(starts, waveforms)
                starts, waveforms = [], []
        if waveforms:
            yield _stacked(starts, waveforms)


def _window(
    front_end: FrontEndSpec, segment_frames: int, window_s: float | None
) -> tuple[int, int]:
    """Returns the length of a window and the distance between two, samples."""
    rate_hz = front_end.sample_rate_hz
    if segment_frames:
        segment = segment_frames * front_end.hop_samples
        count = _SEGMENTS_PER_WINDOW
        if window_s is not None:
            count = max(1, round(window_s * rate_hz / segment))
        return count * segment, count * segment
    if window_s is None and front_end.patch_frames:
        return front_end.patch_samples, front_end.patch_hop_samples
    window = max(2, round((window_s or _WINDOW_S) * rate_hz))
    return window, window // 2


def _stacked(
    starts: list[int], waveforms: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    # A quiet end is padding to our networks; in a recording it is silence.
    stacked = np.stack([kept_whole(each) for each in waveforms])
    return np.array(starts, np.int64), stacked.astype(np.float32, copy=False)


def _checked(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for block in blocks:
        check_waveform(block)
        yield block


def _reported(
    sound: SoundStream, progress: Callable[[float], None]
) -> Iterator[np.ndarray]:
    for block in sound:
        yield block
        progress(sound.share_read)
