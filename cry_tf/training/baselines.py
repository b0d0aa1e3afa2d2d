"""Classical methods on the folds of a run: MFCC + GMM and MFCC + SVM."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite.log_mel import log_mel
from cry_lite.spec import FrontEndSpec
from cry_tf.data import decoding
from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.data.embedding_shelf import Shelf, measured
from cry_tf.evaluation.figures import Summary
from cry_tf.evaluation.metrics import measure
from cry_tf.heads import fitting
from cry_tf.heads.features import Standardization, softmax
from cry_tf.heads.gaussian_mixture import Mixtures, log_priors
from cry_tf.runs.predictions import Predictions
from cry_tf.training.context import RunContext
from cry_tf.training.preparation import Prepared
from cry_tf.training.settings import Settings

COEFFICIENTS = 20
# A long recording is scored by its beginning: this is a baseline, not a model.
MAX_SECONDS = 30.0
_HIGHEST_HZ = 8_000.0


def front_end(cutoff_hz: float | None) -> FrontEndSpec:
    """Returns the front end before the cepstrum: 25 ms windows, 40 mel bands.

    Args:
        cutoff_hz: The last band ends there, Hz; None for 8000. It is what the
            model does not get, so that the baseline has no shortcut.
    """
    return FrontEndSpec(
        sample_rate_hz=16_000,
        window_samples=400,
        hop_samples=160,
        fft_length=512,
        mel_bands=40,
        min_hz=50.0,
        max_hz=min(cutoff_hz or _HIGHEST_HZ, _HIGHEST_HZ),
        mel_scale="htk",
        spectrum="power",
        log_scale="ln",
        log_offset=1e-3,  # 70 dB below a full-scale tone
        partial_patch="drop",
    )


# The log-mel is the one of the models, checked against librosa's in the tests. Ours
# takes 2.8 ms for a clip of 7 s and librosa's `mfcc` 3.0 ms, 2.9 s with its import;
# numba and llvmlite, which it brings, take 208 MB.
def mfcc(waveform: np.ndarray, spec: FrontEndSpec) -> np.ndarray:
    """Returns the first cepstral coefficients, level included.

    Args:
        waveform: Float array `(samples,)` at `spec.sample_rate_hz`.
        spec: From `front_end`.

    Returns:
        Float32 `(frames, 20)`: an orthonormal DCT-II over the log-mel bands.
    """
    from scipy.fft import dct

    bands = log_mel(waveform, spec).astype(np.float64)
    coefficients = dct(bands, type=2, norm="ortho", axis=1)
    return np.asarray(coefficients, np.float32)[:, :COEFFICIENTS]


def with_deltas(coefficients: np.ndarray) -> np.ndarray:
    """Appends the slope of each coefficient over five frames, `(frames, 40)`."""
    from scipy.signal import savgol_filter

    slope: Any = savgol_filter(coefficients, 5, 1, deriv=1, axis=0, mode="nearest")
    return np.hstack([coefficients, slope])


def compute(
    dataset: Dataset,
    cache_dir: Path,
    cutoff_hz: float | None,
    tell: Callable[[], None] = lambda: None,
) -> list[np.ndarray]:
    """Returns float32 `(frames, 20)` for each clip, of its first 30 s.

    Args:
        dataset: Clips that can be decoded.
        cache_dir: Where results are kept, by the content of each file.
        cutoff_hz: Hz. Frequencies above it are removed; None for 8000.
        tell: Called after each clip.

    Raises:
        OSError: If a clip cannot be decoded.
    """
    spec = front_end(cutoff_hz)
    about = json.dumps([spec.to_dict(), COEFFICIENTS, MAX_SECONDS], sort_keys=True)
    digest = hashlib.sha256(about.encode()).hexdigest()[:16]
    shelf = Shelf(cache_dir / f"mfcc-{digest}")

    def measure(clip: Clip) -> np.ndarray:
        return mfcc(decoding.read(clip, spec.sample_rate_hz, MAX_SECONDS), spec)

    return measured(shelf, dataset.clips, measure, tell)


# Mixtures of frames: enough for every label, and still seconds.
_COMPONENTS = 8
_MAX_FRAMES = 8_000
_FLOOR = 1e-2
_ROUNDS = 30


@dataclass(frozen=True)
class Cepstra:
    """What a baseline is fitted on.

    Attributes:
        frames: Float array `(frames, 40)` for each clip, from `with_deltas`.
        truth: Int array `(clips,)`.
        groups: Array `(clips,)`, the source of each clip.
        labels: Number of labels.
        is_balanced: True lets every label count the same.
        seed: Draws frames, first components and inner folds.
    """

    frames: Sequence[np.ndarray]
    truth: np.ndarray
    groups: np.ndarray
    labels: int
    is_balanced: bool
    seed: int


def svm_scores(clips: Cepstra, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scores clips by a support vector machine on mean and deviation of the frames.

    Args:
        clips: All of them.
        train: Places of those to fit on.
        test: Places of those to score.

    Returns:
        Float64 scores `(test clips, labels)`.
    """
    features = np.stack([np.concatenate([f.mean(0), f.std(0)]) for f in clips.frames])
    head = fitting.fit(
        "svm",
        features[train],
        clips.truth[train],
        clips.groups[train],
        clips.labels,
        clips.is_balanced,
        clips.seed,
    )
    return head.scores(features[test])


