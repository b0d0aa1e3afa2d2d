"""The card of pretrained weights: data, method, results and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LIMITS = """\
## Limits

- They are what a small network could take over from AudioSet networks on less than
  two hours of sound. They are a starting point, not a tagger of AudioSet's
  classes: the heads that gave the classes are not kept.
- Never evaluate a model that started from them on the clips listed in
  `{digests}` (the first 16 digits of the SHA-256 of each file):
  they were pretrained on these, without labels.
  `cry-tf evaluate` and `cry-tf train` warn where they find such clips. Published
  figures of ours that compare students trained from random weights never use them.
- Few infants, in few places, most of them recorded at 8 kHz, stand behind the cries.
  No claim is made about babies, languages, rooms or recorders that are not among
  them, and none about health.
"""


def card(record: Mapping[str, Any], name: str) -> str:
    """Returns the card of a pretraining as Markdown.

    Args:
        record: What `pretrain` writes as JSON.
        name: Name of the weights file, without suffix.
    """
    student, settings = record["settings"]["student"], record["settings"]
    plan, course = record["plan"], record["course"]
    trained, held = record["trained_on"], record["held_out"]
    teachers = ", ".join(
        f"{teacher} (sha256 {about['sha256']})"
        for teacher, about in record["teachers"].items()
    )
    seconds = record["seconds"]
    parts = [
        f"# {name}.npz\n",
        f"Backbone weights of `{student}`, sha256 `{record['sha256']}`. "
        f'`cry_hub.load("{student}", weights="pretrained")` loads them.\n',
        "## Data\n",
        f"{trained['clips']:,} recordings in {trained['groups']} groups (device, "
        "recording or speaker), without their labels:\n",
        _sets(trained),
        f"One group in {settings['hold_out']} was kept out, by a digest of its name: "
        f"{held['clips']} recordings in {held['groups']} groups, on which the figures "
        "below are measured. The digest of the names of those trained on is "
        f"`{trained['names_sha256'][:16]}`, of those kept out "
        f"`{held['names_sha256'][:16]}`.\n",
        "## How\n",
        f"Teachers: {teachers}. Of each recording {plan['per_clip']} windows of "
        f"{plan['samples'] / plan['sample_rate_hz']:.3f} s were cut at random, "
        f"{plan['mixed_share']:.0%} of them with another recording mixed in "
        f"({plan['min_ratio_db']:g} to {plan['max_ratio_db']:g} dB below), then "
        f"changed by the policy `{plan['augment']}`: {record['windows']:,} windows. "
        "Each teacher scored each window once. The student learned their class scores "
        f"(sigmoid, temperature {course['temperature']:g}) and their embeddings, "
        "standardised, through linear heads that are not kept; "
        f"{course['epochs']} passes, Adam at {course['learning_rate']:g} with warm-up "
        f"and cosine decay, batches of {course['batch_size']}, seed {course['seed']}. "
        f"It took {seconds['hearing']} s for the teachers and {seconds['training']} s "
        "for the student, wall time on a shared machine with 2 cores (the scores "
        "for one student are kept for the next).\n",
        "## Figures on the recordings that were kept out\n",
        _agreement(record["agreement"]),
        _probe(record["probe"]),
        _LIMITS.format(digests=f"{name}.trained_on.txt"),
        "## Licence\n",
        "The weights are given under Apache-2.0. They were learned from the outputs of "
        "YAMNet (Apache-2.0, Google) and EfficientAT mn04 (MIT, Florian Schmid) on "
        "recordings under the licences above; no recording is part of them. Some of "
        "these licences ask for attribution or for the same licence of derived "
        "databases: whoever holds that weights are such a work will find the sources "
        "named here.\n",
    ]
    return "\n".join(parts)


def _sets(about: Mapping[str, Any]) -> str:
    rows = ["| set | recordings | groups | licence |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {row['clips']} | {row['groups']} | {', '.join(row['licences'])} |"
        for name, row in about["sets"].items()
    ]
    return "\n".join(rows) + "\n"


def _agreement(found: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        "How far the student agrees with the teachers, on windows as recorded. "
        "In brackets: a constant answer, the mean of the training windows.\n",
        "| teacher | windows | same highest class (constant) | correlation of logits "
        "over the classes (constant) | variance of the embedding explained |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {row['windows']} | {row['same_class']:.3f} "
        f"({row['same_class_constant']:.3f}) | {row['correlation']:.3f} "
        f"({row['correlation_constant']:.3f}) | {row['explained']:.3f} |"
        for name, row in found.items()
    ]
    return "\n".join(rows) + "\n"


def _probe(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    rows = {name: row for name, row in found.items() if name != "cutoff_hz"}
    clips = next(iter(rows.values()))["clips"]
    cutoff_hz = found["cutoff_hz"]
    cut = f"frequencies above {cutoff_hz:g} Hz removed" if cutoff_hz else ""
    lines = [
        f"Cry or not, logistic regression on mean embeddings of the {clips} recordings "
        f"kept out, 5 folds by group{', ' + cut if cut else ''}; area under the ROC "
        "curve out of fold, 95 % interval over groups. A constant answer has 0.500.\n",
        "| embedding | AUC |",
        "|---|---|",
    ]
    lines += [
        f"| {name} | {row['auc']:.4f} ({row['low']:.4f} to {row['high']:.4f}) |"
        for name, row in rows.items()
    ]
    return "\n".join(lines) + "\n"
