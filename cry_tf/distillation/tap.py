"""Reads logits and the features of a layer from any classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import keras

from cry_hub.backbone import Backbone
from cry_hub.patches import MeanOverPatches

FeatureLoss = Literal["mse", "cosine"]


@dataclass(frozen=True, kw_only=True)
class FeatureMatching:
    """What the student's embedding, projected, is to come close to.

    A dense layer that is trained with the student and then left away projects the
    student's pooled embedding to as many features as the teacher has. Several
    teachers' embeddings stand one after the other.

    Attributes:
        loss: `mse`, the mean over features of the squared difference, or `cosine`,
            one minus the cosine: directions alone.
        weight: Of this loss beside the others, positive.
        teacher_layer: Name of the teacher's layer to read, a sequence of them for
            several teachers. None takes the pooled embedding: the output of
            `pooling` in a `CryModel`, the mean over time of another network's
            backbone, else what goes into the last layer. A layer with axes
            between batch and features is averaged over them, padding included.
        student_layer: The same of the student.
        teacher_features: Length of the teacher's embedding, for a distiller
            without a teacher; it is known otherwise.
    """

    loss: FeatureLoss = "mse"
    weight: float = 1.0
    teacher_layer: str | tuple[str | None, ...] | None = None
    student_layer: str | None = None
    teacher_features: int | None = None

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        if self.loss not in get_args(FeatureLoss):
            raise ValueError(
                f"loss must be one of {', '.join(get_args(FeatureLoss))}. "
                f"Received: loss={self.loss!r}."
            )
        if not 0 < self.weight < float("inf"):
            raise ValueError(
                "weight of the features must be positive and finite. Received: "
                f"weight={self.weight!r}. Leave features out for none."
            )
        if self.teacher_features is not None and self.teacher_features < 1:
            raise ValueError(
                "teacher_features must be positive. Received: "
                f"teacher_features={self.teacher_features!r}."
            )
        if not isinstance(self.teacher_layer, (str, type(None))):
            object.__setattr__(self, "teacher_layer", tuple(self.teacher_layer))

    def teacher_layers(self, teachers: int) -> tuple[str | None, ...]:
        """Returns the name of the layer of each of so many teachers.

        Raises:
            ValueError: If there are names for another number of them.
        """
        if isinstance(self.teacher_layer, tuple):
            if len(self.teacher_layer) != teachers:
                raise ValueError(
                    "teacher_layer must name one layer, or one a teacher. Received: "
                    f"{len(self.teacher_layer)} names for {teachers} teachers."
                )
            return self.teacher_layer
        return (self.teacher_layer,) * teachers

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> FeatureMatching:
        """Makes it from `to_dict`'s result."""
        return cls(**fields)


def get(
    value: FeatureMatching | str | Sequence[str | None] | bool | None,
) -> FeatureMatching | None:
    """Returns how to match features, or None for not at all.

    Args:
        value: A `FeatureMatching`; True for one with its defaults; the name of a
            teacher's layer, or one a teacher; None or False for none.
    """
    if isinstance(value, FeatureMatching):
        return value
    if value is None or value is False:
        return None
    if value is True:
        return FeatureMatching()
    layer = value if isinstance(value, str) else tuple(value)
    return FeatureMatching(teacher_layer=layer)


ops: Any = keras.ops  # typed, wrongly, as often None

# Scores that are closer to 0 or 1 are not resolved in float32.
_CLOSEST = 1e-7
_SMALLEST = 1e-30
_ACTIVATIONS = ("softmax", "sigmoid")


