"""Judges a finished model on labelled recordings and writes the result."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite.errors import SoundFileError
from cry_lite.spec import ModelSpec
from cry_lite.text_report import duration
from cry_tf.data import EmbeddingCache, decoding, detection_labels, sound_source
from cry_tf.data.clip import Problem
from cry_tf.data.content_digest import content_sha256
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation import summary_text
from cry_tf.evaluation.channel_score import channel_score, limit_of
from cry_tf.evaluation.domains import DomainReport, measure_domains
from cry_tf.evaluation.figures import Metrics
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.report import Report, render
from cry_tf.evaluation.scorer import Scorer
from cry_tf.reports import pages
from cry_tf.runs import result_folder
from cry_tf.runs.predictions import NO_FOLD, Predictions
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.runs.provenance import pretrained_overlap, short_digests, versions

# Longer recordings than this many windows hold more than their label.
_LONG_WINDOWS = 10
# What --positive takes where no recording holds a cry.
_NO_LABEL = "none"


@dataclass(frozen=True)
class Evaluation:
    """The result of `judge`.

    Attributes:
        path: The folder with `metrics.json`, `predictions.csv`, `report.html`.
        metrics: The figures.
        left_out: Clips that could not be decoded.
        domains: Figures of a detector by recorder or data set, or None.
    """

    path: Path
    metrics: Metrics
    left_out: tuple[Problem, ...]
    domains: DomainReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the figures as JSON types only."""
        domains = None if self.domains is None else self.domains.to_dict()
        return {**self.metrics.to_dict(), "domains": domains}


def judge(
    scorer: Scorer,
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    positive: tuple[str, ...] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    origin: str = "",
) -> Evaluation:
    """Scores every recording and writes metrics, predictions and a report.

    A recording is scored in windows, as by `cry-lite`: a detector by its events at its
    own threshold, a classifier by the mean over the windows.

    Args:
        scorer: The model.
        dataset: Labelled clips.
        path: The folder to write; it appears when everything is done.
        positive: For a detector, labels that mean a cry, `("none",)` for no label;
            None takes the model's labels where they fit, then the positive labels of
            its training, then well-known names.
        overwrite: True replaces an earlier result.
        progress: Takes lines, warnings and progress; None ignores them.
        origin: Where the data came from, for the record.

    Returns:
        The evaluation.

    Raises:
        ValueError: If the labels are not those of the model, or no clip can be
            decoded.
        OSError: If the folder cannot be written.
    """
    progress = progress or NoProgress()
    with result_folder.writing(path, overwrite) as part:
        progress.line(f"data: {dataset!r}")
        progress.line(f"  {dataset.grouping}")
        labelled = match_labels(dataset, scorer.spec, positive, progress)
        unit = unit_sentence(scorer.spec)
        progress.line(f"unit: {unit}")
        predictions, left_out = score_clips(scorer, labelled, progress)
        for problem in left_out:
            progress.warn(f"left out: {problem.sentence}")
        metrics = measure(predictions)
        overlap = seen_in_training(scorer, dataset)
        before = pretrained_overlap(scorer.pretrained_on, dataset)
        long = long_recordings(scorer.spec, predictions.durations_s)
        kept = labelled.without(problem.clip for problem in left_out)
        domains = _measure_domains(scorer.spec, kept, predictions, progress)
        apart = None if domains is None else domains.warning
        warnings = [metrics.verdict, apart, long, overlap, before]
        if left_out:
            warnings.append(f"{len(left_out)} clips could not be decoded.")
        warnings = tuple(sentence for sentence in warnings if sentence)
        judged = {
            "model": str(scorer.path),
            "model_sha256": content_sha256(scorer.path),
            "data": origin,
            "data_sha256": kept.sha256,
            "grouping": dataset.grouping,
            "unit": unit,
            "left_out": [
                {"file": problem.clip.name, "reason": problem.sentence}
                for problem in left_out
            ],
            "warnings": list(warnings),
            "versions": versions(),
        }
        found = Evaluation(Path(path), metrics, left_out, domains)
        values = {"judged": judged, **found.to_dict()}
        result_folder.write_json(part / result_folder.MARK, values)
        predictions.write_csv(part / "predictions.csv")
        report = _report(scorer.spec, predictions, found, warnings, judged, labelled)
        pages.write(part / "report.html", lambda: render(report), progress.warn)
        summary_text.print_tables(
            progress, metrics, report.operating_points, domains=domains
        )
        for sentence in filter(None, (apart, long, overlap, before)):
            progress.warn(sentence)
    return found


