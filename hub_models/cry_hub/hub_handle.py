"""VGGish and YAMNet as their authors publish them, behind our interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from cry_hub import hub_source
from cry_hub.backbone import Backbone
from cry_hub.errors import WeightsError
from cry_hub.time_mask import check_waveform, cleared, fit, real_length
from cry_lite.front_ends import VGGISH, YAMNET
from cry_lite.log_mel import num_steps
from cry_lite.spec import FrontEndSpec

ops: Any = keras.ops  # Keras types most results as perhaps None


@dataclass(frozen=True)
class _Family:
    """Input and outputs of a published program."""

    front_end: FrontEndSpec
    outputs: int  # 0: a tensor alone; else a tuple of so many, embeddings second
    signature: str


# The signatures stand on tfhub.dev/google/yamnet/1 and tfhub.dev/google/vggish/1.
_FAMILIES = {
    "yamnet": _Family(
        YAMNET, 3, "a waveform (samples,) to (scores, embeddings, log-mel)"
    ),
    "vggish": _Family(VGGISH, 0, "a waveform (samples,) to embeddings"),
}


@keras.saving.register_keras_serializable(package="cry_tf")
class HubProgram(keras.layers.Layer):
    """Runs a published SavedModel, one clip after another, as it is.

    A clip is completed with zeros to whole patches, or cut to them, as the front
    end of its family does, so that the time axis has the steps that `TimeMask`
    counts. The program computes in float32 whatever the dtype policy; no gradient
    passes through it, and none of its variables is a weight of this layer.

    Args:
        handle: String, see `HubBackbone`.
        family: String, see `HubBackbone`.

    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at 16 kHz.

    Output shape:
        `(batch, patches, features)`. Patches made of padding are zero.

    Raises:
        ValueError: If the family is unknown or the input has another rank, no
            samples, or integers.
        WeightsError: If the program has another signature or cannot be read.
        OSError: If the handle cannot be reached.
        ModuleNotFoundError: If a handle is given and tensorflow_hub is missing.
    """

    def __init__(self, handle: str, family: str, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        if family not in _FAMILIES:
            raise ValueError(
                f"family must be one of {', '.join(_FAMILIES)}. "
                f"Received: family={family!r}."
            )
        self.handle = hub_source.absolute(handle)
        self.family = family
        self.spec = _FAMILIES[family].front_end
        self._program = hub_source.load(self.handle)
        self.features = self._check_signature()

    def call(self, inputs):
        check_waveform(self, inputs)
        waveform = tf.cast(inputs, tf.float32)
        steps = num_steps(ops.shape(waveform)[1], self.spec)
        length = real_length(waveform)
        waveform = cleared(waveform, length)
        real_steps = num_steps(length, self.spec)

        def one_clip(clip_and_steps):
            clip, count = clip_and_steps
            samples = self.spec.patch_samples
            samples += (count - 1) * self.spec.patch_hop_samples
            embeddings = self._embed(fit(clip[None], samples)[0])
            one_row_a_patch = tf.debugging.assert_equal(
                tf.shape(embeddings)[0],
                count,
                f"{self.handle} must give one row a patch, as {self.family} does.",
            )
            # Asked for first: a graph runs what nobody waits for at any time.
            with tf.control_dependencies(
                [] if one_row_a_patch is None else [one_row_a_patch]
            ):
                return tf.pad(embeddings, ((0, steps - count), (0, 0)))

        known_steps = steps if isinstance(steps, int) else None
        embeddings = tf.map_fn(
            one_clip,
            (waveform, real_steps),
            fn_output_signature=tf.TensorSpec((known_steps, self.features), tf.float32),
        )
        return tf.cast(tf.stop_gradient(embeddings), self.compute_dtype)

    def _embed(self, clip: Any) -> Any:
        """Turns `(samples,)` into `(patches, features)`."""
        outputs = self._program(clip)
        found = len(outputs) if isinstance(outputs, (list, tuple)) else 0
        is_alone = tf.is_tensor(outputs)
        if found != _FAMILIES[self.family].outputs or not (found or is_alone):
            what = f"{found} outputs" if found else type(outputs).__name__
            raise TypeError(f"it gives {'one tensor' if is_alone else what}")
        return tf.cast(outputs[1] if found else outputs, tf.float32)

    def _check_signature(self) -> int:
        """Runs the program on one patch and on two, and returns the features.

        Raises:
            WeightsError: If it gives anything but one row a patch.
        """
        patch, hop = self.spec.patch_samples, self.spec.patch_hop_samples
        found = []
        for steps in (1, 2):
            try:
                silence = tf.zeros((patch + (steps - 1) * hop,))
                shape = tuple(self._embed(silence).shape)
            except Exception as error:  # whatever a foreign program raises
                raise self._wrong_signature(hub_source.first_line(error)) from error
            if len(shape) != 2 or shape[0] != steps:
                raise self._wrong_signature(
                    f"embeddings {shape} for a waveform of {steps} patches"
                )
            found.append(shape[1])
        return found[0]

    def _wrong_signature(self, found: str) -> WeightsError:
        return WeightsError(
            f"A program of the family {self.family!r} takes "
            f"{_FAMILIES[self.family].signature}, one row a patch. Received: "
            f"{self.handle}, which does not ({found}). Check handle and family."
        )

    def compute_output_spec(self, inputs):
        check_waveform(self, inputs)
        batch, samples = inputs.shape
        steps = None if samples is None else num_steps(samples, self.spec)
        return keras.KerasTensor(
            (batch, steps, self.features), dtype=self.compute_dtype
        )

    def get_config(self):
        return {**super().get_config(), "handle": self.handle, "family": self.family}


@keras.saving.register_keras_serializable(package="cry_tf")
class HubBackbone(Backbone):
    """A published YAMNet or VGGish as a frozen extractor.

    For what `cry_hub.load` does not have: another version, or a training of your
    own that was exported with the same signature. The native presets do more: the
    program of a handle cannot be fine-tuned, takes no `cutoff_hz`, and cannot
    become a `.tflite`, because its front end is inside it, where it can neither be
    compared with ours nor kept in float32. Its embeddings can teach a student
    that can. There is no layer `frontend`; the program is the layer `program`.

    A saved model holds the handle, not the program: it is loaded again from there.

    Args:
        handle: String: the folder of a SavedModel, or a URL that tensorflow_hub
            knows (`https://tfhub.dev/google/yamnet/1`, a model of kaggle.com).
            What is behind a URL is downloaded once, without a digest to check.
        family: String, `yamnet` or `vggish`: inputs and outputs of the program.
        cutoff_hz: None; anything else is refused.
        **kwargs: `name`, `dtype` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at 16 kHz. A faint
            tail is padding. A clip shorter than a patch is completed.
    Output shape:
        `(batch, patches, features)`: 1024 features of YAMNet, 128 of VGGish.

    Raises:
        ValueError: If the family is unknown or a `cutoff_hz` is given.
        WeightsError: If the program has another signature or cannot be read.
        OSError: If the handle cannot be reached.
        ModuleNotFoundError: If a URL is given and tensorflow_hub is missing.

    Example:
    ```python
    backbone = cry_hub.HubBackbone("https://tfhub.dev/google/yamnet/1", "yamnet")
    model = cry_tf.CryClassifier(backbone, labels=["hungry", "tired"])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(train.to_tf(), epochs=30)  # trains the head alone
    ```
    """

    no_tflite_because: ClassVar[str | None] = (
        "its front end is inside the program of a handle, where it can neither be "
        "compared with ours nor kept in float32. Build it on a native preset "
        "(cry_hub.load('yamnet_audioset') or 'vggish_audioset'), or distil a student"
    )

    def __init__(
        self, handle: str, family: str, cutoff_hz: float | None = None, **kwargs: Any
    ):
        if cutoff_hz is not None:
            raise ValueError(
                "cutoff_hz must be None for a handle, whose front end is inside its "
                f"program and cannot be changed. Received: cutoff_hz={cutoff_hz!r}. "
                "Take a native preset."
            )
        program = HubProgram(handle, family, dtype=kwargs.get("dtype"), name="program")
        waveform = keras.Input((None,), name="waveform")
        kwargs.setdefault("name", f"hub_{family}")
        super().__init__(
            waveform, program(waveform), front_end_spec=program.spec, **kwargs
        )
        self.handle = program.handle
        self.family = family
        self.weights_source = f"the SavedModel of {program.handle}"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "handle": self.handle, "family": self.family}
