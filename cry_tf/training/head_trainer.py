"""Trains the head of a model on embeddings that are computed once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cry_hub import keras_internals
from cry_tf.augment import Mixup, Policy
from cry_tf.data import Dataset, EmbeddingCache, Embeddings
from cry_tf.data.epoch_order import EpochOrder
from cry_tf.runs import memory
from cry_tf.runs.progress import Progress, counted
from cry_tf.training import imbalance
from cry_tf.training.feature_maps import Versions
from cry_tf.training.recipe import Recipe, Stage
from cry_tf.training.trainer import (
    SCORING_BATCH,
    HoldOut,
    KerasTrainer,
    StageFit,
    compile_once,
)


def embed(
    model: Any,
    dataset: Dataset,
    cache: EmbeddingCache,
    progress: Progress,
    policy: Policy | None = None,
    copies: int = 0,
    seed: int = 0,
) -> Embeddings:
    """Returns the embeddings of clips from the cache, or computes them.

    Args:
        model: A `CryModel`; its backbone is run.
        dataset: The clips.
        cache: Where embeddings are kept.
        progress: Takes progress, notes, and warnings about clips left out.
        policy: How augmented copies are made, or None.
        copies: Of each clip.
        seed: Draws them.

    Raises:
        ValueError: If no clip could be decoded, or the backbone gives NaN.
    """
    with progress.bar("embeddings", (1 + copies) * len(dataset)) as advance:
        advice = "What was computed is kept. Cut the longest clips into shorter ones."
        with memory.explained("clips went through the backbone", advice):
            found = cache.embed(
                model.backbone,
                dataset,
                progress=counted(advance),
                augment=policy,
                copies=copies,
                seed=seed,
            )
    for note in found.notes:
        progress.line(f"  {note}")
    for problem in found.problems:
        progress.warn(f"left out: {problem.sentence}")
    return found


# From places int64 (batch,), seed int64 (2,) and the weights of all clips to inputs,
# truth and weights of a batch.
Gather = Callable[[Any, Any, Any], tuple[Any, Any, Any]]


class WholeEpochs:
    """Runs a whole epoch of `fit` in one TensorFlow graph.

    A step of a head takes less than what Keras and `tf.data` do around it. Here the
    batches of an epoch are gathered and trained on within a loop of the graph, which
    is traced once and serves every fold. The steps are those of Keras, in the same
    order. On one core 50 epochs of 366 clips of 14 patches take 1.2 s, and 6.8 s with
    Keras's `steps_per_execution` of a whole epoch over the same batches; of 1,600
    clips of 20 patches 10.2 s and 14.7 s (the head of `benchmarks/head_training.py`).

    Args:
        model: Compiled, without XLA; its `fit` takes `batches` from here on.
        gather: Makes a batch.
        batch_size: Clips per batch, int >= 1.
        specs: Shapes and types of what `gather` gives, as `KerasTensor`s.

    Attributes:
        batches: What `fit` is given, with `steps_per_epoch=1`.
    """

    def __init__(
        self,
        model: keras.Model,
        gather: Gather,
        batch_size: int,
        specs: Sequence[Any],
    ):
        self._model, self._gather, self._batch_size = model, gather, batch_size
        self._step = model.train_step
        self._done: Any = tf.Variable(tf.constant(0), trainable=False)
        self._now: Any = None
        self.batches = tf.data.Dataset.from_tensors(0).repeat()
        # Built from the specs, as `batches` has no inputs.
        keras_internals.build_for(model, tuple(specs))
        keras_internals.replace_train_step(model, self._epoch)

    def begin(self, order: EpochOrder, stage: Stage, weights: np.ndarray) -> None:
        """Sets the clips to train on.

        Args:
            order: What each epoch shows; its `epoch` is read when an epoch begins.
            stage: Gives the learning rate of each batch.
            weights: Float32 `(clips,)`.
        """

        def now() -> tuple[np.ndarray, ...]:
            numbers = np.arange(order.batches) + 0.5
            rates = [stage.rate_at(order.epoch + n / order.batches) for n in numbers]
            return (
                order.places(),
                order.batch_seeds(),
                np.asarray(rates, np.float32),
                weights,
            )

        self._now = now

    def done(self) -> int:
        """Returns how many batches of the epoch were trained on.

        Fewer than it has if the loss became NaN or infinite in the last one.
        """
        return int(self._done.numpy())

    def _epoch(self, _: Any) -> dict[str, Any]:
        dtypes = [tf.int64, tf.int64, tf.float32, tf.float32]
        found = tf.numpy_function(lambda: self._now(), [], dtypes)
        ranks = [[None], [None, 2], [None], [None]]
        places, seeds, rates, weights = map(tf.ensure_shape, found, ranks)
        optimizer: Any = self._model.optimizer

        def step(number, _):
            optimizer.learning_rate.assign(rates[number])
            start = number * self._batch_size
            shown = places[start : start + self._batch_size]
            figures = self._step(self._gather(shown, seeds[number], weights))
            return number + 1, tf.math.is_finite(figures["loss"])

        count = tf.size(rates)
        done, _ = tf.while_loop(
            lambda number, is_finite: (number < count) & is_finite,
            step,
            (tf.constant(0), tf.constant(True)),
        )
        self._done.assign(done)
        return self._model.get_metrics_result()


class HeadTrainer(KerasTrainer):
    """Trains the head of a model on embeddings that are computed already.

    Args:
        model: A `CryModel`; its own head is trained, its backbone untouched.
        embeddings: A float array `(time, features)` for each clip.
        truth: Int array `(clips,)`, index of the true label.
        recipe: How to train.
        seed: Draws the order of the clips.
        step_s: Seconds between two steps of the time axis.
        copies: For each clip, its augmented copies `(time, features)`. Training
            shows a clip and its copies in turn, in no longer epochs; only the
            clips themselves are scored.
        stage: Which of the recipe's stages, None for the last.
        hold_out: Takes validation clips from the training clips, or None.
        names: Names of the clips, for error messages.
    """

    def __init__(
        self,
        model: Any,
        embeddings: Sequence[np.ndarray],
        truth: np.ndarray,
        recipe: Recipe,
        seed: int,
        step_s: float,
        copies: Sequence[Sequence[np.ndarray]] = (),
        stage: Stage | None = None,
        hold_out: HoldOut | None = None,
        names: Sequence[str] = (),
    ):
        super().__init__(recipe, stage, hold_out)
        self._truth, self._seed, self._names = truth, seed, names
        every = [*embeddings, *(copy for clip in copies for copy in clip)]
        self._versions = Versions(len(embeddings), [len(clip) for clip in copies])
        self._steps = tf.constant(np.concatenate(every))  # (all steps, features)
        self._lengths = np.array([len(clip) for clip in every])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._step_s = step_s
        self._longest = max(1, math.ceil(recipe.max_seconds / step_s))
        self._head = model.head_model()
        # XLA makes a small head four times slower on a CPU.
        self._state = compile_once(self._head, recipe)
        labels = self._head.output_shape[-1]
        self._mixup = Mixup(recipe.mixup, labels, seed) if recipe.mixup else None
        self._epochs = self._whole_epochs()

    def _truth_at(self, indices: np.ndarray) -> np.ndarray:
        return self._truth[indices]

    def _stage_fit(self, indices: np.ndarray) -> StageFit:
        recipe, truth = self._recipe, self._truth[indices]
        imbalance.set_label_counts(self._head.loss, truth)
        weights = np.ones(len(self._truth), np.float32)
        weights[indices] = imbalance.clip_weights(truth, recipe.imbalance)
        shown = imbalance.shown_places(truth, recipe.imbalance, self._seed)
        versions = self._versions.of(indices[shown])
        order = EpochOrder(versions, self._seed, recipe.batch_size, len(indices))
        self._epochs.begin(order, self.stage, weights)
        return StageFit(
            self._head,
            self._state,
            self.stage,
            order,
            self._epochs.batches,
            done=self._epochs.done,
            names=lambda places: (
                [self._names[int(clip)] for clip in self._versions.clip[places]]
                if len(self._names)
                else []
            ),
            advice=f"Lower --batch-size (now {recipe.batch_size}).",
        )

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores whole clips; see `Trainer`."""
        starts = range(0, len(indices), SCORING_BATCH)
        batches = [indices[start : start + SCORING_BATCH] for start in starts]
        longest_s = self._lengths[indices].max() * self._step_s
        advice = (
            f"Clips are scored whole, the longest lasts {longest_s:.0f} s: cut it into "
            "shorter ones."
        )
        with memory.explained(f"{len(indices)} clips were scored", advice):
            scores = [
                self._head.predict_on_batch(self._gather(batch, self._lengths))
                for batch in batches
            ]
        return np.concatenate(scores)

    def _whole_epochs(self) -> WholeEpochs:
        lengths = np.minimum(self._lengths, self._longest)

        def gather(places, seed, weights):
            clip = tf.gather(self._versions.clip, places)
            inputs = self._gather(places, lengths)
            truth, weight = tf.gather(self._truth, clip), tf.gather(weights, clip)
            if self._mixup is None:
                return inputs, truth, weight
            return self._mixup.mix_embeddings(seed, inputs, truth, weight)

        labels = self._head.output_shape[-1]
        truth = keras.KerasTensor((None,), "int64")
        if self._mixup is not None:
            truth = keras.KerasTensor((None, labels), "float32")
        specs = (
            tuple(self._head.inputs),
            truth,
            keras.KerasTensor((None,), "float32"),
        )
        return WholeEpochs(self._head, gather, self._recipe.batch_size, specs)

    def _gather(self, index: Any, lengths: np.ndarray) -> tuple:
        """Returns embeddings (batch, time, features) and mask (batch, time)."""
        starts = tf.gather(self._starts, index)
        steps = tf.gather(lengths, index)
        ragged = tf.gather(self._steps, tf.ragged.range(starts, starts + steps))
        features = self._steps.shape[-1]
        return ragged.to_tensor(shape=(None, None, features)), tf.sequence_mask(steps)
