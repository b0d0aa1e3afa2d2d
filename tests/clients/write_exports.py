"""Writes files for MediaPipe to read, clips, and what Keras answers on them.

python tests/clients/write_exports.py FOLDER

It runs where TensorFlow is installed. MediaPipe lives in another environment, or in
a browser, so the two meet in a folder:

    MODEL_RECIPE.tflite    a file of fixed length for each model and recipe
    dynamic_length.tflite  a file that MediaPipe cannot run
    MODEL_CLIP.wav         float32 clips at the rate of the model
    opposite.wav           two channels, one upside down for the first block
    expected.json          for each file the scores of every window of every clip and
                           the lines of cry-lite; the same for opposite.wav; decisions
                           on drawn scores

The networks have random weights, and a last layer drawn from a few synthetic sounds,
so that their scores differ from clip to clip.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import soundfile

import cry_hub
import cry_tf
from cry_lite.decision import decide
from cry_lite.detector import Analyzer
from cry_lite.front_ends import YAMNET
from cry_lite.sound_decoder import BLOCK_FRAMES
from cry_lite.sound_file import read, resample
from cry_lite.spec import DecisionSpec, ModelSpec
from cry_lite.text_report import analysis_lines
from cry_lite.windows import stream_windows, window_samples_of, window_starts
from cry_tf.models.cry_model import CryModel
from cry_tf.synthesis import (
    HOUSEHOLD_SOUNDS,
    REASONS,
    SAMPLE_RATE_HZ,
    draw_home,
    household_sound,
    record_cry,
)

# How far a file of each recipe may answer from Keras.
_TOLERANCES = {"none": 1e-4, "float16": 0.02, "dynamic": 0.02, "int8": 0.02}
_CLIP_S = 5.0
# The last layer is scaled to this spread: scores of 0 and 1 would hide differences.
_LOGIT_SPREAD = 1.5


def write(folder: Path) -> None:
    """Writes everything; see the module."""
    keras.utils.set_random_seed(0)
    detector = cry_tf.CryDetector(
        cry_hub.load("ds_cnn_s", weights=None), pooling="average"
    )
    detector.decision = detector.decision.replace(
        window_s=2.0, hop_s=0.5, smoothing_windows=3, max_gap_s=1.2, min_event_s=0.6
    )
    reasons = tuple(REASONS)[:3]
    classifier = cry_tf.CryClassifier(
        cry_hub.load("mn04_audioset", weights=None), reasons, pooling="average"
    )
    classifier.decision = classifier.decision.replace(window_s=1.5, hop_s=1.5)
    files = [
        *_write_model(folder, "detector", detector, tuple(_TOLERANCES)),
        *_write_model(folder, "classifier", classifier, ("none", "dynamic")),
    ]
    clips = [waveform for _, waveform in _sounds(detector.labels, 2, 1)]
    cry_tf.export(detector, folder / "dynamic_length.tflite", "none", check=clips)
    expected = json.dumps(
        {
            "files": files,
            "opposite": _write_opposite(folder, files[0], detector),
            "decisions": list(_decisions()),
        },
        indent=1,
    )
    (folder / "expected.json").write_text(expected, encoding="utf-8")


def _write_model(
    folder: Path, name: str, model: CryModel, recipes: Sequence[str]
) -> Iterator[dict[str, Any]]:
    rate_hz, decision = model.spec.sample_rate_hz, model.decision
    heard = _fit_last_layer(model)
    clips = {}
    for index, (label, sound) in enumerate(_sounds(model.labels, 2, seed=2)):
        waveform = resample(sound, SAMPLE_RATE_HZ, rate_hz)
        path = folder / f"{name}_{index}_{label}.wav"
        # Float, because browsers do not agree with anyone on 16 bits.
        soundfile.write(path, waveform, rate_hz, subtype="FLOAT")
        clips[path.name] = waveform
    scores = {
        clip: _window_scores(model, waveform, decision.window_s, decision.hop_s)
        for clip, waveform in clips.items()
    }
    check = list(clips.values())[:2]  # the clients compare on all
    for recipe in recipes:
        path = folder / f"{name}_{recipe}.tflite"
        cry_tf.export(
            model,
            path,
            recipe,
            check=check,
            length=decision.window_s,
            representative=heard if recipe == "int8" else None,
        )
        yield {
            "file": path.name,
            "tolerance": _TOLERANCES[recipe],
            "sample_rate_hz": rate_hz,
            "window_s": decision.window_s,
            "hop_s": decision.hop_s,
            "labels": list(model.labels),
            "scores": scores,
            "lines": {clip: _lines(path, folder / clip) for clip in clips},
        }


def _write_opposite(
    folder: Path, file: dict[str, Any], model: CryModel
) -> dict[str, Any]:
    """Writes a clip whose channels cancel each other until the second block."""
    rate_hz, path = file["sample_rate_hz"], folder / "opposite.wav"
    clip = read(folder / next(reversed(file["scores"])), rate_hz)
    other = clip.copy()
    other[:BLOCK_FRAMES] *= -1
    soundfile.write(path, np.stack([clip, other], axis=1), rate_hz, subtype="FLOAT")
    mono = read(path, rate_hz)
    return {
        "model": file["file"],
        "clip": path.name,
        "scores": _window_scores(model, mono, file["window_s"], file["hop_s"]),
        "lines": _lines(folder / file["file"], path),
    }


def _lines(file: Path, clip: Path) -> list[str]:
    """Returns what cry-lite prints, without the clip's name and indents."""
    analyzer = Analyzer(file)
    first, *others = analysis_lines(analyzer.analyze_file(clip), analyzer.spec)
    return [first.partition(": ")[2], *(line.strip() for line in others)]


