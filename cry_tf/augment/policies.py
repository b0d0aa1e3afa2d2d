"""The policies that have a name."""

from __future__ import annotations

import os
from typing import Any

from cry_tf.augment.add_noise import AddNoise
from cry_tf.augment.band_limit import BandLimit
from cry_tf.augment.codec_like import CodecLike
from cry_tf.augment.gain import Gain
from cry_tf.augment.noise_folder import NoiseFolder
from cry_tf.augment.pitch_shift import PitchShift
from cry_tf.augment.policy import Policy
from cry_tf.augment.reverb import Reverb
from cry_tf.augment.time_shift import TimeShift
from cry_tf.augment.time_stretch import TimeStretch
from cry_tf.augment.transform import Transform

NAMES = ("none", "light", "strong")


def get(name: str, noise: NoiseFolder | str | os.PathLike[str] | None = None) -> Policy:
    """Returns a named policy.

    Steps follow the sound's way: the infant (pitch, tempo), the moment, the
    room, background sounds, the distance, the recorder. The ranges are
    our choice, not taken from a paper.

    Args:
        name: `none` changes nothing. `light` changes level, place in the clip
            and, for some clips, band and background (10 to 30 dB): nothing that
            a person would notice as processing. `strong` takes every transform,
            with backgrounds from 0 to 30 dB: about 3 of its 8 steps for a clip.
        noise: Folder of sounds to mix in. None leaves that step out. It must not
            hold clips of a test fold.

    Raises:
        ValueError: If the name is unknown, or `none` is given a noise folder.
        OSError: If the noise folder or a file in it cannot be read.
    """
    if name not in NAMES:
        raise ValueError(
            f"An augmentation policy is one of {', '.join(NAMES)}. Received: {name!r}."
        )
    if name == "none":
        if noise is not None:
            raise ValueError(
                "The policy none mixes nothing in. Received a noise folder with it: "
                f"{noise}. Take light or strong, or leave the folder out."
            )
        return Policy("none")
    min_snr_db = 10.0 if name == "light" else 0.0
    background: list[tuple[Transform[Any], float]] = []
    if noise is not None:
        background = [(AddNoise(noise, min_snr_db=min_snr_db), 0.5)]
    if name == "light":
        return Policy(
            "light",
            (
                (TimeShift(), 0.5),
                *background,
                (Gain(min_gain_db=-6.0, max_gain_db=6.0), 0.8),
                (BandLimit(), 0.3),
            ),
        )
    return Policy(
        "strong",
        (
            (PitchShift(), 0.4),
            (TimeStretch(), 0.4),
            (TimeShift(), 0.5),
            (Reverb(), 0.4),
            *background,
            (Gain(), 0.8),
            (BandLimit(), 0.4),
            (CodecLike(), 0.3),
        ),
    )