class Tap:
    """A classifier with more outputs than its scores, over the same layers.

    Logits are the output of the layer named `logits`, or the output of a model
    that ends linearly, or scores of a softmax or sigmoid taken back to logits.

    Args:
        model: A classifier that Keras knows the graph of, with one output
            `(batch, labels)`.
        role: `teacher` or `student`, for errors.
        with_features: Whether to read an embedding too.
        layer: Name of the layer to read it from; None takes the pooled one.

    Attributes:
        activation: `softmax` or `sigmoid`, what makes scores of logits; None where
            the model ends in logits.
        labels: Number of labels.
        names: Their names, or None if unknown.
        features: Length of the embedding, 0 without one.
        sample_rate_hz: Of the model's input, Hz; None if unknown.

    Raises:
        ValueError: If the model is no such classifier or has no such layer.
    """

    def __init__(
        self,
        model: Any,
        role: str,
        with_features: bool = False,
        layer: str | None = None,
    ):
        if not isinstance(model, keras.Model):
            raise ValueError(
                f"{role} must be a Keras classifier. Received: {model!r}. "
                "keras.saving.load_model reads a saved one."
            )
        tensors = _tensors(model, role)
        output: Any = model.outputs[0]
        if len(model.outputs) != 1 or len(output.shape) != 2 or output.shape[1] is None:
            raise ValueError(
                f"{role} must have one output (batch, labels). Received: "
                f"{model.name!r} with {[tuple(each.shape) for each in model.outputs]}. "
                "A backbone needs pooling and a layer of logits after it."
            )
        self.model, self.role = model, role
        self.labels = int(output.shape[1])
        names = getattr(model, "labels", None)
        self.names = None if names is None else tuple(names)
        ending = _ending(model)
        if ending not in (*_ACTIVATIONS, "linear"):
            raise ValueError(
                f"{role} must end in logits, a softmax or a sigmoid. Received: "
                f"{model.name!r}, which ends in {ending}. Name the layer that gives "
                "its logits `logits`."
            )
        self.activation = ending if ending in _ACTIVATIONS else None
        logits = tensors.get("logits")
        if logits is not None and tuple(logits.shape) != tuple(output.shape):
            logits = None
        self._are_scores = logits is None and ending != "linear"
        self.sample_rate_hz = None
        backbone = _backbone(model)
        if backbone is not None:
            self.sample_rate_hz = backbone.front_end_spec.sample_rate_hz
        ends = {"scores": output, "logits": output if logits is None else logits}
        self.features = 0
        if with_features:
            ends["features"] = self._embedding(tensors, backbone, layer)
            self.features = int(ends["features"].shape[-1])
        # A list of one would not fit a tensor.
        starts = model.inputs[0] if len(model.inputs) == 1 else model.input
        self._ends = keras.Model(starts, ends, name=f"{model.name}_tap")

    def __call__(self, inputs: Any, training: bool) -> dict[str, Any]:
        """Runs the model once.

        Returns:
            Float32 `scores` and `logits`, `(batch, labels)` both, and `features`
            `(batch, features)` if there are any.
        """
        ends = dict(self._ends(inputs, training=training))
        logits = ops.cast(ends["logits"], "float32")
        if self._are_scores:
            logits = logits_of(logits, str(self.activation))
        ends["logits"] = logits
        if "features" in ends:
            ends["features"] = ops.cast(ends["features"], "float32")
        return ends

    def _embedding(
        self, tensors: dict[str, Any], backbone: Any, layer: str | None
    ) -> Any:
        if layer is not None and layer not in tensors:
            raise ValueError(
                f"features must name a layer of the {self.role}. Received: "
                f"{layer!r}. {self.model.name!r} has {', '.join(tensors)}."
            )
        if layer is None and "pooling" in tensors:
            layer = "pooling"
        if layer is None and backbone is not None and backbone.name in tensors:
            mask = tensors.get("time_mask")
            if mask is None:
                mask = backbone.time_mask()(self.model.inputs[0])
            mean = MeanOverPatches(dtype="float32", name="tapped_mean")
            return mean(tensors[backbone.name], mask=mask)
        found = self._before_the_head(tensors) if layer is None else tensors[layer]
        if len(found.shape) < 2 or found.shape[-1] is None:
            raise ValueError(
                f"The {self.role}'s features must be vectors of a known length. "
                f"Received: {layer!r} with {tuple(found.shape)}."
            )
        if len(found.shape) > 2:
            found = ops.mean(found, axis=tuple(range(1, len(found.shape) - 1)))
        return found

    def _before_the_head(self, tensors: dict[str, Any]) -> Any:
        """Returns the input of the last layer with weights."""
        for tensor in tensors.values():
            history = tensor._keras_history
            if getattr(history.operation, "weights", None):
                node = history.operation._inbound_nodes[history.node_index]
                return node.input_tensors[0]
        raise ValueError(
            f"The {self.role} must have a layer with weights. Received: "
            f"{self.model.name!r}, which has none: name a layer to read."
        )


def logits_of(scores: Any, activation: str) -> Any:
    """Takes scores back to logits; those of a softmax but for a constant."""
    if activation == "softmax":
        return ops.log(ops.maximum(scores, _SMALLEST))
    scores = ops.clip(scores, _CLOSEST, 1 - _CLOSEST)
    return ops.log(scores) - ops.log(1 - scores)


def _tensors(model: keras.Model, role: str) -> dict[str, Any]:
    """Returns what each layer of the outer graph gives, from the end on."""
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise ValueError(
            f"{role} must be a functional or sequential model that is built. "
            f"Received: {model.name!r}, whose graph Keras does not know. Put a "
            "keras.Input in front of it."
        )
    found: dict[str, Any] = {}
    seen, waiting = set(), list(model.outputs)
    while waiting:
        tensor: Any = waiting.pop(0)
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        operation, node_index, _ = tensor._keras_history
        found.setdefault(operation.name, tensor)
        waiting += operation._inbound_nodes[node_index].input_tensors
    return found


def _ending(model: Any) -> str:
    """Returns the activation a model ends in, or the class of its last layer."""
    last: Any = model
    while isinstance(last, keras.Model):
        last = last.outputs[0]._keras_history.operation
    activation = getattr(last, "activation", None)
    if activation is not None:
        return getattr(activation, "__name__", type(activation).__name__)
    kind = type(last).__name__.lower()
    if kind in _ACTIVATIONS:
        return kind
    # A layer without an activation, such as `PrototypeLogits`, is linear in that
    # sense; of an operation or a function nothing is known.
    if isinstance(last, keras.layers.Layer) and not isinstance(
        last, keras.layers.Lambda
    ):
        return "linear"
    return type(last).__name__


def _backbone(model: keras.Model) -> Any:
    waiting = list(model.layers)
    while waiting:
        layer = waiting.pop(0)
        if isinstance(layer, Backbone):
            return layer
        if isinstance(layer, keras.Model):
            waiting += layer.layers
    return None
