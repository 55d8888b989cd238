"""The file after the converter: the same results from less work, its constants no larger than allowed."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema
from exported import unexported

import seqkeras
from seqkeras import export
from seqkeras.cli import usage
from seqkeras.export import tflite
from seqkeras.export.audit import audit
from seqkeras.export.given import examples
from seqkeras.export.rewriting import rewritten
from seqkeras.export.runtime import Compiled, Interpreter

FAMILIES = ["classify", "tag", "spelt", "attention", "transformer", "generate", "continue", "forecast", "understand"]


@pytest.fixture
def converted(tmp_path, monkeypatch):
    """(model, length, …) -> the file as the converter writes it, as bytes."""

    def convert(model, length, *given):
        with monkeypatch.context() as patch:
            patch.setattr(tflite, "rewritten", lambda data, growth, half: data)
            export.to_tflite(model, tmp_path / "x", length, *given)
        return (tmp_path / "x").read_bytes()

    return convert


def answers(data, path, signature, rows):
    """What both runtimes say to each of the rows, dicts of arrays: a list of dicts of arrays."""
    path.write_bytes(data)
    return [[run.run(signature, row) for row in rows] for run in (Interpreter(path), Compiled(path))]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("growth", [1.0, 100.0])
def test_every_family_says_what_it_said(name, growth, converted, tmp_path):
    made = unexported(name)
    says_the_same(made, converted(made.model, made.length), growth, tmp_path / "y")


@pytest.mark.parametrize("strategy", ["partly_unrolled", "unrolled"])
@pytest.mark.parametrize("name", ["tag", "understand"])
def test_so_it_does_without_a_loop(name, strategy, converted, tmp_path):
    made = unexported(name)
    says_the_same(made, converted(made.model, made.length, None, strategy), 100.0, tmp_path / "y")


def says_the_same(made, plain, growth, path):
    fewer = rewritten(plain, growth)
    before, after = audit(plain), audit(fewer)
    assert after["signatures"] == before["signatures"]
    assert sum(after["operators"].values()) <= sum(before["operators"].values())
    assert len(fewer) <= len(plain) * growth
    task = next(iter(made.model.signatures(1, made.length)))
    specs = {key: (one["shape"], np.dtype(one["dtype"])) for key, one in before["signatures"][task]["inputs"].items()}
    inputs = examples(made.model, made.inputs, specs)
    rows = [{key: x[i : i + 1] for key, x in inputs.items()} for i in range(len(next(iter(inputs.values()))))]
    for signature, described in before["signatures"].items():
        wanted = described["inputs"]
        if wanted.keys() <= inputs.keys():
            given = [{key: row[key] for key in wanted} for row in rows]
        else:  # a step: ids and a state of any numbers
            given = [{key: drawn(i, **one) for key, one in wanted.items()} for i in range(3)]
        expected, got = (answers(data, path, signature, given) for data in (plain, fewer))
        for one, other in zip(tf.nest.flatten(expected), tf.nest.flatten(got), strict=True):
            np.testing.assert_allclose(other, one, atol=1e-5)


def drawn(seed, shape, dtype):
    """An input of any numbers: small ids, normal values."""
    random = np.random.default_rng(seed)
    return np.asarray(random.integers(1, 5, shape) if "int" in dtype else random.normal(size=shape)).astype(dtype)


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
    both = (answers(data, tmp_path / "y", "classify", [{"ids": one[None]} for one in ids]) for data in (plain, more))
    for before, after in zip(*both, strict=True):
        errors = [np.abs(np.concatenate([row["probabilities"] for row in run]) - expected) for run in (before, after)]
        assert errors[1].max() < 1e-5 if quantize is None else errors[1].mean() < 1.5 * errors[0].mean() + 1e-3


def of_tables(tmp_path, function, **options):
    """The LiteRT file of `function(ids)` [1, 4], as bytes."""
    traced = tf.function(function, input_signature=[tf.TensorSpec((1, 4), tf.int32, name="ids")])
    module = tf.Module()
    module.traced = traced
    tf.saved_model.save(module, tmp_path / "saved", signatures=traced)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    for name, value in options.items():
        setattr(converter, name, value)
    return converter.convert()


SMALL = {"optimizations": [tf.lite.Optimize.DEFAULT]}  # 8-bit weights
IDS = np.array([[1, 0, 29, 3]], "int32")


def run(data, ids=IDS):
    return litert.Interpreter(model_content=data).get_signature_runner()(ids=ids)


def matrix(*shape):
    return np.random.normal(size=shape).astype("float32")


def test_a_wide_column_does_not_coarsen_the_others_in_8_bits(tmp_path, seed):
    table, kernel = matrix(30, 64), matrix(64, 64) * np.where(np.arange(64) == 5, 100, 1).astype("float32")
    plain = of_tables(tmp_path, lambda ids: {"x": tf.matmul(tf.gather(table, ids), kernel)}, **SMALL)
    data = rewritten(plain, 5.0)
    assert "FULLY_CONNECTED" in audit(plain)["operators"] and "FULLY_CONNECTED" not in audit(data)["operators"]
    ids, others = np.arange(28, dtype="int32").reshape(7, 1, 4), np.arange(64) != 5
    errors = [
        np.mean([np.abs(run(one, row)["x"] - table[row] @ kernel)[..., others] for row in ids]) for one in (plain, data)
    ]
    assert errors[1] < 1.2 * errors[0]


def test_constants_of_the_same_bits_and_other_scales_are_other_constants(tmp_path, seed):
    table, kernel = matrix(30, 64), matrix(64, 64)

    def both(ids):
        rows = tf.gather(table, ids)
        return {"x": tf.matmul(rows, kernel), "y": tf.matmul(rows, 2 * kernel)}

    data = rewritten(of_tables(tmp_path, both, **SMALL), 9.0)
    assert "FULLY_CONNECTED" not in audit(data)["operators"]
    got = run(data)
    np.testing.assert_allclose(got["y"], 2 * got["x"], rtol=1e-3, atol=1e-3)
    assert np.abs(got["x"] - table[IDS] @ kernel).max() < 0.05 * np.abs(got["x"]).max()


def test_rows_are_taken_in_their_last_order_at_once(tmp_path, seed):
    table, kernel = matrix(30, 8), matrix(8, 16)

    def turned(ids):
        rows = tf.matmul(tf.gather(table, ids[0]), kernel)
        return {"x": tf.gather(rows, 3 - tf.range(4))}

    data = rewritten(of_tables(tmp_path, turned), 9.0)
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    sizes = [len(model.subgraphs[0].tensors[one.outputs[0]].shape) for one in model.subgraphs[0].operators]
    assert sizes.count(2) == 1  # the rows themselves, made once
    np.testing.assert_allclose(run(data)["x"], (table[IDS[0]] @ kernel)[::-1], atol=1e-5)


def test_what_is_no_product_of_float_rows_stays(tmp_path, seed):
    table, kernel, places = matrix(30, 64), matrix(64, 64), tf.constant([2, 0])
    whole = np.arange(90, dtype="int32").reshape(30, 3)
    functions = {
        "fused": lambda ids: {"x": tf.nn.relu(tf.matmul(tf.gather(table, ids), kernel))},
        "integers": lambda ids: {"x": tf.gather(tf.gather(whole, ids[0]), places)},
        "rows alone": lambda ids: {"x": tf.gather(tf.gather(table, ids[0]), places)},
    }
    for name, function in functions.items():
        for options in ({}, SMALL):
            plain = of_tables(tmp_path / name, function, **options)
            data = rewritten(plain, 9.0)
            assert audit(data)["operators"] == audit(plain)["operators"]
            np.testing.assert_array_equal(run(data)["x"], run(plain)["x"])


def test_a_file_of_integers_alone_stays(tmp_path, seed):
    table, kernel = matrix(30, 64), matrix(64, 64)
    plain = of_tables(
        tmp_path,
        lambda ids: {"x": tf.tanh(tf.matmul(tf.gather(table, ids), kernel))},
        representative_dataset=lambda: ([IDS] for _ in range(3)),
        **SMALL,
    )
    np.testing.assert_array_equal(run(rewritten(plain, 9.0))["x"], run(plain)["x"])


def test_what_the_audit_refuses_is_not_rewritten(tmp_path, monkeypatch):
    def never(data, growth, half):
        raise AssertionError("rewritten")

    monkeypatch.setattr(tflite, "rewritten", never)
    monkeypatch.setattr(tflite, "convert", lambda folder, path, quantize: path.write_bytes(b"no LiteRT file"))
    with pytest.raises(ValueError, match="Expected a LiteRT file"):
        export.to_tflite(seqkeras.SequenceClassifier(9, 2, units=4), tmp_path / "x", 4)


@pytest.mark.parametrize("vocabulary", [12, 2000])
def test_constants_grow_no_further_than_allowed(vocabulary, converted, seed):
    plain = converted(seqkeras.SequenceClassifier(vocabulary, 2, units=16, bidirectional=False), 5)
    was = audit(plain)["operators"]["FULLY_CONNECTED"]
    few = [audit(rewritten(plain, growth))["operators"]["FULLY_CONNECTED"] for growth in (1.0, 1.5, 20.0)]
    assert few == ([was - 2] * 3 if vocabulary == 12 else [was, was, was - 2])  # of a whole text and of one step
    for growth in (1.0, 1.5, 20.0):
        assert len(rewritten(plain, growth)) <= len(plain) * growth


@pytest.mark.parametrize("growth", [1.0, 20.0])
def test_a_negative_id_is_refused_and_not_counted_from_the_end(growth, converted, tmp_path):
    plain = converted(seqkeras.SequenceClassifier(30, 2, units=8), 5)
    data = rewritten(plain, growth)
    assert audit(data)["operators"].get("LESS", 0) == audit(plain)["operators"]["LESS"] - 2  # Keras's and ours
    (tmp_path / "y").write_bytes(data)
    for runtime in (Interpreter, Compiled):
        for ids in ([4, -1, 5, 0, 0], [4, 30, 5, 0, 0]):
            with pytest.raises(RuntimeError):
                runtime(tmp_path / "y").run("classify", {"ids": np.array([ids], "int32")})


def test_a_table_that_is_needed_elsewhere_stays(tmp_path, seed):
    """An embedding that a residual layer adds: looked up beside the table of products."""
    table, kernel = matrix(30, 8), matrix(8, 8)

    def added(ids):
        rows = tf.gather(table, ids)
        return {"x": tf.matmul(rows, kernel) + rows}

    data = rewritten(of_tables(tmp_path, added), 5.0)
    operators = audit(data)["operators"]
    assert "FULLY_CONNECTED" not in operators
    assert operators["GATHER"] == 2
    np.testing.assert_allclose(run(data)["x"], table[IDS] @ kernel + table[IDS], atol=1e-5)


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


def test_the_command_line_hands_growth_on():
    assert usage.understood(["export", "x", "--growth", "2.5"]).growth == 2.5
    assert usage.understood(["export", "x"]).growth == 1
    with pytest.raises(SystemExit):
        usage.understood(["export", "x", "--growth", "0.5"])
