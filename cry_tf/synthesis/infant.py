"""Synthetic infants: the person behind a cry, as a frozen record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Speed of sound in warm moist air; a uniform tube, closed at the glottis,
# resonates at odd quarters of its length (Fant, 1960).
_SPEED_OF_SOUND_CM_S = 35_400.0
FORMANT_BANDWIDTHS_HZ = (140.0, 240.0, 380.0, 600.0)
"""Widths of the resonances at -3 dB, Hz: wide, as an infant's walls are soft."""


@dataclass(frozen=True, kw_only=True)
class Infant:
    """What stays the same in every cry of one (synthetic) infant.

    It is the group of every recording of that infant: a split never puts the
    same infant on both sides.

    Attributes:
        name: Name of the group, such as `synthetic_infant_03`.
        base_f0_hz: Usual fundamental frequency, Hz, 300 to 600 as in healthy
            infants (Michelsson and Michelsson, 1999).
        tract_length_cm: From glottis to lips, about 6.5 to 8.5 cm, which puts
            the first resonances near 1.2, 3.5 and 5.9 kHz.
        jitter: Relative change of the period from cycle to cycle, about 0.005.
        shimmer: The same for the amplitude.
        vibrato_hz: Rate of the vibrato, Hz.
        vibrato_semitones: Depth of the vibrato, semitones.
        tilt_hz: Brightness of the voice, see `voice.voiced`.
        breathiness: Noise beside the voice, 0 (none) to 0.1.
        tempo: Multiplies every duration, around 1.
    """

    name: str
    base_f0_hz: float
    tract_length_cm: float
    jitter: float = 0.004
    shimmer: float = 0.05
    vibrato_hz: float = 6.0
    vibrato_semitones: float = 0.1
    tilt_hz: float = 3_000.0
    breathiness: float = 0.03
    tempo: float = 1.0

    def __post_init__(self) -> None:
        """Checks the ranges within which the model makes sense."""
        if not 150 <= self.base_f0_hz <= 1_000:
            raise ValueError(
                "base_f0_hz must be within 150 and 1000. "
                f"Received: base_f0_hz={self.base_f0_hz}"
            )
        if not 5 <= self.tract_length_cm <= 12:
            raise ValueError(
                "tract_length_cm must be within 5 and 12. "
                f"Received: tract_length_cm={self.tract_length_cm}"
            )

    @property
    def formants_hz(self) -> tuple[float, ...]:
        """The four lowest resonances of the tract at rest, Hz."""
        quarter = _SPEED_OF_SOUND_CM_S / (4 * self.tract_length_cm)
        return tuple(odd * quarter for odd in (1, 3, 5, 7))

    @classmethod
    def draw(cls, name: str, rng: np.random.Generator) -> Infant:
        """Draws an infant from the population.

        Args:
            name: Name of the group.
            rng: Source of every choice; the same state gives the same infant.
        """
        return cls(
            name=name,
            base_f0_hz=float(np.clip(430 * np.exp(rng.normal(0, 0.14)), 300, 600)),
            tract_length_cm=float(rng.uniform(6.6, 8.4)),
            jitter=float(rng.uniform(0.001, 0.007)),
            shimmer=float(rng.uniform(0.02, 0.08)),
            vibrato_hz=float(rng.uniform(4.5, 8.5)),
            vibrato_semitones=float(rng.uniform(0.02, 0.25)),
            tilt_hz=float(np.exp(rng.uniform(np.log(2_500), np.log(9_000)))),
            breathiness=float(rng.uniform(0.005, 0.06)),
            tempo=float(np.exp(rng.normal(0, 0.12))),
        )
