"""A fine-tuning step of CNN10 and CNN14 against the original's PyTorch code.

    git clone https://github.com/qiuqiangkong/audioset_tagging_cnn
    git clone https://github.com/qiuqiangkong/torchlibrosa
    python benchmarks/training_step.py --panns audioset_tagging_cnn \
        --torchlibrosa torchlibrosa

A step is forward, backward and Adam over all layers, from a batch of waveforms to a
softmax over five labels, the batch in memory already. Ours is the compiled step that
`cry-tf train` takes with a recipe that trains every layer. The original is its class
in training mode, eager, with the linear layer and the log-softmax of its template for
fine-tuning; SpecAugment and dropout are in it as its authors wrote them, PyTorch's own
Adam after it. bfloat16 is `--precision bfloat16`, and `torch.autocast`. Each
preset runs in a process of its own, in which the variants take turns, one step each;
weights are random, drawn from a seed. A ratio is the median over the turns of the
original's step in float32 by ours of the same turn, so that a busy machine disturbs
it little.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import machine

PRESETS = ("cnn10_audioset", "cnn14_audioset")
LABELS = ("belly_pain", "burping", "discomfort", "hungry", "tired")
VARIANTS = (
    *("torch float32", "torch bfloat16"),
    *("float32", "float32 XLA", "bfloat16", "bfloat16 XLA"),
)
REFERENCE = VARIANTS[0]
WARM_UP = 2
PAUSE_S = 0.02  # idle threads of one library spin a while into another's turn
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def our_step(preset: str, variant: str, batch: Any, truth: Any) -> Callable[[], float]:
    """Returns a step of ours, which gives its loss.

    Args:
        preset: Name.
        variant: One of `VARIANTS`, not of torch.
        batch: Float32 `(clips, samples)`.
        truth: Int32 `(clips,)`.
    """
    import keras
    import tensorflow as tf

    from cry_hub import registry
    from cry_tf.models import CryClassifier
    from cry_tf.training import recipe
    from cry_tf.training.trainer import compile_once

    precision, *is_jit = variant.split()
    record = registry.get(preset)
    keras.utils.set_random_seed(0)
    arguments = {**record.from_scratch, "dtype": POLICIES[precision]}
    model = CryClassifier(record.build(None, **arguments), LABELS)
    compile_once(model, recipe.INFANTCRYNET, jit_compile=bool(is_jit))
    given = tf.data.Dataset.from_tensors((batch, truth)).repeat()
    elements = iter(given)
    model.make_train_function()
    step: Any = model.train_function
    step(elements)
    return lambda: float(step(elements)["loss"])


def their_step(
    preset: str,
    variant: str,
    batch: Any,
    truth: Any,
    panns: Path | None,
    torchlibrosa: Path | None,
) -> Callable[[], float] | None:
    """Returns a step of the original, which gives its loss; None without its code."""
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    import originals

    from cry_hub import registry

    torch.manual_seed(0)
    front_end = registry.get(preset).front_end
    base, note = originals.load(preset, front_end, panns, torchlibrosa, None)
    if base is None:
        print(note, file=sys.stderr)
        return None
    transfer = torch.nn.Linear(base.fc1.out_features, len(LABELS))
    base.train()
    weights = [*base.parameters(), *transfer.parameters()]
    optimizer = torch.optim.Adam([w for w in weights if w.requires_grad], 1e-4)
    waveforms, labels = torch.from_numpy(batch), torch.from_numpy(truth).long()

    def step() -> float:
        optimizer.zero_grad()
        is_half = "bfloat16" in variant
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            logits = transfer(base(waveforms)["embedding"])
            scores = torch.log_softmax(logits, dim=-1)
            loss = torch.nn.functional.nll_loss(scores, labels)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Times the variants of one preset, in seconds a step."""
    import numpy as np
    import tensorflow as tf

    from cry_hub import registry

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    rng = np.random.default_rng(0)
    samples = round(args.seconds * registry.get(args.one).front_end.sample_rate_hz)
    batch = rng.normal(0, 0.1, (args.batch, samples)).astype("float32")
    truth = rng.integers(0, len(LABELS), args.batch).astype("int32")
    steps: dict[str, Callable[[], float]] = {}
    first_s = {}
    for variant in args.variants:
        start = time.perf_counter()
        if variant.startswith("torch"):
            import torch  # pyright: ignore[reportMissingImports]

            torch.set_num_threads(args.threads)
            clones = (args.panns, args.torchlibrosa)
            step = their_step(args.one, variant, batch, truth, *clones)
        else:
            step = our_step(args.one, variant, batch, truth)
        if step is not None:
            steps[variant] = step
            first_s[variant] = time.perf_counter() - start
    times: dict[str, list[float]] = {name: [] for name in steps}
    processor: dict[str, list[float]] = {name: [] for name in steps}
    losses: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(args.runs + WARM_UP):
        for name, step in steps.items():
            time.sleep(PAUSE_S)
            start, used = time.perf_counter(), time.process_time()
            losses[name].append(step())
            if turn >= WARM_UP:
                times[name].append(time.perf_counter() - start)
                processor[name].append(time.process_time() - used)
    return {
        "preset": args.one,
        "times_s": times,
        "processor_s": processor,
        "first_s": first_s,
        "losses": losses,
    }


