"""Other sounds in the background."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np

from cry_tf.augment.noise_folder import NoiseFolder
from cry_tf.augment.transform import Transform, check_range


class Background(NamedTuple):
    """A drawn piece of noise.

    Attributes:
        file: Name of the sound file below the folder.
        place: Where in it the piece begins, in [0, 1].
        snr_db: Mean power of the sound over that of the noise, dB.
    """

    file: str
    place: float
    snr_db: float


@dataclass(frozen=True)
class AddNoise(Transform[Background]):
    """Mixes in a piece of another recording at a drawn signal-to-noise ratio.

    A mix beyond full scale is scaled down as a whole, which keeps the ratio. A
    noise that is shorter than the sound is repeated; a silent one changes
    nothing and is noted in `noise.silent`.

    Args:
        noise: The folder, or its path. It must not hold clips of a test fold.
        min_snr_db: Lowest ratio of mean powers over the whole sound, dB.
        max_snr_db: Highest, dB.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If the range is not one or reaches beyond -30 to 80 dB, or
            the folder has no sound file.
        SoundFileError: If a sound file in it cannot be read, with its name.
    """

    noise: NoiseFolder | str | os.PathLike[str]
    min_snr_db: float = 0.0
    max_snr_db: float = 30.0

    def __post_init__(self) -> None:
        """Checks the range and reads the folder."""
        check_range("snr_db", self.min_snr_db, self.max_snr_db, -30, 80)
        if not isinstance(self.noise, NoiseFolder):
            # A path is text for whoever writes the call.
            object.__setattr__(self, "noise", NoiseFolder(self.noise))  # type: ignore[arg-type]

    @property
    def folder(self) -> NoiseFolder:
        """The noises."""
        return cast(NoiseFolder, self.noise)  # since __post_init__

    def draw(
        self, rng: np.random.Generator, samples: int, sample_rate_hz: int
    ) -> Background:
        """Draws a file, a place in it and a ratio, each evenly."""
        path = self.folder.files[rng.integers(len(self.folder))]
        return Background(
            file=path.relative_to(self.folder.path).as_posix(),
            place=float(rng.random()),
            snr_db=float(rng.uniform(self.min_snr_db, self.max_snr_db)),
        )

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: Background
    ) -> np.ndarray:
        """Returns the sound with the noise in it."""
        noise = self.folder.cut(
            parameters.file, parameters.place, len(sound), sample_rate_hz
        )
        noise_power = mean_power(noise)
        if not noise_power:
            return sound.copy()
        ratio = mean_power(sound) / noise_power
        return sound + noise * np.float32(
            np.sqrt(ratio * 10 ** (-parameters.snr_db / 10))
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the ranges, and the digest of the noises' contents."""
        return {
            "transform": type(self).__name__,
            "min_snr_db": self.min_snr_db,
            "max_snr_db": self.max_snr_db,
            "noise_files": len(self.folder),
            "noise_sha256": self.folder.sha256(),
        }


def mean_power(sound: np.ndarray) -> float:
    """Returns the mean square of a sound, summed in 64 bits; 0 without samples."""
    return float(np.mean(np.square(sound, dtype=np.float64))) if len(sound) else 0.0
