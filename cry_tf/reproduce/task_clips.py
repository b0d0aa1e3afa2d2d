"""The clips of each task of a paper, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass

from cry_tf.data.dataset import Dataset
from cry_tf.reproduce import papers
from cry_tf.reproduce.clips import for_task
from cry_tf.reproduce.papers import Paper
from cry_tf.runs.progress import Listener


@dataclass(frozen=True)
class TaskClips:
    """What the rows of each task are run on.

    Attributes:
        datasets: By task, the clips under the paper's names of their labels.
        sha256: By task, their digest.
        reasons: By task, why its rows cannot be run; those have no clips.
    """

    datasets: dict[str, Dataset]
    sha256: dict[str, str]
    reasons: dict[str, str]

    @classmethod
    def of(
        cls,
        paper: Paper,
        dataset: Dataset,
        positive: tuple[str, ...] | None,
        listener: Listener,
    ) -> TaskClips:
        """Takes the clips of every task out of a data set.

        Args:
            paper: Whose tasks.
            dataset: The usable clips.
            positive: Labels that mean a cry; None takes the well-known names.
            listener: Hears what is in it for each task.
        """
        found = cls({}, {}, {})
        for task in sorted({row.task for row in paper.rows}):
            try:
                clips = for_task(dataset, task, positive)
            except ValueError as error:
                found.reasons[task] = str(error)
                continue
            if task == "reason":
                clips = papers.in_its_words(paper, clips)
            found.datasets[task], found.sha256[task] = clips, clips.sha256
            listener.line(f"{task}: {clips!r}")
            for note in clips.notes:
                listener.line(f"  {note}")
        return found
