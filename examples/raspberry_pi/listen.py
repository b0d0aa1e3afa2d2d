"""Says when a baby cries, while it cries, without TensorFlow.

python listen.py cry.tflite                 the microphone, until Ctrl-C
python listen.py cry.tflite night.wav       a recording, to try it out
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np

from cry_lite.interpreter import LiteRTModel
from cry_lite.live_decision import LiveDecision
from cry_lite.metadata import read_metadata
from cry_lite.microphone import Microphone
from cry_lite.sound_file import SoundStream
from cry_lite.spec import ModelSpec
from cry_lite.windows import stream_windows, window_samples_of


def main(model_path: str, sound_path: str | None = None) -> None:
    """Prints a line when crying starts, and one when it ends."""
    spec = read_metadata(model_path).spec
    model = LiteRTModel(model_path, num_threads=2)
    if sound_path is None:
        with Microphone(spec.sample_rate_hz) as microphone:
            print("listening, stop with Ctrl-C", flush=True)
            listen(microphone, model, spec)
    else:
        with SoundStream(sound_path, spec.sample_rate_hz) as sound:
            listen(sound, model, spec)


def listen(blocks: Iterable[np.ndarray], model: LiteRTModel, spec: ModelSpec) -> None:
    """Scores a window every hop, and prints where an event starts and ends."""
    if spec.positive_label is None:
        sys.exit("The model says why a baby cries. Listening needs one that detects.")
    cry, rate_hz = spec.labels.index(spec.positive_label), spec.sample_rate_hz
    live = LiveDecision(spec.decision)
    for start, waveform in stream_windows(blocks, *window_samples_of(spec)):
        score = float(model(waveform)[cry])
        was_crying, now_s = live.is_crying, (start + len(waveform)) / rate_hz
        is_crying = live.add(start / rate_hz, now_s, score)
        if is_crying != was_crying:
            print(
                f"{now_s:.1f} s: {'crying' if is_crying else 'quiet'} ({score:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python listen.py MODEL.tflite [SOUND]")
    try:
        main(*sys.argv[1:])
    except OSError as error:  # A file, or a microphone, that cannot be used.
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(0)