def _window_scores(
    model: CryModel, waveform: np.ndarray, window_s: float, hop_s: float
) -> list[list[float]]:
    rate_hz = model.spec.sample_rate_hz
    lengths = round(window_s * rate_hz), round(hop_s * rate_hz)
    windows = np.stack([window for _, window in stream_windows([waveform], *lengths)])
    return model.predict(windows, verbose=0).tolist()


def _answer(
    spec: ModelSpec, scores: Sequence[Sequence[float]], duration_s: float
) -> dict[str, Any]:
    """Returns what cry-lite answers on the scores of a clip's windows."""
    rate_hz, (window, hop) = spec.sample_rate_hz, window_samples_of(spec)
    total = round(duration_s * rate_hz)
    starts = np.array(window_starts(total, window, hop))
    ends = np.minimum(starts + window, total)
    found = decide(starts / rate_hz, ends / rate_hz, scores, spec, duration_s)
    return {
        "label": found.label,
        "scores": found.scores.tolist(),
        "windows": np.stack([starts / rate_hz, ends / rate_hz], axis=1).tolist(),
        "events": [event.to_dict() for event in found.events],
    }


def _decisions() -> Iterator[dict[str, Any]]:
    """Draws scores and rules, and gives cry-lite's answers, for other languages."""
    rng = np.random.default_rng(3)
    for index in range(200):
        labels = ("no_cry", "cry") if index % 2 else ("hungry", "tired", "pain")
        onset = float(rng.uniform(0.3, 0.9))
        hop_s = float(rng.choice([0.5, 1.0, 3.0]))
        rule = DecisionSpec(
            window_s=3.0,
            hop_s=hop_s,
            onset_threshold=onset,
            offset_threshold=onset * float(rng.uniform(0.5, 1.0)),
            smoothing_windows=int(rng.choice([1, 3, 5])),
            min_event_s=float(rng.choice([0.0, 1.0, 4.0])),
            confirmation_s=float(rng.choice([0.0, 0.0, 1.0, 2.0])),
            max_gap_s=float(rng.choice([0.0, 1.5, 5.0])),
        )
        spec = ModelSpec(
            task="detect" if index % 2 else "reason",
            labels=labels,
            front_end=YAMNET,
            decision=rule,
            positive_label="cry" if index % 2 else None,
        )
        duration_s = float(rng.uniform(0.5, 40.0))
        windows = len(
            window_starts(
                round(duration_s * spec.sample_rate_hz), *window_samples_of(spec)
            )
        )
        # Rounded, so that scores that are equal occur.
        scores = np.round(rng.dirichlet([0.6] * len(labels), windows), 1).tolist()
        yield {
            "labels": labels,
            "positiveLabel": spec.positive_label,
            "decision": rule.to_dict(),
            "duration_s": duration_s,
            "scores": scores,
            "answer": _answer(spec, scores, duration_s),
        }


def _fit_last_layer(model: CryModel) -> list[np.ndarray]:
    """Points each label at the mean of its sounds: a gentle map, unlike a fit.

    Returns:
        The sounds, at the rate of the model.
    """
    rate_hz = model.spec.sample_rate_hz
    labels, sounds = zip(*_sounds(model.labels, 4, seed=1), strict=True)
    waveforms = [resample(sound, SAMPLE_RATE_HZ, rate_hz) for sound in sounds]
    pooled = keras.Model(model.input, model.get_layer("pooling").output)
    features = pooled.predict(np.stack(waveforms), verbose=0)
    centre = features.mean(axis=0)
    kernel = np.stack(
        [
            features[np.array(labels) == label].mean(axis=0) - centre
            for label in model.labels
        ],
        axis=1,
    )
    kernel *= _LOGIT_SPREAD / ((features - centre) @ kernel).std()
    model.get_layer("logits").set_weights([kernel, -centre @ kernel])
    return waveforms


def _sounds(
    labels: Sequence[str], each: int, seed: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Draws synthetic sounds at 16 kHz: cries of a reason, cries, and no cries."""
    rng = np.random.default_rng(seed)
    for index in range(each):
        infant, home = draw_home(f"synthetic_infant_{seed}_{index}", rng)
        for label in labels:
            other = str(rng.choice(sorted(HOUSEHOLD_SOUNDS)))
            if label == "no_cry":
                sound = household_sound(other, home, _CLIP_S, rng)
                yield label, home.record(home.reverberate(sound, rng), -12.0, rng)
            else:
                reason = str(rng.choice(sorted(REASONS))) if label == "cry" else label
                snr_db = float(rng.uniform(0, 20))
                yield (
                    label,
                    record_cry(
                        infant, home, reason, _CLIP_S, rng, noise=other, snr_db=snr_db
                    ),
                )


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write(target)
