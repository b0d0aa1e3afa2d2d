"""`cry_tf.scenes`: the clips become scenes, and the command writes them."""

import csv
import json

import numpy as np
import pytest
import soundfile

from cry_tf.cli.main import main
from cry_tf.data import load
from cry_tf.data.clip import Clip
from cry_tf.scenes.crying import CryClip, active_spans, lay_bout
from cry_tf.scenes.make_scenes import SceneSettings, make_scenes
from cry_tf.scenes.scene import BackgroundClips, Infants, crying_scene

RATE_HZ = 16_000


def burst(length_s, spans, pitch_hz=450.0):
    """A tone within spans, and digital silence around them."""
    time_s = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    wave = np.zeros(len(time_s))
    for start, end in spans:
        inside = (time_s >= start) & (time_s < end)
        wave[inside] = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s[inside])
    return wave


@pytest.fixture
def data(tmp_path, rng):
    """Three infants with two clips, four clips of noise, one label to leave out."""
    folder = tmp_path / "data"
    for infant in range(3):
        for take in range(2):
            path = folder / "hungry" / f"infant{infant}" / f"{take}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            wave = burst(4, [(0.5, 1.5), (2.0, 3.5)], 400 + 50 * infant + 10 * take)
            soundfile.write(path, wave, RATE_HZ)
    for kind, seconds in (("rain", 70), ("tv", 20), ("fan", 5), ("unsure", 5)):
        path = folder / kind / "room" / f"{kind}.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, rng.normal(0, 0.05, seconds * RATE_HZ), RATE_HZ)
    return folder


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_loud_parts_of_a_clip_are_its_cries():
    wave = burst(6, [(1.0, 2.0), (2.2, 3.0), (4.0, 4.05), (5.0, 5.5)])
    wave += np.random.default_rng(0).normal(0, 0.001, len(wave))
    np.testing.assert_allclose(active_spans(wave), [[1, 3], [5, 5.5]], atol=0.03)
    assert active_spans(np.zeros(RATE_HZ)).shape == (0, 2)
    assert active_spans(np.zeros(0)).shape == (0, 2)


def test_a_bout_is_of_the_clips_that_it_lists(data, rng):
    clips = [CryClip(clip) for clip in load(data).clips if "infant1" in clip.name]
    bout = lay_bout(clips, rng)
    assert 8 <= bout.pieces[-1].end_s <= 4 * 4 + 3 * 2
    for before, after in zip(bout.pieces, bout.pieces[1:], strict=False):
        assert 0.3 <= after.start_s - before.end_s <= 2.0
    assert len(bout.cries) == 2 * len(bout.pieces)
    for piece, (start, end) in zip(bout.pieces, bout.cries[::2], strict=True):
        assert start == pytest.approx(piece.start_s + 0.5, abs=0.03)
        assert end == pytest.approx(piece.start_s + 1.5, abs=0.03)


def test_annotated_cries_are_taken_as_they_are(data, rng):
    clip = next(clip for clip in load(data).clips if clip.label == "hungry")
    bout = lay_bout([CryClip(clip, np.array([[1.0, 1.25], [3.9, 5.0]]))], rng)
    np.testing.assert_allclose(bout.cries[:2], [[1.0, 1.25], [3.9, 4.0]])


@pytest.mark.parametrize("snr_db", [20.0, 0.0, -5.0])
def test_the_ratio_is_that_of_the_cries_to_the_background_under_them(data, rng, snr_db):
    dataset = load(data)
    background = BackgroundClips(
        [clip for clip in dataset.clips if clip.label == "rain"], rng, pytest.fail
    )
    infants = Infants([CryClip(c) for c in dataset.clips if c.label == "hungry"], rng)
    scene = crying_scene(background, infants, 240 * RATE_HZ, snr_db, rng)

    # Rebuilt from the table of clips: the background is what is not crying.
    crying = np.zeros(len(scene.waveform))
    for piece in scene.crying:
        wave, _ = soundfile.read(piece.clip.path)
        first = round(piece.start_s * RATE_HZ)
        crying[first : first + len(wave)] += wave * 10 ** (piece.gain_db / 20)
    bouts = {event.bout for event in scene.events}
    assert len(bouts) >= 2
    for bout in bouts:
        is_active = np.zeros(len(crying), bool)
        for event in scene.events:
            if event.bout == bout:
                first, last = event.start_s * RATE_HZ, event.end_s * RATE_HZ
                is_active[round(first) : round(last)] = True
        noise = (scene.waveform - crying)[is_active]
        ratio = np.square(crying[is_active]).mean() / np.square(noise).mean()
        assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.2)
    assert np.abs(scene.waveform).max() < 1


def test_every_infant_cries_once_before_any_again(data, rng):
    infants = Infants(
        [CryClip(c) for c in load(data).clips if c.label == "hungry"], rng
    )
    groups = [infants.bout().pieces[0].clip.group for _ in range(6)]
    assert len(infants) == 3
    assert len(set(groups[:3])) == len(set(groups[3:])) == 3


def test_every_background_is_used_once_before_any_again(data, rng):
    clips = [clip for clip in load(data).clips if clip.label in ("rain", "tv")]
    background = BackgroundClips(clips, rng, pytest.fail)
    assert background.seconds == pytest.approx(90, abs=0.01)
    _, pieces = background.fill(89 * RATE_HZ)
    spans = sorted((p.clip.label, p.offset_s, p.end_s - p.start_s) for p in pieces)
    assert [span[0] for span in spans] == ["rain", "rain", "tv"]
    assert spans[0][1] == 0
    assert spans[1][1] == pytest.approx(35, abs=0.01)


