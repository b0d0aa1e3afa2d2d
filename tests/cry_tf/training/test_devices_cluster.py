import json

import pytest

from cry_tf.training.devices import Cluster

HOSTS = ["a:1", "b:1"]


def config(kind, index, **jobs):
    return json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize("text", ["", " ", "{}", '{"cluster": {}}'])
def test_without_a_cluster_a_process_is_its_own_chief(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    assert Cluster.of_environment() == Cluster(1, 0)
    assert Cluster.of_environment().is_chief


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (config("worker", 0, worker=HOSTS), (2, 0)),
        (config("worker", 1, worker=HOSTS), (2, 1)),
        (config("chief", 0, chief=["c:1"], worker=HOSTS), (3, 0)),
        (config("worker", 0, chief=["c:1"], worker=HOSTS), (3, 1)),
    ],
)
def test_the_workers_are_counted_from_the_chief(monkeypatch, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    cluster = Cluster.of_environment()
    assert (cluster.workers, cluster.worker) == expected
    assert cluster.is_chief == (expected[1] == 0)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        json.dumps({"cluster": {"worker": HOSTS}}),
        config("worker", 2, worker=HOSTS),
        config("worker", "first", worker=HOSTS),
        config("ps", 0, worker=HOSTS, ps=["p:1"]),
    ],
)
def test_what_names_no_worker_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        Cluster.of_environment()
