"""Which clips come from one source, and so must stay on one side of a split.

The rules, first match wins, clip by clip:

1. What the user states: the `group` column of a manifest (or the column named
   by `group_by`), or the first folder inside the label folder
   (`label/infant/clip.wav` belongs to `infant`, under every label).
2. Names of known corpora: donateacry starts with the id of the device that
   recorded it; ESC-10 and ESC-50 are called `fold-clipid-take[-target]`, and
   the clip id is the Freesound recording that they were cut from.
3. Otherwise the clip is a group of its own, with a warning that leakage
   cannot be excluded.

Then groups that hold the same file, byte for byte, are joined.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence

from cry_tf.data.clip import Clip
from cry_tf.data.content_digest import same_content

# github.com/gveres/donateacry-corpus, README: uuid-timestamp-version-gender-age-
# reason. Android writes the uuid in lower case, iOS in upper case.
_DONATEACRY = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[-_.]", re.I)
# github.com/karolpiczak/ESC-50, README: {FOLD}-{CLIP_ID}-{TAKE}-{TARGET}.wav.
_ESC = re.compile(r"[1-5]-(\d+)-[A-Z](?:-\d+)?", re.A)

ALONE = "alone"
_RULES = {
    "donateacry": "the device id in donateacry names",
    "esc": "the Freesound id in ESC names",
}


def known_source(stem: str) -> tuple[str, str] | None:
    """Returns (rule, group) of a file name from a known corpus, or None.

    Args:
        stem: File name without folder and extension.
    """
    if match := _DONATEACRY.match(stem):
        return "donateacry", match[1].lower()
    if match := _ESC.fullmatch(stem):
        return "esc", f"freesound:{match[1]}"
    return None


def assign_groups(
    clips: Sequence[Clip], stated_rule: str
) -> tuple[tuple[Clip, ...], str]:
    """Gives every clip its group by the rules of this module.

    Args:
        clips: Clips whose `group` is what the user stated, or empty.
        stated_rule: Where that was stated, in words ("the column 'group'").

    Returns:
        The clips with their groups, and a sentence for the user.
    """
    grouped, rules = [], []
    for clip in clips:
        if clip.group:
            rule, group = "stated", clip.group
        else:
            rule, group = known_source(clip.path.stem) or (ALONE, f"file:{clip.name}")
        rules.append(rule)
        grouped.append(dataclasses.replace(clip, group=group))
    sentence = _sentence(grouped, rules, stated_rule)
    joined, copies = join_copies(grouped)
    return joined, " ".join(filter(None, (sentence, copies)))


def _sentence(clips: Sequence[Clip], rules: Sequence[str], stated_rule: str) -> str:
    counts = Counter(rules)
    parts = []
    for rule, where in {"stated": stated_rule, **_RULES}.items():
        if counts[rule]:
            groups = {c.group for c, r in zip(clips, rules, strict=True) if r == rule}
            parts.append(
                f"{plural(counts[rule], 'clip')} in {plural(len(groups), 'group')} "
                f"by {where}"
            )
    sentences = []
    if parts:
        sentences.append(f"Split by source: {'; '.join(parts)}.")
    if counts[ALONE]:
        sentences.append(
            f"No known source for {plural(counts[ALONE], 'clip')}: each is a group of "
            "its own, and leakage between clips of one infant, device or recording "
            "cannot be excluded. Name the source in a 'group' column of a manifest "
            "or in folders (label/infant/clip.wav)."
        )
    return " ".join(sentences)


def join_copies(clips: Sequence[Clip]) -> tuple[tuple[Clip, ...], str]:
    """Joins the groups of clips that are the same file, byte for byte.

    A joined group takes the first of its names in alphabetical order.

    Returns:
        The clips with their joined groups, and a sentence for the user, empty
        if no two files are equal.
    """
    copies = same_content([clip.path for clip in clips])
    if not copies:
        return tuple(clips), ""
    parent = {clip.group: clip.group for clip in clips}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = group = parent[parent[group]]
        return group

    disputed = []
    for same in copies:
        first, *others = (clips[index] for index in same)
        for other in others:
            low, high = sorted((root(first.group), root(other.group)))
            parent[high] = low
        differing = [other for other in others if other.label != first.label]
        if differing:
            disputed.append(
                f"{first.name} is {first.label}, {differing[0].name} is "
                f"{differing[0].label}"
            )
    joined = tuple(dataclasses.replace(c, group=root(c.group)) for c in clips)
    extra = sum(len(same) - 1 for same in copies)
    lost = len(parent) - len({clip.group for clip in joined})
    sentence = f"Copies of another file, byte for byte: {extra}"
    sentence += f" ({plural(lost, 'group')} joined with another)." if lost else "."
    if disputed:
        sentence += (
            f" Recordings with more than one label: {len(disputed)} "
            f"(first: {disputed[0]}). Keep the right one."
        )
    return joined, sentence


def plural(count: int, noun: str) -> str:
    """Returns "1 clip" or "2 clips"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
