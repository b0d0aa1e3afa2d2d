"""The tables of InfantCryNet, Hong et al., 2024 (arXiv 2409.19689), row by row.

What the paper leaves open, and what is taken here: CNN14 is the network of PANNs at 16
kHz, the rate of the paper's clips; of CNN10, ResNet22 and Wavegram-Logmel-CNN, PANNs
has weights for 32 kHz alone; rows of Table 3 other than
CNN14's have statistic pooling as well; "M" of Table 5 is printed as the paper does,
and ours are the bytes of a `.tflite`, waveform in and labels inside. Temperature and
share of the labels in the loss are those of `cry-tf distill`. An arrow leads from a
teacher to its student. In each fold the teacher
is the CNN14 that was trained on that fold's training clips, so that neither teacher
nor student was trained on the clips that they are evaluated on.

Beside the paper's rows: CNN14 as the teacher of our students, which start from random
weights and have the recipe of `cry-tf distill`; and all of it once more with a CNN14
and a ResNet22 from random weights, for a machine without those of PANNs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from cry_tf.papers.row import Row, percent
from cry_tf.training.recipe import INFANTCRYNET

NETWORK = INFANTCRYNET.backbone or ""
_RESNET22 = "resnet22_audioset"
_STUDENTS = ("ds_cnn_m", "ds_cnn_s")
_CLASSICAL = ("MFCC + GMM", "MFCC + SVM")
_OURS = "Our students"
_SCRATCH = "Without pretraining"

TITLES = {
    "Table 2": "Performance of infant cry detection",
    "Table 3": "Network architectures, infant cry classification",
    "Table 4": "Pooling methods, CNN14 with pretraining",
    "Table 5": "Model compression",
    _OURS: "CNN14 with pretraining teaches (->) networks of ours, not in the paper",
    _SCRATCH: "Table 5 and our students, every network from random weights, not in "
    "the paper",
    "Beside": "Classical methods on the same folds, not in the paper",
}


def _row(
    table: int | str, name: str, title: str, accuracy: float | None, **facts: Any
) -> Row:
    facts.setdefault("preset", NETWORK)
    # Tables 3, 4 and 5 hold the same training; one result serves all of them.
    is_best = (
        facts.get("task", "reason") == "reason"
        and facts["preset"] in (NETWORK, _RESNET22)
        and facts.get("pooling", "statistic") == "statistic"
    )
    return Row(
        paper="infantcrynet",
        table=f"Table {table}" if isinstance(table, int) else table,
        name=name,
        title=title,
        figures=() if accuracy is None else (percent(accuracy),),
        **{"recipe": "infantcrynet", "exports": is_best, **facts},
    )


def _ours(
    table: str, name: str, title: str, file: Literal["none", "dynamic"], **facts: Any
) -> Row:
    """Returns a row that no paper has, about a file."""
    return _row(table, name, title, None, file=file, exports=True, **facts)


def _of_our_students(table: str, prefix: str, teacher: str) -> Iterator[Row]:
    for preset in _STUDENTS:
        facts = {"preset": preset, "weights": None, "recipe": "distill"}
        if not prefix:
            yield _ours(table, preset, f"{preset} alone", "none", **facts)
        facts["teacher"] = teacher
        title, name = f"CNN14 -> {preset}", f"{prefix}{preset}"
        yield _ours(table, f"{name}_distilled", title, "none", **facts)
        title += " + quantization"
        yield _ours(table, f"{name}_quantized_distilled", title, "dynamic", **facts)


def _without_pretraining() -> Iterator[Row]:
    table, cnn14 = _SCRATCH, {"weights": None}
    resnet22 = {"weights": None, "preset": _RESNET22}
    distilled = {**resnet22, "teacher": "scratch_teacher"}
    yield _ours(table, "scratch_teacher", "CNN14 (teacher)", "none", **cnn14)
    yield _ours(table, "scratch_student", "Resnet22 (student)", "none", **resnet22)
    title = "CNN14 -> Resnet22"
    yield _ours(table, "scratch_distilled", title, "none", **distilled)
    yield _ours(table, "scratch_quantized", "CNN14 + quantization", "dynamic", **cnn14)
    title += " + quantization"
    yield _ours(table, "scratch_quantized_distilled", title, "dynamic", **distilled)
    yield from _of_our_students(table, "scratch_", "scratch_teacher")


ROWS = (
    _row(2, "detect_cnn10", "CNN10", 99.8, task="detect", preset="cnn10_audioset"),
    _row(2, "detect_cnn14", "CNN14", 99.8, task="detect"),
    _row(
        3,
        "wavegram",
        "Wavegram-Logmel-CNN with pretraining",
        70.33,
        preset="wavegram_logmel_cnn14_audioset",
    ),
    _row(3, "resnet22", "Resnet22 with pretraining", 53.85, preset=_RESNET22),
    _row(3, "cnn10", "CNN10 with pretraining", 52.75, preset="cnn10_audioset"),
    _row(3, "cnn14_scratch", "CNN14", 64.84, weights=None),
    _row(3, "cnn14", "CNN14 with pretraining", 74.73),
    _row(4, "max", "Max pooling", 62.64, pooling="max"),
    _row(4, "average", "Average pooling", 70.33, pooling="average"),
    _row(
        4, "max_average", "Max pooling + average pooling", 71.42, pooling="max_average"
    ),
    _row(4, "statistic", "Statistic pooling (the authors' own)", 74.73),
    _row(
        4,
        "attention",
        "Multi-head attention pooling (the authors' own)",
        72.53,
        pooling="attention",
    ),
    _row(5, "teacher", "CNN14 (teacher)", 73.63, file="none", size="81M"),
    _row(
        5,
        "student",
        "Resnet22 (student)",
        53.85,
        preset=_RESNET22,
        file="none",
        size="64M",
    ),
    _row(
        5,
        "distilled",
        "Knowledge distillation",
        68.23,
        preset=_RESNET22,
        teacher="teacher",
        file="none",
        size="64M",
    ),
    _row(5, "quantized", "Model quantization", 73.63, file="dynamic", size="75M"),
    _row(
        5,
        "quantized_distilled",
        "Model quantization + distillation",
        67.42,
        preset=_RESNET22,
        teacher="teacher",
        file="dynamic",
        size="58M",
    ),
    *_of_our_students(_OURS, "", "teacher"),
    *_without_pretraining(),
    *(
        Row(
            paper="infantcrynet",
            table="Beside",
            name=name.lower().replace(" + ", "_"),
            title=name,
            figures=(),
            preset=NETWORK,
            recipe="infantcrynet",
            classical=name,
            weights=None,
        )
        for name in _CLASSICAL
    ),
)
