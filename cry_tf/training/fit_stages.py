"""Trains a model in stages: the head first, then ever deeper layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cry_tf.training.course import Fold, History, Tell
from cry_tf.training.fit import HeadTrainer
from cry_tf.training.fit_keras import fit_courses
from cry_tf.training.fit_waveforms import WaveformTrainer
from cry_tf.training.layer_groups import LayerGroups


class StagedTrainer:
    """Runs trainers of one model one after the other; see `fit.Trainer`.

    Args:
        parts: A trainer a stage, over the same layers; the last one scores.
        groups: Thaws what a stage trains.
        notes: What should be known of the stages.
    """

    def __init__(
        self,
        parts: Sequence[HeadTrainer | WaveformTrainer],
        groups: LayerGroups,
        notes: Sequence[str] = (),
    ):
        self._parts, self._groups, self.notes = parts, groups, tuple(notes)
        self.epochs: Sequence[int] = [part.stage.epochs for part in parts]

    def reset(self) -> None:
        """Puts back the weights, optimizers and random state of the beginning."""
        for part in self._parts:
            part.reset()

    def fit(
        self, indices: np.ndarray, tell: Tell | None = None, fold: Fold | None = None
    ) -> History:
        """Trains every stage; see `fit.Trainer`."""

        def begin(part):
            # A graph is traced at its first step, with the layers as they are then.
            self._groups.thaw(part.stage)
            return part.course(indices)

        courses = [lambda part=part: begin(part) for part in self._parts]
        stages = [part.stage for part in self._parts]
        return fit_courses(courses, stages, tell, fold)

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores whole clips; see `fit.Trainer`."""
        return self._parts[-1].predict(indices)
