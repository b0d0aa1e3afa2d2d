"""Writes events.json: drawn scores and events, and what sed_scores_eval counts there.

It needs an environment of its own, as sed_scores_eval breaks on pandas 3:

    python -m venv oracle
    oracle/bin/pip install "sed_scores_eval==0.0.4" "pandas<3" "numpy<2.3"
    oracle/bin/python tests/golden/make_events.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sed_scores_eval import collar_based, intersection_based, segment_based
from sed_scores_eval.base_modules.scores import create_score_dataframe

FRAME_S = 0.1
# Between two scores: at a score one side says yes and the other no.
THRESHOLDS = (0.255, 0.505, 0.755)
COLLARS = ((0.2, 0.2, 0.2), (0.5, 0.5, 0.0), (1.0, 0.2, 0.5))
SHARES = ((0.5, 0.5), (0.7, 0.7), (0.1, 0.1), (1.0, 0.3))
SEGMENTS_S = (1.0, 0.7)


def draw(rng):
    """Returns scores that follow events, with errors, and the events."""
    frames = int(rng.integers(200, 400))
    events, at = [], 0.0
    is_event = np.zeros(frames)
    for _ in range(int(rng.integers(0, 6))):
        start = at + rng.uniform(0.2, 6)
        at = start + rng.uniform(0.3, 5)
        if at >= frames * FRAME_S:
            break
        events.append([round(start, 3), round(at, 3)])
        first = round((start + rng.normal(0, 0.15)) / FRAME_S)
        last = round((at + rng.normal(0, 0.25)) / FRAME_S)
        is_event[max(first, 0) : max(last, 0)] = rng.uniform(0.4, 1)
    noise = np.convolve(rng.normal(0, 0.35, frames), np.full(8, 1 / 8), "same")
    scores = np.clip(0.1 + 0.8 * is_event + noise, 0.01, 0.99)
    return [round(float(score), 2) for score in scores], events


def main():
    rng = np.random.default_rng(15)
    drawn = [draw(rng) for _ in range(12)]
    frames, truth, durations = {}, {}, {}
    for number, (scores, events) in enumerate(drawn):
        edges = np.round(np.arange(len(scores) + 1) * FRAME_S, 6)
        frames[str(number)] = create_score_dataframe(
            np.array(scores)[:, None], edges, ["cry"]
        )
        truth[str(number)] = [(start, end, "cry") for start, end in events]
        durations[str(number)] = len(scores) * FRAME_S

    def counted(found):
        (f1, _, _, stats) = (each["cry"] for each in found)
        stats = {name: int(stats[name]) for name in ("n_ref", "tps", "fps")}
        return {"f1": float(f1), **stats}

    collars = [
        {
            "threshold": threshold,
            "collars": collar,
            **counted(
                collar_based.fscore(
                    frames,
                    truth,
                    threshold,
                    onset_collar=collar[0],
                    offset_collar=collar[1],
                    offset_collar_rate=collar[2],
                )
            ),
        }
        for threshold in THRESHOLDS
        for collar in COLLARS
    ]
    shares = [
        {
            "threshold": threshold,
            "shares": share,
            **counted(
                intersection_based.fscore(
                    frames,
                    truth,
                    threshold,
                    dtc_threshold=share[0],
                    gtc_threshold=share[1],
                )
            ),
        }
        for threshold in THRESHOLDS
        for share in SHARES
    ]
    segments = [
        {
            "threshold": threshold,
            "segment_s": segment_s,
            **counted(
                segment_based.fscore(
                    frames, truth, durations, threshold, segment_length=segment_s
                )
            ),
        }
        for threshold in THRESHOLDS
        for segment_s in SEGMENTS_S
    ]
    areas = [
        {
            "shares": share,
            "max_rate": max_rate,
            "psds": float(
                intersection_based.psds(
                    frames,
                    truth,
                    durations,
                    dtc_threshold=share[0],
                    gtc_threshold=share[1],
                    max_efpr=max_rate,
                )[0]
            ),
        }
        for share in SHARES
        for max_rate in (100.0, 400.0)
    ]
    values = {
        "made_by": f"sed_scores_eval {version('sed_scores_eval')}",
        "frame_s": FRAME_S,
        "recordings": [
            {"scores": scores, "events": events} for scores, events in drawn
        ],
        "matched": collars,
        "intersecting": shares,
        "segments": segments,
        "psds": areas,
    }
    path = Path(__file__).with_name("events.json")
    path.write_text(json.dumps(values, separators=(",", ":")) + "\n")


main()
