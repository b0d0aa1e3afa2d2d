"""The detectors that are included, whole: no network is made smaller here."""

import numpy as np
import pytest

from cry_export.quantization_recipe import get as get_recipe
from cry_lite import models
from cry_lite.detector import Analyzer
from cry_tf.models import CryDetector, bundled_detector


@pytest.mark.assets
@pytest.mark.parametrize("name", models.NAMES)
def test_an_included_detector_gives_the_scores_of_its_tflite(name, assets):
    from cry_lite import read

    size = (bundled_detector.FOLDER / f"{name}.npz").stat().st_size
    assert size <= 2_000_000
    model = CryDetector.from_preset(name)
    analyzer = Analyzer(models.resolve(name))
    assert model.spec == analyzer.spec
    clips = [
        *sorted((assets / "data" / "donateacry" / "hungry").iterdir())[:10],
        *sorted((assets / "data" / "esc10").rglob("*.*"))[:10],
    ]
    window = round(model.decision.window_s * model.sample_rate_hz)
    differences = []
    for clip in clips:
        waveform = read(clip, model.sample_rate_hz)[:window]
        ours = model.predict(waveform[None], verbose=0)[0]
        differences.append(np.abs(ours - analyzer.model(waveform)).max())
    budget = get_recipe("dynamic").budget  # that of the gate
    assert max(differences) <= budget.max_score_difference
    assert np.mean(differences) <= budget.max_mean_difference
