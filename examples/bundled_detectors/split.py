"""Writes the manifests that the bundled detectors are trained on and tested with.

A fifth of the groups (device, recording, speaker) of every data set is for testing and
never trained on. Which ones follows from their names alone, so that two sets that share
a device agree about it.

    python split.py DATA -o FOLDER

writes FOLDER/train.csv and FOLDER/test.csv from DATA/MANIFEST.csv and those of its
subfolders; and FOLDER/ambient, links to the training recordings of phones, music,
voices and rooms without a cry, to calibrate by.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from pathlib import Path

COLUMNS: tuple[str, ...] = ("file", "dataset", "label", "group", "licence")
# Uploads as they came of clips that are in the cleaned set.
LEFT_OUT = ("donateacry_raw",)
# Labels of recordings without a cry, by data set; None for all.
AMBIENT = {
    "household": None,
    "speech_commands_noise": None,
    "donateacry_phone": ("no_cry",),
}


def is_test(group: str) -> bool:
    """Whether a group is for testing."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) % 5 == 0


def is_ambient(row: dict[str, str]) -> bool:
    """Whether a recording is to calibrate by."""
    if row["dataset"] not in AMBIENT:
        return False
    labels = AMBIENT[row["dataset"]]
    return labels is None or row["label"] in labels


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, str]]] = {"train": [], "test": []}
    manifests = [args.data / "MANIFEST.csv", *sorted(args.data.glob("*/MANIFEST.csv"))]
    for manifest in manifests:
        with open(manifest, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row["dataset"] in LEFT_OUT:
                    continue
                side = "test" if is_test(row["group"]) else "train"
                file = (manifest.parent / row["file"]).absolute()
                kept = {name: row[name] for name in COLUMNS} | {"file": str(file)}
                rows[side].append(kept)
    ambient = args.output / "ambient"
    ambient.mkdir(exist_ok=True)
    for row in filter(is_ambient, rows["train"]):
        link = ambient / Path(row["file"]).name
        link.unlink(missing_ok=True)
        link.symlink_to(row["file"])
    for side, found in rows.items():
        path = args.output / f"{side}.csv"
        with open(path, "w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)
        groups = len({row["group"] for row in found})
        print(f"written: {path}, {len(found):,} recordings of {groups:,} groups")


if __name__ == "__main__":
    main()
