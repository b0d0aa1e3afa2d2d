import json

import numpy as np
import pytest

from cry_tf.heads import ARRAY_HEADS, fitting, storing


@pytest.fixture(params=ARRAY_HEADS)
def stored(request, rng, tmp_path):
    features = rng.normal(size=(30, 4)) + np.repeat([[0], [1], [2]], 10, axis=0)
    truth = np.repeat([0, 1, 2], 10)
    # A label without clips: infinities must survive.
    head = fitting.fit(request.param, features, truth, np.arange(30), labels=4)
    storing.save(tmp_path, head)
    return tmp_path, head, features


def test_a_head_answers_the_same_after_it_was_stored(stored):
    folder, head, features = stored
    again = storing.load(folder)
    assert type(again) is type(head)
    np.testing.assert_array_equal(again.scores(features), head.scores(features))


def test_the_files_are_readable_without_pickle_and_say_what_they_are(stored):
    folder, head, _ = stored
    record = json.loads((folder / "head.json").read_text())
    assert record["scale"] == head.scale
    with np.load(folder / "head.npz", allow_pickle=False) as archive:
        shapes = {name: list(archive[name].shape) for name in archive}
    assert shapes == record["arrays"]


@pytest.mark.parametrize("name", ["head.json", "head.npz"])
def test_a_damaged_file_is_named(stored, name):
    folder, _, _ = stored
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="must be what cry-tf train wrote"):
        storing.load(folder)


def test_another_head_is_refused(stored):
    folder, _, _ = stored
    record = json.loads((folder / "head.json").read_text())
    (folder / "head.json").write_text(json.dumps(record | {"head": "tree"}))
    with pytest.raises(ValueError, match="head 'tree'"):
        storing.load(folder)
