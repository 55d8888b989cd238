"""Two replicas train every model to the weights of one, though they hold different numbers of tokens.

Two logical CPUs must exist before TensorFlow starts, so the trainings run in a process of their own: this file.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.training import distribution
from tests.catalog import MODELS, VARIANTS, B

ENTRIES = {entry.name: entry for entry in MODELS}
OTHERS = {f"{entry.name} {i}": entry for i, entry in enumerate(VARIANTS)}


def train(entry, strategy, start=None):
    """Two steps on the whole batch of examples: (weights, the figures Keras reports, weights before)."""
    with strategy.scope():
        model = entry.still()
        model.compile(
            keras.optimizers.SGD(0.5, momentum=0.9),
            entry.loss(label_smoothing=0.1),
            weighted_metrics=entry.measures(),
            jit_compile=False,
            run_eagerly=strategy.num_replicas_in_sync == 1,
        )
    if start is not None:
        model.set_weights(start)
    start = model.get_weights()
    batch = {"batch_size": B, "shuffle": False, "verbose": 0, "epochs": 2}
    history = model.fit(entry.inputs, entry.labels, sample_weight=entry.weight, **batch).history
    return model.get_weights(), history, start


def main(names):
    strategy = distribution.strategy("mirrored:CPU:0,CPU:1")
    results = {"replicas": strategy.num_replicas_in_sync}
    for name in names:
        entry = (ENTRIES | OTHERS)[name]
        weights, figures, start = train(entry, tf.distribute.get_strategy())
        two_weights, two_figures, _ = train(entry, strategy, start)
        results[name] = {
            "moved": max(float(np.abs(a - b).max()) for a, b in zip(weights, start, strict=True)),
            "apart": max(float(np.abs(a - b).max()) for a, b in zip(weights, two_weights, strict=True)),
            "figures": [figures, two_figures],
        }
    print(json.dumps(results))


def trained(names):
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # two steps take less time than making them fast
    done = subprocess.run([sys.executable, __file__, *names], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def results():
    return trained(ENTRIES)


@pytest.fixture(scope="module")
def results_of_others():
    return trained(OTHERS)


def test_the_halves_of_the_batch_hold_different_numbers_of_tokens(results):
    assert results["replicas"] == 2
    weighted = [entry for entry in (ENTRIES | OTHERS).values() if entry.weight is not None]
    assert weighted
    for entry in weighted:
        weight = entry.weight["tags"] if isinstance(entry.weight, dict) else entry.weight
        assert weight[: B // 2].sum() != weight[B // 2 :].sum()


@pytest.mark.parametrize("name", ENTRIES)
def test_two_replicas_train_to_the_weights_of_one(name, results):
    check(results[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_two_replicas_train_to_the_weights_of_one_with_other_options(name, results_of_others):
    check(results_of_others[name])


def check(result):
    assert result["moved"] > 1e-2
    assert result["apart"] < 1e-5
    one, two = result["figures"]
    for figure in one:
        np.testing.assert_allclose(two[figure], one[figure], rtol=1e-4, err_msg=figure)


def test_strategies_go_by_name():
    assert distribution.strategy("default") is tf.distribute.get_strategy()
    assert distribution.strategy("mirrored:CPU:0").num_replicas_in_sync == 1
    assert distribution.strategy("mirrored:/cpu:0").num_replicas_in_sync == 1
    assert distribution.strategy("mirrored").num_replicas_in_sync == max(1, len(tf.config.list_logical_devices("GPU")))
    for wrong in ("", "horovod", "default:", "default:CPU:0", None):
        with pytest.raises(ValueError, match="Expected strategy 'default', 'mirrored' or .* Received: "):
            distribution.strategy(wrong)


@pytest.mark.parametrize(
    "devices", ["", "CPU", "0", "CPU:x", "CPU:-1", "CPU:0,", "CPU:0,CPU:0", "CPU:0,cpu:0", "CPU:0,GPU:0", "CPU:00"]
)
def test_strategy_refuses_what_names_no_different_devices_of_one_kind(devices):
    with pytest.raises(ValueError, match=f"Expected different devices of one kind.*strategy='mirrored:{devices}'"):
        distribution.strategy(f"mirrored:{devices}")


@pytest.mark.parametrize("devices", ["CPU:7", "CPU:0,CPU:1", "CPU:1,CPU:2", "GPU:99"])
def test_strategy_refuses_devices_that_are_not_there_and_names_those_that_are(devices):
    kind = devices[:3]
    there = ", ".join(f"{kind}:{i}" for i in range(len(tf.config.list_logical_devices(kind)))) or f"no {kind} is"
    expected = f"Expected devices that are there: {there}.*Received: strategy='mirrored:{devices}'"
    with pytest.raises(ValueError, match=expected):
        distribution.strategy(f"mirrored:{devices}")


def test_another_backend_has_no_tensorflow_strategy(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="Expected Keras's TensorFlow backend .* Received: jax"):
        distribution.strategy("mirrored")


if __name__ == "__main__":
    main(sys.argv[1:])
