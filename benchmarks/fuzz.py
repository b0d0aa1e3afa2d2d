"""Damages sounds and model files, and checks what `cry-lite` makes of them.

    python benchmarks/fuzz.py MODEL.tflite [--cases N] [--seed N] [--keep DIR]

Each case is made from its number alone, so that one can be run again. A worker runs
them one after the other with the code of the command; a watchdog ends it when a case
takes more than 5 s, and starts another. One case in 100 is run again as a command
of its own. What counts as a fault:

- traceback: Python's, or one of a callback, or an error that is not one sentence;
- hang: more than 5 s;
- death: the process ends by a signal;
- silent: less sound than the whole file has, at the same rate and number of channels,
  exit code 0 and no note. Files whose header tells no length are left out of this when
  their end is cut off, for nothing in them tells what is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import select
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 16_000
SECONDS = 4.0
LIMIT_S = 5.0
MODEL_SHARE = 5  # One case in five damages the model.
COMMAND_SHARE = 100
OPENING_BYTES = 128
# A codec's last frame may go with the damage of another.
TOLERANCE = 3 * 1152
ODD_NUMBERS = (0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
ODD_VALUES: tuple[Any, ...] = (
    *(0, -1, 1e-12, 1e12, 1e308, float("nan"), float("inf"), 2**70, True, None, ""),
    *("no", [], [1], {}, {"a": 1}, "\ud83d", "a\nb", "x" * 100_000),
)


def write_wholes(folder: Path) -> list[Path]:
    """Writes the sounds that are damaged, one in each form."""
    import soundfile

    rng = np.random.default_rng(0)
    time_s = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    sound = 0.3 * np.sin(2 * np.pi * 440 * time_s) * (np.sin(3 * time_s) > 0)
    sound = (sound + rng.normal(0, 0.03, len(sound))).astype(np.float32)
    forms: dict[str, dict[str, Any]] = {
        "pcm16.wav": {"format": "WAV", "subtype": "PCM_16"},
        "pcm24.wav": {"format": "WAV", "subtype": "PCM_24"},
        "float.wav": {"format": "WAV", "subtype": "FLOAT"},
        "adpcm.wav": {"format": "WAV", "subtype": "IMA_ADPCM"},
        "stereo.wav": {"format": "WAV", "subtype": "PCM_16"},
        "a.rf64": {"format": "RF64", "subtype": "PCM_16"},
        "a.w64": {"format": "W64", "subtype": "PCM_16"},
        "a.aiff": {"format": "AIFF", "subtype": "PCM_16"},
        "a.caf": {"format": "CAF", "subtype": "PCM_16"},
        "a.au": {"format": "AU", "subtype": "PCM_16"},
        "a.flac": {"format": "FLAC", "subtype": "PCM_16"},
        "stereo.flac": {"format": "FLAC", "subtype": "PCM_16"},
        "vorbis.ogg": {"format": "OGG", "subtype": "VORBIS"},
        "opus.ogg": {"format": "OGG", "subtype": "OPUS"},
        "a.mp3": {"format": "MP3", "bitrate_mode": "CONSTANT"},
        "vbr.mp3": {"format": "MP3", "bitrate_mode": "VARIABLE"},
    }
    for name, form in forms.items():
        data = np.stack([sound, 0.5 * sound], 1) if "stereo" in name else sound
        channels = 1 if data.ndim == 1 else 2
        with soundfile.SoundFile(folder / name, "w", RATE_HZ, channels, **form) as file:
            for start in range(0, len(data), RATE_HZ):
                file.write(data[start : start + RATE_HZ])
    flac = bytearray((folder / "a.flac").read_bytes())
    fields = struct.unpack_from(">Q", flac, 18)[0]
    struct.pack_into(">Q", flac, 18, fields >> 36 << 36)
    (folder / "unsaid.flac").write_bytes(flac)
    mp3 = (folder / "vbr.mp3").read_bytes()
    (folder / "unsaid.mp3").write_bytes(mp3[mp3.index(b"\xff\xf3", 4) :])
    return sorted(folder.iterdir())


def damage_bytes(
    whole: bytes, rng: np.random.Generator, others: list[bytes]
) -> tuple[str, bytes]:
    """Returns what was done to a file, and what is left of it."""
    content = bytearray(whole)
    size = len(content)
    kind = str(
        rng.choice(
            ["flip", "cut", "overwrite", "zeros", "leave out", "insert", "opening"]
            + ["number", "splice", "twice", "random", "end"]
        )
    )
    at = int(rng.integers(size))
    length = int(min(size - at, 2 ** rng.uniform(0, 14)))
    if kind == "flip":
        for _ in range(int(2 ** rng.uniform(0, 6))):
            content[int(rng.integers(size))] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del content[at:]
    elif kind == "overwrite":
        content[at : at + length] = rng.bytes(length)
    elif kind == "zeros":
        content[at : at + length] = bytes(length)
    elif kind == "leave out":
        del content[at : at + length]
    elif kind == "insert":
        content[at:at] = rng.bytes(length)
    elif kind == "opening":
        for _ in range(int(rng.integers(1, 5))):
            place = int(rng.integers(min(OPENING_BYTES, size)))
            content[place] = int(rng.integers(256))
    elif kind == "number":
        form = str(rng.choice(["<H", ">H", "<I", ">I", "<Q", ">Q"]))
        width = struct.calcsize(form)
        place = int(rng.integers(max(1, min(OPENING_BYTES, size) - width)))
        value = int(rng.choice(np.array(ODD_NUMBERS, object)))
        struct.pack_into(form, content, place, value % 256**width)
    elif kind == "splice":
        other = others[int(rng.integers(len(others)))]
        content = content[:at] + other[int(rng.integers(len(other))) :]
    elif kind == "twice":
        content += content[int(rng.integers(size)) * int(rng.integers(2)) :]
    elif kind == "random":
        content = content[: int(rng.integers(64))] + rng.bytes(length)
    else:
        content += bytes(length) if rng.integers(2) else rng.bytes(length)
    return kind, bytes(content)


def damage_model(whole: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """Returns what was done to a model file, and what is left of it."""
    if rng.integers(3):
        # Half of the damage near the end, where the settings are.
        start = 0 if rng.integers(2) else max(0, len(whole) - 6000)
        kind, rest = damage_bytes(whole[start:], rng, [whole])
        return f"model: {kind}", whole[:start] + rest
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
        begin = min(info.header_offset for info in archive.infolist())
    settings = json.loads(parts["cry_tf.json"])
    holder: Any = settings
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[int(rng.integers(len(keys)))]
        if isinstance(holder[key], dict | list) and holder[key] and rng.integers(5):
            holder = holder[key]
            continue
        break
    if isinstance(holder, dict) and not rng.integers(4):
        del holder[key]
    else:
        holder[key] = ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]
    parts["cry_tf.json"] = json.dumps(settings).encode()
    file = io.BytesIO()
    file.write(whole[:begin])
    with zipfile.ZipFile(file, "a") as archive:
        for name, content in parts.items():
            if rng.integers(50):
                archive.writestr(zipfile.ZipInfo(name), content)
    return "model: settings", file.getvalue()


class Bench:
    """What all cases share: the whole files, the model, and a folder."""

    def __init__(self, model: Path, folder: Path, seed: int) -> None:
        self.seed = seed
        self.model = model
        self.folder = folder
        wholes = folder / "whole"
        wholes.mkdir(exist_ok=True)
        self.paths = sorted(wholes.iterdir()) or write_wholes(wholes)
        self.wholes = [path.read_bytes() for path in self.paths]
        self.model_bytes = model.read_bytes()

    def make(self, number: int) -> tuple[str, str, Path]:
        """Writes a case; returns what was damaged, how, and the file."""
        rng = np.random.default_rng([self.seed, number])
        if number % MODEL_SHARE == 0:
            kind, content = damage_model(self.model_bytes, rng)
            path = self.folder / "case.tflite"
            path.write_bytes(content)
            return "model", kind.removeprefix("model: "), path
        place = int(rng.integers(len(self.paths)))
        kind, content = damage_bytes(self.wholes[place], rng, self.wholes)
        path = self.folder / f"case{self.paths[place].suffix}"
        path.write_bytes(content)
        return self.paths[place].name, kind, path


def run_in_process(arguments: list[str]) -> tuple[int, str, str]:
    """Runs `cry-lite` here; returns its exit code, output and errors."""
    from cry_lite.cli import main

    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = main(arguments)
    return code, out.getvalue(), errors.getvalue()


def facts(path: Path) -> tuple[int, int, int, str]:
    """Returns samples, rate, channels and format, as decoded."""
    from cry_lite.sound_file import SoundStream

    with SoundStream(path, RATE_HZ) as sound:
        for _ in sound:
            pass
        info = sound.info
    return sound.frames_read, info.sample_rate_hz, info.channels, info.subtype


def judge(bench: Bench, number: int, whole_facts: dict[str, Any]) -> dict[str, Any]:
    """Runs a case and returns its outcome."""
    what, kind, path = bench.make(number)
    verdict = {"what": what, "kind": kind, "fault": "", "detail": ""}
    if what == "model":
        code, _, errors = run_in_process(["info", str(path)])
        verdict["outcome"] = "refused" if code else "taken"
        if not code:
            sound = str(bench.folder / "whole" / "pcm16.wav")
            code, _, errors = run_in_process(["analyze", sound, "--model", str(path)])
    else:
        command = ["analyze", str(path), "--json", "--model", str(bench.model)]
        code, out, errors = run_in_process(command)
        verdict["outcome"] = "refused"
        if not code:
            notes = json.loads(out)["notes"]
            verdict["outcome"] = "noted" if notes else "clean"
            if not notes:
                silent = is_silent(what, kind, facts(path), whole_facts[what])
                verdict["fault"] = "silent" if silent else ""
                verdict["detail"] = f"{facts(path)} of {whole_facts[what]}"
    lines = errors.splitlines()
    if code and (len(lines) != 1 or not lines[0].startswith("cry-lite: ")):
        verdict |= {"fault": "traceback", "detail": errors[-500:]}
    return verdict


def is_silent(what: str, kind: str, came: Any, whole: Any) -> bool:
    """Returns whether sound is missing and could have been detected."""
    if came[1:] != whole[1:]:
        return False  # Another rate: the length is unknown.
    if what.startswith("unsaid") and kind in ("cut", "leave out", "splice", "zeros"):
        return False
    return came[0] < whole[0] - TOLERANCE


def work(bench: Bench) -> None:
    """Runs the cases whose numbers come in, an answer a line."""
    from cry_lite import cli

    whole_facts = {path.name: facts(path) for path in bench.paths}
    analyzer = cli._load(str(bench.model), 1)
    load = cli._load

    def load_once(model: str, threads: int) -> Any:
        return analyzer if model == str(bench.model) else load(model, threads)

    cli._load = load_once  # The whole model is loaded once: cases are thousands.
    for line in sys.stdin:
        number = int(line)
        try:
            verdict = judge(bench, number, whole_facts)
        except BaseException as error:
            verdict = {"what": "?", "kind": "?", "outcome": "", "fault": "traceback"}
            import traceback

            verdict["detail"] = "".join(traceback.format_exception(error))[-1500:]
        print(json.dumps({"number": number, **verdict}), flush=True)


def worker_command(model: Path, folder: Path, seed: int) -> list[str]:
    """Returns the command that runs cases as their numbers come in."""
    flags = ["--worker", str(folder), "--seed", str(seed)]
    return [sys.executable, __file__, str(model), *flags]


class Watchdog:
    """A worker that is started anew when a case ends it or takes too long."""

    def __init__(self, model: Path, folder: Path, seed: int) -> None:
        self._command = worker_command(model, folder, seed)
        self._errors = open(folder / "stderr", "w+b")  # noqa: SIM115
        self._start()

    def _start(self) -> None:
        self._worker = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )

    def run(self, number: int, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """Returns the verdict of one case."""
        worker = self._worker
        assert worker.stdin is not None
        assert worker.stdout is not None
        self._errors.seek(0)
        self._errors.truncate()
        begun = time.monotonic()
        worker.stdin.write(b"%d\n" % number)
        line = b""
        while not line.endswith(b"\n"):
            left = limit_s - (time.monotonic() - begun)
            ready, _, _ = select.select([worker.stdout], [], [], max(0, left))
            block = os.read(worker.stdout.fileno(), 1 << 16) if ready else b""
            if not block:
                fault = "death" if ready else "hang"
                detail = f"exit code {self._end()}"
                self._start()
                return {"number": number, "fault": fault, "detail": detail}
            line += block
        verdict = json.loads(line)
        self._errors.seek(0)
        errors = self._errors.read().decode(errors="replace")
        if "Traceback" in errors and not verdict["fault"]:
            verdict |= {"fault": "traceback", "detail": errors[-1500:]}
        return verdict

    def close(self) -> None:
        """Ends the worker."""
        self._end()
        self._errors.close()

    def _end(self) -> int:
        """Ends the process and closes its pipes; returns its exit code."""
        self._worker.kill()
        with self._worker as ended:
            return ended.wait()


def run_as_command(bench: Bench, number: int) -> dict[str, Any] | None:
    """Runs a case as a command of its own; returns a fault, None if there is none."""
    what, kind, path = bench.make(number)
    arguments = ["analyze", str(path), "--model", str(bench.model)]
    if what == "model":
        arguments = ["info", str(path)]
    code = "import sys; from cry_lite.cli import main; sys.exit(main(sys.argv[1:]))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
        )
    except subprocess.TimeoutExpired:
        return {"number": number, "what": what, "kind": kind, "fault": "hang"}
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        fault = "traceback" if done.returncode > 0 else "death"
        detail = done.stderr[-500:]
        return {"number": number, "what": what, "kind": kind, "fault": fault} | {
            "detail": detail
        }
    return None


def main() -> None:
    """Runs the cases and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, help="a .tflite that cry-tf export wrote")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files at fault")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(Bench(args.model.resolve(), args.worker, args.seed))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(args.model.resolve(), folder, args.seed)
        watchdog = Watchdog(bench.model, folder, args.seed)
        table: dict[str, Counter[str]] = defaultdict(Counter)
        faults, commands, slowest_s = [], 0, 0.0
        watchdog.run(args.first, limit_s=120)  # The first one loads everything.
        for number in range(args.first, args.first + args.cases):
            begun = time.monotonic()
            verdict = watchdog.run(number)
            slowest_s = max(slowest_s, time.monotonic() - begun)
            if verdict["fault"] in ("death", "hang"):
                what, kind, _ = bench.make(number)
                verdict |= {"what": what, "kind": kind, "outcome": ""}
                watchdog.run(args.first, limit_s=120)
            found = [verdict] if verdict["fault"] else []
            if number % COMMAND_SHARE == 7:
                commands += 1
                fault = run_as_command(bench, number)
                found += [fault] if fault else []
            for each in found:
                faults.append(each)
                print(f"  case {number}: {each}", file=sys.stderr, flush=True)
                if args.keep:
                    _, _, path = bench.make(number)
                    args.keep.mkdir(parents=True, exist_ok=True)
                    kept = args.keep / f"{number}-{each['fault']}{path.suffix}"
                    kept.write_bytes(path.read_bytes())
            row = table[
                f"{'model' if verdict['what'] == 'model' else 'sound'}: "
                f"{verdict['kind']}"
            ]
            row[verdict.get("outcome", "")] += 1
            row["cases"] += 1
            for each in found:
                row[each["fault"]] += 1
        watchdog.close()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}; seed {args.seed}, {args.cases} cases, "
        f"{commands} of them run as commands too; the slowest took {slowest_s:.1f} s"
    )
    columns = ("cases", "refused", "noted", "clean", "taken")
    columns += ("traceback", "hang", "death", "silent")
    print(f"{'damage':<20}" + "".join(f"{column:>10}" for column in columns))
    total: Counter[str] = Counter()
    for name in sorted(table):
        total += table[name]
        print(f"{name:<20}" + "".join(f"{table[name][c]:>10}" for c in columns))
    print(f"{'all':<20}" + "".join(f"{total[c]:>10}" for c in columns))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
