"""Gives a detector the setting that keeps to a budget of false alarms.

The search is `cry_lite.alarm_budget`; here are the recordings, the file and the report.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cry_lite import alarm_budget, models
from cry_lite.alarm_budget import AlarmChoice, ScoredRecording
from cry_lite.errors import SoundFileError
from cry_lite.sound_folder import CONTAINER_SUFFIXES, SUFFIXES, find_sounds
from cry_tf.data import sound_source
from cry_tf.data.content_digest import content_digests
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation import alarm_report, decision_writing
from cry_tf.evaluation.judgement import match_labels
from cry_tf.evaluation.scorer import Scorer, load_scorer
from cry_tf.evaluation.window_scores import WindowScores, network_sha256
from cry_tf.reports import pages
from cry_tf.runs import result_folder
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.runs.provenance import versions

_DIGEST_LETTERS = 16  # as `cry_tf.runs.provenance.short_digests`


@dataclass(frozen=True)
class AlarmCalibration:
    """The result of `calibrate_alarms`.

    Attributes:
        path: The model with the setting inside.
        report: The page; the JSON file beside it has the same name.
        choice: The setting and the curve.
        left_out: A sentence for each recording that was not used.
        warnings: Sentences on what limits the figures.
    """

    path: Path
    report: Path
    choice: AlarmChoice
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Sounds:
    """Recordings of one kind, with the digests of their files."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    digests: tuple[str, ...]


def calibrate_alarms(
    model: str | os.PathLike[str],
    ambient: Sequence[str | os.PathLike[str]],
    max_per_hour: float,
    cries: Dataset | None = None,
    *,
    positive: tuple[str, ...] | None = None,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    accept_few_hours: bool = False,
    ambient_has_no_crying: bool = False,
    progress: Progress | None = None,
    scores_dir: str | os.PathLike[str] | None = None,
) -> AlarmCalibration:
    """Chooses a detector's setting and writes it into the model, with a report.

    Args:
        model: Run folder, `.keras` or `.tflite`, or the name of an included detector.
        ambient: Sound files and folders of them, without crying.
        max_per_hour: False alarms an hour that are allowed, above 0.
        cries: Labelled recordings; those with crying count. None searches without.
        positive: Labels of `cries` that mean crying, as for `cry-tf evaluate`.
        output: The file to write, None for the model itself.
        overwrite: Replaces `output`.
        accept_few_hours: Goes on where the ambient recordings are too short to show
            that the budget is kept; the file says so.
        ambient_has_no_crying: Counts long, sure events in the ambient recordings as
            false alarms, because somebody listened to them.
        progress: Takes lines, warnings and progress.
        scores_dir: Where scores are kept, see `WindowScores`.

    Raises:
        ValueError: If the model is no detector, a recording seems to contain crying,
            the hours are too few, or no setting keeps to the budget.
        OSError: If something cannot be read or written.
    """
    progress = progress or NoProgress()
    alarm_budget.check_budget(max_per_hour)
    if output is None and os.fspath(model) in models.NAMES:
        raise ValueError(
            f"The included {model} stays as it is. Name the file to write with -o."
        )
    model = models.resolve(model)
    target = decision_writing.plan_target(model, output, overwrite)
    scorer = load_scorer(model)
    scores = WindowScores(scorer, scores_dir)
    left_out: list[str] = []
    sounds = _ambient_sounds(ambient, progress, left_out)
    if not accept_few_hours:  # before anything is scored
        _check_hours(_stated_hours(sounds.paths), max_per_hour, False)
    cry_sounds = _cry_sounds(cries, scorer, positive, progress)
    _refuse_both(sounds, cry_sounds)
    warnings = _seen_in_training(scorer, sounds, cry_sounds)

    scored = _score(scores, sounds, "ambient recordings", progress, left_out)
    if not scored:
        raise ValueError(
            "At least one ambient recording must be decodable. Received: "
            f"{len(sounds.paths)}. The first: {left_out[0]}"
        )
    seeming = alarm_budget.seeming_cries(scored, scorer.spec.decision)
    if seeming and not ambient_has_no_crying:
        names = {found.name for found in seeming}
        raise ValueError(
            f"{len(names)} of {len(scored)} ambient recordings seem to contain crying: "
            f"{alarm_budget.name_some(seeming)}. Listen to them. Take away those with "
            "crying; if there is none, give --ambient-has-no-crying, and they count as "
            "false alarms."
        )
    hours = alarm_budget.hours_of(scored)
    warnings += _check_hours(hours, max_per_hour, accept_few_hours)
    scored_cries = _score(scores, cry_sounds, "cries", progress, left_out)
    if cry_sounds.paths and not scored_cries:
        raise ValueError(f"None of {len(cry_sounds.paths)} cries could be decoded.")
    if scores.unwritable is not None:
        progress.warn(f"scores could not be kept ({scores.unwritable})")

    choice = alarm_budget.choose(
        scored, scored_cries, scorer.spec.decision, max_per_hour
    )
    warnings += _limits(choice)
    facts = _provenance(choice, sounds)
    stem = target / "alarms" if target.is_dir() else target.with_suffix("")
    card = {"false_alarms": _card_line(choice)}
    decision = choice.chosen.decision
    with decision_writing.writing(
        Path(model).expanduser(), target, decision, facts, card
    ) as written:
        _compare(load_scorer(written), choice, scored, scored_cries, sounds, cry_sounds)
    page = alarm_report.AlarmReport(
        model=target,
        choice=choice,
        ambient=tuple(scored),
        warnings=tuple(warnings),
        facts=facts,
    )
    report = stem if target.is_dir() else stem.with_name(f"{stem.name}.alarms")
    values = {
        "model": str(target),
        "network_sha256": network_sha256(scorer.path),
        **choice.to_dict(),
        "ambient": [
            {
                "name": recording.name,
                "duration_s": round(recording.duration_s, 3),
                "false_alarms": alarm_budget.alarms_in(recording, decision),
            }
            for recording in scored
        ],
        "left_out": left_out,
        "warnings": warnings,
        "versions": versions(),
    }
    result_folder.write_json(report.with_name(f"{report.name}.json"), values)
    html = report.with_name(f"{report.name}.html")
    pages.write(html, lambda: alarm_report.render(page), progress.warn)
    return AlarmCalibration(
        path=target,
        report=html,
        choice=choice,
        left_out=tuple(left_out),
        warnings=tuple(warnings),
    )


