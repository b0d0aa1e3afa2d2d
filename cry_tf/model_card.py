"""The few lines that travel inside a file: what the model is, and is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cry_tf.runs.run_folder import RunFolder

_LIMITS = (
    "No medical device. Scores order sounds; they are no probabilities. Sounds unlike "
    "the recordings that it was trained on may be answered wrongly."
)


def model_card(model: Any, run: RunFolder | None = None) -> dict[str, str]:
    """Returns a short card, names to sentences.

    Args:
        model: A `CryModel`.
        run: The run that it comes from, for its data and figures; None leaves them
            out.
    """
    spec = model.spec
    labels = ", ".join(spec.labels[:12])
    if len(spec.labels) > 12:
        labels += f", ... ({len(spec.labels)} in all)"
    task = (
        "Hears whether a baby cries" if spec.task == "detect" else "Says why it cries"
    )
    card = {"model": f"{task}: {labels}."}
    if run is not None:
        card |= _of_run(run)
    return card | {"limits": _LIMITS}


def _of_run(run: RunFolder) -> dict[str, str]:
    data, found = run.config["data"], {}
    if "clips" in data:
        clips = ", ".join(
            f"{label} {count}" for label, count in data["clips_of_label"].items()
        )
        found["trained_on"] = (
            f"{data['clips']} clips of {data['groups']} groups: {clips}."
        )
    if (run.path / "metrics.json").is_file():
        metrics = run.metrics
        mine, always = metrics["model"]["macro_f1"], metrics["majority"]["macro_f1"]
        interval = ""
        if mine["low"] is not None:
            interval = f" (95 % interval {mine['low']:.2f} to {mine['high']:.2f})"
        found["measured"] = (
            f"macro-F1 {mine['value']:.2f}{interval} over {metrics['clips']} clips; "
            f"always {metrics['majority_label']} gives {always['value']:.2f}. "
            f"{metrics['split']}"
        )
    return found
