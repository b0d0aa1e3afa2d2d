"""The scores of each clip, and their CSV form."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np

from cry_lite.decision import answers_at

NO_FOLD = -1


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Scores of a set of clips, with their true labels.

    Attributes:
        files: Path of each clip.
        labels: Names of the columns of `scores`.
        truth: Int array `(clips,)`, index into `labels`.
        scores: Float array `(clips, labels)` in [0, 1].
        groups: Group of each clip: the baby, device or recording it came from.
        folds: Int array `(clips,)`, the fold that held the clip out; `NO_FOLD`
            where the clips were not part of a cross-validation.
        durations_s: Float array `(clips,)`, seconds.
        positive_label: For a detector, the label that means a cry; else None.
        threshold: For a detector, the positive score in [0, 1] from which a
            clip is called a cry. A classifier answers its highest score.
        events: Int array `(clips,)`, how many events were found in each, where
            recordings were scored in windows; None where whole clips were scored
            at once.
        domains: Recorder or data set of each clip, empty where it is not stated;
            None where none is.

    Raises:
        ValueError: If the arrays disagree in length, there is no clip, or a
            score is not finite.
    """

    files: tuple[str, ...]
    labels: tuple[str, ...]
    truth: np.ndarray
    scores: np.ndarray
    groups: tuple[str, ...]
    folds: np.ndarray
    durations_s: np.ndarray
    positive_label: str | None = None
    threshold: float = 0.5
    events: np.ndarray | None = None
    domains: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Checks the lengths and the scores."""
        clips = len(self.files)
        if not clips:
            raise ValueError("Predictions must hold at least one clip. Received: 0.")
        shapes = {
            "truth": (self.truth, (clips,)),
            "scores": (self.scores, (clips, len(self.labels))),
            "folds": (self.folds, (clips,)),
            "durations_s": (self.durations_s, (clips,)),
        }
        if self.events is not None:
            shapes["events"] = (self.events, (clips,))
        for name, (array, shape) in shapes.items():
            if array.shape != shape:
                raise ValueError(
                    f"{name} must have shape {shape}. Received: {array.shape}."
                )
        for name, texts in {"groups": self.groups, "domains": self.domains}.items():
            if texts is not None and len(texts) != clips:
                raise ValueError(
                    f"{name} must name {clips} clips. Received: {len(texts)}."
                )
        if not np.isfinite(self.scores).all():
            file = self.files[int(np.argmin(np.isfinite(self.scores).all(axis=1)))]
            raise ValueError(
                f"Scores must be finite. The model gave NaN or infinity for {file}. "
                "Check the clip and the model's weights."
            )
        if self.positive_label is not None and self.positive_label not in self.labels:
            raise ValueError(
                f"positive_label must be one of {', '.join(self.labels)}. "
                f"Received: {self.positive_label!r}."
            )

    @property
    def predicted(self) -> np.ndarray:
        """Int array `(clips,)`, index into `labels` of the answer."""
        if self.positive_label is None:
            return np.argmax(self.scores, axis=1)
        return answers_at(self.scores, self.positive_index, self.threshold)

    @property
    def positive_index(self) -> int:
        """Column of the positive label; a classifier has none and raises."""
        if self.positive_label is None:
            raise ValueError("A classifier has no positive label; a detector has.")
        return self.labels.index(self.positive_label)

    @property
    def positive_scores(self) -> np.ndarray:
        """Float array `(clips,)`, the scores of the positive label."""
        return self.scores[:, self.positive_index]

    @property
    def is_positive(self) -> np.ndarray:
        """Bool array `(clips,)`, True where the clip is truly positive."""
        return self.truth == self.positive_index

    def replace(self, **changes) -> Predictions:
        """Returns a copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def subset(self, indices: np.ndarray) -> Predictions:
        """Returns the clips at `indices`, an int array, in that order."""
        return self.replace(
            files=tuple(self.files[i] for i in indices),
            truth=self.truth[indices],
            scores=self.scores[indices],
            groups=tuple(self.groups[i] for i in indices),
            folds=self.folds[indices],
            durations_s=self.durations_s[indices],
            events=None if self.events is None else self.events[indices],
            domains=None
            if self.domains is None
            else tuple(self.domains[i] for i in indices),
        )

    def write_csv(self, path: Path) -> None:
        """Writes one row a clip: file, label, group, fold, scores, predicted.

        The number of events and the domain stand in last columns, where there are
        any.
        """
        header = ["file", "label", "group", "fold"]
        header += [f"score_{label}" for label in self.labels]
        header += ["predicted", "duration_s"]
        header += [] if self.events is None else ["events"]
        header += [] if self.domains is None else ["domain"]
        predicted = self.predicted
        with open(
            path, "w", newline="", encoding="utf-8", errors="backslashreplace"
        ) as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(header)
            for i, file in enumerate(self.files):
                fold = "" if self.folds[i] == NO_FOLD else int(self.folds[i])
                row = [file, self.labels[self.truth[i]], self.groups[i], fold]
                row += [f"{score:.9g}" for score in self.scores[i]]
                row += [self.labels[predicted[i]], f"{self.durations_s[i]:.3f}"]
                row += [] if self.events is None else [int(self.events[i])]
                row += [] if self.domains is None else [self.domains[i]]
                writer.writerow(row)

    @classmethod
    def read_csv(
        cls, path: Path, positive_label: str | None = None, threshold: float = 0.5
    ) -> Predictions:
        """Reads what `write_csv` wrote.

        Args:
            path: The CSV file.
            positive_label: As in the class; the CSV does not hold it.
            threshold: As in the class; the CSV does not hold it.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If it does not have the columns of `write_csv`.
        """
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        prefix = "score_"
        columns = [
            name for name in (rows[0] if rows else {}) if name.startswith(prefix)
        ]
        labels = tuple(name.removeprefix(prefix) for name in columns)
        try:
            return cls(
                files=tuple(row["file"] for row in rows),
                labels=labels,
                truth=np.array([labels.index(row["label"]) for row in rows]),
                scores=np.array(
                    [[float(row[name]) for name in columns] for row in rows]
                ),
                groups=tuple(row["group"] for row in rows),
                folds=np.array([int(row["fold"] or NO_FOLD) for row in rows]),
                durations_s=np.array([float(row["duration_s"]) for row in rows]),
                positive_label=positive_label,
                threshold=threshold,
                events=np.array([int(row["events"]) for row in rows])
                if "events" in rows[0]
                else None,
                domains=tuple(row["domain"] for row in rows)
                if "domain" in rows[0]
                else None,
            )
        except KeyError as error:
            raise ValueError(
                f"{path} must have the columns of a predictions.csv. "
                f"Missing: {error.args[0]}."
            ) from error
        except (TypeError, IndexError) as error:  # a row that ends too soon, or none
            raise ValueError(
                f"{path} must be a predictions.csv as cry-tf wrote it. It is cut short."
            ) from error
