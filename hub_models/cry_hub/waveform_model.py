"""What every model of ours checks before it takes waveforms.

Networks answer any numbers: integers of 16 bits, another sample rate or labels in
another order give scores that look right. So what goes into `fit`, `evaluate`,
`predict` and a call is checked where it comes in. Of a `tf.data.Dataset` that
happens in the pipeline, beside the decoding, and nothing of it is in the step that
trains, in a saved model or in an exported file.
"""

from __future__ import annotations

import contextlib
import re
import types
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cry_hub import requirements
from cry_lite.waveform import MAX_PEAK, check_dtype, check_waveform

requirements.check_keras()

# Keras cannot import a model's package by itself. It shows a config that it cannot
# read, and this comes first in ours.
HOW_TO_LOAD = {"how_to_load": "import cry_tf before keras.saving.load_model"}

_SCALE = (
    "A waveform must hold finite samples in [-1, 1]. Received: samples above "
    f"{MAX_PEAK:g}, or not finite. Divide 16-bit samples by 32768."
)


class WaveformModel:
    """Mixin, placed before `keras.Model`, for models that take waveforms.

    `fit`, `evaluate` and `predict` take the same arguments as Keras's. The batches of
    `cry_tf.data.Dataset.to_tf` get the sample rate and the labels of the model and,
    in `fit`, a new order each epoch, unless their arguments say otherwise.

    Raises:
        ValueError: If a waveform is not float or more than 24 dB beyond full scale,
            if batches have another sample rate, or if labels are not the model's.
    """

    # Places below 0 that stand for "no label".
    _lowest_place = 0

    @property
    def sample_rate_hz(self) -> int | None:
        """Rate of the waveforms, Hz; None where it is not known."""
        return None

    @property
    def _label_names(self) -> tuple[str, ...] | None:
        """Names of the outputs, None where they have none."""
        return getattr(self, "labels", None) or None

    @property
    def _place_count(self) -> int | None:
        """Number of places; a single score stands for two classes."""
        count = self._label_count
        return None if count is None else max(2, count)

    @property
    def _label_count(self) -> int | None:
        names = self._label_names
        return None if names is None else len(names)

    def _waveforms(self, x: Any) -> list[Any]:
        """Returns those of the inputs that are waveforms."""
        if isinstance(x, dict):
            return list(x.values())
        return list(x) if isinstance(x, (list, tuple)) else [x]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args:
            self._check_inputs(args[0])
        return super().__call__(*args, **kwargs)  # type: ignore[misc]

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Does what `keras.Model.fit` does, after the checks of the class."""
        x = self._checked(x, y, has_labels=True, is_training=True)
        if isinstance(validation_data, (list, tuple)):
            self._checked(*validation_data[:2], has_labels=True)
        elif validation_data is not None:
            validation_data = self._checked(validation_data, has_labels=True)
        # Keras has True as the default, and warns of it where it cannot shuffle.
        if isinstance(x, (tf.data.Dataset, types.GeneratorType)):
            shuffle = False
        with self._plain_errors():
            return super().fit(  # type: ignore[misc]
                x,
                y,
                batch_size,
                epochs,
                verbose,
                callbacks,
                validation_split,
                validation_data,
                shuffle,
                **kwargs,
            )

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Does what `keras.Model.evaluate` does, after the checks of the class."""
        # `fit` says so where it calls it each epoch, with what was checked.
        if not kwargs.get("_use_cached_eval_dataset"):
            x = self._checked(x, y, has_labels=True)
        with self._plain_errors():
            return super().evaluate(x, y, *args, **kwargs)  # type: ignore[misc]

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Does what `keras.Model.predict` does, after the checks of the class."""
        x = self._checked(x)
        with self._plain_errors():
            return super().predict(x, *args, **kwargs)  # type: ignore[misc]

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Does what Keras does, after the checks of the class."""
        self._checked(x, y, has_labels=True)
        return super().train_on_batch(x, y, *args, **kwargs)  # type: ignore[misc]

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Does what Keras does, after the checks of the class."""
        self._checked(x, y, has_labels=True)
        return super().test_on_batch(x, y, *args, **kwargs)  # type: ignore[misc]

    def predict_on_batch(self, x: Any) -> Any:
        """Does what Keras does, after the checks of the class."""
        self._checked(x)
        return super().predict_on_batch(x)  # type: ignore[misc]

    def _checked(
        self,
        x: Any,
        y: Any = None,
        has_labels: bool = False,
        is_training: bool = False,
    ) -> Any:
        """Returns data to give to Keras in place of `x`."""
        if hasattr(x, "for_model"):
            names = self._label_names if has_labels else None
            return x.for_model(self.sample_rate_hz, names, is_training)
        if isinstance(x, tf.data.Dataset):
            self._check_sources(x, has_labels, is_training)
            return self._checked_dataset(x, has_labels)
        if isinstance(x, types.GeneratorType):
            return self._checked_batches(x, has_labels)
        if isinstance(x, keras.utils.PyDataset):
            # It may be read by several processes: its beginning stands for all.
            next(self._checked_batches([x[0]], has_labels))
            return x
        self._check_inputs(x)
        if has_labels:
            self._check_labels(y)
        return x

    def _checked_batches(self, batches: Any, has_labels: bool) -> Iterator[Any]:
        for batch in batches:
            x, y, _ = _parts(batch)
            self._check_inputs(x)
            if has_labels:
                self._check_labels(y)
            yield batch

    def _check_inputs(self, x: Any) -> None:
        for waveform in self._waveforms(x):
            if isinstance(waveform, np.ndarray):
                check_waveform(waveform)
            elif keras.ops.is_tensor(waveform):
                check_dtype(waveform.dtype)
                if tf.executing_eagerly():
                    check_waveform(np.asarray(keras.ops.convert_to_numpy(waveform)))

    def _check_labels(self, y: Any) -> None:
        count = self._place_count
        if count is None or not isinstance(y, np.ndarray) or not y.size:
            return
        if (y.ndim == 1 or y.shape[1:] == (1,)) and y.dtype.kind in "iuf":
            low, high = y.min(), y.max()
            if not self._lowest_place <= low <= high < count:
                raise ValueError(f"{self._places_rule} Received: {low} to {high}.")

    @property
    def _places_rule(self) -> str:
        names = self._label_names
        listed = f" ({', '.join(names)})" if names and len(names) <= 10 else ""
        count = self._place_count or 0
        return (
            f"Labels must be places in the {count} of the model{listed}, "
            f"{self._lowest_place} to {count - 1}."
        )

    def _check_sources(self, dataset: Any, has_labels: bool, is_training: bool) -> None:
        """Checks the batches of ours that others were made of."""
        sources = list(_sources(dataset))
        rates = {source.sample_rate_hz for source in sources}
        if rates and self.sample_rate_hz and self.sample_rate_hz not in rates:
            found = ", ".join(f"{rate} Hz" for rate in sorted(rates))
            raise ValueError(
                f"Waveforms for {self.name} must be at {self.sample_rate_hz} Hz. "  # type: ignore[attr-defined]
                f"Received: batches at {found}. Make them with "
                f"to_tf(sample_rate_hz={self.sample_rate_hz})."
            )
        if is_training and sources and all(each.is_ordered for each in sources):
            warnings.warn(
                f"{self.name} is trained on clips in the order of their labels. "  # type: ignore[attr-defined]
                "Make the batches with to_tf(shuffle=True).",
                stacklevel=4,
            )
        names = self._label_names
        for source in sources if has_labels else ():
            if names is not None and names[: len(source.labels)] != source.labels:
                raise ValueError(
                    "Labels of batches must be those of the model in the same order. "
                    f"Received: {', '.join(source.labels)} for a model of "
                    f"{', '.join(names)}. Make them with to_tf(labels=model.labels)."
                )

    def _checked_dataset(self, dataset: Any, has_labels: bool) -> Any:
        spec = dataset.element_spec
        x, y, _ = _parts(spec)
        waveforms = [w for w in self._waveforms(x) if isinstance(w, tf.TensorSpec)]
        for waveform in waveforms:
            check_dtype(waveform.dtype)
        count = self._place_count if has_labels else None
        if count is None or not isinstance(y, tf.TensorSpec) or not _are_places(y):
            count = None

        @tf.autograph.experimental.do_not_convert
        def check(*element: Any) -> Any:
            batch = element if isinstance(spec, tuple) else element[0]
            x, y, _ = _parts(batch)
            rules = [
                tf.debugging.Assert(tf.reduce_all(tf.abs(w) <= MAX_PEAK), [_SCALE])
                for w in self._waveforms(x)
                if isinstance(w, tf.Tensor)
            ]
            if count is not None:
                is_place = (y >= self._lowest_place) & (y < count)
                message = [self._places_rule, tf.reduce_min(y), tf.reduce_max(y)]
                rules.append(tf.debugging.Assert(tf.reduce_all(is_place), message))
            with tf.control_dependencies(rules):
                element = tf.nest.map_structure(tf.identity, element)
            return element if isinstance(spec, tuple) else element[0]

        # In a separate thread, one batch ahead.
        return dataset.map(check, num_parallel_calls=2, deterministic=True)

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turns the failed checks of a pipeline into a `ValueError`."""
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            if _SCALE in str(error):
                raise ValueError(_SCALE) from None
            if self._label_count is not None and self._places_rule in str(error):
                rest = str(error).split(self._places_rule, 1)[1]
                low, high = re.findall(r"-?\d+", rest)[:2]
                raise ValueError(
                    f"{self._places_rule} Received: {low} to {high}."
                ) from None
            raise


def _parts(batch: Any) -> Any:
    """Returns inputs, labels and weights, each None where there is none."""
    return keras.utils.unpack_x_y_sample_weight(batch)


def _are_places(spec: tf.TensorSpec) -> bool:
    is_row = spec.shape.rank == 1 or (spec.shape.rank == 2 and spec.shape[1] == 1)
    return is_row and (spec.dtype.is_integer or spec.dtype.is_floating)


def _sources(dataset: Any) -> Iterator[Any]:
    """Yields the batches of `to_tf` that a dataset was made of."""
    if hasattr(dataset, "for_model"):
        yield dataset
    else:
        for each in dataset._inputs():
            yield from _sources(each)
