"""A picture of a night: what was in it, and what the detector found."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from cry_lite.detector import Analysis
from cry_lite.front_ends import VGGISH
from cry_lite.log_mel import log_mel
from cry_lite.spec import ModelSpec
from cry_tf.synthesis.night import Night
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind readers tell apart.
_CRY, _FALSE, _OTHER, _SCORE = "#009E73", "#D55E00", "#999999", "#0072B2"
_COLUMNS = 1_500
_BLOCK_S = 30
_NAME_ROWS = 4


def timeline(
    night: Night, analysis: Analysis, spec: ModelSpec, is_synthetic: bool
) -> bytes:
    """Draws waveform, spectrogram, score and events over one time axis.

    Args:
        night: What was in it.
        analysis: What the detector found.
        spec: Spec of the detector, for its thresholds.
        is_synthetic: Whether the title is marked as synthetic.

    Returns:
        A PNG file.
    """
    # The object interface: no global figure, no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    minutes = night.duration_s / 60
    figure = Figure(figsize=(14, 9.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(4, 1, sharex=True, height_ratios=(1, 2, 1.5, 2))
    kind = "A synthetic night" if is_synthetic else "A night of held-out recordings"
    figure.suptitle(
        f"{kind}: {minutes:.1f} minutes, {len(night.cries)} cries, "
        f"{len(analysis.events)} events found",
        fontsize=14,
        x=0.01,
        ha="left",
    )
    _waveform(axes[0], night)
    _spectrogram(axes[1], night)
    _score(axes[2], analysis, spec)
    _events(axes[3], night, analysis)
    for axis in axes:
        for cry in night.cries:
            axis.axvspan(cry.start_s / 60, cry.end_s / 60, color=_CRY, alpha=0.12, lw=0)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    axes[-1].set_xlim(0, minutes)
    axes[-1].set_xlabel("minutes")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _waveform(axis: Axes, night: Night) -> None:
    """Draws the loudest sample of each column."""
    block = max(1, len(night.waveform) // _COLUMNS)
    columns = len(night.waveform) // block
    peaks = np.abs(night.waveform[: columns * block].reshape(columns, block)).max(1)
    minutes = (np.arange(columns) + 0.5) * block / SAMPLE_RATE_HZ / 60
    axis.fill_between(minutes, -peaks, peaks, color="#444444", lw=0)
    axis.set_ylim(-1, 1)
    axis.set_yticks([])
    axis.set_ylabel("waveform")


def _spectrogram(axis: Axes, night: Night) -> None:
    """Draws the log-mel spectrogram, the mean of each column."""
    spec = VGGISH.replace(patch_frames=0, patch_hop_frames=0)
    blocks = []
    # Block by block: the spectrogram of a night at once takes gigabytes.
    for start in range(0, len(night.waveform), _BLOCK_S * SAMPLE_RATE_HZ):
        frames = log_mel(
            night.waveform[start : start + _BLOCK_S * SAMPLE_RATE_HZ], spec
        )
        every = max(1, round(night.duration_s * 100 / _COLUMNS))
        count = max(1, len(frames) // every)
        parts = np.array_split(frames, count)
        blocks.append(np.stack([part.mean(axis=0) for part in parts]))
    image = np.concatenate(blocks).T
    low, high = np.percentile(image, [2, 99.7])
    axis.imshow(
        image,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=low,
        vmax=high,
        extent=(0, night.duration_s / 60, 0, len(image)),
        interpolation="nearest",
    )
    marks_hz = np.array([250, 500, 1_000, 2_000, 4_000])
    axis.set_yticks(_mel_band(marks_hz), [f"{hz / 1000:g}" for hz in marks_hz])
    axis.set_ylabel("kHz")


def _mel_band(hz: np.ndarray) -> np.ndarray:
    """The band of a frequency, on HTK's mel scale between VGGish's edges."""
    mel = 1127 * np.log1p(np.array([VGGISH.min_hz, VGGISH.max_hz]) / 700)
    place = (1127 * np.log1p(hz / 700) - mel[0]) / (mel[1] - mel[0])
    return place * VGGISH.mel_bands


def _score(axis: Axes, analysis: Analysis, spec: ModelSpec) -> None:
    """Draws the score of each window at its centre, and both thresholds."""
    positive = spec.labels.index(spec.positive_label or spec.labels[-1])
    centres = analysis.windows.mean(axis=1) / 60
    axis.plot(centres, analysis.scores[:, positive], color=_SCORE, lw=1)
    decision = spec.decision
    for threshold, style, name in (
        (decision.onset_threshold, "-", "an event starts"),
        (decision.offset_threshold, ":", "an event ends"),
    ):
        label = f"{name} at {threshold:.2f}"
        axis.axhline(threshold, color="#555555", ls=style, lw=0.8, label=label)
    axis.set_ylim(-0.03, 1.03)
    axis.set_ylabel(f"score of “{spec.labels[positive]}”")
    _legend(axis, axis.get_lines()[1:])


def _events(axis: Axes, night: Night, analysis: Analysis) -> None:
    """Draws three lanes: events found, true cries, other sounds with their names."""
    minutes = night.duration_s / 60
    rows_end = [0.0] * _NAME_ROWS
    for event in night.events:
        start = event.start_s / 60
        if event.label == "cry":
            _bar(axis, 1, event.start_s, event.end_s, _CRY)
            axis.text(start, 1.33, event.reason, fontsize=7.5, va="center")
            continue
        _bar(axis, 0, event.start_s, event.end_s, _OTHER)
        name = event.label.replace("_", " ")
        # The first row of names in which this one touches no other.
        row = next((i for i, end in enumerate(rows_end) if end <= start), None)
        if row is not None:
            rows_end[row] = start + minutes * 0.0055 * (len(name) + 1)
            height = -0.42 - 0.34 * row
            axis.text(start, height, name, fontsize=7.5, va="center", color="#444444")
    for event in analysis.events:
        is_true = any(
            event.start_s < cry.end_s and cry.start_s < event.end_s
            for cry in night.cries
        )
        _bar(axis, 2, event.start_s, event.end_s, _CRY if is_true else _FALSE)
    axis.set_yticks([0, 1, 2], ["other sounds", "true cries", "found"])
    axis.set_ylim(-0.5 - 0.34 * _NAME_ROWS, 2.4)
    _legend(
        axis,
        [
            _patch(_CRY, "cry, and found where there is one"),
            _patch(_FALSE, "false alarm"),
            _patch(_OTHER, "other sound"),
        ],
    )


def _legend(axis: Axes, handles: list) -> None:
    """Puts the legend above the axis, where it hides nothing."""
    axis.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        fontsize=8,
        frameon=False,
        ncols=len(handles),
        borderaxespad=0.1,
    )


def _bar(axis: Axes, lane: int, start_s: float, end_s: float, colour: str) -> None:
    spans = [(start_s / 60, (end_s - start_s) / 60)]
    axis.broken_barh(spans, (lane - 0.17, 0.34), color=colour, lw=0)


def _patch(colour: str, label: str):
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)
