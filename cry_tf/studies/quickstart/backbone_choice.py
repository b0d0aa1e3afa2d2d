"""Chooses the backbone that quickstart trains."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from cry_tf.studies.quickstart.material import MaterialSizes
from cry_tf.training.recipe import FULL, QUICK
from cry_tf.training.settings import Settings

PRETRAINED = "yamnet_audioset"
SMALL = "ds_cnn_s"


@dataclass(frozen=True, kw_only=True)
class BackboneChoice:
    """The backbone of both models.

    Attributes:
        preset: Its name.
        weights: `pretrained`, a path, or None for random weights.
        sentence: The choice and its reason, for the user.
    """

    preset: str
    weights: str | None
    sentence: str

    @classmethod
    def choose(cls, asked: str | None) -> BackboneChoice:
        """Returns the requested backbone, else one whose weights are installed.

        Args:
            asked: Path of YAMNet weights in any format of `cry_hub.formats.read`,
                `pretrained` to have them fetched if they are not installed,
                `none` for a small network with random weights, or None to take
                YAMNet if its weights are installed, else the small network with
                the bundled weights.

        Raises:
            FileNotFoundError: If there is nothing at the path.
            WeightsError: If the cache holds several weights that fit.
        """
        from cry_hub.weights import store

        if asked == "none":
            return cls(
                preset=SMALL,
                weights=None,
                sentence=f"{SMALL}, a small network, trained from random weights, as "
                "asked.",
            )
        if asked == "pretrained":
            return cls(
                preset=PRETRAINED,
                weights="pretrained",
                sentence="YAMNet with its published weights, frozen; only the heads "
                "are trained.",
            )
        if asked is not None:
            # A checkpoint may be given by its prefix.
            if not (os.path.exists(asked) or os.path.exists(f"{asked}.index")):
                raise FileNotFoundError(
                    "--weights takes YAMNet weights (a file or folder), pretrained or "
                    f"none. File not found: {asked}."
                )
            return cls(
                preset=PRETRAINED,
                weights=asked,
                sentence=f"YAMNet with the weights of {asked}, frozen; only the "
                "heads are trained.",
            )
        installed = store.find(PRETRAINED)
        if installed is not None:
            return cls(
                preset=PRETRAINED,
                weights="pretrained",
                sentence=f"YAMNet with the installed weights {installed}, frozen; "
                "only the heads are trained.",
            )
        return cls(
            preset=SMALL,
            weights="pretrained",
            sentence=f"{SMALL}, a small network with bundled weights, frozen; only the "
            "heads are trained. No YAMNet weights are installed: --weights pretrained "
            "or --weights FILE uses YAMNet instead.",
        )

    def settings(
        self,
        task: Literal["detect", "reason"],
        seed: int,
        scale: MaterialSizes,
        folds: int,
    ) -> Settings:
        """Returns how a model of this backbone is trained."""
        if self.weights is None:
            # Three times Keras's rate: few steps, and batch norm keeps it stable.
            recipe = FULL.replace(
                name="quickstart",
                epochs=scale.scratch_epochs,
                batch_size=scale.scratch_batch,
                learning_rate=3e-3,
            )
        else:
            recipe = QUICK.replace(name="quickstart", epochs=scale.head_epochs)
        return Settings(
            task=task,
            recipe=recipe,
            backbone=self.preset,
            weights=self.weights,
            folds=folds,
            seed=seed,
        )

    def folds(self, scale: MaterialSizes) -> int:
        """Returns the number of folds where there are groups enough."""
        return scale.scratch_folds if self.weights is None else scale.head_folds