def rows(found: dict[str, Any], batch: int) -> list[list[str]]:
    """Returns a line a variant."""
    import numpy as np

    lines = []
    for name, times in found["times_s"].items():
        paired = found["times_s"].get(REFERENCE)
        ratio = "-"
        if paired and name != REFERENCE:
            ratio = f"{np.median(np.array(paired) / np.array(times)):.2f}x"
        losses = found["losses"][name]
        per_clip = np.array(times) / batch
        lines.append(
            [
                found["preset"],
                name,
                f"{np.median(per_clip):.3f}",
                f"{per_clip.min():.3f}",
                f"{np.median(found['processor_s'][name]) / batch:.3f}",
                ratio,
                f"{found['first_s'][name]:.1f}",
                f"{losses[0]:.2f} to {losses[-1]:.2f}",
            ]
        )
    return lines


def in_own_process(preset: str) -> dict[str, Any] | str:
    """Returns the figures of a preset, or what went wrong."""
    command = [sys.executable, __file__, *sys.argv[1:], "--one", preset]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return done.stderr.strip()[-2000:] or f"exit code {done.returncode}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = {"type": lambda text: text.split(","), "metavar": "A,B"}
    parser.add_argument("--presets", default=list(PRESETS), **names)
    parser.add_argument("--variants", default=list(VARIANTS), **names)
    parser.add_argument("--runs", type=int, default=7, help="timed steps of each")
    parser.add_argument("--seconds", type=float, default=7.0, help="of a clip")
    parser.add_argument("--batch", type=int, default=8, help="clips a step")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--panns", type=Path, metavar="DIR")
    parser.add_argument("--torchlibrosa", type=Path, metavar="DIR")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args)))
        return 0
    header = (
        "preset",
        "",
        "s a clip",
        "least",
        "processor",
        "torch/this",
        "first s",
        "loss",
    )
    table = [list(header)]
    failed = []
    for preset in args.presets:
        found = in_own_process(preset)
        if isinstance(found, str):
            failed.append(f"{preset}: {found}")
        else:
            table += rows(found, args.batch)
    print(machine("tensorflow", "keras", "torch"))
    print(
        f"{args.batch} clips of {args.seconds:g} s a step, {args.threads} threads, "
        f"{args.runs} steps of each in turn after {WARM_UP}; load average at the end "
        f"{os.getloadavg()[0]:.1f}"
    )
    print("first s: to build, compile and take the first step; loss: first to last\n")
    widths = [max(len(cells[i]) for cells in table) for i in range(len(header))]
    for cells in table:
        columns = [cell.rjust(n) for cell, n in zip(cells, widths, strict=True)]
        columns[:2] = [cell.ljust(n) for cell, n in zip(cells, widths, strict=False)][
            :2
        ]
        print("  ".join(columns).rstrip())
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
