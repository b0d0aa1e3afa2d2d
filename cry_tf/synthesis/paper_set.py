"""A *synthetic* set with the shape of the VGGish paper's: who, how many, how long.

The paper's recordings are private. This copies the counts of its Table 1 (852 clips
of ten infants, 0.18 to 2.5 s, 16 kHz mono) and nothing of their sound: the labels
are true by construction, see `cry_tf.synthesis.reason`, and a figure on this set is
no evidence about real infants.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cry_lite import atomic
from cry_tf.synthesis.household import BACKGROUNDS
from cry_tf.synthesis.reason import REASONS, Reason
from cry_tf.synthesis.recording import draw_home, record_cry, write_wav
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ

MIN_DURATION_S = 0.18
MAX_DURATION_S = 2.5
# Length is independent of the label: it is drawn alike for all four.
_MEDIAN_DURATION_S = 0.9
_DURATION_SPREAD = 0.6


@dataclass(frozen=True)
class PaperInfant:
    """A row of the paper's Table 1.

    Attributes:
        age_months: Age of the infant, months.
        sex: Sex of the infant.
        hunger: Number of clips; so with the others.
        boredom: See `hunger`.
        tiredness: See `hunger`.
        discomfort: See `hunger`.
    """

    age_months: int
    sex: Literal["boy", "girl"]
    hunger: int
    boredom: int
    tiredness: int
    discomfort: int


PAPER_INFANTS = (
    PaperInfant(1, "boy", 35, 0, 0, 9),
    PaperInfant(1, "boy", 30, 6, 4, 12),
    PaperInfant(1, "girl", 14, 144, 24, 0),
    PaperInfant(1, "girl", 20, 1, 6, 2),
    PaperInfant(2, "boy", 56, 76, 38, 14),
    PaperInfant(2, "boy", 14, 28, 2, 106),
    PaperInfant(3, "boy", 14, 12, 28, 17),
    PaperInfant(3, "girl", 20, 31, 30, 20),
    PaperInfant(3, "girl", 0, 14, 9, 0),
    PaperInfant(4, "girl", 2, 0, 11, 3),
)
"""Table 1 of the paper, in its order."""

# No source names an acoustic sign of boredom: these numbers are invented, as those
# of tiredness and discomfort are, so that four sets can be told apart.
BOREDOM = Reason(
    name="boredom",
    melodies=(0.15, 0.05, 0.15, 0.15, 0.5),
    f0_ratio=0.97,
    range_semitones=7.0,
    expiration_s=0.6,
    pause_s=0.4,
    irregularity=0.25,
    hyperphonation=0.02,
    dysphonation=0.08,
    stops_per_s=0.8,
    attack_s=0.09,
    brightness=0.9,
    level_spread=0.25,
    tremor=0.1,
)
PAPER_REASONS = {
    "hunger": dataclasses.replace(REASONS["hungry"], name="hunger"),
    "boredom": BOREDOM,
    "tiredness": dataclasses.replace(REASONS["tired"], name="tiredness"),
    "discomfort": REASONS["discomfort"],
}
"""How each label of the paper is sung here."""

COLUMNS = ("file", "label", "group", "age_months", "sex", "duration_s", "synthetic")


def write_paper_set(
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    infants: tuple[PaperInfant, ...] = PAPER_INFANTS,
    advance: Callable[[], None] | None = None,
) -> Path:
    """Writes the set: a folder an infant, `manifest.csv` and `paper_set.json`.

    The same seed gives the same bytes, file for file, on one machine and NumPy
    version. Every row of the manifest has `synthetic` = `yes`.

    Args:
        folder: Where to write; made if it does not exist.
        seed: Integer >= 0 from which everything is drawn.
        infants: The infants and their numbers of clips.
        advance: Called after each infant, for a progress bar.

    Returns:
        The path of the manifest.

    Raises:
        FileExistsError: If the folder already holds a set.
        ValueError: If `seed` is negative.
    """
    if seed < 0:
        raise ValueError(f"seed must be 0 or more. Received: seed={seed!r}.")
    root = Path(folder).expanduser()
    manifest = root / "manifest.csv"
    if manifest.exists():
        raise FileExistsError(
            f"A set of recordings is never overwritten. {root} already holds one: "
            "delete it or choose another folder."
        )
    rows: list[tuple] = []
    for index, infant in enumerate(infants):
        rows += _write_infant(root, index, infant, seed)
        if advance is not None:
            advance()
    settings = {
        "synthetic": "Computed, not recorded. The labels are true by construction "
        "and no evidence about real infants.",
        "shape": "Counts and lengths of Table 1 of the VGGish infant cry paper.",
        "seed": seed,
        "infants": [dataclasses.asdict(infant) for infant in infants],
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "numpy": np.__version__,
    }
    (root / "paper_set.json").write_text(json.dumps(settings, indent=2) + "\n")
    # The manifest comes last: a folder without one is unfinished.
    with (
        atomic.replacing(manifest) as part,
        open(part, "w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([COLUMNS, *rows])
    return manifest


def _write_infant(
    root: Path, index: int, infant: PaperInfant, seed: int
) -> list[tuple]:
    """Writes the clips of one infant; returns their rows of the manifest."""
    rng = np.random.default_rng([seed, index])
    name = f"synthetic_infant_{index + 1:02d}"
    voice, home = draw_home(name, rng)
    (root / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for label, reason in PAPER_REASONS.items():
        for number in range(getattr(infant, label)):
            duration_s = _draw_duration(rng)
            noise = str(rng.choice(BACKGROUNDS)) if rng.random() < 0.4 else None
            waveform = record_cry(
                voice,
                home,
                reason,
                duration_s,
                rng,
                noise=noise,
                snr_db=float(rng.uniform(8, 25)),
            )
            file = f"{name}/{label}_{number:03d}.wav"
            write_wav(root / file, waveform)
            length_s = f"{len(waveform) / SAMPLE_RATE_HZ:.4f}"
            person = (infant.age_months, infant.sex)
            rows.append((file, label, name, *person, length_s, "yes"))
    return rows


def _draw_duration(rng: np.random.Generator) -> float:
    drawn_s = _MEDIAN_DURATION_S * np.exp(rng.normal(0, _DURATION_SPREAD))
    return float(np.clip(drawn_s, MIN_DURATION_S, MAX_DURATION_S))
