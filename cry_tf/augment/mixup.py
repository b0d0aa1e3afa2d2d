"""Mixup: two clips of a batch become one, and so do their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Mixup:
    """Mixes each clip of a batch with one of the same batch.

    A share is drawn for each clip from Beta(alpha, alpha); the clip keeps it and
    the partner gives the rest, of the signal and of the label. For alpha 0.2 six
    results in ten are within 5 % of one of the two. Labels become probabilities:
    the loss is `categorical_crossentropy`, not the sparse one.

    Args:
        alpha: Float > 0, how thoroughly clips are mixed: 0.2 mostly a little, 1
            any share as likely as another.
        labels: Number of classes, at least 2.
        seed: Draws partners and shares, anew for each batch and epoch.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:
    ```python
    mixup = Mixup(alpha=0.2, labels=len(data.labels))
    batches = train.to_tf(sample_rate_hz=model.sample_rate_hz, shuffle=True)
    model.fit(mixup.waveforms(batches))
    ```

    Reference:
        [Zhang et al., 2018](https://arxiv.org/abs/1710.09412).
    """

    alpha: float
    labels: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the arguments."""
        if not 0 < self.alpha < float("inf"):
            raise ValueError(
                f"alpha must be a positive number. Received: alpha={self.alpha}."
            )
        if self.labels < 2:
            raise ValueError(
                f"labels must count at least 2 classes. Received: labels={self.labels}."
            )

    def waveforms(
        self, batches: tf.data.Dataset, seeds: tf.data.Dataset | None = None
    ) -> tf.data.Dataset:
        """Mixes batches of waveforms.

        Args:
            batches: Of (float `(batch, samples)`, int `(batch,)`), and float
                `(batch,)` where clips have weights.
            seeds: Int64 `(2,)` for each batch; None draws them from `seed`.

        Returns:
            The same, with float32 `(batch, labels)` for the classes. A mix is as
            loud as its parts at most, and lasts as long as the longer one.
        """

        def mix(seed, waveforms, classes, *weights):
            share, partner = self.draw(seed, _rows(waveforms))
            return (
                _mixed(waveforms, share, partner),
                *self._targets(share, partner, classes, weights),
            )

        return self._mapped(batches, mix, seeds)

    def embeddings(
        self, batches: tf.data.Dataset, seeds: tf.data.Dataset | None = None
    ) -> tf.data.Dataset:
        """Mixes batches of embeddings, step by step.

        A clip keeps its number of steps. A partner with fewer real steps begins
        anew after its last, so that no step is mixed with padding.

        Args:
            batches: Of ((float `(batch, time, features)`, bool mask `(batch,
                time)`), int `(batch,)`), and float `(batch,)` where clips have
                weights. Real steps come first, at least one a clip.
            seeds: See `waveforms`.

        Returns:
            The same, with float32 `(batch, labels)` for the classes.
        """
        return self._mapped(batches, self.mix_embeddings, seeds)

    def mix_embeddings(
        self, seed: Any, inputs: tuple[Any, Any], classes: Any, *weights: Any
    ) -> tuple[Any, ...]:
        """Mixes one batch, see `embeddings`.

        Args:
            seed: Int64 tensor `(2,)`.
            inputs: Float `(batch, time, features)` and bool mask `(batch, time)`.
            classes: Int `(batch,)`.
            *weights: Float `(batch,)`, if clips have weights.
        """
        import tensorflow as tf

        values, mask = inputs
        share, partner = self.draw(seed, _rows(values))
        steps = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        steps = tf.maximum(tf.gather(steps, partner), 1)
        place = tf.range(tf.shape(values)[1])[None] % steps[:, None]
        others = tf.gather(tf.gather(values, partner), place, batch_dims=1)
        kept = tf.cast(share, values.dtype)[:, None, None]
        mixed = kept * values + (1 - kept) * others
        mixed = tf.where(mask[:, :, None], mixed, values)
        return (mixed, mask), *self._targets(share, partner, classes, weights)

    def draw(self, seed: Any, clips: Any) -> tuple[Any, Any]:
        """Draws for one batch.

        Args:
            seed: Int64 tensor `(2,)`.
            clips: Int tensor `()`, the clips in the batch.

        Returns:
            Float32 `(clips,)` in [0, 1], what each clip keeps; int32
            `(clips,)`, the place of its partner, a permutation.
        """
        import tensorflow as tf

        gammas = tf.random.stateless_gamma(
            tf.stack([2, clips]),
            seed,
            tf.constant(self.alpha, tf.float64),
            dtype=tf.float64,
        )
        # Both underflow to 0 for a tiny alpha: then nothing is mixed.
        share = tf.math.divide_no_nan(gammas[1], gammas[0] + gammas[1])
        order = tf.argsort(tf.random.stateless_uniform([clips], seed + 1))
        return tf.cast(1 - share, tf.float32), order

    def _targets(self, share, partner, classes, weights):
        import tensorflow as tf

        truth = tf.one_hot(classes, self.labels)
        return (
            _mixed(truth, share, partner),
            *(_mixed(weight, share, partner) for weight in weights),
        )

    def _mapped(self, batches, mix, seeds=None):
        import tensorflow as tf

        if seeds is None:
            drawn: Any = tf.data.Dataset.random(
                self.seed, rerandomize_each_iteration=True
            )
            seeds = drawn.batch(2)
        pairs: Any = tf.data.Dataset.zip(seeds, batches)
        mixed = pairs.map(lambda seed, batch: mix(seed, *batch), num_parallel_calls=2)
        count = batches.cardinality()
        return mixed.apply(tf.data.experimental.assert_cardinality(count)).prefetch(1)


def _rows(values):
    import tensorflow as tf

    return tf.shape(values)[0]


def _mixed(values, share, partner):
    """Returns `share * values + (1 - share) * values[partner]`, row by row."""
    import tensorflow as tf

    kept = tf.cast(share, values.dtype)
    kept = tf.reshape(kept, [-1] + [1] * (len(values.shape) - 1))
    return kept * values + (1 - kept) * tf.gather(values, partner)
