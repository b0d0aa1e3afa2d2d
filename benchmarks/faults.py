"""Gives the commands what once went wrong, and says what they answer now.

    python benchmarks/faults.py FAULTS MODEL.tflite [--keep DIR]

FAULTS is a folder of small damaged sounds (`ref.wav`, `vbr_no_xing.mp3`, ...; a row
whose file is not there says so), MODEL a detector such as `cry-tf quickstart` exports.
Everything else is made here. Each row runs `cry-lite` or `cry-tf` as commands, and its
check can fail; the exit code is 1 if one does.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from cry_tf.synthesis import write_recordings

RATE_HZ = 16_000
ENDLESS_S = 600
# What TensorFlow writes of machines without a GPU, and progress.
_NOISE = re.compile(r"[EIW]0000|WARNING: All log|.*\bleft$|.* \d+/\d+$")


@dataclass(frozen=True)
class Done:
    """What a command answered."""

    code: int
    out: str
    errors: str

    @property
    def said(self) -> str:
        """The exit code, and what a person reads first."""
        lines = [*self.errors.splitlines(), *self.out.splitlines()]
        telling = [line for line in lines if line.strip() and not _NOISE.match(line)]
        return f"exit {self.code}: {telling[0].strip() if telling else '(nothing)'}"

    @property
    def traced(self) -> bool:
        """Whether a traceback was printed."""
        return "Traceback" in self.out + self.errors

    @property
    def sounds(self) -> list[dict[str, Any]]:
        """The lines of `cry-lite analyze --json`."""
        lines = self.out.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@dataclass(frozen=True)
class Answer:
    """A line of the table."""

    row: str
    what: str
    now: str
    right: bool


class Bench:
    """The inputs that are made here, and the commands.

    Args:
        faults: Folder of damaged sounds.
        model: A detector's file.
        folder: Where everything is written.
    """

    def __init__(self, faults: Path, model: Path, folder: Path) -> None:
        self.faults = faults
        self.model = model
        self.folder = folder
        made = write_recordings(
            folder / "made", seed=0, infants=4, detection_clips=6, reason_clips=2
        )
        self.reasons = made.reasons
        with made.detection.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            row["file"] = str(made.detection.parent / row["file"])
            row["label"] = str(int(row["label"] == "cry"))
        self.rows = rows
        self.data = self.manifest("data.csv", rows)
        self.run = folder / "run"

    def manifest(self, name: str, rows: list[dict[str, str]]) -> Path:
        """Writes a manifest and returns its path."""
        path = self.folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def shell(self, line: str, **environment: str) -> Done:
        """Runs a line of bash in which `cry-lite` and `cry-tf` are the commands."""
        scripts = str(Path(sys.executable).parent)
        try:
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", line],
                cwd=self.folder,
                env={
                    **os.environ,
                    "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
                    "CRY_TF_OFFLINE": "1",
                    "CRY_LITE_MODEL": str(self.model),
                    "TF_CPP_MIN_LOG_LEVEL": "2",
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=ENDLESS_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Done(124, "", f"no answer within {ENDLESS_S} s")
        out, errors = (
            text.decode(errors="replace") for text in (done.stdout, done.stderr)
        )
        return Done(done.returncode, out, errors)

    def analyze(self, *names: str) -> Done:
        """Runs `cry-lite analyze --json` on faulty sounds."""
        paths = [shlex.quote(str(self.faults / name)) for name in names]
        return self.shell(f"cry-lite analyze --json {' '.join(paths)}")

    def train(self, data: Path, run: Path, more: str = "", **environment: str) -> Done:
        """Runs a small `cry-tf train`."""
        return self.shell(
            f"cry-tf train {data} -o {run} --task detect --backbone ds_cnn_s --folds 2 "
            f"--no-baselines {more}",
            **environment,
        )


def found_in(done: Done) -> str:
    """Returns seconds, number of events and notes of each sound."""
    texts = [
        f"{sound['duration_s']:.1f} s, {sound['label']} {sound['score']:.2f}, events: "
        f"{len(sound['events'])}, notes: {'; '.join(sound['notes']) or 'none'}"
        for sound in done.sounds
    ]
    return f"exit {done.code}: {' / '.join(texts)}" if texts else done.said


def alike(sounds: list[dict[str, Any]], apart_s: float = 2.0) -> bool:
    """Returns whether sounds have the same number of events at the same places."""
    places = [[(e["start_s"], e["end_s"]) for e in s["events"]] for s in sounds]
    return all(
        len(place) == len(places[0])
        and np.allclose(place, places[0], rtol=0, atol=apart_s)
        for place in places
    )


def lost_sound(bench: Bench) -> Iterator[Answer]:
    """Rows 1 to 9."""
    whole, hurt = "ref.wav", bench.analyze
    pairs = (
        ("1", "vbr_no_xing.mp3", "vbr_ref.mp3", None),
        ("2", "streamed.flac", whole, False),
        ("3", "killed_recorder.wav", whole, True),
        ("4", "cut.flac", whole, True),
    )
    for row, name, reference, noted in pairs:
        done = hurt(name, reference)
        right = done.code == 0 and len(done.sounds) == 2 and alike(done.sounds)
        if right:
            sound, other = done.sounds
            missing_s = other["duration_s"] - sound["duration_s"]
            right = len(sound["events"]) > 0 and missing_s < (5 if row == "4" else 0.2)
            right &= noted is None or bool(sound["notes"]) == noted
        yield Answer(
            row,
            name,
            found_in(Done(done.code, done.out.split("\n")[0], done.errors)),
            right,
        )
    done = hurt("antiphase.wav")
    right = done.code == 0 and bool(
        done.sounds[0]["events"] and done.sounds[0]["notes"]
    )
    yield Answer("5", "antiphase.wav", found_in(done), right)
    clips = [dict(row) for row in bench.rows]
    for clip in clips:
        samples, rate_hz = soundfile.read(clip["file"])
        path = Path(clip["file"]).with_suffix(".opposite.wav")
        soundfile.write(path, np.stack([samples, -samples], 1), rate_hz)
        clip["file"] = str(path)
    done = bench.train(
        bench.manifest("opposite.csv", clips), bench.folder / "opposite", "--positive 1"
    )
    kept = bench.folder / "opposite" / "config.json"
    silent = "silent" in (done.errors + done.out)
    yield Answer(
        "5",
        "train on clips of opposite channels",
        done.said,
        kept.exists() and not silent,
    )
    done = hurt("tail.wav", "tail_1lsb.wav", "tail.opus")
    scores = [sound["score"] for sound in done.sounds]
    right = done.code == 0 and len({s["label"] for s in done.sounds}) == 1
    right &= len(scores) == 3 and max(scores) - min(scores) < 0.1
    yield Answer("6", "tail.wav, tail_1lsb.wav, tail.opus", found_in(done), right)
    done = hurt("cbr_no_info.mp3")
    right = done.code == 0 and not done.sounds[0]["notes"]
    yield Answer("7", "cbr_no_info.mp3", found_in(done), right)
    night = bench.folder / "night"
    night.mkdir()
    shutil.copy(bench.faults / whole, night)
    for name in ("a.m4a", "b.amr"):
        (night / name).write_bytes(b"\0" * 64)
    done = bench.shell("cry-lite analyze night")
    said = done.out + done.errors
    lines = [line for line in said.splitlines() if ".m4a" in line or ".amr" in line]
    right = "a.m4a" in said and "b.amr" in said
    yield Answer(
        "8",
        "a folder with .m4a and .amr",
        f"exit {done.code}: {' / '.join(lines)}",
        right,
    )
    sound = shlex.quote(str(bench.faults / whole))
    lines = {
        "cat | /dev/stdin": f"cat {sound} | cry-lite analyze --json /dev/stdin",
        "cat | -": f"cat {sound} | cry-lite analyze --json -",
        "<(cat)": f"cry-lite analyze --json <(cat {sound})",
        "a FIFO": f"mkfifo f; cat {sound} > f & cry-lite analyze --json f",
        "a FIFO that nobody writes": "mkfifo g; timeout 20 cry-lite analyze --json g",
    }
    reference = hurt(whole).sounds
    for name, line in lines.items():
        done = bench.shell(line)
        if "nobody" in name:
            # It waits, as every command does, and says so.
            right = "waiting" in done.errors and not done.traced
        else:
            right = done.code == 0 and alike(done.sounds + reference)
            right &= len(done.sounds) == 1
        yield Answer("9", name, found_in(done), right)


def one_answer(bench: Bench) -> Iterator[Answer]:
    """Rows 10 to 17."""
    done = bench.train(bench.data, bench.run, "--positive 1")
    yield Answer("13", "train with labels 0/1, --positive 1", done.said, done.code == 0)
    done = bench.shell(f"cry-tf evaluate {bench.run} {bench.data} -o judged --json")
    path = bench.folder / "judged" / "predictions.csv"
    truths = set()
    if path.exists():
        with path.open(encoding="utf-8") as file:
            truths = {
                row.get("label", row.get("true", "")) for row in csv.DictReader(file)
            }
    right = done.code == 0 and len(truths) == 2
    yield Answer(
        "13",
        "evaluate that run, labels 0/1",
        f"exit {done.code}: true labels {sorted(truths)}",
        right,
    )
    other = [{**row, "label": "x" + row["label"]} for row in bench.rows]
    path = bench.manifest("other.csv", other)
    done = bench.shell(f"cry-tf evaluate {bench.run} {path} -o none_present")
    right = done.code in (1, 2) and not done.traced
    yield Answer("13", "evaluate without any positive", done.said, right)
    done = bench.shell(
        f"cry-tf export {bench.run} -o short.tflite --length 1 --quantize none"
    )
    file = bench.folder / "short.tflite"
    info = bench.shell("cry-lite info short.tflite")
    right = info.code == 0 if file.exists() else done.code in (1, 2)
    yield Answer(
        "10",
        "export --length 1",
        f"{done.said}; info: exit {info.code}",
        right and not done.traced,
    )
    done = bench.shell(f"cry-tf export {bench.run} -o small.tflite")
    yield Answer("10", "export", done.said, done.code == 0)
    yield same_windows(bench)
    yield milliseconds(bench)
    yield high_threshold(bench)
    text = "\n".join(
        [",".join(bench.rows[0])] + [",".join(r.values()) for r in bench.rows]
    )
    lines = text.split("\n")
    lines[5] = lines[5].replace(",1,", ',"1,').replace(",0,", ',"0,')
    (bench.folder / "quote.csv").write_text("\n".join(lines), "utf-8")
    done = bench.train(
        bench.folder / "quote.csv", bench.folder / "quoted", "--positive 1"
    )
    right = done.code in (1, 2) and "line 6" in done.errors and not done.traced
    right &= not (bench.folder / "quoted").exists()
    yield Answer("16", "an unclosed quote in line 6", done.said, right)
    latin = text.replace("synthetic_infant_00", "b\u00e9b\u00e9").encode("latin-1")
    (bench.folder / "latin.csv").write_bytes(latin)
    done = bench.train(
        bench.folder / "latin.csv", bench.folder / "latin", "--positive 1"
    )
    right = (
        not done.traced and (done.code in (1, 2)) != (bench.folder / "latin").exists()
    )
    yield Answer("16", "a manifest in latin-1", done.said, right)
    names = {"0": "ruhe, still", "1": "b\u00e9b\u00e9"}
    labelled = [{**row, "label": names[row["label"]]} for row in bench.rows]
    path = bench.manifest("words.csv", labelled)
    decomposed = unicodedata.normalize("NFD", names["1"])
    done = bench.train(path, bench.folder / "nfd", f"--positive '{decomposed}'")
    yield Answer(
        "17", "a decomposed --positive, a comma in a label", done.said, done.code == 0
    )
    broken = [
        {**row, "label": "a\nb" if row["label"] == "1" else "c"} for row in bench.rows
    ]
    path = bench.manifest("newline.csv", broken)
    done = bench.train(path, bench.folder / "newline", "--positive c")
    right = done.code in (1, 2) and not done.traced and "line break" in done.errors
    yield Answer("17", "a newline in a label", done.said, right)


def high_threshold(bench: Bench) -> Answer:
    """Row 11: a detector whose threshold is above the score of a cry."""
    whole = bench.model.read_bytes()
    with zipfile.ZipFile(bench.model) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
        begin = min(info.header_offset for info in archive.infolist())
    settings = json.loads(parts["cry_tf.json"])
    settings["model"]["decision"]["onset_threshold"] = 0.99999
    parts["cry_tf.json"] = json.dumps(settings).encode()
    strict = bench.folder / "strict.tflite"
    strict.write_bytes(whole[:begin])
    with zipfile.ZipFile(strict, "a") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    sound = shlex.quote(str(bench.faults / "ref.wav"))
    done = bench.shell(f"cry-lite analyze --json --model strict.tflite {sound}")
    right = done.code == 0 and not done.sounds[0]["events"]
    right = right and done.sounds[0]["label"] == "no_cry"
    return Answer("11", "an onset threshold of 0.99999", found_in(done), right)


def milliseconds(bench: Bench) -> Answer:
    """Row 15: the same times, in seconds and in milliseconds."""
    with bench.reasons.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["file"] = str(bench.reasons.parent / row["file"])
        row["time"] = str(1_700_000_000 + 60 * number)
    seconds = bench.manifest("seconds.csv", rows)
    thousands = [{**row, "time": f"{row['time']}000"} for row in rows]
    trained = bench.shell(
        f"cry-tf train {seconds} -o reason --task reason --backbone ds_cnn_s --folds 2 "
        "--no-baselines"
    )
    if trained.code:
        return Answer("15", "times in milliseconds", trained.said, False)
    told = []
    for data in (seconds, bench.manifest("thousands.csv", thousands)):
        infant = rows[0]["group"]
        done = bench.shell(
            f"cry-tf personalize reason {data} -o {data.stem} --infant {infant} "
            "--permutations 10 --json"
        )
        told.append((done.code, done.out.replace(data.stem, "")))
    right = told[0][0] == 0 and told[0] == told[1]
    same = "the same JSON as" if told[0] == told[1] else "unlike"
    return Answer(
        "15",
        "personalize, times in milliseconds",
        f"exit {done.code}: {same} in seconds, {len(done.out)} bytes",
        right and len(done.out) > 100,
    )


def same_windows(bench: Bench) -> Answer:
    """Row 12: a long file, by `evaluate` and by the runtime."""
    samples = [soundfile.read(row["file"])[0] for row in bench.rows[:12]]
    path = bench.folder / "minutes.wav"
    soundfile.write(path, np.concatenate(samples * 3), RATE_HZ)
    data = bench.manifest(
        "minutes.csv", [{"file": str(path), "label": "1", "group": "a"}]
    )
    done = bench.shell(f"cry-tf evaluate small.tflite {data} -o minutes --positive 1")
    ours = bench.shell("cry-lite analyze --json --model small.tflite minutes.wav")
    table = bench.folder / "minutes" / "predictions.csv"
    if done.code or not table.exists() or not ours.sounds:
        return Answer("12, 14", "a long file: evaluate, analyze", done.said, False)
    with table.open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    score = ours.sounds[0]["score"]
    numbers = []
    for value in row.values():
        try:
            numbers.append(float(value))
        except (TypeError, ValueError):
            continue
    right = any(abs(number - score) < 0.01 for number in numbers)
    now = f"analyze {score:.3f}; evaluate {dict(row)}"
    return Answer("12, 14", "a long file: evaluate, analyze", now, right)


def lost_at_the_end(bench: Bench) -> Iterator[Answer]:
    """Rows 18 to 21."""
    for encoding in ("latin-1", "ascii"):
        name = f"judged_{encoding}"
        line = f"cry-tf evaluate {bench.run} {bench.data} -o {name}"
        done = bench.shell(line, PYTHONIOENCODING=encoding)
        written = (bench.folder / name / "metrics.json").exists()
        right = done.code == 0 and written
        yield Answer("18", f"PYTHONIOENCODING={encoding} evaluate", done.said, right)
    done = bench.train(
        bench.data, bench.folder / "ascii", "--positive 1", PYTHONIOENCODING="ascii"
    )
    right = done.code == 0 and (bench.folder / "ascii" / "config.json").exists()
    yield Answer("18", "PYTHONIOENCODING=ascii train", done.said, right)
    sound = shlex.quote(str(bench.faults / "ref.wav"))
    for line in (
        f"cry-lite analyze --json {sound} 2>&-",
        f"cry-tf evaluate {bench.run} {bench.data} -o closed 2>&-",
    ):
        done = bench.shell(line)
        right = done.code == 0 and not done.traced and bool(done.out)
        yield Answer("19", f"{line.split()[0]} 2>&-", done.said, right)
    stem = "a" * 246
    long, plain = bench.folder / f"{stem}.wav", bench.folder / "plain.wav"
    for path in (long, plain):
        shutil.copy(bench.faults / "ref.wav", path)
    done = bench.shell(
        f"cry-lite analyze {long.name} plain.wav -o results --format csv,raven"
    )
    written = [path.name for path in (bench.folder / "results").glob("*")]
    right = any(name.startswith("plain") for name in written) and not done.traced
    right &= done.code == (0 if len(written) == 4 else 1)
    now = f"exit {done.code}: {len(written)} result files"
    yield Answer("20", "a stem of 246 bytes, and plain.wav", now, right)
    many = " ".join([sound] * 40)
    for line in (
        f"cry-lite analyze {many} | head -1",
        "cry-tf --help | head -1",
        "cry-lite info small.tflite | head -1",
    ):
        done = bench.shell(line)
        right = not done.errors.strip() and bool(done.out)
        name = f"{' '.join(line.split()[:2])} | head -1"
        yield Answer("21", name, done.said, right)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("faults", type=Path, help="folder of damaged sounds")
    parser.add_argument("model", type=Path, help="a detector's .tflite")
    parser.add_argument("--keep", type=Path, help="a new folder for what is made")
    parser.add_argument("--only", help="sections, such as B,D")
    args = parser.parse_args()
    sections: dict[str, Callable[[Bench], Iterator[Answer]]] = {
        "B": lost_sound,
        "C": one_answer,
        "D": lost_at_the_end,
    }
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = args.keep or Path(name)
        folder.mkdir(exist_ok=True)
        bench = Bench(args.faults.resolve(), args.model.resolve(), folder.resolve())
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, {platform.python_version()}"
        )
        for section in args.only.split(",") if args.only else sections:
            for answer in sections[section](bench):
                now = answer.now
                for path in (bench.folder, bench.faults):
                    now = now.replace(f"{path}/", "")
                wrong += not answer.right
                verdict = "right" if answer.right else "WRONG"
                print(
                    f"{answer.row:>6}  {verdict}  {answer.what}\n    {now}", flush=True
                )
    print(f"{wrong} rows are not right")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
