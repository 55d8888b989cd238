"""The learning benchmark compares what is alike: a case has as many weights on every side, and the same batches."""

import importlib
import json
import sys

import keras
import numpy as np
import pytest

from tests.test_architecture import ROOT

sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "sides")]
table = importlib.import_module("table")
learning_batches, learning_keras, learning_ours = (
    importlib.import_module(f"learning_{name}") for name in ("batches", "keras", "ours")
)

FAMILIES = [
    *(("SequenceClassifier", cell) for cell in ("gru", "lstm", "transformer")),
    *(("SequenceTagger", cell) for cell in ("gru", "lstm", "transformer")),
    *(("SequenceGenerator", cell) for cell in ("gru", "lstm")),
    *(("Seq2Seq", cell) for cell in ("gru", "lstm")),
    *(("AttentionSeq2Seq", cell) for cell in ("gru", "lstm")),
    ("TransformerSeq2Seq", "transformer"),
    *(("LanguageModel", cell) for cell in ("gru", "lstm", "transformer")),
]
T, V = 6, 50


def inputs_of(family):
    """(names of the inputs and their shapes, sizes of the model)."""
    if family in ("SequenceClassifier", "SequenceTagger"):
        return {"ids": (T,)}, {"vocab_size": V, "num_classes": 3}
    if family == "SequenceGenerator":
        return {"label": (), "target": (T,)}, {"vocab_size": V, "num_classes": 3}
    if family == "LanguageModel":
        return {"ids": (T,)}, {"vocab_size": V}
    return {"source": (T,), "target": (T,)}, {"vocab_size": V, "target_vocab_size": V + 1}


@pytest.mark.parametrize("family, cell", FAMILIES)
def test_learning_has_the_same_shape_on_both_sides(family, cell):
    shapes, sizes = inputs_of(family)
    ours = learning_ours.build(family, cell, 16, sizes, T)
    inputs = {name: keras.Input(shape, dtype="int32", name=name) for name, shape in shapes.items()}
    peer = keras.Model(inputs, learning_keras.outputs(family, cell, 16, inputs, **sizes, length=T))
    assert abs(peer.count_params() / ours.count_params() - 1) < 0.1
    rows = {name: np.ones((2, *shape), "int32") for name, shape in shapes.items()}
    assert ours(learning_ours.given(rows)).shape == peer(rows).shape


def rows_file(path):
    ids = np.arange(10, dtype="int32")[:, None] % 7 + np.zeros((10, T), "int32")
    content = {"sizes": json.dumps({"vocab_size": 9, "num_classes": 3})}
    for split in ("train", "validation"):
        content |= {f"{split}/ids": ids, f"{split}/y": ids[:, 0] % 3, f"{split}/weight": np.ones(10, "float32")}
    np.savez(path, **content)
    return learning_batches.Rows(path)


def test_learning_gives_every_side_the_same_batches(tmp_path):
    rows = rows_file(tmp_path / "rows.npz")
    first, again, other = (list(rows.batches(seed, 4, 6)) for seed in (1, 1, 2))
    assert [batch["ids"].tolist() for batch in first] == [batch["ids"].tolist() for batch in again]
    assert [batch["ids"].tolist() for batch in first] != [batch["ids"].tolist() for batch in other]
    assert all((batch["ids"][:, 0] % 3 == batch["y"]).all() for batch in first)


def test_learning_scores_real_targets(tmp_path):
    rows = rows_file(tmp_path / "rows.npz")
    rows.validation["weight"][5:] = 0
    assert rows.score(lambda batch: np.zeros((len(batch["y"]), 3)), "perplexity") == pytest.approx(3)
    assert rows.score(lambda batch: np.eye(3)[batch["y"] * (batch["weight"] > 0).astype(int)], "accuracy") == 100
    assert rows.score(lambda batch: np.eye(3)[[1] * len(batch["y"])], "accuracy") == pytest.approx(40)


@pytest.mark.parametrize("side", [learning_ours, learning_keras], ids=["ours", "keras"])
def test_learning_trains_a_side(side, tmp_path):
    rows_file(tmp_path / "rows.npz")
    asked = {"units": 4, "steps": 2, "batch_size": 5, "rate": 1e-3, "metric": "accuracy", "seed": 1}
    said = side.train(data=str(tmp_path / "rows.npz"), family="SequenceClassifier", cell="gru", **asked)
    assert 0 <= said["value"] <= 100


def test_a_table_of_learning_marks_the_best_of_the_three():
    row = {"case": "x", "steps": 9, "ours": 2.5, "spread": 0.1, "peer_spread": 0.2}
    rows = [
        {**row, "metric": "perplexity", "peer": "keras", "peer_value": 2.25},
        {**row, "metric": "perplexity", "peer": "torch", "peer_value": None},
        {**row, "case": "y", "metric": "accuracy", "peer": "keras", "peer_value": 2.25},
        {**row, "case": "y", "metric": "accuracy", "peer": "torch", "peer_value": 1.0},
    ]
    assert list(table.learning(rows)) == [
        ("x", "9", "perplexity", "2.5 ± 0.1", "**2.25 ± 0.2**", "–"),
        ("y", "9", "accuracy", "**2.5 ± 0.1**", "2.25 ± 0.2", "1 ± 0.2"),
    ]
