import numpy as np
import pytest

from cry_lite import sound_file
from cry_lite.waveform import MAX_PEAK, check_dtype, check_waveform


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(0, np.float32),
        np.float32([0.0, -1.0, 1.0]),
        np.float32([[MAX_PEAK], [-MAX_PEAK]]),
        np.float64([0.5]),
        np.float16([0.5]),
    ],
)
def test_float_samples_near_full_scale_are_taken(waveform):
    check_waveform(waveform)


@pytest.mark.parametrize(
    ("waveform", "received"),
    [
        (np.int16([0, 1]), "dtype=int16. Divide 16-bit samples by 32768"),
        (np.array([0, 1]), "dtype=int64"),
        (np.array([True]), "dtype=bool"),
        (np.float32([0.0, np.nan]), "NaN or infinity"),
        (np.float32([-np.inf]), "NaN or infinity"),
        (np.float32([0.1, -16.1]), "up to 16.1"),
        (np.float32([0.1, 3e4]), "up to 30000"),
    ],
)
def test_other_samples_are_refused_by_name(waveform, received):
    with pytest.raises(ValueError, match=f"^clip 3 must .* Received: .*{received}"):
        check_waveform(waveform, "clip 3")


def test_types_of_frameworks_are_told_by_their_names():
    for name in ("float32", "bfloat16"):
        check_dtype(name)
    with pytest.raises(ValueError, match="dtype=uint8"):
        check_dtype("uint8")


def test_files_and_arrays_have_one_rule(tmp_path):
    import soundfile

    for peak, is_taken in ((MAX_PEAK, True), (MAX_PEAK + 0.1, False)):
        waveform = np.full(100, peak, np.float32)
        soundfile.write(tmp_path / "loud.wav", waveform, 8_000, subtype="FLOAT")
        for read in (
            lambda: sound_file.read(tmp_path / "loud.wav", 8_000),
            lambda waveform=waveform: check_waveform(waveform),
        ):
            if is_taken:
                read()
            else:
                with pytest.raises((OSError, ValueError), match="samples up to 16.1"):
                    read()
