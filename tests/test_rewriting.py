"""The file after the converter: the same results, from fewer operators and at most the constants allowed."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema
from exported import unexported

import seqkeras
from seqkeras import export
from seqkeras.export import tflite
from seqkeras.export.audit import audit
from seqkeras.export.rewriting import rewritten
from seqkeras.export.runtime import Compiled, Interpreter

FAMILIES = ["classify", "tag", "spelt", "attention", "transformer", "generate", "continue", "forecast", "understand"]


@pytest.fixture
def converted(tmp_path, monkeypatch):
    """(model, length, …) -> the file as the converter writes it, as bytes."""

    def convert(model, length, *given):
        with monkeypatch.context() as patch:
            patch.setattr(tflite, "rewritten", lambda data, growth: data)
            export.to_tflite(model, tmp_path / "x", length, *given)
        return (tmp_path / "x").read_bytes()

    return convert


def answers(data, path, signature, inputs):
    """What both runtimes say to the rows of `inputs`: a list of dicts of arrays."""
    path.write_bytes(data)
    rows = [{name: x[i : i + 1] for name, x in inputs.items()} for i in range(len(next(iter(inputs.values()))))]
    return [[run.run(signature, row) for row in rows] for run in (Interpreter(path), Compiled(path))]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("growth", [1.0, 100.0])
def test_every_family_says_what_it_said(name, growth, converted, tmp_path):
    made = unexported(name)
    plain = converted(made.model, made.length)
    fewer = rewritten(plain, growth)
    before, after = audit(plain), audit(fewer)
    assert after["signatures"] == before["signatures"]
    assert sum(after["operators"].values()) <= sum(before["operators"].values())
    if growth == 1:
        assert len(fewer) <= len(plain)
    signature = next(iter(before["signatures"]))
    inputs = {}
    for key, x in made.inputs.items():
        shape = [len(x), *before["signatures"][signature]["inputs"][key]["shape"][1:]]
        inputs[key] = np.zeros(shape, x.dtype)
        inputs[key][tuple(slice(n) for n in x.shape)] = x
    expected, got = (answers(data, tmp_path / "y", signature, inputs) for data in (plain, fewer))
    for one, other in zip(tf.nest.flatten(expected), tf.nest.flatten(got), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)


@pytest.mark.parametrize("quantize", [None, "int8"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_table_takes_the_place_of_each_directions_product(cell, quantize, converted, tmp_path, seed):
    model = seqkeras.SequenceClassifier(300, 3, units=40, cell=cell, pooling="max")  # a product large enough for 8 bits
    for weight in model.weights:
        weight.assign(np.random.normal(scale=0.3, size=weight.shape))
    plain = converted(model, 9, quantize)
    same, more = rewritten(plain), rewritten(plain, 20.0)
    products = [audit(data)["operators"]["FULLY_CONNECTED"] for data in (plain, same, more)]
    assert products == [products[0], products[0], products[0] - 2]
    assert len(same) <= len(plain) < len(more)
    lengths = np.random.randint(1, 10, 12)
    ids = np.where(np.arange(9) < lengths[:, None], np.random.randint(4, 300, (12, 9)), 0).astype("int32")
    expected = np.asarray(model.classify(ids)["probabilities"])
    for run in answers(more, tmp_path / "y", "classify", {"ids": ids}):
        got = np.concatenate([row["probabilities"] for row in run])
        np.testing.assert_allclose(got, expected, atol=1e-5 if quantize is None else 0.1)


@pytest.mark.parametrize("vocabulary", [12, 2000])
def test_constants_grow_no_further_than_allowed(vocabulary, converted, seed):
    plain = converted(seqkeras.SequenceClassifier(vocabulary, 2, units=16, bidirectional=False), 5)
    was = audit(plain)["operators"]["FULLY_CONNECTED"]
    few = [audit(rewritten(plain, growth))["operators"]["FULLY_CONNECTED"] for growth in (1.0, 1.5, 20.0)]
    assert few == ([was - 1] * 3 if vocabulary == 12 else [was, was, was - 1])
    for growth in (1.0, 1.5, 20.0):
        assert len(rewritten(plain, growth)) <= len(plain) * growth


def test_a_table_that_is_needed_elsewhere_stays(tmp_path, seed):
    """An embedding that a residual layer adds: looked up beside the table of products."""
    table, kernel = np.random.normal(size=(10, 8)).astype("float32"), np.random.normal(size=(8, 8)).astype("float32")

    @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.int32, name="ids")])
    def added(ids):
        rows = tf.gather(tf.constant(table), ids)
        return {"sum": tf.matmul(rows, tf.constant(kernel)) + rows}

    module = tf.Module()
    module.added = added
    tf.saved_model.save(module, tmp_path / "saved", signatures=added)
    plain = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved")).convert()
    data = rewritten(plain, 5.0)
    operators = audit(data)["operators"]
    assert "FULLY_CONNECTED" not in operators
    assert operators["GATHER"] == 2
    x = np.array([[1, 0, 9, 3]], "int32")
    run = litert.Interpreter(model_content=data).get_signature_runner()
    np.testing.assert_allclose(run(ids=x)["sum"], table[x] @ kernel + table[x], atol=1e-5)


def test_a_loop_carries_only_what_a_result_or_its_end_depends_on(converted):
    """The counter of `tf.while_loop` goes; what the loop counts in, its state, rows and end stay."""
    for pooling, variables in (("last", 5), ("mean", 6)):
        model = seqkeras.SequenceClassifier(9, 2, units=8, cell="lstm", bidirectional=False, pooling=pooling)
        plain = converted(model, 5)
        assert carried(plain) == variables + 1
        assert carried(rewritten(plain)) == variables


def carried(data):
    """How many variables the only loop of a file has."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    while_ = schema.BuiltinOperator.WHILE
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    [loop] = [one for graph in model.subgraphs for one in graph.operators if codes[one.opcodeIndex] == while_]
    return len(loop.inputs)


def test_growth_below_one_is_refused(tmp_path):
    for growth in (0.5, -1, float("nan"), float("inf"), "2", True, None):
        with pytest.raises(ValueError, match="growth"):
            export.to_tflite(seqkeras.SequenceClassifier(9, 2, units=4), tmp_path / "x", 4, growth=growth)
