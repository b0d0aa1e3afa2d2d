import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_tf.synthesis import REASONS, mix, write_recordings

SMALL = {
    "infants": 3,
    "detection_clips": 4,
    "detection_s": 1.0,
    "reason_clips": 1,
    "reason_s": 1.0,
}


def rows(manifest: Path) -> list[dict[str, str]]:
    with open(manifest, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        write_recordings(tmp_path / name, seed=3, **SMALL)
    assert digests(tmp_path / "one") == digests(tmp_path / "other")


def test_another_seed_gives_other_clips(tmp_path):
    for seed in (3, 4):
        write_recordings(tmp_path / str(seed), seed=seed, **SMALL)
    one, other = digests(tmp_path / "3"), digests(tmp_path / "4")
    wavs = [name for name in one if name.endswith(".wav")]
    assert all(one[name] != other[name] for name in wavs)


def test_both_sets_have_the_counts_asked_for(tmp_path):
    written = write_recordings(tmp_path, seed=0, **SMALL)
    detection, reasons = rows(written.detection), rows(written.reasons)
    assert Counter(row["label"] for row in detection) == {"cry": 6, "no_cry": 6}
    assert Counter(row["label"] for row in reasons) == dict.fromkeys(REASONS, 3)
    for manifest in (detection, reasons):
        assert len({row["group"] for row in manifest}) == 3
        assert {row["synthetic"] for row in manifest} == {"yes"}


def test_every_group_has_both_labels_so_that_a_device_betrays_nothing(tmp_path):
    written = write_recordings(tmp_path, seed=0, **SMALL)
    pairs = {(row["group"], row["label"]) for row in rows(written.detection)}
    assert len(pairs) == 6


def test_a_clip_is_16_bit_mono_at_16_khz_and_not_clipped(tmp_path):
    written = write_recordings(tmp_path, seed=0, **SMALL)
    for row in rows(written.detection) + rows(written.reasons):
        path = written.detection.parent / row["file"]
        if not path.exists():
            path = written.reasons.parent / row["file"]
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert info.frames == 16_000
        samples, _ = soundfile.read(path)
        assert np.abs(samples).max() < 1
        assert samples.any()


def test_the_snr_is_recorded_where_something_was_mixed_in(tmp_path):
    written = write_recordings(tmp_path, seed=1, **SMALL)
    for row in rows(written.detection):
        assert bool(row["snr_db"]) == ("+" in row["sound"])


def test_a_set_is_never_overwritten(tmp_path):
    write_recordings(tmp_path, seed=0, **SMALL)
    with pytest.raises(FileExistsError, match="never overwritten"):
        write_recordings(tmp_path, seed=0, **SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_nothing_to_write_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=f"{name} must be positive"):
        write_recordings(tmp_path, seed=0, **(SMALL | {name: 0}))


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 20.0])
def test_the_mixture_has_the_asked_ratio(snr_db, rng):
    voice, noise = rng.standard_normal(9_000), 5 * rng.standard_normal(9_000)
    added = mix(voice, noise, snr_db) - voice
    found_db = 10 * np.log10(np.mean(voice**2) / np.mean(added**2))
    assert found_db == pytest.approx(snr_db, abs=1e-3)


def test_mixing_with_silence_changes_nothing(rng):
    voice = rng.standard_normal(100).astype(np.float32)
    np.testing.assert_array_equal(mix(voice, np.zeros(100), 0.0), voice)


def log_mel_statistics(manifest: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    from cry_lite.front_ends import VGGISH
    from cry_lite.log_mel import log_mel

    features, labels, groups = [], [], []
    for row in rows(manifest):
        waveform, _ = soundfile.read(manifest.parent / row["file"], dtype="float32")
        frames = log_mel(waveform, VGGISH)
        parts = frames.mean(0), frames.std(0), np.diff(frames, axis=0).std(0)
        features.append(np.concatenate(parts))
        labels.append(row["label"])
        groups.append(row["group"])
    return np.array(features), np.array(labels), groups


def test_reasons_can_be_learnt_across_infants_but_not_easily(tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    written = write_recordings(
        tmp_path,
        seed=0,
        infants=16,
        detection_clips=1,
        detection_s=0.1,
        reason_clips=2,
        reason_s=3.0,
    )
    features, labels, groups = log_mel_statistics(written.reasons)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=2_000))
    predicted = cross_val_predict(
        model, features, labels, groups=groups, cv=GroupKFold(4)
    )
    # Chance is 0.2. 0.95 would mean that the five sets hardly overlap.
    assert 0.33 < balanced_accuracy_score(labels, predicted) < 0.95
