import numpy as np
import pytest
import soundfile

from cry_tf.augment import AddNoise, NoiseFolder
from cry_tf.augment.add_noise import Background

RATE_HZ = 16_000


def measured_snr_db(sound, noise):
    return 10 * np.log10(
        np.mean(np.square(sound, dtype=float)) / np.mean(np.square(noise, dtype=float))
    )


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 12.5, 40.0])
@pytest.mark.parametrize("file", ["a.wav", "below/b.flac", "c.wav"])
def test_the_ratio_measured_is_the_one_drawn(noise_folder, cry, snr_db, file):
    quiet = cry * np.float32(0.1)  # so that the mix stays within full scale
    mix = AddNoise(noise_folder).apply(quiet, RATE_HZ, Background(file, 0.3, snr_db))
    assert measured_snr_db(quiet, mix - quiet) == pytest.approx(snr_db, abs=0.1)


def test_a_mix_beyond_full_scale_keeps_the_ratio(noise_folder, tone):
    loud = tone(amplitude=0.99)
    transform = AddNoise(noise_folder)
    mix = transform.apply(loud, RATE_HZ, Background("a.wav", 0.0, 0.0))
    assert np.abs(mix).max() == pytest.approx(1, abs=1e-6)
    noise = transform.folder.cut("a.wav", 0.0, len(loud), RATE_HZ)
    parts = np.stack([loud, noise], axis=1).astype(float)
    (sound, added), *_ = np.linalg.lstsq(parts, mix.astype(float), rcond=None)
    np.testing.assert_allclose(parts @ [sound, added], mix, atol=1e-6)  # not clipped
    ratio_db = measured_snr_db(sound * loud, added * noise)
    assert ratio_db == pytest.approx(0, abs=0.1)


def test_padding_does_not_count_in_the_ratio(noise_folder, cry):
    quiet = cry * np.float32(0.1)
    padded = np.concatenate([quiet, np.zeros(50_000, np.float32)])
    drawn = Background("a.wav", 0.3, 10.0)
    mix = AddNoise(noise_folder).apply(padded, RATE_HZ, drawn)
    added = (mix - padded)[: len(quiet)]
    assert measured_snr_db(quiet, added) == pytest.approx(10, abs=0.1)


def test_files_places_and_ratios_are_drawn_evenly(noise_folder, rng):
    transform = AddNoise(noise_folder, 5, 15)
    drawn = [transform.draw(rng, 100, RATE_HZ) for _ in range(600)]
    files = [d.file for d in drawn]
    assert {files.count(name) > 150 for name in set(files)} == {True}
    assert set(files) == {"a.wav", "below/b.flac", "c.wav"}
    assert 5 <= min(d.snr_db for d in drawn) < 5.2
    assert 14.8 < max(d.snr_db for d in drawn) <= 15
    assert 0 <= min(d.place for d in drawn) < 0.02
    assert 0.98 < max(d.place for d in drawn) < 1


def test_a_silent_noise_changes_nothing(tmp_path, cry):
    soundfile.write(tmp_path / "x.wav", np.zeros(RATE_HZ), RATE_HZ)
    transform = AddNoise(NoiseFolder(tmp_path))
    mix = transform(cry, RATE_HZ, np.random.default_rng(0))
    np.testing.assert_array_equal(mix, cry)
    assert transform.folder.silent == [tmp_path / "x.wav"]


def test_a_path_opens_the_folder_and_its_errors_come_at_once(tmp_path, noise_folder):
    assert AddNoise(str(noise_folder)).folder == NoiseFolder(noise_folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="at least one sound file"):
        AddNoise(tmp_path / "empty")


@pytest.mark.parametrize("range_", [(10, 0), (-40, 0), (0, 90)])
def test_a_wrong_range_is_refused(noise_folder, range_):
    with pytest.raises(ValueError, match="snr_db"):
        AddNoise(noise_folder, *range_)


def test_records_name_the_noises_by_content(noise_folder):
    about = AddNoise(noise_folder).to_dict()
    assert about["noise_files"] == 3
    assert about["noise_sha256"] == NoiseFolder(noise_folder).sha256()
    assert str(noise_folder) not in str(about)
