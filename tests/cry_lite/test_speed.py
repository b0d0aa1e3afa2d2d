import subprocess
import sys

import numpy as np
import pytest

from cry_lite.errors import ModelFileError
from cry_lite.speed import measure_speeds


def test_files_take_turns_and_tell_what_they_cost(model_file):
    turns = []
    found = measure_speeds(
        [model_file, model_file],
        threads=(1, 2),
        turns=2,
        advance=lambda: turns.append(1),
    )
    assert len(turns) == 2
    assert [[speed.threads for speed in speeds] for speeds in found] == [[1, 2]] * 2
    for speed in [speed for speeds in found for speed in speeds]:
        assert speed.runs >= 2
        assert 0 < speed.median_s <= speed.slow_s
        assert speed.per_audio_second_s == pytest.approx(
            speed.median_s / speed.window_s
        )
        assert 10e6 < speed.peak_bytes < 300e6  # Python and NumPy, not this process


def test_a_length_is_kept_where_the_file_takes_any(model_file):
    [[speed]] = measure_speeds([model_file], seconds=0.5, turns=1)
    assert speed.window_s == pytest.approx(0.5)


def test_a_damaged_file_is_refused_before_a_process_starts(model_file, tmp_path):
    content = bytearray(model_file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path = tmp_path / "damaged.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        measure_speeds([model_file, path], turns=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"threads": ()}, "threads must be positive"),
        ({"threads": (0,)}, "threads must be positive"),
        ({"turns": 0}, "turns must be positive"),
        ({"seconds": 0.0}, "seconds must be positive"),
        ({"seconds": np.inf}, "seconds must be positive"),
    ],
)
def test_numbers_out_of_range_are_refused(model_file, arguments, words):
    with pytest.raises(ValueError, match=words):
        measure_speeds([model_file], **arguments)


def test_a_process_that_dies_names_the_file(model_file, monkeypatch):
    start = subprocess.Popen

    def dying(command, **options):
        said = "import sys; sys.exit('out of memory')"
        return start([sys.executable, "-c", said], **options)

    monkeypatch.setattr("cry_lite.speed.subprocess.Popen", dying)
    with pytest.raises(ModelFileError, match=r"ended with 1 \(out of memory\)"):
        measure_speeds([model_file], turns=1)
