"""How a student learns from a teacher's embedding, besides its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

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
