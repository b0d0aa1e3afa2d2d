"""Puts a finished detector into the packages, where users find it by its name.

python bundle.py NAME RUN FILE.tflite FACTS.json

NAME        cry_detector or cry_detector_tiny
RUN         run folder that the file was exported from
FILE        its .tflite, calibrated: its decision is the one that is kept
FACTS.json  {"summary": ..., "licence": ..., "sources": [...], "figures": [...],
             "limits": [...]}, as the docstring of cry_lite.models says

Writes cry_lite/models/NAME.tflite and NAME.json, and for Keras
cry_tf/models/weights/NAME.npz and its digest.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from cry_lite import models
from cry_lite.metadata import read_metadata
from cry_tf.models import CryDetector, bundled_detector
from cry_tf.runs.run_folder import RunFolder


def main(name: str, run: str, tflite: str, facts: str) -> None:
    """Writes the four files, and reads them again."""
    content = Path(tflite).read_bytes()
    card = {
        "name": name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **json.loads(Path(facts).read_text(encoding="utf-8")),
    }
    text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False)
    (models.FOLDER / f"{name}.tflite").write_bytes(content)
    (models.FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    models.read(name)

    model = RunFolder.open(run).load_model()
    if not isinstance(model, CryDetector):
        sys.exit(f"{run} holds no detector")
    model.decision = read_metadata(content).spec.decision
    bundled_detector.FOLDER.mkdir(exist_ok=True)
    bundled_detector.save(model, bundled_detector.FOLDER / f"{name}.npz")
    CryDetector.from_preset(name)


if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[1] not in models.NAMES:
        sys.exit(__doc__)
    main(*sys.argv[1:])
