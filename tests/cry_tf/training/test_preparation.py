import numpy as np
import pytest
import soundfile

from cry_lite.front_ends import YAMNET
from cry_tf.data import load
from cry_tf.runs.progress import NoProgress
from cry_tf.training import recipe
from cry_tf.training.context import RunContext
from cry_tf.training.preparation import choose_bandwidth, prepare
from cry_tf.training.settings import Settings


class Ear(NoProgress):
    def __init__(self):
        self.lines, self.warnings = [], []

    def line(self, text=""):
        self.lines.append(text)

    def warn(self, text):
        self.warnings.append(text)


def write(path, rng, rate_hz=16_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rng.uniform(-0.3, 0.3, rate_hz // 2), rate_hz)


@pytest.fixture
def recordings(tmp_path, rng):
    for label, rate_hz in (("hungry", 8_000), ("rain", 44_100)):
        for infant in range(3):
            write(tmp_path / "data" / label / f"g{infant}" / "1.wav", rng, rate_hz)
    return tmp_path / "data"


SETTINGS = Settings(task="detect", recipe=recipe.QUICK, weights="x.npz", folds=2)


def test_cries_and_other_sounds_are_made_equally_wide(recordings):
    ear = Ear()
    found = prepare(load(recordings), SETTINGS, RunContext(progress=ear))

    assert found.bandwidth.cutoff_hz == pytest.approx(0.45 * 8_000)
    assert found.dataset.labels == ("no_cry", "cry")
    assert any(line.startswith("bandwidth: Sample rates differ") for line in ear.lines)
    assert "  cry (3 clips, by well-known names): hungry 3" in ear.lines


def test_bad_clips_are_named_and_left_out(recordings, rng):
    (recordings / "hungry" / "g0" / "text.wav").write_text("no sound")
    soundfile.write(recordings / "rain" / "g0" / "silent.wav", np.zeros(8000), 8000)
    ear = Ear()
    found = prepare(load(recordings), SETTINGS, RunContext(progress=ear))

    assert len(found.dataset) == 6
    left_out = {problem.clip.path.name for problem in found.problems}
    assert left_out == {"text.wav", "silent.wav"}
    assert sum(warning.startswith("left out: ") for warning in ear.warnings) == 2


def test_a_label_whose_clips_are_all_bad_is_an_error(recordings):
    for path in recordings.glob("hungry/*/*.wav"):
        path.write_text(f"no sound in {path}")
    with pytest.raises(ValueError, match="Training needs clips of at least two labels"):
        prepare(load(recordings), SETTINGS, RunContext(progress=Ear()))


def test_more_folds_than_groups_is_an_error(recordings):
    settings = Settings(task="detect", recipe=recipe.QUICK, weights="x", folds=4)
    with pytest.raises(ValueError, match="4 folds needs 4 different groups"):
        prepare(load(recordings), settings, RunContext(progress=Ear()))


def test_one_narrow_rate_keeps_the_device_from_hearing_more(tmp_path, rng):
    for label in ("hungry", "tired"):
        write(tmp_path / label / "1.wav", rng, 8_000)
    found = choose_bandwidth(load(tmp_path), "auto", YAMNET)
    assert found.cutoff_hz == pytest.approx(3_600)
    assert "never had" in found.reason


def test_where_rates_differ_the_reason_says_what_the_model_gets(tmp_path, rng):
    write(tmp_path / "hungry" / "1.wav", rng, 8_000)
    write(tmp_path / "tired" / "1.wav", rng, 44_100)
    found = choose_bandwidth(load(tmp_path), "auto", YAMNET)
    assert found.cutoff_hz == pytest.approx(3_600)
    assert (
        "Sample rates differ: 8000 Hz for hungry; 44100 Hz for tired." in found.reason
    )
    assert found.reason.endswith("The model gets nothing above 3600 Hz.")


def test_clips_as_wide_as_the_model_are_left_alone(tmp_path, rng):
    for label in ("hungry", "tired"):
        write(tmp_path / label / "1.wav", rng, 44_100)
    found = choose_bandwidth(load(tmp_path), "auto", YAMNET)
    assert found.cutoff_hz is None
    assert "7500 Hz" in found.reason


def test_what_is_asked_for_is_done(recordings):
    dataset = load(recordings)
    assert choose_bandwidth(dataset, None, YAMNET).cutoff_hz is None
    assert choose_bandwidth(dataset, 2_000.0, YAMNET).cutoff_hz == 2_000