def _measure_domains(
    spec: ModelSpec, dataset: Dataset, predictions: Predictions, progress: Progress
) -> DomainReport | None:
    if predictions.positive_label is None:
        return None
    limit_hz, cache_dir = limit_of(spec.front_end), EmbeddingCache().dir
    channel = channel_score(dataset, limit_hz, cache_dir, progress)
    return measure_domains(predictions, channel=channel)


def match_labels(
    dataset: Dataset,
    spec: ModelSpec,
    positive: tuple[str, ...] | None,
    progress: Progress,
) -> Dataset:
    """Maps the labels of the clips to those of a model, in its order.

    Args:
        dataset: Labelled clips.
        spec: The model's labels, task and decision.
        positive: As in `judge`.
        progress: Takes the mapping of a detector's labels, a line each.

    Raises:
        ValueError: If the labels cannot be those of the model.
    """
    if spec.task == "detect":
        dataset, unsure = detection_labels.without_unsure(dataset, positive)
        if unsure:
            progress.line(f"  {unsure}")
    present = sorted({clip.label for clip in dataset.clips})
    if positive is not None and spec.task != "detect":
        raise ValueError(
            "positive names the labels that mean a cry, for a detector. The model is "
            f"a classifier of {', '.join(spec.labels)}."
        )
    unknown = [label for label in present if label not in spec.labels]
    if not unknown and positive is None:
        return dataset.map_labels(lambda label: label, spec.labels)
    if spec.task != "detect":
        raise ValueError(
            "Every label of the data must be one of the model's. "
            f"Received: {', '.join(unknown)}. The model's: {', '.join(spec.labels)}. "
            "Rename or leave out these clips."
        )
    others = [label for label in spec.labels if label != spec.positive_label]
    if len(others) != 1:
        raise ValueError(
            "Labels can be mapped for a detector with two labels. "
            f"The model's: {', '.join(spec.labels)}."
        )
    if positive == (_NO_LABEL,) and _NO_LABEL not in present:
        positive = ()
    mapping = detection_labels.map_labels(
        [clip.label for clip in dataset.clips],
        positive,
        is_training=False,
        remembered=spec.positive_names,
    )
    if positive is None and not mapping.positive:
        raise ValueError(
            "At least one label must mean a cry. Labels in the data: "
            f"{', '.join(present)}. Name those that do with --positive, or give "
            f"--positive {_NO_LABEL} if there is no cry in any of the recordings."
        )
    progress.line("labels:")
    for sentence in mapping.sentences():
        progress.line(f"  {sentence}")
    is_cry = {label for label, _ in mapping.positive}
    return dataset.map_labels(
        lambda label: spec.positive_label if label in is_cry else others[0],
        spec.labels,
    )


def score_clips(
    scorer: Scorer, dataset: Dataset, progress: Progress
) -> tuple[Predictions, tuple[Problem, ...]]:
    """Scores every clip that can be decoded, in windows, as the runtime does.

    No more than a few blocks of sound are in memory, however long a recording is.

    Args:
        scorer: The model.
        dataset: Clips with the labels of the model, as `match_labels` gives them.
        progress: Takes lines, warnings and progress.

    Returns:
        The scored clips, and those that could not be decoded.

    Raises:
        ValueError: If no clip can be decoded, or a score is not finite.
    """
    rate_hz = scorer.spec.sample_rate_hz
    kept, answers, durations_s = [], [], []
    with progress.bar("scoring", len(dataset)) as advance:
        for clip in dataset.clips:
            try:
                blocks = sound_source.stream(clip.path, rate_hz)
                answer, duration_s = scorer.decide(blocks)
            except SoundFileError as error:
                decoding.add_problem(dataset, clip, error)
                continue
            except ValueError as error:
                raise ValueError(f"{clip.name} cannot be scored: {error}") from error
            kept.append(clip)
            answers.append(answer)
            durations_s.append(duration_s)
            advance()
    if not kept:
        raise ValueError(
            "At least one clip must be decodable. Received: "
            f"{len(dataset)} clips. The first: {dataset.problems[0].sentence}"
        )
    is_detector = scorer.spec.task == "detect"
    domains = tuple(clip.domain for clip in kept)
    predictions = Predictions(
        files=tuple(clip.name for clip in kept),
        labels=scorer.spec.labels,
        truth=np.array([scorer.spec.labels.index(clip.label) for clip in kept]),
        scores=np.stack([answer.scores for answer in answers]),
        groups=tuple(clip.group for clip in kept),
        folds=np.full(len(kept), NO_FOLD),
        durations_s=np.array(durations_s),
        positive_label=scorer.spec.positive_label,
        threshold=scorer.spec.decision.onset_threshold if is_detector else 0.5,
        events=np.array([len(answer.events) for answer in answers])
        if is_detector
        else None,
        domains=domains if any(domains) else None,
    )
    return predictions, tuple(dataset.problems)