def gmm_scores(clips: Cepstra, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scores clips by a Gaussian mixture a label over frames; see `svm_scores`.

    A clip has the mean log likelihood of its frames, plus the label's log prior.
    At most 8,000 frames of a label are fitted on, drawn from all its clips.
    """
    rng = np.random.default_rng(clips.seed)
    rows, truth = [], []
    for label in np.unique(clips.truth[train]):
        of_label = train[clips.truth[train] == label]
        frames = np.concatenate([clips.frames[clip] for clip in of_label])
        if len(frames) > _MAX_FRAMES:
            frames = frames[rng.choice(len(frames), _MAX_FRAMES, replace=False)]
        rows.append(frames)
        truth.append(np.full(len(frames), label))
    features = np.concatenate(rows)
    standardize = Standardization.of(features)
    mixtures = Mixtures.fit(
        standardize(features),
        np.concatenate(truth),
        clips.labels,
        _COMPONENTS,
        clips.seed,
        floor=_FLOOR,
        rounds=_ROUNDS,
    )
    scored = [standardize(clips.frames[clip]) for clip in test]
    means = [mixtures.log_likelihoods(frames).mean(axis=0) for frames in scored]
    priors = log_priors(clips.truth[train], clips.labels, clips.is_balanced)
    return softmax(np.stack(means) + priors)


BASELINES = {"MFCC + GMM": gmm_scores, "MFCC + SVM": svm_scores}


def score_baselines(
    dataset: Dataset,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    seed: int,
    *,
    is_balanced: bool,
    cutoff_hz: float | None,
    cache_dir: Path,
    tell: Callable[[], None] = lambda: None,
    only: str | None = None,
) -> dict[str, np.ndarray]:
    """Scores each clip by fits on other groups.

    Args:
        dataset: Clips that can be decoded.
        folds: The folds of the model: (train, test) places.
        seed: Draws frames, first components and inner folds.
        is_balanced: True lets every label count the same.
        cutoff_hz: Hz. Frequencies above it are removed; None for 8000.
        cache_dir: Where the cepstra are kept.
        tell: Called after each clip, then after each fold of each baseline.
        only: Name of the one baseline wanted, None for all.

    Returns:
        Float64 scores `(clips, labels)` by the name of the baseline.

    Raises:
        OSError: If a clip cannot be decoded.
    """
    cepstra = compute(dataset, cache_dir, cutoff_hz, tell)
    clips = Cepstra(
        frames=[with_deltas(clip) for clip in cepstra],
        truth=dataset.label_indices,
        groups=dataset.groups,
        labels=len(dataset.labels),
        is_balanced=is_balanced,
        seed=seed,
    )
    found = {}
    for name in BASELINES if only is None else (only,):
        found[name] = np.empty((len(dataset), len(dataset.labels)))
        for train, test in folds:
            found[name][test] = BASELINES[name](clips, train, test)
            tell()
    return found


def measure_baselines(
    prepared: Prepared,
    predictions: Predictions,
    settings: Settings,
    context: RunContext,
) -> tuple[tuple[str, Summary], ...]:
    """Measures classical methods on the folds of the model."""
    if not settings.baselines:
        return ()
    dataset = prepared.dataset
    steps = len(dataset) + settings.folds * len(BASELINES)
    with context.progress.bar("classical baselines", steps) as advance:
        try:
            scores = score_baselines(
                dataset,
                dataset.fold_indices(settings.folds, settings.seed),
                settings.seed,
                is_balanced=settings.recipe.imbalance != "none",
                cutoff_hz=prepared.bandwidth.cutoff_hz,
                cache_dir=context.embeddings.dir,
                tell=advance,
            )
        except (ValueError, OSError) as error:  # the model itself is not lost
            context.progress.warn(f"the classical baselines are left out: {error}")
            return ()
    return tuple(
        (name, measure(predictions.replace(scores=found)).model)
        for name, found in scores.items()
    )