def _ambient_sounds(
    ambient: Sequence[str | os.PathLike[str]], progress: Progress, left_out: list[str]
) -> _Sounds:
    """Finds the recordings; copies of one file count once."""
    names, problems = find_sounds(
        [os.fspath(Path(name).expanduser()) for name in ambient],
        SUFFIXES | CONTAINER_SUFFIXES,
    )
    left_out += problems
    missing = [name for name in names if not os.path.isfile(name)]
    left_out += [f"File not found: {name}." for name in missing]
    paths = [Path(name) for name in names if name not in missing]
    for sentence in left_out:
        progress.warn(f"left out: {sentence}")
    if not paths:
        raise ValueError(
            "Ambient recordings are sound files, or folders of them. Received: "
            f"{', '.join(map(str, ambient))}, with no sound file."
        )
    first: dict[str, Path] = {}
    for path, digest in zip(paths, content_digests(paths), strict=True):
        first.setdefault(digest, path)
    if len(first) < len(paths):
        progress.warn(
            f"{len(paths) - len(first)} of {len(paths)} ambient recordings are copies "
            "of others, and do not count"
        )
    return _Sounds(
        tuple(first.values()),
        tuple(os.fspath(path) for path in first.values()),
        tuple(first),
    )


def _cry_sounds(
    cries: Dataset | None,
    scorer: Scorer,
    positive: tuple[str, ...] | None,
    progress: Progress,
) -> _Sounds:
    """Takes the recordings with crying out of labelled ones."""
    if cries is None:
        return _Sounds((), (), ())
    labelled = match_labels(cries, scorer.spec, positive, progress)
    clips = [c for c in labelled.clips if c.label == scorer.spec.positive_label]
    if not clips:
        raise ValueError(
            "At least one recording of --cries must be labelled as crying. Labels: "
            f"{', '.join(sorted({clip.label for clip in cries.clips}))}. Name those "
            "that mean crying with --positive."
        )
    if len(clips) < len(labelled):
        progress.line(
            f"cries: {len(clips)} recordings; {len(labelled) - len(clips)} without "
            "crying take no part"
        )
    paths = tuple(clip.path for clip in clips)
    names = tuple(clip.name for clip in clips)
    return _Sounds(paths, names, tuple(content_digests(paths)))


def _stated_hours(paths: Sequence[Path]) -> float:
    """Returns the hours that the files say they have, infinite if one does not."""
    total_s = 0.0
    for path in paths:
        try:
            duration_s = sound_source.info(path).duration_s
        except SoundFileError:
            continue
        if duration_s <= 0:
            return float("inf")
        total_s += duration_s
    return max(total_s, 1.0) / 3600


def _check_hours(hours: float, max_per_hour: float, is_accepted: bool) -> list[str]:
    """Raises for too few hours, or returns the sentence where they are accepted."""
    try:
        alarm_budget.check_hours(hours, max_per_hour)
    except ValueError as error:
        if is_accepted:
            return [str(error)]
        raise ValueError(
            f"{error} Add recordings, allow more false alarms, or give "
            "--accept-few-hours to go on without showing it."
        ) from error
    return []


