import numpy as np
import pytest

from cry_lite.detector import Analysis
from cry_lite.events import Event
from cry_lite.front_ends import YAMNET
from cry_lite.spec import ModelSpec
from cry_tf.reports.timeline import timeline
from cry_tf.synthesis.night import Night, TrueEvent

SPEC = ModelSpec(
    task="detect", labels=("no_cry", "cry"), front_end=YAMNET, positive_label="cry"
)


@pytest.mark.parametrize("seconds", [4, 70])
@pytest.mark.parametrize("is_empty", [True, False])
def test_a_night_is_drawn(seconds, is_empty, rng):
    starts = np.arange(seconds - 3)
    scores = rng.uniform(size=(len(starts), 1)).astype(np.float32)
    found = Event(start_s=1, end_s=3, label="cry", peak=1, mean=1)
    analysis = Analysis(
        path="night.wav",
        duration_s=seconds,
        source_sample_rate_hz=16_000,
        sample_rate_hz=16_000,
        labels=SPEC.labels,
        windows=np.stack([starts, starts + 3], axis=1).astype(float),
        scores=np.concatenate([1 - scores, scores], axis=1),
        label="no_cry" if is_empty else "cry",
        clip_scores=np.zeros(2, np.float32),
        events=() if is_empty else (found,),
        notes=(),
    )
    truth = (
        TrueEvent(start_s=0.5, end_s=2, label="cry", reason="hungry"),
        TrueEvent(start_s=2.5, end_s=3, label="door_knock"),
    )
    waveform = rng.uniform(-0.5, 0.5, seconds * 16_000).astype(np.float32)
    night = Night(waveform, () if is_empty else truth)
    content = timeline(night, analysis, SPEC, is_synthetic=True)
    assert content.startswith(b"\x89PNG")
    assert len(content) > 20_000
