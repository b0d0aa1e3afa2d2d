"""Schedules of the temperature and of alpha, epoch by epoch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import keras


class Schedule(ABC):
    """Returns a number for each epoch, a function of the epoch's number alone.

    So a run that is resumed at any epoch gets the same numbers.
    """

    @abstractmethod
    def __call__(self, epoch: int) -> float:
        """Returns the number for an epoch, counted from 0."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Schedule:
        """Makes the schedule that had this config."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="cry_tf")
class Constant(Schedule):
    """The same number in every epoch.

    Args:
        value: The number.
    """

    def __init__(self, value: float):
        self.value = _number("value", value)

    def __call__(self, epoch):
        return self.value

    def get_config(self):
        return {"value": self.value}


class _Ramp(Schedule):
    """Changes from `start` to `end` over `epochs` epochs, then stays at `end`."""

    def __init__(self, start: float, end: float, epochs: int):
        self.start = _number("start", start)
        self.end = _number("end", end)
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
            raise ValueError(
                f"epochs must be a whole number of at least 1. Received: {epochs=}."
            )
        self.epochs = epochs

    def _share(self, epoch: int) -> float:
        # The first of `epochs` epochs has `start`, the last one `end`.
        if self.epochs == 1:
            return 1.0
        return min(1.0, max(0, epoch) / (self.epochs - 1))

    def get_config(self):
        return {"start": self.start, "end": self.end, "epochs": self.epochs}


@keras.saving.register_keras_serializable(package="cry_tf")
class Linear(_Ramp):
    """Changes linearly from one number to another.

    Args:
        start: The number of epoch 0.
        end: The number of epoch `epochs - 1` and of all after it.
        epochs: Int of at least 1.

    Example:
        >>> Linear(8.0, 2.0, epochs=3)(1)
        5.0
    """

    def __call__(self, epoch):
        return self.start + (self.end - self.start) * self._share(epoch)


@keras.saving.register_keras_serializable(package="cry_tf")
class Cosine(_Ramp):
    """Changes from one number to another along half a cosine.

    Args:
        start: The number of epoch 0.
        end: The number of epoch `epochs - 1` and of all after it.
        epochs: Int of at least 1.
    """

    def __call__(self, epoch):
        eased = (1 - math.cos(math.pi * self._share(epoch))) / 2
        return self.start + (self.end - self.start) * eased


def get(name: str, value: float | Schedule) -> Schedule:
    """Returns a schedule, of the same number always if a number is given.

    Args:
        name: `temperature` or `alpha`: decides the valid range.
        value: A number or a schedule.

    Raises:
        ValueError: If it is neither, or a number that is not possible. Of a
            schedule the first epochs are looked at, and its last for those here.
    """
    found = value if isinstance(value, Schedule) else Constant(_number(name, value))
    epochs = {0, 1, getattr(found, "epochs", 1) - 1}
    for epoch in sorted(epochs):
        check(name, found(epoch))
    return found


def check(name: str, value: float) -> float:
    """Returns the number if a `temperature` or an `alpha` may have it.

    Raises:
        ValueError: If it may not.
    """
    if name == "temperature" and not 0 < value < math.inf:
        raise ValueError(
            "temperature must be positive and finite. Received: "
            f"temperature={value!r}. Take 1 for the teacher's own scores, 2 to 8 for "
            "softer ones."
        )
    if name == "alpha" and not 0 <= value <= 1:
        raise ValueError(
            "alpha, the share of the labels in the loss, must be in [0, 1]. Received: "
            f"alpha={value!r}. Take 0 to learn from the teacher alone."
        )
    return value


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (bool, str)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a number"
            + (" or a schedule" if name in ("temperature", "alpha") else "")
            + f". Received: {name}={value!r}."
        ) from None
