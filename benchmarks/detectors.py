"""Compares cry detectors on the same scenes: ours, and what people use now.

    python benchmarks/detectors.py split DATA -o split
    cry-tf scenes split/test.csv -o scenes --hours 3 --seed 15 \
        --events DATA/donateacry_events.csv
    cry-tf train split/train.csv -o runs/yamnet --task detect --recipe quick \
        --weights WEIGHTS/yamnet/yamnet_reconstructed_folded_f32.npz --no-baselines
    cry-tf export runs/yamnet -o yamnet_head.tflite --quantize dynamic
    python benchmarks/detectors.py compare scenes split/test.csv --weights WEIGHTS \
        --model "YAMNet head"=yamnet_head.tflite -o compared

`split` keeps a fifth of the groups of every source for testing (a group whose SHA-256,
first 8 digits, divides by 5); clips labelled `unsure` are left out of both.

Nothing is chosen for a detector but its threshold, on these scenes, for all alike.
AudioSet networks give the higher of "Crying, sobbing" and "Baby cry, infant cry"; what
has no settings of its own gets a median over about 3 s and joins events less than 5 s
apart. Each detector is scored in a process of its own with one thread: seconds are of
the processor, decoding included; memory is the highest of the process.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import timing

from cry_lite.alarm_budget import ScoredRecording
from cry_lite.decision import smooth
from cry_lite.spec import DecisionSpec
from cry_lite.windows import stream_windows
from cry_tf.data import detection_labels, event_files, load, sound_source
from cry_tf.evaluation import alarm_curve, event_counts
from cry_tf.evaluation.alarm_curve import AlarmCurve, AnnotatedRecording

RATES = (0.2, 1.0)
MIN_RECALL = 0.95
_ALIKE: dict[str, Any] = {
    "onset_threshold": 0.5,
    "offset_threshold": 0.4,
    "max_gap_s": 5.0,
}
_PHONES = ("donateacry", "donateacry_phone")
# Name, kind, file among the weights, settings; the classes as their maps number them.
_RIVALS = (
    (
        "YAMNet (Google, dynamic int8)",
        "audioset",
        "yamnet/yamnet_official_dynamic_range_int8.tflite",
        {"window_s": 0.975, "hop_s": 0.4875, "smoothing_windows": 5},
    ),
    (
        "YAMNet (Google, full int8, metadata)",
        "audioset",
        "yamnet/yamnet_audio_classifier_with_metadata.tflite",
        {"window_s": 0.975, "hop_s": 0.4875, "smoothing_windows": 5},
    ),
    (
        "AudioSet-527, small (Google)",
        "audioset",
        "audioset527_small/model_without_metadata.tflite",
        {"window_s": 0.335, "hop_s": 0.335, "smoothing_windows": 9},
    ),
    (
        "mn04 zero-shot",
        "tagger",
        "efficientat/mn04_as_mAP_432.pt",
        {"window_s": 3.0, "hop_s": 1.5, "smoothing_windows": 1},
    ),
    ("RMS gate", "rms", "", {"window_s": 1.0, "hop_s": 0.5, "smoothing_windows": 5}),
)
_CRY_CLASSES = {521: (19, 20), 527: (22, 23)}


# Splitting ---------------------------------------------------------------------------


def is_test_group(group: str) -> bool:
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) % 5 == 0


def split(folder: Path, output: Path) -> None:
    """Writes train.csv and test.csv with the clips of every manifest below a folder."""
    rows: dict[bool, list[list[str]]] = {True: [], False: []}
    for manifest in sorted(folder.glob("**/MANIFEST.csv")):
        with manifest.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["label"] == "unsure":
                    continue
                path = (manifest.parent / row["file"]).resolve()
                rows[is_test_group(row["group"])].append(
                    [str(path), row["dataset"], row["label"], row["group"]]
                )
    output.mkdir(parents=True, exist_ok=True)
    for is_test, name in ((False, "train.csv"), (True, "test.csv")):
        with (output / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["file", "dataset", "label", "group"])
            writer.writerows(rows[is_test])
        groups = {row[3] for row in rows[is_test]}
        print(f"{output / name}: {len(rows[is_test])} clips, {len(groups)} groups")


# Scoring, in a process of its own ----------------------------------------------------

Score = Callable[[Iterable[np.ndarray]], tuple[np.ndarray, np.ndarray, np.ndarray]]


def open_detector(
    kind: str, path: str, settings: dict[str, Any]
) -> tuple[Score, int, DecisionSpec]:
    """Returns blocks -> starts, ends and scores, the rate, and the settings."""
    if kind == "cry-tf":
        from cry_lite.detector import Analyzer
        from cry_lite.windows import score_windows

        analyzer = Analyzer(path)
        spec = analyzer.spec
        positive = spec.labels.index(spec.positive_label or "")

        def own(blocks: Iterable[np.ndarray]):
            starts, ends, scores = score_windows(blocks, spec, analyzer.model)
            rate_hz = spec.sample_rate_hz
            return starts / rate_hz, ends / rate_hz, scores[:, positive]

        return own, spec.sample_rate_hz, spec.decision
    decision = DecisionSpec(**_ALIKE, **settings)
    if kind == "tagger":
        from cry_tf.tagging import Tagger

        tagger = Tagger.from_preset("mn04_audioset", path, window_s=decision.window_s)

        def tag(blocks: Iterable[np.ndarray]):
            tags = tagger.tag(blocks)
            return tags.windows[:, 0], tags.windows[:, 1], tags.scores.max(axis=1)

        return tag, tagger.front_end.sample_rate_hz, decision
    if kind == "audioset":
        from cry_lite.interpreter import LiteRTModel

        model = LiteRTModel(path)
        classes = list(_CRY_CLASSES[model.num_outputs])

        def window_score(window: np.ndarray) -> float:
            return float(model(window)[classes].max())
    else:

        def window_score(window: np.ndarray) -> float:
            rms = math.sqrt(float(np.square(window, dtype=np.float64).mean()))
            return min(max(1 + math.log10(max(rms, 1e-10)) / 4, 0.0), 1.0)  # -80 dB: 0

    def by_window(blocks: Iterable[np.ndarray]):
        size, hop = (round(s * 16_000) for s in (decision.window_s, decision.hop_s))
        found = [
            (start, start + len(window), window_score(window))
            for start, window in stream_windows(blocks, size, hop)
        ]
        starts, ends, scores = map(np.array, zip(*found, strict=True))
        return starts / 16_000, ends / 16_000, scores

    return by_window, 16_000, decision


def score(kind: str, path: str, settings: str, sounds: Path, output: Path) -> None:
    """Scores the sounds that a JSON file lists, and writes scores and costs."""
    from cry_lite.speed_worker import peak_memory_bytes
    from cry_lite.terminal import without_delegate_notice

    with without_delegate_notice():
        run, rate_hz, decision = open_detector(kind, path, json.loads(settings))
    arrays: dict[str, np.ndarray] = {}
    long_s = spent_s = 0.0
    for number, sound in enumerate(json.loads(sounds.read_text())):
        begun = time.process_time()
        starts, ends, scores = run(sound_source.stream(sound, rate_hz))
        if ends[-1] > 60:  # what starting costs is no part of an hour
            spent_s += time.process_time() - begun
            long_s += float(ends[-1])
        arrays[str(number)] = np.stack([starts, ends, scores])
    arrays["costs"] = np.array(
        [spent_s / long_s * 3600 if long_s else np.nan, peak_memory_bytes() / 1e6]
    )
    arrays["decision"] = np.array(json.dumps(decision.to_dict()))
    part = output.with_suffix(".part.npz")
    np.savez(part, **arrays)  # type: ignore[arg-type]
    os.replace(part, output)


# Comparing ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Result:
    """What a detector does."""

    name: str
    size_bytes: int
    seconds_per_hour: float
    memory_mb: float
    decision: DecisionSpec
    scenes: list[AnnotatedRecording]
    curve: AlarmCurve
    phone_fires: tuple[int, int, int]  # that fire, without a cry, with one


def compare(arguments: argparse.Namespace) -> None:
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    scenes = _scenes(Path(arguments.scenes))
    clips = [
        clip
        for clip in load(arguments.clips).clips
        if clip.columns.get("dataset") in _PHONES
    ]
    mapping = detection_labels.map_labels([clip.label for clip in clips])
    is_cry = np.array([mapping(clip.label) == "cry" for clip in clips])
    sounds = output / "sounds.json"
    paths = [str(path) for path, _, _ in scenes] + [str(clip.path) for clip in clips]
    sounds.write_text(json.dumps(paths))
    results = []
    for name, kind, path, settings in _detectors(arguments):
        scored = (
            output / f"{hashlib.sha256((name + path).encode()).hexdigest()[:12]}.npz"
        )
        if not scored.exists():
            print(f"scoring: {name}", file=sys.stderr, flush=True)
            command = [sys.executable, __file__, "score", kind, path]
            environment = {
                **os.environ,
                **dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1"),
                "TF_NUM_INTEROP_THREADS": "1",
                "TF_CPP_MIN_LOG_LEVEL": "3",
            }
            subprocess.run(
                [*command, json.dumps(settings), str(sounds), str(scored)],
                env=environment,
                check=True,
            )
        results.append(_result(name, path, scored, scenes, is_cry))
    text = "\n".join(_tables(results, scenes))
    print(text)
    (output / "detectors.txt").write_text(text + "\n")
    _draw(results, output / "detectors.png")


def _detectors(arguments: argparse.Namespace) -> Iterator[tuple[str, str, str, dict]]:
    for given in arguments.model:
        name, _, path = given.rpartition("=")
        yield name or Path(path).stem, "cry-tf", path, {}
    for name, kind, file, settings in _RIVALS:
        if not file:
            yield name, kind, "", settings
        elif arguments.weights is not None:
            yield name, kind, str(Path(arguments.weights) / file), settings


def _scenes(folder: Path) -> list[tuple[Path, np.ndarray, str]]:
    """Returns path, bouts and signal-to-noise ratio ("" without crying) of each."""
    files = event_files.read([folder / "events.csv"])
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [(row["file"], folder / row["file"]) for row in rows]
    found = event_files.assign(files, paths)
    scenes = []
    for place, row in enumerate(rows):
        spans = [(event.start_s, event.end_s) for event in found.events[place]]
        bouts = alarm_curve.merge(np.array(spans), alarm_curve.MERGE_GAP_S)
        scenes.append((paths[place][1], bouts, row["snr_db"]))
    return scenes


def _result(
    name: str,
    path: str,
    scored: Path,
    scenes: list[tuple[Path, np.ndarray, str]],
    is_cry: np.ndarray,
) -> Result:
    with np.load(scored) as arrays:
        decision = DecisionSpec.from_dict(json.loads(str(arrays["decision"])))
        seconds, memory = arrays["costs"].tolist()
        records = [
            ScoredRecording(
                name=str(place),
                duration_s=float(arrays[str(place)][1, -1]),
                starts_s=arrays[str(place)][0],
                ends_s=arrays[str(place)][1],
                scores=arrays[str(place)][2],
            )
            for place in range(len(scenes) + len(is_cry))
        ]
    recordings = [
        AnnotatedRecording(scored=record, reference=bouts)
        for record, (_, bouts, _) in zip(records, scenes, strict=False)
    ]
    clip_scores = np.array(
        [_clip_score(record, decision) for record in records[len(scenes) :]]
    )
    cries = np.sort(clip_scores[is_cry])[::-1]
    threshold = cries[math.ceil(MIN_RECALL * len(cries) - 1e-9) - 1]
    return Result(
        name,
        os.path.getsize(path) if path else 0,
        seconds,
        memory,
        decision,
        recordings,
        alarm_curve.alarm_curve(recordings, decision),
        (
            int((clip_scores[~is_cry] >= threshold).sum()),
            int((~is_cry).sum()),
            len(cries),
        ),
    )


def _clip_score(record: ScoredRecording, decision: DecisionSpec) -> float:
    """Returns the highest onset threshold at which there is an event, -1 for none."""
    smoothed = smooth(record.scores[:, None], decision.smoothing_windows)[:, 0]
    for threshold in np.unique(smoothed)[::-1].tolist():
        if record.events(alarm_curve.with_threshold(decision, threshold)):
            return threshold
    return -1.0


def _tables(
    results: list[Result], scenes: list[tuple[Path, np.ndarray, str]]
) -> Iterator[str]:
    ratios = sorted({snr for _, _, snr in scenes if snr}, key=float, reverse=True)
    of_ratio = {
        snr: [place for place, each in enumerate(scenes) if each[2] == snr]
        for snr in ratios
    }
    curve = results[0].curve
    yield (
        f"{len(scenes)} scenes, {int(curve.bouts.sum())} bouts ("
        + ", ".join(f"{curve.bouts[of_ratio[s]].sum()} at {s} dB" for s in ratios)
        + f"); {curve.hours.sum():.2f} h farther than 2 s from every bout; without a "
        f"false alarm these show a rate below "
        f"{alarm_curve.highest_rate(0, float(curve.hours.sum())):.2g} an hour"
    )
    yield timing.machine("ai-edge-litert", "numpy", "tensorflow")
    for rate in RATES:
        yield ""
        yield (
            f"recall at {rate:g} false alarms an hour (95 % interval by recording): "
            f"these hours allow {math.floor(rate * float(curve.hours.sum()))}"
        )
        yield _row(["", "all", *(f"{snr} dB" for snr in ratios)])
        for result in results:
            point = result.curve.at_rate(rate)
            cells = [f"{_number(point.recall.value)} ({_span(point.recall)})"]
            cells += [
                _number(_recall_at(result.curve, rate, of_ratio[snr])) for snr in ratios
            ]
            yield _row([result.name, *cells])
    for title, figure in (
        ("event-F1 (0.2 s, 0.2 s or 20 %)", _f1(event_counts.matched)),
        ("intersection-F1 (0.5, 0.5)", _f1(event_counts.intersecting)),
        ("median onset delay, s", _delay(is_live=False)),
        ("median alarm delay, s", _delay(is_live=True)),
    ):
        yield ""
        yield f"{title}, at the threshold of 1 false alarm an hour"
        yield _row(["", "all", *(f"{snr} dB" for snr in ratios)])
        for result in results:
            every = [place for snr in ratios for place in of_ratio[snr]]
            yield _row(
                [
                    result.name,
                    *(
                        _number(figure(result, places))
                        for places in (every, *(of_ratio[snr] for snr in ratios))
                    ),
                ]
            )
    yield ""
    yield (
        f"phone recordings without a cry that fire at recall >= {MIN_RECALL:g}; cost "
        "(YAMNet and mn04 gave donateacry_phone its labels, which flatters them here)"
    )
    yield _row(["", "fire", "bytes", "s an hour", "MB"])
    for result in results:
        fires, quiet, cries = result.phone_fires
        yield _row(
            [
                result.name,
                f"{fires / quiet:.1%} ({fires} of {quiet}; {cries} cries)",
                f"{result.size_bytes:,}",
                f"{result.seconds_per_hour:.1f}",
                f"{result.memory_mb:.0f}",
            ]
        )


def _place_at(curve: AlarmCurve, rate: float) -> int:
    """Returns the place of the threshold with the best recall at a rate."""
    allowed = np.flatnonzero(curve.rates <= rate)
    recalls = curve.recalls[allowed]
    return int(allowed[recalls == recalls.max()][0])


def _recall_at(curve: AlarmCurve, rate: float, places: list[int]) -> float | None:
    bouts = curve.bouts[places].sum()
    hits = curve.found[places, _place_at(curve, rate)].sum()
    return float(hits / bouts) if bouts else None


def _at_one(result: Result) -> DecisionSpec:
    threshold = float(result.curve.thresholds[_place_at(result.curve, 1.0)])
    return alarm_curve.with_threshold(result.decision, min(threshold, 1.0))


def _f1(count: Callable[..., event_counts.Counts]):
    def figure(result: Result, places: list[int]) -> float | None:
        decision = _at_one(result)
        counts = [
            count(result.scenes[i].reference, result.scenes[i].found(decision))
            for i in places
        ]
        return event_counts.f1(*np.sum(counts, axis=0).tolist())

    return figure


def _delay(is_live: bool):
    def figure(result: Result, places: list[int]) -> float | None:
        decision = _at_one(result)
        delays = np.concatenate(
            [
                alarm_curve.alarm_delays(scene, decision)
                if is_live
                else alarm_curve.onset_delays(scene.reference, scene.found(decision))
                for scene in (result.scenes[i] for i in places)
            ]
        )
        known = delays[~np.isnan(delays)]
        return float(np.median(known)) if len(known) else None

    return figure


def _row(cells: list[str]) -> str:
    return f"{cells[0]:<38}" + "".join(f"{cell:>24}" for cell in cells[1:])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _span(recall: Any) -> str:
    return f"{_number(recall.low)}-{_number(recall.high)}"


def _draw(results: list[Result], path: Path) -> None:
    """Draws the curves of all detectors."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    hours = float(results[0].curve.hours.sum())
    lowest = 0.5 / hours  # none; one false alarm is at twice that
    for result in results:
        rates, recalls = result.curve.rates, result.curve.recalls
        order = np.lexsort((recalls, rates))
        best = np.maximum.accumulate(recalls[order])
        at = np.append(np.maximum(rates[order], lowest), 100)
        is_ours = result.name not in {rival[0] for rival in _RIVALS}
        axes.step(
            at,
            np.append(best, best[-1]),
            where="post",
            lw=2.4 if is_ours else 1.3,
            ls="-" if is_ours else "--",
            label=result.name,
        )
    axes.set_xscale("log")
    axes.set_xlim(lowest, 100)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"false alarms an hour, of {hours:.1f} h; none at the left edge")
    axes.set_ylabel(f"recall of {int(results[0].curve.bouts.sum())} bouts, all ratios")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("split", help="write train.csv and test.csv")
    one.add_argument("folder", type=Path, help="folder with MANIFEST.csv files below")
    one.add_argument("-o", "--output", type=Path, required=True)
    one = commands.add_parser("compare", help="score and compare")
    one.add_argument("scenes", help="folder of cry-tf scenes")
    one.add_argument(
        "clips", help="manifest with the column dataset: the phones' clips"
    )
    one.add_argument("--weights", help="folder with yamnet/, efficientat/, ...")
    one.add_argument("--model", action="append", default=[], metavar="[NAME=]FILE")
    one.add_argument("-o", "--output", required=True)
    one = commands.add_parser("score", help="used by compare")
    for name in ("kind", "path", "settings", "sounds", "output"):
        one.add_argument(name)
    arguments = parser.parse_args()
    if arguments.command == "split":
        split(arguments.folder, arguments.output)
    elif arguments.command == "compare":
        compare(arguments)
    else:
        score(
            arguments.kind,
            arguments.path,
            arguments.settings,
            Path(arguments.sounds),
            Path(arguments.output),
        )


if __name__ == "__main__":
    main()