def unit_sentence(spec: ModelSpec) -> str:
    """Returns what is counted, and how it is scored."""
    decision = spec.decision
    answer = (
        "it is a cry if an event is found in it"
        if spec.task == "detect"
        else "it is answered by the mean over its windows"
    )
    return (
        f"a recording, scored in windows of {decision.window_s:g} s every "
        f"{decision.hop_s:g} s as by cry-lite analyze: {answer}"
    )


def long_recordings(spec: ModelSpec, durations_s: np.ndarray) -> str | None:
    """Warns if recordings are much longer than a window; None if none is."""
    limit_s = _LONG_WINDOWS * spec.decision.window_s
    count = int((durations_s > limit_s).sum())
    if not count:
        return None
    found = (
        f"{count} of {len(durations_s)} recordings are longer than {limit_s:g} s, the "
        f"longest {duration(float(durations_s.max()))}: each has one label and one "
        "answer. "
    )
    if spec.task == "detect":
        return found + (
            "A recording labelled a cry is found by any event in it; in the others "
            "each event is a false alarm. When it cried within a recording is not "
            "evaluated."
        )
    return found + (
        "The answer is the mean over all windows, crying or not. Cut the recordings "
        "to the cries to evaluate reasons."
    )


def seen_in_training(scorer: Scorer, dataset: Dataset) -> str | None:
    """Warns if the model was trained on these clips; None if it was not."""
    if scorer.data_sha256 is not None and scorer.data_sha256 == dataset.sha256:
        count = len(dataset)
    elif scorer.trained_on:
        count = sum(digest in scorer.trained_on for digest in short_digests(dataset))
    else:
        return (
            f"{scorer.path.name} does not record which clips it was trained on. If "
            "some of these were among them, the figures are too good; evaluate the run "
            "folder instead to find out."
        )
    if not count:
        return None
    return (
        f"{count} of {len(dataset)} clips were in the training of this model: the "
        "figures are too good. Its out-of-fold figures are in the run folder."
    )


def _report(
    spec: ModelSpec,
    predictions: Predictions,
    found: Evaluation,
    warnings: tuple[str, ...],
    judged: dict,
    dataset: Dataset,
) -> Report:
    points, metrics = (), found.metrics
    if metrics.operating_point is not None:
        name = f"{predictions.threshold:.2f}: the model’s threshold"
        points = ((name, metrics.operating_point),)
    used = ", ".join(f"{name} {text}" for name, text in judged["versions"].items())
    return Report(
        title="Cry detector" if spec.task == "detect" else "Cry classifier",
        lead=(
            f"{Path(judged['model']).name} on {metrics.clips:,} clips in "
            f"{metrics.groups:,} groups. A clip is {judged['unit']}."
        ),
        predictions=predictions,
        metrics=metrics,
        warnings=warnings,
        operating_points=points,
        domains=found.domains,
        facts=(
            ("model", f"{judged['model']}, sha256 {judged['model_sha256']}"),
            ("data", f"{judged['data']}, sha256 {judged['data_sha256']}"),
            ("groups", judged["grouping"]),
            ("unit", judged["unit"]),
            ("versions", used),
        ),
        recordings={clip.name: clip.path for clip in dataset.clips},
    )
