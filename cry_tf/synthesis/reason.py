"""How the reasons of a *synthetic* cry differ: by construction, not by evidence.

Each reason is a set of overlapping distributions over melody, rhythm, pitch and
phonation. The directions follow the acoustic literature where it names one:

- Hunger: rising-falling melody, even rhythm, pitch near the infant's usual one
  (Wasz-Hoeckert et al., 1968, The infant cry: a spectrographic and auditory
  analysis).
- Pain: sudden onset, higher pitch, long first expirations, falling or flat
  melody, more dysphonation and hyperphonation (Wasz-Hoeckert et al., 1968;
  Porter, Miller and Marshall, 1986, Neonatal pain cries; LaGasse, Neal and
  Lester, 2005, Assessment of infant cry).
- Tiredness, discomfort, burping: no agreed acoustic sign. Their numbers here
  are invented so that the five sets can be told apart.

The names are those of the donateacry corpus. A model that scores well on them
has learnt this table and nothing about real infants: Lockhart-Bouron et al.,
2023 (Infant cries convey both stable and dynamic information about age and
identity) found no acoustic code for the cause of real cries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_tf.synthesis.burst import Burst, Phonation
from cry_tf.synthesis.infant import Infant
from cry_tf.synthesis.melody import MELODIES


@dataclass(frozen=True, kw_only=True)
class Reason:
    """The distributions from which the breaths of one reason are drawn.

    Attributes:
        name: The label.
        melodies: Weights of `MELODIES`, in that order.
        f0_ratio: Median pitch over the infant's usual pitch.
        range_semitones: Median extent of a melody.
        expiration_s: Median length of an expiration, seconds.
        pause_s: Median silence around an inspiration, seconds.
        irregularity: Spread (of the logarithm) of durations and pauses.
        hyperphonation: Chance that a breath jumps above 1 kHz.
        dysphonation: Chance that a breath is hoarse.
        stops_per_s: Glottal stops in a second of expiration.
        attack_s: Median time to full loudness, seconds.
        brightness: Multiplies the infant's `tilt_hz` (vocal tension).
        level_spread: Spread (of the logarithm) of the loudness of breaths.
        tremor: Mean depth of the amplitude tremor.
    """

    name: str
    melodies: tuple[float, ...]
    f0_ratio: float
    range_semitones: float
    expiration_s: float
    pause_s: float
    irregularity: float
    hyperphonation: float
    dysphonation: float
    stops_per_s: float
    attack_s: float
    brightness: float
    level_spread: float
    tremor: float


REASONS = {
    reason.name: reason
    for reason in (
        Reason(
            name="belly_pain",
            melodies=(0.15, 0.5, 0.05, 0.25, 0.05),
            f0_ratio=1.25,
            range_semitones=6.0,
            expiration_s=1.5,
            pause_s=0.3,
            irregularity=0.3,
            hyperphonation=0.28,
            dysphonation=0.45,
            stops_per_s=0.1,
            attack_s=0.015,
            brightness=1.6,
            level_spread=0.2,
            tremor=0.1,
        ),
        Reason(
            name="burping",
            melodies=(0.15, 0.1, 0.3, 0.05, 0.4),
            f0_ratio=1.0,
            range_semitones=5.0,
            expiration_s=0.45,
            pause_s=0.12,
            irregularity=0.5,
            hyperphonation=0.04,
            dysphonation=0.15,
            stops_per_s=2.2,
            attack_s=0.025,
            brightness=1.0,
            level_spread=0.4,
            tremor=0.1,
        ),
        Reason(
            name="discomfort",
            melodies=(0.15, 0.1, 0.2, 0.4, 0.15),
            f0_ratio=1.07,
            range_semitones=3.0,
            expiration_s=0.7,
            pause_s=0.3,
            irregularity=0.5,
            hyperphonation=0.06,
            dysphonation=0.35,
            stops_per_s=0.4,
            attack_s=0.05,
            brightness=1.2,
            level_spread=0.5,
            tremor=0.25,
        ),
        Reason(
            name="hungry",
            melodies=(0.65, 0.1, 0.1, 0.1, 0.05),
            f0_ratio=1.0,
            range_semitones=5.0,
            expiration_s=0.85,
            pause_s=0.18,
            irregularity=0.12,
            hyperphonation=0.04,
            dysphonation=0.1,
            stops_per_s=0.1,
            attack_s=0.05,
            brightness=1.0,
            level_spread=0.15,
            tremor=0.05,
        ),
        Reason(
            name="tired",
            melodies=(0.2, 0.4, 0.05, 0.25, 0.1),
            f0_ratio=0.88,
            range_semitones=4.0,
            expiration_s=1.0,
            pause_s=0.45,
            irregularity=0.35,
            hyperphonation=0.02,
            dysphonation=0.2,
            stops_per_s=0.2,
            attack_s=0.12,
            brightness=0.85,
            level_spread=0.35,
            tremor=0.3,
        ),
    )
}
"""The reasons by name, in alphabetical order."""


@dataclass(frozen=True, kw_only=True)
class Mood:
    """What stays the same through one cry, drawn once a cry.

    It is why two cries of one reason differ, and why reasons overlap.

    Attributes:
        f0_ratio: Multiplies the pitch of every breath.
        tempo: Multiplies every duration.
        opening: How far the mouth opens, around 1.
    """

    f0_ratio: float
    tempo: float
    opening: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Mood:
        """Draws the mood of one cry."""
        return cls(
            f0_ratio=float(np.exp(rng.normal(0, 0.09))),
            tempo=float(np.exp(rng.normal(0, 0.15))),
            opening=float(rng.uniform(0.82, 1.15)),
        )


def draw_expiration(
    reason: Reason, mood: Mood, infant: Infant, rng: np.random.Generator
) -> Burst:
    """Draws one expiration of a cry."""
    tempo = mood.tempo * infant.tempo
    duration_s = reason.expiration_s * tempo
    duration_s *= np.exp(rng.normal(0, 0.12 + reason.irregularity))
    duration_s = float(np.clip(duration_s, 0.18, 3.0))
    chance = rng.random()
    phonation: Phonation = "normal"
    if chance < reason.hyperphonation:
        phonation = "hyperphonation"
    elif chance < reason.hyperphonation + reason.dysphonation:
        phonation = "dysphonation"
    mode_start = rng.choice([0.0, rng.uniform(0.1, 0.5)])
    count = rng.poisson(reason.stops_per_s * duration_s)
    return Burst(
        duration_s=duration_s,
        f0_hz=infant.base_f0_hz
        * reason.f0_ratio
        * mood.f0_ratio
        * float(np.exp(rng.normal(0, 0.06))),
        melody=MELODIES[rng.choice(len(MELODIES), p=reason.melodies)],
        range_semitones=reason.range_semitones * float(np.exp(rng.normal(0, 0.4))),
        peak=float(rng.uniform(0.25, 0.6)),
        phonation=phonation,
        mode_start=float(mode_start),
        mode_end=float(min(1.0, mode_start + rng.uniform(0.3, 0.9))),
        hyperphonation_hz=float(rng.uniform(1_050, 1_700)),
        level=float(np.exp(rng.normal(0, reason.level_spread))),
        attack_s=reason.attack_s * float(np.exp(rng.normal(0, 0.4))),
        release_s=float(rng.uniform(0.05, 0.16)),
        stops=tuple(sorted(rng.uniform(0.1, 0.9, size=count).tolist())),
        tremor=float(np.clip(rng.exponential(reason.tremor), 0, 0.9)),
        breath=float(np.clip(infant.breathiness * rng.uniform(0.5, 2), 0, 0.3)),
        opening=mood.opening * float(rng.uniform(0.92, 1.08)),
    )


def draw_inspiration(
    expiration: Burst, infant: Infant, rng: np.random.Generator
) -> Burst:
    """Draws the breath taken after an expiration: mostly noise, rarely voiced."""
    voiced = rng.random() < 0.35
    return Burst(
        duration_s=float(rng.uniform(0.1, 0.3)) * infant.tempo,
        f0_hz=infant.base_f0_hz * float(rng.uniform(1.1, 1.9)),
        melody="rising" if rng.random() < 0.7 else "plateau",
        range_semitones=float(rng.uniform(2, 7)),
        level=expiration.level * float(rng.uniform(0.02, 0.15)),
        attack_s=0.04,
        release_s=0.04,
        breath=float(rng.uniform(0.4, 0.75) if voiced else rng.uniform(0.92, 1)),
        opening=float(rng.uniform(0.8, 1.1)),
    )
