import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from cry_tf.runs.run_folder import RunFolder
from cry_tf.training import recipe
from cry_tf.training.devices import Cluster, Devices, find_devices
from cry_tf.training.settings import Settings

ROOT = Path(__file__).parents[3]


class _TwoDevices:
    num_replicas_in_sync = 2


def start(name, recordings, output, **environment):
    """Starts `on_devices.py`: devices are set up once a process."""
    paths = [ROOT, ROOT / "hub_models", ROOT / "tflite"]
    environment |= {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    return subprocess.Popen(
        [
            sys.executable,
            Path(__file__).with_name("on_devices.py"),
            *(name, recordings, output),
        ],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process):
    printed, _ = process.communicate(timeout=240)
    assert process.returncode == 0, printed
    return printed


def largest_difference(one, other):
    with np.load(one) as one, np.load(other) as other:
        assert list(one) == list(other)
        return max(np.abs(one[name] - other[name]).max() for name in one)


@pytest.fixture(scope="module")
def alone(recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    ended(start("none", recordings, folder / "weights"))
    return folder / "weights"


@pytest.mark.slow
def test_two_devices_take_the_steps_of_one(recordings, alone, tmp_path):
    weights = tmp_path / "weights"
    printed = ended(start("mirrored", recordings, weights))
    assert "2 devices of this machine" in printed
    assert largest_difference(alone / "first.npz", weights / "first.npz") == 0
    assert largest_difference(alone / "first.npz", alone / "trained.npz") > 1e-2
    # The order in which float32 gradients are added differs.
    found = largest_difference(alone / "trained.npz", weights / "trained.npz")
    assert found < 1e-5
    run = RunFolder.open(tmp_path / "run")
    assert run.config["settings"]["strategy"] == "mirrored"
    assert len(run.predictions().scores) == 24


@pytest.mark.slow
def test_two_processes_agree_and_the_chief_alone_writes(recordings, alone, tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(f"127.0.0.1:{free.getsockname()[1]}")
    processes = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": ports}, "task": task})
        (tmp_path / f"at{index}").mkdir()
        output = tmp_path / f"at{index}" / "weights"
        processes.append(start("multiworker", recordings, output, TF_CONFIG=config))
    for process in processes:
        assert "2 devices of 2 workers" in ended(process)
    assert {path.name for path in (tmp_path / "at0").iterdir()} == {"weights", "run"}
    assert {path.name for path in (tmp_path / "at1").iterdir()} == {"weights"}
    one, other = tmp_path / "at0" / "weights", tmp_path / "at1" / "weights"
    for name in ("trained.npz", "run.npz"):
        assert largest_difference(one / name, other / name) == 0
    assert largest_difference(alone / "trained.npz", one / "trained.npz") < 1e-5


@pytest.mark.parametrize("batch_size", [1, 3, 33])
def test_a_batch_that_cannot_be_shared_is_refused(batch_size):
    devices = Devices(_TwoDevices())
    devices.check_batch_size(32)
    with pytest.raises(ValueError, match=f"batch_size={batch_size}, 2 devices"):
        devices.check_batch_size(batch_size)


def test_accumulated_gradients_are_refused():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(gradient_accumulation_steps=2), "mse")
    with pytest.raises(ValueError, match="2 batches a step on 2 devices"):
        Devices(_TwoDevices()).adopt(model)


def test_one_device_changes_nothing(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    for name in ("none", "auto", "mirrored"):
        devices = find_devices(name)
        assert devices.replicas == 1
        model, batches = object(), object()
        assert devices.distribute(model, batches) is batches
        assert devices.local_copy(model) is model
        assert devices.place("run") == "run"


def test_a_head_alone_takes_one_device(monkeypatch):
    config = {
        "cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]},
        "task": {"type": "worker", "index": 1},
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    devices = find_devices("auto", trains="head")
    assert devices.replicas == 1
    assert devices.sentence == "not used, one device trains"
    assert devices.cluster == Cluster(2, 1)
    assert Path(devices.place("run")) != Path("run")  # the chief writes it


def test_a_cluster_of_one_is_refused(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="at least two workers"):
        find_devices("multiworker")


def test_an_unknown_strategy_is_refused():
    for make in (
        find_devices,
        lambda name: Settings(task="reason", recipe=recipe.QUICK, strategy=name),
    ):
        with pytest.raises(ValueError, match="auto, mirrored, multiworker, none"):
            make("tpu")
