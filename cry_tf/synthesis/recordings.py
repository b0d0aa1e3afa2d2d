"""Writes a labelled set of *synthetic* recordings: WAV files and manifests.

Each infant lives in a home of its own, with one recording device, and every
recording made there, cry or not, carries the infant's name as its group. So
neither the room nor the microphone gives the label away, and a split by group
tests on infants, appliances and devices that training never met.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cry_lite import atomic
from cry_tf.synthesis.household import (
    BACKGROUNDS,
    HOUSEHOLD_SOUNDS,
    LIKE_A_CRY,
    household_sound,
)
from cry_tf.synthesis.infant import Infant
from cry_tf.synthesis.reason import REASONS
from cry_tf.synthesis.recording import draw_home, mix, record_cry, write_wav
from cry_tf.synthesis.room import Home
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ

MANIFEST_COLUMNS = ("file", "label", "group", "sound", "snr_db", "synthetic")


@dataclass(frozen=True)
class Recordings:
    """Where `write_recordings` put its two sets.

    Attributes:
        folder: The folder of both.
        detection: Manifest of the clips labelled `cry` and `no_cry`.
        reasons: Manifest of the cries labelled with their reason.
    """

    folder: Path
    detection: Path
    reasons: Path


@dataclass(frozen=True)
class _Clip:
    """One recording before it is written."""

    file: str
    label: str
    sound: str
    snr_db: float | None
    waveform: np.ndarray


def _detection_clips(
    infant: Infant, home: Home, clips: int, duration_s: float, rng: np.random.Generator
) -> list[_Clip]:
    """Half cries, half other sounds (the odd one out is another sound)."""
    names = list(HOUSEHOLD_SOUNDS)
    # Every kind before any again, so that few clips hold many kinds; the hard ones
    # twice, as false alarms matter most for a detector.
    turn = itertools.cycle(rng.permutation([*names, *LIKE_A_CRY]).tolist())
    made = []
    for index in range(clips):
        if index % 2 == 0:
            other = next(turn)
            sound = household_sound(other, home, duration_s, rng)
            if index % 4 == 0:
                under = household_sound(
                    str(rng.choice(BACKGROUNDS)), home, duration_s, rng
                )
                sound = mix(sound, under, rng.uniform(0, 30)) if sound.any() else under
            waveform = home.record(
                home.reverberate(sound, rng), rng.uniform(-35, -3), rng
            )
            made.append(_Clip(f"no_cry_{index:03d}", "no_cry", other, None, waveform))
            continue
        reason = str(rng.choice(list(REASONS)))
        noise = str(rng.choice(names)) if rng.random() < 0.7 else None
        snr_db = float(rng.uniform(-3, 25))
        waveform = record_cry(
            infant, home, reason, duration_s, rng, noise=noise, snr_db=snr_db
        )
        sound = f"cry:{reason}" + (f"+{noise}" if noise else "")
        made.append(
            _Clip(f"cry_{index:03d}", "cry", sound, snr_db if noise else None, waveform)
        )
    return made


def _reason_clips(
    infant: Infant, home: Home, clips: int, duration_s: float, rng: np.random.Generator
) -> list[_Clip]:
    """`clips` cries of each reason, some over a quiet background."""
    made = []
    for reason in REASONS:
        for index in range(clips):
            noise = str(rng.choice(BACKGROUNDS)) if rng.random() < 0.4 else None
            snr_db = float(rng.uniform(8, 25))
            waveform = record_cry(
                infant, home, reason, duration_s, rng, noise=noise, snr_db=snr_db
            )
            sound = f"cry:{reason}" + (f"+{noise}" if noise else "")
            snr = snr_db if noise else None
            made.append(_Clip(f"{reason}_{index:03d}", reason, sound, snr, waveform))
    return made


def write_recordings(
    folder: str | os.PathLike[str],
    *,
    seed: int,
    infants: int = 16,
    detection_clips: int = 30,
    detection_s: float = 2.0,
    reason_clips: int = 4,
    reason_s: float = 3.0,
    advance: Callable[[], None] | None = None,
) -> Recordings:
    """Writes `detection/` and `reasons/`, each with WAVs and a `manifest.csv`.

    The same arguments give the same bytes, file for file, on one machine and
    NumPy version. The manifests have the columns `file`, `label`, `group` (the
    infant), `sound` (what it contains), `snr_db` (where another sound was mixed
    in) and `synthetic` (always `yes`).

    Args:
        folder: Where to write; made if it does not exist.
        seed: Integer >= 0 from which everything is drawn.
        infants: Number of synthetic infants, that is, of groups.
        detection_clips: Clips an infant in the detection set, half of them
            cries, most of those with a household sound in the way.
        detection_s: Length of each, seconds.
        reason_clips: Cries an infant and reason in the reason set.
        reason_s: Length of each, seconds.
        advance: Called after each infant, for a progress bar.

    Returns:
        The paths of the manifests.

    Raises:
        FileExistsError: If the folder already holds such a set.
        ValueError: If a count or a length is not positive.
    """
    for name, value in (
        ("infants", infants),
        ("detection_clips", detection_clips),
        ("detection_s", detection_s),
        ("reason_clips", reason_clips),
        ("reason_s", reason_s),
    ):
        if not value > 0:
            raise ValueError(f"{name} must be positive. Received: {name}={value}")
    root = Path(folder).expanduser()
    sets = {name: root / name for name in ("detection", "reasons")}
    for place in sets.values():
        if (place / "manifest.csv").exists():
            raise FileExistsError(
                f"A set of recordings is never overwritten. {place} already holds one: "
                "delete it or choose another folder."
            )

    def write_infant(index: int) -> dict[str, list[tuple]]:
        # A stream of its own for each infant: the order of work changes nothing.
        rng = np.random.default_rng([seed, index])
        name = f"synthetic_infant_{index:02d}"
        infant, home = draw_home(name, rng)
        made = {
            "detection": _detection_clips(
                infant, home, detection_clips, detection_s, rng
            ),
            "reasons": _reason_clips(infant, home, reason_clips, reason_s, rng),
        }
        rows: dict[str, list[tuple]] = {}
        for kind, clips in made.items():
            (sets[kind] / name).mkdir(parents=True, exist_ok=True)
            rows[kind] = []
            for clip in clips:
                file = f"{name}/{clip.file}.wav"
                write_wav(sets[kind] / file, clip.waveform)
                snr = "" if clip.snr_db is None else f"{clip.snr_db:.1f}"
                rows[kind].append((file, clip.label, name, clip.sound, snr, "yes"))
        return rows

    rows: dict[str, list[tuple]] = {kind: [] for kind in sets}
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        try:
            for written in pool.map(write_infant, range(infants)):
                for kind in sets:
                    rows[kind] += written[kind]
                if advance is not None:
                    advance()
        except BaseException:
            # Ctrl-C must not wait for infants that nobody needs.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    settings = {
        "synthetic": "Computed, not recorded. The labels are true by construction "
        "and no evidence about real infants.",
        "seed": seed,
        "infants": infants,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "detection_s": detection_s,
        "reason_s": reason_s,
        "numpy": np.__version__,
    }
    (root / "recordings.json").write_text(json.dumps(settings, indent=2) + "\n")
    for kind, place in sets.items():
        # The manifest comes last: a folder without one is unfinished.
        with (
            atomic.replacing(place / "manifest.csv") as part,
            open(part, "w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([MANIFEST_COLUMNS, *rows[kind]])
    return Recordings(
        root, sets["detection"] / "manifest.csv", sets["reasons"] / "manifest.csv"
    )
