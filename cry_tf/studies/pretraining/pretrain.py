"""Runs a pretraining: windows, teachers, student, figures, files."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

import cry_hub
from cry_hub import formats, porting
from cry_hub.weights.cache_folder import digest_file
from cry_lite import __version__
from cry_tf.data.bandwidth import shared_bandwidth
from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import plural
from cry_tf.runs.progress import Progress
from cry_tf.runs.provenance import short_digests
from cry_tf.studies.pretraining import kept_out_groups, linear_probe
from cry_tf.studies.pretraining.card import card
from cry_tf.studies.pretraining.student_training import (
    FeatureScale,
    PretrainingFit,
    after_the_front_end,
    fit,
    outputs_of,
    with_heads,
)
from cry_tf.studies.pretraining.targets import Teacher, compute
from cry_tf.studies.pretraining.window_plan import WindowPlan

PATCHES = 5
_JUDGED_WINDOWS = 2


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """What to pretrain and how.

    Attributes:
        student: Preset with patches, `ds_cnn_s` or `ds_cnn_m`.
        teachers: Preset and weights (`pretrained` or a path) of each.
        windows: Windows of each clip.
        epochs: Passes over them.
        augment: Policy that changes them.
        hold_out: One group in so many is kept out.
        seed: Draws everything.
    """

    student: str
    teachers: tuple[tuple[str, str], ...]
    windows: int = 6
    epochs: int = 12
    augment: str = "strong"
    hold_out: int = 5
    seed: int = 0


def pretrain(
    dataset: Dataset,
    wanted: Pretraining,
    output: str | os.PathLike[str],
    cache: str | os.PathLike[str] | None,
    progress: Progress,
) -> Path:
    """Pretrains a student and writes it with its card.

    Args:
        dataset: Recordings; labels are used for the figures alone.
        wanted: What to do.
        output: Folder for `STUDENT.npz`, and beside it, under the same
            name, `.npz.sha256`, `.json` (figures and settings), `.md` (the card)
            and `.trained_on.txt` (digests of the files that were trained on).
        cache: Folder of the teachers' outputs, None for `windows` in `output`.
        progress: Takes lines, warnings and progress.

    Returns:
        The weights file.

    Raises:
        ValueError: If something asked for is not possible.
        FileExistsError: If the weights file exists.
    """
    output = Path(output).expanduser()
    target = output / f"{wanted.student}.npz"
    if target.exists():
        raise FileExistsError(
            f"{target} exists and is not overwritten: choose another folder."
        )
    cache = output / "windows" if cache is None else Path(cache).expanduser()
    began = time.monotonic()
    train_clips, test_clips = kept_out_groups.parts(dataset, wanted.hold_out)
    progress.line(
        f"{plural(len(train_clips), 'clip')} to train on, "
        f"{plural(len(test_clips), 'clip')} of other groups held out"
    )
    keras.utils.set_random_seed(wanted.seed)
    backbone = cry_hub.load(wanted.student, weights=None)
    if "patch_mask" not in [layer.name for layer in backbone.layers]:
        raise ValueError(
            "A student of this pretraining sees patches: ds_cnn_s or ds_cnn_m. "
            f"Received: {wanted.student!r}."
        )
    spec = backbone.front_end_spec
    samples = window_samples(spec, PATCHES)
    plan = WindowPlan(
        samples=samples,
        sample_rate_hz=spec.sample_rate_hz,
        per_clip=wanted.windows,
        augment=wanted.augment,
        seed=wanted.seed,
    )
    teachers = [Teacher(name, file, spec) for name, file in wanted.teachers]
    front_end = backbone.get_layer("frontend")
    train = compute(train_clips, plan, teachers, front_end, cache, progress)
    plain = dataclasses.replace(
        plan, per_clip=_JUDGED_WINDOWS, augment="none", mixed_share=0.0
    )
    test = compute(test_clips, plain, teachers, front_end, cache, progress)
    scoring_s = time.monotonic() - began

    settings = PretrainingFit(epochs=wanted.epochs, seed=wanted.seed)
    model = with_heads(backbone, train)
    scales = {
        name: FeatureScale.of(values) for name, values in train.embeddings.items()
    }
    began = time.monotonic()
    history = fit(model, train, scales, settings, progress)
    trained_s = time.monotonic() - began

    train_clips = train_clips.without(p.clip for p in train_clips.problems)
    test_clips = test_clips.without(p.clip for p in test_clips.problems)
    record: dict[str, Any] = {
        "what": f"pretrained weights of {wanted.student}",
        "cry_tf": __version__,
        "settings": dataclasses.asdict(wanted)
        | {"teachers": [name for name, _ in wanted.teachers]},
        "plan": plan.to_dict(),
        "course": settings.to_dict(),
        "teachers": {t.name: {"sha256": t.sha256} for t in teachers},
        "trained_on": _about(train_clips),
        "held_out": _about(test_clips),
        "windows": len(train),
        "history": history,
        "agreement": linear_probe.agreement(model, test, scales, train),
        "probe": _probes(wanted, backbone, test_clips, plain, cache, progress),
        "seconds": {"hearing": round(scoring_s), "training": round(trained_s)},
    }
    output.mkdir(parents=True, exist_ok=True)
    digests = "\n".join(sorted(set(short_digests(train_clips)))) + "\n"
    porting.save_npz(backbone, target)
    record["sha256"] = formats.read(target).sha256
    line = f"{record['sha256']}  {target.name}\n"
    digest_file(target).write_text(line, encoding="utf-8")
    target.with_suffix(".trained_on.txt").write_text(digests, encoding="utf-8")
    target.with_suffix(".json").write_text(
        json.dumps(record, indent=1) + "\n", encoding="utf-8"
    )
    target.with_suffix(".md").write_text(card(record, target.stem), encoding="utf-8")
    return target


def window_samples(spec: Any, patches: int) -> int:
    """Returns the length of the shortest window that has so many patches."""
    hops = (patches - 1) * spec.patch_hop_frames + spec.patch_frames - 1
    return hops * spec.hop_samples + spec.window_samples


def _about(clips: Dataset) -> dict[str, Any]:
    counts: dict[str, dict[str, Any]] = {}
    for clip in clips.clips:
        name = clip.columns.get("dataset", "recordings")
        licence = clip.columns.get("licence", "not stated")
        row = counts.setdefault(name, {"clips": 0, "groups": set(), "licences": set()})
        row["clips"] += 1
        row["groups"].add(clip.group)
        row["licences"].add(licence)
    return {
        "clips": len(clips),
        "groups": len(set(clips.groups)),
        "names_sha256": kept_out_groups.names_sha256(clip.name for clip in clips.clips),
        "sets": {
            name: {
                "clips": row["clips"],
                "groups": len(row["groups"]),
                "licences": sorted(row["licences"]),
            }
            for name, row in sorted(counts.items())
        },
    }


def _probes(wanted, backbone, clips, plain, cache, progress) -> dict:
    """Judges embeddings of held-out clips, all equally wide, by a linear probe."""
    cutoff_hz = shared_bandwidth(clips).cutoff_hz
    spec = backbone.front_end_spec
    narrow = [Teacher(name, file, spec, cutoff_hz) for name, file in wanted.teachers]
    keras.utils.set_random_seed(wanted.seed)
    fresh = cry_hub.load(wanted.student, weights=None, cutoff_hz=cutoff_hz)
    targets = compute(
        clips, plain, narrow, fresh.get_layer("frontend"), cache, progress
    )
    features = {
        name: linear_probe.clip_means(values, targets.clips)
        for name, values in targets.embeddings.items()
    }
    for name, source in (("random weights", fresh), ("pretrained", backbone)):
        (embedded,) = outputs_of(after_the_front_end(source), targets)
        features[name] = linear_probe.clip_means(embedded, targets.clips)
    try:
        return {
            "cutoff_hz": cutoff_hz,
            **{
                name: linear_probe.probe(values, clips)
                for name, values in features.items()
            },
        }
    except ValueError as error:
        progress.warn(f"no linear probe: {error}")
        return {}
