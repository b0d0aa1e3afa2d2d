"""Transforms in an order, each with a probability."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_lite.padding import real_length
from cry_tf.augment.transform import Transform, checked

# Raise it when a change of the code changes what stored augmented embeddings mean.
FORMAT = 2


@dataclass(frozen=True)
class Policy:
    """What is done to a clip each time it is trained on.

    Each step is taken with its probability, with parameters drawn anew. The same
    waveform and the same state of `rng` give the same result.

    Args:
        name: What records call it.
        steps: Pairs of a transform and its probability in [0, 1], in the order
            in which they are applied. None leaves every clip as it is.

    Raises:
        ValueError: If a probability is outside [0, 1].

    Example:
    ```python
    policy = Policy("mine", ((Gain(), 0.8), (AddNoise("kitchen/"), 0.5)))
    louder = policy(waveform, 16_000, np.random.default_rng(0))
    ```
    """

    name: str
    steps: tuple[tuple[Transform[Any], float], ...] = ()

    def __post_init__(self) -> None:
        """Checks the probabilities."""
        object.__setattr__(self, "steps", tuple((t, p) for t, p in self.steps))
        for transform, probability in self.steps:
            if not 0 <= probability <= 1:
                raise ValueError(
                    "A step's probability must be in [0, 1]. Received: "
                    f"{probability} for {type(transform).__name__} in {self.name!r}."
                )

    def __call__(
        self, waveform: np.ndarray, sample_rate_hz: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Augments one clip.

        Args:
            waveform: Float `(samples,)`, mono in [-1, 1]; its padding takes no
                part and comes back as zeros.
            sample_rate_hz: Sample rate of the waveform, Hz.
            rng: Draws which steps are taken and how.

        Returns:
            A new float32 array in [-1, 1], longer or shorter where a step
            stretches time. A waveform of zeros stays as it is.

        Raises:
            ValueError: If the waveform is not 1-D, or holds NaN, infinity or a
                sample beyond full scale.
            SoundFileError: If a noise cannot be decoded, with its name.
        """
        waveform = checked(waveform, sample_rate_hz).copy()
        for transform, probability in self.steps:
            if rng.random() < probability:
                samples = real_length(waveform)
                drawn = transform.draw(rng, samples, sample_rate_hz)
                waveform = transform.apply(waveform, sample_rate_hz, drawn)
        return waveform

    def to_dict(self) -> dict[str, Any]:
        """Returns the name and the steps, ready for JSON.

        Noises are named by a digest of their contents, which reads them all once.
        """
        steps = [{**t.to_dict(), "probability": p} for t, p in self.steps]
        return {"name": self.name, "format": FORMAT, "steps": steps}

    def fingerprint(self) -> str:
        """Returns a digest of everything but the name, in hexadecimal."""
        about = {**self.to_dict(), "name": ""}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
