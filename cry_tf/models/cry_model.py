"""Base class of detector and classifier: from waveform to scores."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, Self

import keras

from cry_hub.backbone import Backbone
from cry_hub.fast_training.prepare import prepare_training
from cry_hub.waveform_classifier import WaveformClassifier
from cry_hub.waveform_model import HOW_TO_LOAD, WaveformModel
from cry_lite.spec import DecisionSpec, ModelSpec
from cry_tf.layers import pooling as pooling_layers
from cry_tf.models.head_layers import head_layers


class CryModel(WaveformModel, keras.Model):
    """A backbone, a pooling layer and a softmax over labels.

    A functional Keras model: `compile`, `fit`, `evaluate`, `predict`, `save` and
    `keras.saving.load_model` work as usual. Its layers are
    `waveform`, the backbone under its own name, `time_mask`, `pooling`, `dropout`,
    `logits` and `scores`; an `mlp` head has `hidden` and `hidden_dropout` before
    `logits`, and in a `prototype` head `logits` is a `PrototypeLogits`.

    The faint tail of a waveform counts as padding (see `cry_lite.padding`): a clip has
    the same scores alone and in a batch of longer ones. Logits and scores are float32
    under any dtype policy.

    Inputs are checked: integers, samples far beyond full scale, another sample rate
    and unknown labels raise. Batches of `Dataset.to_tf` take the model's sample rate
    and labels, and are shuffled in each epoch of `fit`.

    Attributes:
        task: `detect` or `reason`.
        backbone: The backbone. `model.backbone.trainable = False` freezes it,
            batch norm included.
        pooling: The pooling layer.
        dropout: Rate of the dropout after the pooling and after a hidden layer.
        head: `softmax`, `mlp` or `prototype`.
    """

    task: ClassVar[Literal["detect", "reason"]]

    def __init__(
        self,
        backbone: Backbone,
        labels: Sequence[str],
        pooling: str | keras.layers.Layer = "statistic",
        dropout: float = 0.0,
        decision: DecisionSpec | None = None,
        head: str = "softmax",
        **kwargs: Any,
    ):
        if not isinstance(backbone, Backbone):
            raise ValueError(
                "backbone must be a cry_hub Backbone, for instance "
                f"cry_hub.load('ds_cnn_s', weights=None). Received: {backbone!r}."
            )
        labels = _checked_labels(labels)
        pooling_layer = pooling_layers.get(pooling)

        waveform = keras.Input((None,), name="waveform", dtype="float32")
        embeddings = backbone(waveform)
        mask = backbone.time_mask()(waveform)
        pooled = pooling_layer(embeddings, mask=mask)
        if len(pooled.shape) != 2:
            raise ValueError(
                "A pooling layer must give one vector a clip, (batch, units). "
                f"Received: {pooling!r}, which gives {pooled.shape}."
            )
        scores = pooled
        layers = head_layers(head, len(labels), dropout)
        for layer in layers:
            scores = layer(scores)
        super().__init__(waveform, scores, **kwargs)

        self.backbone = backbone
        self.pooling = pooling_layer
        self.dropout = dropout
        self.head = head
        self._head_names = tuple(layer.name for layer in layers)
        self._labels = labels
        self.decision = DecisionSpec() if decision is None else decision
        self.jit_compile = backbone.prefers_jit

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the scores, in the order of the output."""
        return self._labels

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the waveforms, Hz."""
        return self.backbone.sample_rate_hz

    @property
    def positive_label(self) -> str | None:
        """The label that means a cry; None for a classifier."""
        return None

    @property
    def positive_names(self) -> tuple[str, ...]:
        """Labels of the data set that mean a cry, see `ModelSpec`."""
        return ()

    @property
    def decision(self) -> DecisionSpec:
        """How scores become events. Set it to change thresholds; it is saved.

        Raises:
            ValueError: If it is set to anything but a `DecisionSpec`.
        """
        return self._decision

    @decision.setter
    def decision(self, value: DecisionSpec) -> None:
        if not isinstance(value, DecisionSpec):
            raise ValueError(f"decision must be a DecisionSpec. Received: {value!r}.")
        self._decision = value

    @property
    def spec(self) -> ModelSpec:
        """Labels, front end and decision of this model, as a device needs them."""
        return ModelSpec(
            task=self.task,
            labels=self.labels,
            front_end=self.backbone.front_end_spec,
            decision=self.decision,
            positive_label=self.positive_label,
            positive_names=self.positive_names,
        )

    def head_model(self) -> keras.Model:
        """Returns the part after the backbone, to train on cached embeddings.

        Its layers are those of this model: training one trains the other.

        Returns:
            A model from `[embeddings, mask]`, float `(batch, time, features)` and
            bool `(batch, time)`, to scores `(batch, labels)`.

        Example:
        ```python
        embeddings = model.backbone.predict(waveforms)
        mask = model.backbone.time_mask()(waveforms)
        head = model.head_model()
        head.compile("adam", "sparse_categorical_crossentropy")
        head.fit([embeddings, mask], label_indices)
        model.predict(waveforms)  # uses the head just trained
        ```
        """
        features = self.backbone.embedding_features
        embeddings = keras.Input((None, features), name="embeddings")
        mask = keras.Input((None,), name="mask", dtype="bool")
        x = self.pooling(embeddings, mask=mask)
        for name in self._head_names:
            x = self.get_layer(name)(x)
        return keras.Model([embeddings, mask], x, name=f"{self.name}_head")

    def logits_model(self) -> WaveformClassifier:
        """Returns the same model without its softmax, for example for calibration.

        Its layers are those of this model.

        Returns:
            A model from waveforms `(batch, samples)` to logits `(batch, labels)`.
        """
        logits = self.get_layer("logits").output
        name = f"{self.name}_logits"
        return WaveformClassifier(self.input, logits, name=name, labels=self.labels)

    def compile(self, *args: Any, jit_compile: bool | str = "auto", **kwargs: Any):
        """Compiles as `keras.Model.compile` does, with one other default.

        `jit_compile="auto"` means no XLA. Keras would use XLA on every GPU, and compile
        again for every length of waveform. On a CPU a training step is faster
        without it, see `cry_hub.fast_training.prepare`.
        """
        jit_compile = jit_compile is True
        prepare_training(self, jit_compile=jit_compile)
        super().compile(*args, jit_compile=jit_compile, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # Keras leaves this to models with a `compile` of their own.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def get_config(self) -> dict[str, Any]:
        # No super(): a functional model's config is its graph, which the
        # constructor builds again from these.
        return {
            **HOW_TO_LOAD,
            "name": self.name,
            "trainable": self.trainable,
            "task": self.task,
            "labels": list(self.labels),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "pooling": keras.saving.serialize_keras_object(self.pooling),
            "dropout": self.dropout,
            "head": self.head,
            "decision": self.decision.to_dict(),
            "frozen_layers": [
                name for name, layer in _named_layers(self) if not layer.trainable
            ],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        config = {name: config[name] for name in config.keys() - HOW_TO_LOAD.keys()}
        task = config.pop("task", cls.task)
        if task != cls.task:
            raise ValueError(
                f"{cls.__name__} has the task {cls.task!r}. Received a config with "
                f"task={task!r}: load it with the class that saved it."
            )
        trainable = config.pop("trainable", True)
        frozen_layers = set(config.pop("frozen_layers", ()))
        for part in ("backbone", "pooling"):
            config[part] = keras.saving.deserialize_keras_object(
                config[part], custom_objects=custom_objects
            )
        if "decision" in config:
            config["decision"] = DecisionSpec.from_dict(config["decision"])
        model = cls(**config)
        # Setting True would unfreeze every layer below.
        if not trainable:
            model.trainable = False
        for name, layer in _named_layers(model):
            if name in frozen_layers:
                layer.trainable = False
        return model


def _named_layers(
    model: keras.Model, prefix: str = ""
) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yields every layer with its path, a nested model after its layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _named_layers(layer, f"{prefix}{layer.name}/")
        yield f"{prefix}{layer.name}", layer


def _checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    names = (labels,) if isinstance(labels, str) else tuple(labels)
    if (
        len(names) < 2
        or len(set(names)) < len(names)
        or not all(isinstance(name, str) and name.strip() for name in names)
        # The export writes them one a line.
        or any(name.splitlines() != [name] for name in names)
    ):
        raise ValueError(
            "labels must be at least two different names on one line each, none of "
            f"them empty. Received: labels={labels!r}."
        )
    # As `cry_tf.data` composes the labels of clips.
    return tuple(unicodedata.normalize("NFC", name) for name in names)