def test_silence_at_the_ends_of_a_clip_is_no_background(tmp_path, rng):
    path = tmp_path / "a.wav"
    wave = np.zeros(5 * RATE_HZ)
    wave[RATE_HZ : 2 * RATE_HZ] = rng.normal(0, 0.1, RATE_HZ)
    soundfile.write(path, wave, RATE_HZ)
    found = BackgroundClips([Clip(path, "dog", "a")], rng, pytest.fail)
    assert found.seconds == pytest.approx(1.0, abs=0.01)


def test_the_command_writes_scenes_that_evaluate_and_train_can_read(
    data, tmp_path, capsys
):
    argv = ["scenes", str(data), "--hours", "0.2", "--snr", "10,0", "--minutes", "4"]
    argv += ["--leave-out", "unsure", "--seed", "7", "--ambient-hours", "0.05"]
    out = tmp_path / "scenes"
    assert main([*argv, "-o", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)

    dataset = load(out)
    assert dataset.label_counts == {"cry": 4, "no_cry": 1}
    info = soundfile.info(out / "ambient_0005.flac")
    assert (info.samplerate, info.subtype, info.frames) == (16000, "PCM_16", 2_880_000)
    events, clips = rows(out / "events.csv"), rows(out / "clips.csv")
    assert {row["snr_db"] for row in events} == {"10", "0"}
    assert not any(row["file"].startswith("ambient") for row in events)
    assert all(float(row["end_s"]) > float(row["start_s"]) for row in events)
    assert {row["label"] for row in clips} == {"hungry", "rain", "tv", "fan"}
    for row in clips:
        assert (row["role"] == "crying") == (row["label"] == "hungry")
    assert summary["hours"] == {"crying": 0.2, "ambient": 0.05}
    assert summary["settings"]["seed"] == 7
    assert summary["bouts"] == len({(row["file"], row["bout"]) for row in events})

    again = tmp_path / "again"
    assert main([*argv, "-o", str(again)]) == 0
    for path in sorted(out.iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
    argv[argv.index("7")] = "8"
    assert main([*argv, "-o", str(again), "--overwrite"]) == 0
    assert (out / "events.csv").read_bytes() != (again / "events.csv").read_bytes()


def test_events_of_the_clips_become_events_of_the_scenes(data, tmp_path):
    table = data.parent / "events.csv"
    lines = ["file,start_s,end_s"]
    for infant in range(2):
        for take in range(2):
            lines.append(f"data/hungry/infant{infant}/{take}.wav,0.75,1.25")
    lines.pop()
    table.write_text("\n".join(lines))
    out = tmp_path / "scenes"
    argv = ["scenes", str(data), "-o", str(out), "--hours", "0.1", "--snr", "5"]
    argv += ["--ambient-hours", "0", "--minutes", "6", "--events", str(table)]
    # The clip without an event stands in a folder of annotated ones: it is left out.
    assert main(argv) == 1
    used = {row["clip"] for row in rows(out / "clips.csv") if row["role"] == "crying"}
    assert used
    assert "hungry/infant1/1.wav" not in used
    for row in rows(out / "events.csv"):
        if not row["group"].endswith("infant2"):
            assert float(row["end_s"]) - float(row["start_s"]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"hours": -1.0}, "hours must be in"),
        ({"hours": float("nan")}, "hours must be in"),
        ({"hours": 0.0, "ambient_hours": 0.0}, "take some time"),
        ({"scene_minutes": 500.0}, "scene_minutes must be"),
        ({"snrs_db": ()}, "at least one"),
        ({"snrs_db": (5.0, 5.0)}, "must differ"),
        ({"snrs_db": (float("nan"),)}, "-30 to 60"),
    ],
)
def test_settings_that_make_no_scene_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        SceneSettings(**settings)


def test_too_few_hours_for_the_ratios_are_refused(data, tmp_path):
    settings = SceneSettings(hours=0.05, snrs_db=(20.0, 10.0, 5.0, 0.0))
    with pytest.raises(ValueError, match="more hours or fewer ratios"):
        make_scenes(load(data), tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_a_label_to_leave_out_must_occur(data, tmp_path, capsys):
    argv = ["scenes", str(data), "-o", str(tmp_path / "o"), "--leave-out", "dog"]
    assert main(argv) == 1
    assert "Labels: fan, hungry" in capsys.readouterr().err


def test_a_click_does_not_turn_a_scene_down(tmp_path, rng):
    paths = []
    for name, peak in (("click", 0.9), ("rain", 0.0)):
        wave = rng.normal(0, 0.001 if peak else 0.05, 10 * RATE_HZ)
        wave[5 * RATE_HZ] += peak
        paths.append(tmp_path / f"{name}.wav")
        soundfile.write(paths[-1], wave, RATE_HZ)
    clips = [Clip(path, path.stem, path.stem) for path in paths]
    waveform, pieces = BackgroundClips(clips, rng, pytest.fail).fill(19 * RATE_HZ)
    assert np.abs(waveform).max() == pytest.approx(10 ** (-3 / 20), abs=0.01)
    for piece in pieces:
        first, last = round(piece.start_s * RATE_HZ), round(piece.end_s * RATE_HZ)
        rms_db = 10 * np.log10(np.square(waveform[first:last]).mean())
        if piece.clip.label == "rain":
            assert -39 <= rms_db <= -23
