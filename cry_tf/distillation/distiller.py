"""Trains a small network on the scores of a large one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import tensorflow as tf

from cry_hub.fast_training.prepare import prepare_training
from cry_hub.waveform_model import WaveformModel
from cry_tf.distillation import losses, schedule, teachers
from cry_tf.distillation import tap as feature_matching
from cry_tf.distillation.losses import ClassWeights
from cry_tf.distillation.schedule import Schedule
from cry_tf.distillation.tap import FeatureMatching, Tap

ops: Any = keras.ops  # typed, wrongly, as often None


@keras.saving.register_keras_serializable(package="cry_tf")
class Distiller(WaveformModel, keras.Model):
    """Trains a student on its labels and on a teacher's softened scores.

    A Keras model around the student: `fit`, `evaluate`, `predict`, `save` and
    `keras.saving.load_model` work as usual. Its loss is built in, for each clip

        alpha * CE(y, scores(z_s))
        + (1 - alpha) * T² * KL(scores(z_t / T) || scores(z_s / T))

    of the logits z of student and teacher, T the temperature. With sigmoid scores
    both terms are means over the labels, each a Bernoulli distribution of its own.
    Several teachers' softened scores are averaged. The student's own
    regularisation losses are added. Afterwards `distiller.student` is the model
    that was given, trained.

    Only the student learns (and the projection of `features`): teachers run in
    inference mode and do not change, even if they are trainable.

    Args:
        teacher: A Keras classifier, several of them, or None if the data
            contain their logits. Its logits are the output of its layer named
            `logits`, or a linear output, or its scores taken back to logits.
        student: A functional or sequential Keras classifier of the same labels,
            as `CryDetector` and `CryClassifier` are.
        temperature: T, positive float, or a schedule of `cry_tf.distillation.schedule`.
            Default: 4.
        alpha: Share of the labels in the loss, in [0, 1], or a schedule. Default: 0.3.
        teacher_weights: One float >= 0 per teacher; None weighs them equally.
        features: Matches embeddings too: a `FeatureMatching`, True for its defaults,
            or the name of a teacher's layer. None matches no embeddings.
        activation: `softmax` or `sigmoid`, for networks that end in logits (AudioSet's
            are `sigmoid`). None takes the last activation of teacher or student,
            else `softmax`.
        **kwargs: `name` and `trainable` of a `keras.Model`.

    Data:
        `(x, y)` or `(x, y, sample_weight)`. x is the student's input, or a dict
        with that as `waveform` and any of

        - `teacher_logits`, `(batch, labels)` or `(batch, teachers, labels)`: the
          teacher is not run. `TeacherCache` makes them.
        - `teacher_features`, `(batch, features)`, the same for `features`.
        - `teacher_waveform`, the teacher's input, at its own sample rate.
          Without it a teacher of another rate takes `waveform`, resampled with a
          band-limited filter: at a higher rate it misses the frequencies that
          `waveform` does not have.

        y is places in the labels `(batch,)`, or `(batch, labels)` of shares or of
        several labels; -1, or a row of them, is a clip without a label: its loss is
        the teacher's part alone, and metrics leave it out. `sample_weight` and
        `class_weight` weigh a clip's whole loss; a clip without a label has the
        class weight 1. Data to evaluate may lack the logits where there is no
        teacher: the loss is then the labels' alone.

    Attributes:
        student: The student.
        teachers: The teachers, a list.

    Raises:
        ValueError: If an argument breaks its rule, a network is no classifier that
            can be read, or labels differ.

    Example:
    ```python
    student = cry_tf.CryDetector.from_preset("ds_cnn_s", weights=None)
    distiller = cry_tf.Distiller(teacher, student, temperature=4.0, alpha=0.3)
    distiller.compile("adam", metrics=["accuracy"])
    distiller.fit(train.to_tf(), validation_data=test.to_tf(), epochs=30)
    distiller.student.save("cry.keras")
    ```

    Reference:
        [Hinton et al., 2015](https://arxiv.org/abs/1503.02531) for the loss;
        [Hong et al., 2024](https://arxiv.org/abs/2409.19689), InfantCryNet, for
        CNN14 and ResNet22 as teacher and student.
    """

    def __init__(
        self,
        teacher: Any,
        student: keras.Model,
        temperature: float | Schedule = 4.0,
        alpha: float | Schedule = 0.3,
        *,
        teacher_weights: Sequence[float] | None = None,
        features: FeatureMatching | str | Sequence[str | None] | bool | None = None,
        activation: losses.Activation | None = None,
        **kwargs: Any,
    ):
        kwargs.setdefault("name", "distiller")
        super().__init__(**kwargs)
        self.temperature = schedule.get("temperature", temperature)
        self.alpha = schedule.get("alpha", alpha)
        if activation not in (None, "softmax", "sigmoid"):
            raise ValueError(
                f"activation must be softmax, sigmoid or None. Received: {activation=}."
            )
        matching = feature_matching.get(features)
        self.student = student
        self.teachers = list(teachers.as_teachers(teacher))
        self._tap = Tap(
            student,
            "student",
            matching is not None,
            matching.student_layer if matching else None,
        )
        self._teachers = teachers.TeacherEnsemble(
            self.teachers, self._tap, matching, teacher_weights
        )
        self.activation = (
            teachers.one_activation(
                [activation, self._tap.activation, self._teachers.activation]
            )
            or "softmax"
        )
        self._given = {
            "teacher_weights": teacher_weights and [float(w) for w in teacher_weights],
            "features": matching and matching.to_dict(),
            "activation": activation,
        }
        self._matching = matching
        self.projection = self._projection(matching) if matching else None
        # Variables, so that a compiled graph sees the next epoch.
        self._temperature = self._number("temperature", self.temperature(0))
        self._alpha = self._number("alpha", self.alpha(0))
        self._class_weights = ClassWeights(self._tap.labels, self.activation)
        self._mean = losses.MeanOverClips(name="mean_over_clips")
        self._hard = keras.metrics.Mean(name="hard_loss")
        self._soft = keras.metrics.Mean(name="soft_loss")
        self._near = keras.metrics.Mean(name="feature_loss") if matching else None
        self.built = True

    # A clip without a label.
    _lowest_place = -1

    @property
    def sample_rate_hz(self) -> int | None:
        """Rate of the student's waveforms, Hz; None where it is not known."""
        return self._tap.sample_rate_hz

    @property
    def _label_names(self) -> tuple[str, ...] | None:
        return self._tap.names

    @property
    def _label_count(self) -> int:
        return self._tap.labels

    def _waveforms(self, x: Any) -> list[Any]:
        if self.sample_rate_hz is None:  # a student of anything but sound
            return []
        inputs = teachers.as_inputs(x)
        names = (teachers.WAVEFORM, teachers.TEACHER_WAVEFORM)
        return [inputs[name] for name in names if name in inputs]

    def _number(self, name: str, value: float) -> keras.Variable:
        return keras.Variable(value, trainable=False, dtype="float32", name=name)

    def _projection(self, matching: FeatureMatching) -> keras.layers.Layer:
        wanted = self._teachers.features or matching.teacher_features
        if not wanted:
            raise ValueError(
                "features without a teacher needs the length of its embedding. "
                "Received: teacher_features=None. Give for example "
                "features=FeatureMatching(teacher_features=1024)."
            )
        layer = keras.layers.Dense(wanted, name="projection", dtype="float32")
        layer.build((None, self._tap.features))
        return layer

    def begin_epoch(self, epoch: int) -> None:
        """Sets temperature and alpha to those of an epoch; `fit` does it itself.

        Args:
            epoch: Counted from 0.

        Raises:
            ValueError: If a schedule gives what is not possible.
        """
        self._temperature.assign(schedule.check("temperature", self.temperature(epoch)))
        self._alpha.assign(schedule.check("alpha", self.alpha(epoch)))

    @property
    def trainable_variables(self) -> list[Any]:
        """Those of the student and of the projection; a teacher has none here."""
        if not self.trainable:
            return []
        found = list(self.student.trainable_variables)
        if self.projection is not None:
            found += self.projection.trainable_variables
        return found

    @property
    def trainable_weights(self) -> list[Any]:
        """The same as `trainable_variables`."""
        return self.trainable_variables

    @property
    def non_trainable_variables(self) -> list[Any]:
        """All others, the teachers' among them."""
        trained = {id(variable) for variable in self.trainable_variables}
        return [each for each in self.variables if id(each) not in trained]

    @property
    def non_trainable_weights(self) -> list[Any]:
        """All others, the teachers' among them."""
        trained = {id(variable) for variable in self.trainable_variables}
        return [each for each in self.weights if id(each) not in trained]

    def call(self, inputs, training=None):
        waveform = teachers.as_inputs(inputs)[teachers.WAVEFORM]
        return self.student(waveform, training=training)

    def compile(
        self,
        optimizer: Any = "adam",
        loss: None = None,
        *,
        jit_compile: bool | str = "auto",
        **kwargs: Any,
    ) -> None:
        """Does what `keras.Model.compile` does; the loss is built in.

        `jit_compile="auto"` takes no XLA, see `CryModel.compile`.

        Raises:
            ValueError: If a loss is given.
        """
        if loss is not None or kwargs.get("loss_weights") is not None:
            raise ValueError(
                f"A Distiller brings its own loss. Received: {loss=}. Leave it out, "
                "and set temperature and alpha when you make the Distiller."
            )
        jit_compile = jit_compile is True
        prepare_training(self.student, jit_compile=jit_compile)
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)  # type: ignore[arg-type]

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # Keras leaves this to models with a `compile` of their own.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        *,
        class_weight: Mapping[int, float] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Does what `keras.Model.fit` does; see the class for the data.

        Raises:
            ValueError: If `class_weight` names no label, or labels do not exclude
                each other; if the data lack what the loss needs.
        """
        self._class_weights.set(class_weight)
        schedules = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: self.begin_epoch(epoch)
        )
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.callbacks.append(schedules)
        else:
            given = keras.tree.flatten(callbacks) if callbacks else []
            callbacks = [schedules, *given]
        try:
            return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)
        finally:
            self._class_weights.set(None)

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x = teachers.as_inputs(x)
        sample_weight = self._class_weights.of(y, sample_weight)
        # Before the tape: it keeps nothing of a teacher.
        wanted = self._teachers.wanted(x, is_needed=True)
        variables = self.trainable_variables
        if not variables:
            raise ValueError(
                "The student must have something to train. Received: "
                f"{self.student.name!r} with every layer frozen. Set trainable=True."
            )
        with tf.GradientTape() as tape:
            found = self._tap(x[teachers.WAVEFORM], training=True)
            loss = self._total_loss(y, found, wanted, sample_weight)
            scaled = self.optimizer.scale_loss(loss)
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return self._judge(loss, x, y, found, sample_weight)

    def test_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x = teachers.as_inputs(x)
        wanted = self._teachers.wanted(x, is_needed=False)
        found = self._tap(x[teachers.WAVEFORM], training=False)
        loss = self._total_loss(y, found, wanted, sample_weight)
        return self._judge(loss, x, y, found, sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        if y is None:
            return self.get_metrics_result()
        _, is_labelled = losses.label_shares(y, self._tap.labels)
        y, y_pred = (tf.boolean_mask(each, is_labelled) for each in (y, y_pred))
        if sample_weight is not None:
            sample_weight = tf.boolean_mask(sample_weight, is_labelled)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def _total_loss(
        self, y: Any, found: dict[str, Any], wanted: tuple[Any, Any], weight: Any
    ) -> Any:
        logits, (teacher_logits, features) = found["logits"], wanted
        alpha = self._alpha if teacher_logits is not None else 1.0
        loss: Any = 0.0
        if y is not None:
            shares, is_labelled = losses.label_shares(y, self._tap.labels)
            is_labelled = ops.cast(is_labelled, "float32")
            hard = losses.hard_loss(shares, logits, self.activation)
            self._hard.update_state(hard, sample_weight=is_labelled)
            loss = alpha * hard * is_labelled
        if teacher_logits is not None:
            soft = losses.soft_loss(
                teacher_logits,
                logits,
                self._temperature,
                self.activation,
                self._teachers.shares(teacher_logits.shape[1]),
            )
            self._soft.update_state(soft)
            loss = loss + (1 - alpha) * soft
        if features is not None and self._matching and self._near is not None:
            projected = self.projection(found["features"])  # type: ignore[misc]
            near = losses.feature_loss(features, projected, self._matching.loss)
            self._near.update_state(near)
            loss = loss + self._matching.weight * near
        total = self._mean.of(loss, weight)
        for own in self.student.losses:
            total = total + self._aggregate_additional_loss(own)
        return total

    def _judge(self, loss, x, y, found, sample_weight):
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        clips = ops.shape(found["logits"])[0]
        self._loss_tracker.update_state(loss * replicas, sample_weight=clips)
        return self.compute_metrics(x, y, found["scores"], sample_weight)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "trainable": self.trainable,
            "teacher": [serialize(teacher) for teacher in self.teachers] or None,
            "student": serialize(self.student),
            "temperature": serialize(self.temperature),
            "alpha": serialize(self.alpha),
            **self._given,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        config = dict(config)
        for part in ("teacher", "student", "temperature", "alpha"):
            config[part] = keras.saving.deserialize_keras_object(
                config[part], custom_objects=custom_objects
            )
        if config["features"] is not None:
            config["features"] = FeatureMatching.from_dict(config["features"])
        return cls(**config)
