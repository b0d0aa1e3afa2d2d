"""Outputs of the teachers for windows, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite import atomic
from cry_lite.sound_file import resample
from cry_tf.data.content_digest import content_digests
from cry_tf.data.dataset import Dataset
from cry_tf.data.decoding import ahead
from cry_tf.runs.progress import Progress
from cry_tf.studies.pretraining.window_plan import WindowPlan, draw_window

_PART = 256
_BATCH = 16


class Teacher:
    """A network with its AudioSet head that scores windows.

    Args:
        preset: Name of the preset.
        weights: `pretrained` or the path of a weights file.
        student_front_end: Front end of the student. A teacher with the same
            patches gives targets for each patch, another one for the window.
        cutoff_hz: Hz. Frequencies above it are removed; None keeps all.

    Attributes:
        name: The preset.
        is_patchwise: Whether targets are of patches.
        sample_rate_hz: Sample rate of its input, Hz.
        source: Where its weights come from, a sentence.
        sha256: Digest of the weights file.
    """

    def __init__(
        self,
        preset: str,
        weights: str,
        student_front_end: Any,
        cutoff_hz: float | None = None,
    ):
        import keras
        import tensorflow as tf

        import cry_hub
        from cry_hub.backbone import backbone_of

        model = cry_hub.load(
            preset, weights=weights, head="audioset", cutoff_hz=cutoff_hz
        )
        backbone = backbone_of(model)
        self.name = preset
        self.source: str = model.weights_source
        self.sha256: str | None = model.weights_sha256
        self.sample_rate_hz: int = backbone.front_end_spec.sample_rate_hz
        self.is_patchwise = backbone.front_end_spec == student_front_end and tuple(
            backbone.head_layers
        ) == ("logits",)
        if self.is_patchwise:
            # The head is one dense layer: of each patch as well as of their mean.
            embeddings: Any = backbone.output
            logits = model.get_layer("logits")(embeddings)
            network = keras.Model(backbone.input, [embeddings, logits])
        else:
            mean = model.get_layer("mean_embedding").output
            network = keras.Model(model.input, [mean, model.output])
        self._hear = tf.function(
            lambda windows: network(windows, training=False),
            input_signature=[tf.TensorSpec([None, None], tf.float32)],
            autograph=False,
        )

    def __call__(self, windows: np.ndarray, sample_rate_hz: int) -> list[np.ndarray]:
        """Returns the embeddings and the logits of windows `(windows, samples)`."""
        if sample_rate_hz != self.sample_rate_hz:
            windows = np.stack(
                [resample(row, sample_rate_hz, self.sample_rate_hz) for row in windows]
            )
        parts = [
            self._hear(windows[start : start + _BATCH])
            for start in range(0, len(windows), _BATCH)
        ]
        return [np.concatenate([np.asarray(p[i]) for p in parts]) for i in (0, 1)]


@dataclass(frozen=True)
class Targets:
    """Windows and the outputs of the teachers.

    Attributes:
        patches: Float16 `(windows, patches, frames, bands)`, the student's log-mel.
        clips: Int `(windows,)`, the clip of each window.
        embeddings: By teacher, float16 `(windows, [patches,] features)`.
        logits: By teacher, float16 `(windows, [patches,] classes)`.
    """

    patches: np.ndarray
    clips: np.ndarray
    embeddings: dict[str, np.ndarray]
    logits: dict[str, np.ndarray]

    def __len__(self) -> int:
        """Returns the number of windows."""
        return len(self.patches)


def compute(
    dataset: Dataset,
    plan: WindowPlan,
    teachers: Sequence[Teacher],
    front_end: Any,
    folder: str | os.PathLike[str],
    progress: Progress,
) -> Targets:
    """Cuts windows and has every teacher score each of them once.

    Parts are kept in `folder`, so that an interrupted run continues and another
    student costs no further scoring. A part that cannot be read is made again.

    Args:
        dataset: The clips; those that cannot be decoded are left out and named.
        plan: How windows are cut.
        teachers: The networks that score them.
        front_end: Layer, waveform -> patches, of the student.
        folder: Where parts are kept.
        progress: Takes lines, warnings and progress.

    Raises:
        ValueError: If no clip can be decoded.
    """
    waveforms, places = [], []
    decode_rate = plan.sample_rate_hz
    for clip, waveform in dataset.waveforms(decode_rate, on_error="skip"):
        waveforms.append(waveform)
        places.append(clip)
    for problem in dataset.problems:
        progress.warn(f"left out: {problem.sentence}")
    if not waveforms:
        raise ValueError("Pretraining needs a clip that can be decoded. There is none.")
    about = {
        "plan": plan.fingerprint(),
        "clips": content_digests(clip.path for clip in places),
        "teachers": [(t.name, t.sha256, t.is_patchwise) for t in teachers],
        "front_end": front_end.spec.to_dict(),
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    folder = Path(folder) / digest[:16]
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(p, n) for n in range(plan.per_clip) for p in range(len(waveforms))]
    parts = [jobs[i : i + _PART] for i in range(0, len(jobs), _PART)]
    found: list[dict[str, np.ndarray]] = []
    with progress.bar("windows", len(parts)) as advance:
        for number, part in enumerate(parts):
            path = folder / f"{number:04d}.npz"
            values = _read(path)
            if values is None:
                values = _score(waveforms, part, plan, teachers, front_end)
                _write(path, values)
            found.append(values)
            advance()

    def joined(key: str) -> np.ndarray:
        return np.concatenate([values[key] for values in found])

    names = [teacher.name for teacher in teachers]
    return Targets(
        joined("patches"),
        np.array([place for place, _ in jobs]),
        {name: joined(f"{name}/embeddings") for name in names},
        {name: joined(f"{name}/logits") for name in names},
    )


def _score(waveforms, part, plan, teachers, front_end) -> dict[str, np.ndarray]:
    def draw(job: tuple[int, int]) -> np.ndarray:
        place, number = job
        return draw_window(waveforms, place, number, plan)

    windows = np.stack(
        [window for _, window in ahead(draw, part) if isinstance(window, np.ndarray)]
    )
    patches = [
        np.asarray(front_end(windows[i : i + _BATCH]))
        for i in range(0, len(windows), _BATCH)
    ]
    values = {"patches": np.concatenate(patches).astype(np.float16)}
    for teacher in teachers:
        embeddings, logits = teacher(windows, plan.sample_rate_hz)
        values[f"{teacher.name}/embeddings"] = embeddings.astype(np.float16)
        values[f"{teacher.name}/logits"] = logits.astype(np.float16)
    return values


def _read(path: Path) -> dict[str, np.ndarray] | None:
    if not path.is_file():
        return None
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    # A damaged .npz fails in many ways; it is made again.
    except Exception:
        return None


def _write(path: Path, values: dict[str, np.ndarray]) -> None:
    with atomic.replacing(path) as part, open(part, "wb") as file:
        np.savez(file, **values)  # type: ignore[arg-type]
