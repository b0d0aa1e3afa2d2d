"""Says when a baby cried in a sound file, without TensorFlow.

python analyze_file.py cry.tflite night.wav
"""

from __future__ import annotations

import sys

import cry_lite


def main(model_path: str, sound_path: str) -> None:
    """Prints a line for each event that the model detects in the file."""
    # Labels, sample rate and thresholds come out of the .tflite itself.
    analyzer = cry_lite.Analyzer(model_path, num_threads=2)
    analysis = analyzer.analyze_file(sound_path)
    for event in analysis.events:
        print(
            f"{event.label} {event.start_s:.1f}-{event.end_s:.1f} s "
            f"(peak {event.peak:.2f})"
        )
    if not analysis.events:
        print(f"nothing in {analysis.duration_s:.1f} s")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python analyze_file.py MODEL.tflite SOUND")
    try:
        main(sys.argv[1], sys.argv[2])
    except OSError as error:  # A missing or damaged file: its message is a sentence.
        sys.exit(str(error))
