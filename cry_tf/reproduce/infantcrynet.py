"""The tables of InfantCryNet, Hong et al., 2024 (arXiv 2409.19689), row by row.

What the paper leaves open, and what is taken here: CNN14 is the network of PANNs at 16
kHz, the rate of the paper's clips; of CNN10, ResNet22 and Wavegram-Logmel-CNN, PANNs
has weights for 32 kHz alone; rows of Table 3 other than
CNN14's have statistic pooling as well; "M" of Table 5 is printed as the paper does,
and ours are the bytes of a `.tflite`, waveform in and labels inside.
"""

from __future__ import annotations

from typing import Any

from cry_tf.reproduce.row import Row, percent
from cry_tf.training.recipe import INFANTCRYNET

NO_DISTILLER = "needs cry-tf distill, which this version does not have"

NETWORK = INFANTCRYNET.backbone or ""
_RESNET22 = "resnet22_audioset"
_CLASSICAL = ("MFCC + GMM", "MFCC + SVM")


def _row(table: int, name: str, title: str, accuracy: float, **facts: Any) -> Row:
    facts.setdefault("preset", NETWORK)
    # Tables 3, 4 and 5 hold the same training; one result serves all of them.
    is_best = (
        facts.get("task", "reason") == "reason"
        and facts["preset"] in (NETWORK, _RESNET22)
        and facts.get("weights", "pretrained") == "pretrained"
        and facts.get("pooling", "statistic") == "statistic"
    )
    return Row(
        paper="infantcrynet",
        table=f"Table {table}",
        name=name,
        title=title,
        figures=(percent(accuracy),),
        recipe="infantcrynet",
        exports=is_best,
        **facts,
    )


TITLES = {
    "Table 2": "Performance of infant cry detection",
    "Table 3": "Network architectures, infant cry classification",
    "Table 4": "Pooling methods, CNN14 with pretraining",
    "Table 5": "Model compression",
    "Beside": "Classical methods on the same folds, not in the paper",
}

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
    _row(4, "statistic", "Statistic pooling (ours)", 74.73),
    _row(
        4,
        "attention",
        "Multi-head attention pooling (ours)",
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
        size="64M",
        needs=NO_DISTILLER,
    ),
    _row(5, "quantized", "Model quantization", 73.63, file="dynamic", size="75M"),
    _row(
        5,
        "quantized_distilled",
        "Model quantization + distillation",
        67.42,
        preset=_RESNET22,
        file="dynamic",
        size="58M",
        needs=NO_DISTILLER,
    ),
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
