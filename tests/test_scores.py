"""Scores of names, by hand and beside the metrics of Keras."""

import keras
import numpy as np
import pytest

from seqkeras.training import scores
from seqkeras.training.metrics import SpanF1

TRUE, SAID = list("aabbbc?"), list("abbbdca")


def test_confusion_counts_each_pair():
    assert scores.confusion(TRUE, SAID) == {"b": {"b": 2, "d": 1}, "a": {"a": 1, "b": 1}, "c": {"c": 1}, "?": {"a": 1}}


def test_by_class_has_the_figures_of_each():
    found = scores.by_class(TRUE, SAID)
    assert list(found) == ["?", "a", "b", "c", "d"]
    assert found["a"] == {"precision": 1 / 2, "recall": 1 / 2, "F1": 1 / 2, "true": 2, "predicted": 2}
    assert found["b"] == {"precision": 2 / 3, "recall": 2 / 3, "F1": 2 / 3, "true": 3, "predicted": 3}
    assert found["?"]["F1"] == found["d"]["F1"] == found["d"]["recall"] == 0
    assert scores.accuracy(TRUE, SAID) == 4 / 7
    assert scores.macro_f1(TRUE, SAID) == pytest.approx((1 / 2 + 2 / 3 + 1) / 5)


def test_macro_f1_is_that_of_keras(seed):
    rng = np.random.default_rng(seed)
    true, said = rng.integers(0, 5, [2, 200])
    true[:5] = range(5)
    metric = keras.metrics.F1Score("macro")
    metric.update_state(np.eye(5)[true].astype("float32"), np.eye(5)[said].astype("float32"))
    assert scores.macro_f1(true.tolist(), said.tolist()) == pytest.approx(float(metric.result()), abs=1e-6)


def test_span_f1_is_that_of_the_metric(seed):
    names = ["O", "B-x", "I-x", "B-y", "I-y"]
    rng = np.random.default_rng(seed)
    true, said = rng.integers(0, 5, [2, 20, 12])
    metric = SpanF1(names)
    metric.update_state(true, np.eye(5, dtype="float32")[said])
    rows = [[[names[i] for i in row] for row in side] for side in (true, said)]
    assert scores.span_f1(*rows) == pytest.approx(float(metric.result()), abs=1e-6)