def _refuse_both(ambient: _Sounds, cries: _Sounds) -> None:
    both = set(ambient.digests) & set(cries.digests)
    if both:
        named = cries.names[cries.digests.index(min(both))]
        raise ValueError(
            f"{len(both)} recordings are among the ambient recordings and the cries, "
            f"for example {named}. Take each out of one of them."
        )


def _seen_in_training(scorer: Scorer, ambient: _Sounds, cries: _Sounds) -> list[str]:
    sentences = []
    for sounds, what in ((ambient, "ambient recordings"), (cries, "cries")):
        count = sum(d[:_DIGEST_LETTERS] in scorer.trained_on for d in sounds.digests)
        if count:
            sentences.append(
                f"{count} of {len(sounds.digests)} {what} were in the training of this "
                "model: on others it will be worse."
            )
    return sentences


def _score(
    scores: WindowScores,
    sounds: _Sounds,
    what: str,
    progress: Progress,
    left_out: list[str],
) -> list[ScoredRecording]:
    found = []
    if not sounds.paths:
        return found
    with progress.bar(f"scoring {what}", len(sounds.paths)) as advance:
        for path, name in zip(sounds.paths, sounds.names, strict=True):
            try:
                found.append(scores.of(path, name))
            except SoundFileError as error:
                left_out.append(str(error))
                progress.warn(f"left out: {error}")
            advance()
    return found


def _limits(choice: AlarmChoice) -> list[str]:
    return [
        "The setting is the best one on these recordings: on others it is a little "
        "worse. Evaluate it on recordings that were not used here."
    ] + (
        []
        if choice.chosen.cries
        else [
            "No cries were given, so nothing shows how many this setting still "
            "detects. Give some with --cries."
        ]
    )


def _provenance(choice: AlarmChoice, ambient: _Sounds) -> dict[str, str | int | float]:
    digest = hashlib.sha256("".join(sorted(ambient.digests)).encode()).hexdigest()
    chosen = choice.chosen
    values: dict[str, Any] = {
        "alarm_budget_per_hour": choice.max_per_hour,
        "alarm_budget_is_shown": int(choice.is_supported),
        "ambient_hours": round(choice.hours, 4),
        "ambient_recordings": choice.recordings,
        "ambient_sha256": digest,
        "ambient_false_alarms": chosen.false_alarms,
        "ambient_highest_per_hour": round(chosen.highest_per_hour, 4),
        # 0 in place of what an earlier calibration with cries left.
        "cries": chosen.cries or 0,
        "cries_detected": chosen.detected or 0,
    }
    return values


def _card_line(choice: AlarmChoice) -> str:
    chosen = choice.chosen
    line = (
        f"{chosen.false_alarms} in {choice.hours:.1f} h of ambient recordings that the "
        f"setting was chosen on (at most {chosen.highest_per_hour:.2g} an hour, 95 % "
        "confidence)"
    )
    if chosen.cries:
        line += f"; {chosen.detected} of {chosen.cries} cries detected"
    if not choice.is_supported:
        line += f"; too few hours to show {choice.max_per_hour:g} an hour"
    return f"{line}."


def _compare(
    written: Scorer,
    choice: AlarmChoice,
    scored: Sequence[ScoredRecording],
    scored_cries: Sequence[ScoredRecording],
    sounds: _Sounds,
    cry_sounds: _Sounds,
) -> None:
    """Checks that the written model, read again, gives the events that were chosen.

    All recordings by their scores, and the shortest of both kinds from its sound.

    Raises:
        ValueError: If it does not.
    """
    decision = written.spec.decision
    again = alarm_budget.point_of(decision, scored, scored_cries)
    is_same = again == choice.chosen
    paths = dict(zip(sounds.names, sounds.paths, strict=True))
    paths |= dict(zip(cry_sounds.names, cry_sounds.paths, strict=True))
    for recordings in filter(None, (scored, scored_cries)):
        shortest = min(recordings, key=lambda recording: recording.duration_s)
        blocks = sound_source.stream(paths[shortest.name], written.spec.sample_rate_hz)
        found, _ = written.decide(blocks)
        expected = shortest.events(choice.chosen.decision)
        times = [(round(e.start_s, 3), round(e.end_s, 3)) for e in found.events]
        is_same &= times == [
            (round(event.start_s, 3), round(event.end_s, 3)) for event in expected
        ]
    if not is_same:
        raise ValueError(
            f"{written.path.name} does not give the events that were chosen for it. "
            "Nothing was written. Delete the kept scores and try again."
        )
