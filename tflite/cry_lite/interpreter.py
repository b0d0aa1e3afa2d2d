"""Runs a `.tflite` that takes a waveform, with LiteRT.

The only module that imports `ai_edge_litert`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cry_lite.errors import ModelFileError
from cry_lite.metadata import describe_source, open_model


class LiteRTModel:
    """A network from waveform to scores, on LiteRT.

    One float32 input, `(samples,)` or `(1, samples)`, of a fixed length or of any;
    one float32 output, `(labels,)` or `(1, labels)`. A file is mapped, not copied,
    into memory. `read_metadata` checks whether a file is damaged: this class checks
    only whether it is a flatbuffer.

    Args:
        path_or_bytes: A `.tflite` file, or its content.
        num_threads: Int >= 1, threads for a call. Default: 1.

    Call arguments:
        waveform: Float32 array `(samples,)`, at least one sample.

    Attributes:
        input_samples: The fixed length of the waveform, None if it may be any.
        num_outputs: Number of scores.

    Raises:
        ModelFileError: If the file is missing, no `.tflite`, cannot be run here, or
            has other inputs and outputs. On a call, if the network fails.
        ValueError: If `num_threads` is not a positive int. On a call, if `waveform`
            is empty, not 1-D, or longer than `input_samples`; a shorter one is
            completed with zeros.
    """

    def __init__(
        self, path_or_bytes: str | os.PathLike[str] | bytes, num_threads: int = 1
    ) -> None:
        if not isinstance(num_threads, int) or num_threads < 1:
            raise ValueError(
                f"num_threads must be a positive int. Received: {num_threads!r}."
            )
        self._name = describe_source(path_or_bytes)
        open_model(path_or_bytes).close()
        self._interpreter = open_interpreter(path_or_bytes, num_threads)
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise self._shape_error(f"{len(inputs)} inputs and {len(outputs)} outputs")
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        # The signature has -1 where the length is free; files without it are static.
        shape = _signature(inputs[0])
        scores = _signature(outputs[0])
        if inputs[0]["dtype"] != np.float32 or outputs[0]["dtype"] != np.float32:
            kinds = f"{inputs[0]['dtype'].__name__} and {outputs[0]['dtype'].__name__}"
            raise self._shape_error(f"numbers of type {kinds}")
        if shape[:-1] not in ((), (1,), (-1,)) or scores[:-1] not in ((), (1,), (-1,)):
            raise self._shape_error(f"input shape {shape} and output shape {scores}")
        if len(shape) < 1 or len(scores) < 1 or scores[-1] < 1:
            raise self._shape_error(f"input shape {shape} and output shape {scores}")
        self._batch_axes = len(shape) - 1
        self.input_samples: int | None = shape[-1] if shape[-1] > 0 else None
        self.num_outputs = scores[-1]
        self._prepared: int | None = None

    def prepare(self, samples: int) -> None:
        """Lays out memory for a waveform of this length; a call does so by itself.

        Raises:
            ModelFileError: If the network cannot take this length.
            ValueError: If `samples` is not positive, or more than `input_samples`.
        """
        if samples < 1 or samples > (self.input_samples or samples):
            limit = f" and at most {self.input_samples}" if self.input_samples else ""
            raise ValueError(
                f"A waveform for {self._name} must have at least one sample{limit}. "
                f"Received: {samples} samples."
            )
        length = self.input_samples or samples
        if length == self._prepared:
            return
        try:
            self._interpreter.resize_tensor_input(
                self._input, [1] * self._batch_axes + [length]
            )
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise self._failure(length, error) from error
        self._prepared = length

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """Returns the scores, float32 `(labels,)`; see the class."""
        waveform = np.asarray(waveform, np.float32)
        if waveform.ndim != 1:
            raise ValueError(f"waveform must be 1-D. Received: shape={waveform.shape}.")
        self.prepare(len(waveform))
        missing = (self._prepared or 0) - len(waveform)
        if missing:
            waveform = np.pad(waveform, (0, missing))
        batch = waveform.reshape((1,) * self._batch_axes + waveform.shape)
        try:
            self._interpreter.set_tensor(self._input, batch)
            self._interpreter.invoke()
            scores = self._interpreter.get_tensor(self._output)
        except (RuntimeError, ValueError) as error:
            raise self._failure(len(waveform), error) from error
        if scores.size != self.num_outputs:
            raise self._shape_error(f"{scores.shape} as its scores")
        return scores.reshape(-1)

    def _shape_error(self, came: str) -> ModelFileError:
        return ModelFileError(
            f"{self._name} must take one float32 waveform, (samples,) or (1, samples), "
            f"and give one float32 row of scores. It has {came}. "
            "Export it with cry-tf export."
        )

    def _failure(self, samples: int, error: Exception) -> ModelFileError:
        return ModelFileError(
            f"{self._name} cannot be run on {samples} samples "
            f"({_first_line(error)}). Export it again."
        )


def open_interpreter(
    path_or_bytes: str | os.PathLike[str] | bytes,
    num_threads: int = 1,
    use_xnnpack: bool = True,
) -> Any:
    """Loads a file into LiteRT's own interpreter, to look inside it.

    Args:
        path_or_bytes: A `.tflite` file, or its content.
        num_threads: Int > 0, threads that a call may use.
        use_xnnpack: False takes LiteRT's plain kernels in place of XNNPACK's.

    Raises:
        ModelFileError: If it cannot be loaded.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    if isinstance(path_or_bytes, bytes):
        source: dict[str, Any] = {"model_content": path_or_bytes}
    else:
        source = {"model_path": describe_source(path_or_bytes)}
    if not use_xnnpack:
        source["experimental_op_resolver_type"] = (
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
    try:
        return Interpreter(num_threads=num_threads, **source)
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{describe_source(path_or_bytes)} cannot be loaded "
            f"({_first_line(error)}). Copy the file again, or export it again."
        ) from error


def _signature(details: dict[str, Any]) -> tuple[int, ...]:
    signature = details.get("shape_signature")
    if signature is None or not len(signature):
        signature = details["shape"]
    return tuple(int(size) for size in signature)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")
