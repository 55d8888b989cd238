"""LiteRT's fused LSTM on request: the model's numbers, whatever ran before, and its limits said."""

import re

import flatbuffers
import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

import seqkeras
from seqkeras import cells, export
from seqkeras.export import fused
from seqkeras.export.flatbuffer import is_a, scales, values
from seqkeras.export.runtime import Compiled, Interpreter
from seqkeras.rnn.recurrence import Recurrence, looping

T = 7
MODELS = {
    "last": lambda **more: seqkeras.SequenceClassifier(20, 3, cell="lstm", bidirectional=False, pooling="last", **more),
    "max": lambda **more: seqkeras.SequenceClassifier(20, 3, cell="lstm", pooling="max", num_layers=2, **more),
    "tagger": lambda **more: seqkeras.SequenceTagger(20, 3, cell="lstm", **more),
}


def rows(n=12):
    """Rows of every length, an empty one among them."""
    real = np.arange(T) < np.arange(n)[:, None] % (T + 1)
    return np.where(real, np.random.randint(4, 20, (n, T)), 0).astype("int32")


@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("name", MODELS)
def test_a_fused_layer_says_what_the_model_says_whatever_ran_before(name, scale, tmp_path, seed):
    model = MODELS[name](units=5)
    model.set_weights([scale * w for w in model.get_weights()])
    report = export.to_tflite(model, tmp_path / "x", T, strategy="fused")
    layers = {"last": 1, "max": 4, "tagger": 2}[name]
    assert report["strategy"] == "fused"
    assert report["operators"]["UNIDIRECTIONAL_SEQUENCE_LSTM"] == layers
    assert "WHILE" not in report["operators"]
    ids, file = rows(), Interpreter(tmp_path / "x")
    if scale:
        export.parity(model, tmp_path / "x", {"ids": ids}, runtimes=["interpreter"])  # twice, in another order
    else:  # weights of zero give one answer to all, with which `parity` would prove nothing
        (task, (function, _)), *_ = model.signatures(1, T).items()
        for row in np.concatenate([ids, ids[::-1]]):
            expected = function({"ids": row[None]})["probabilities"]
            np.testing.assert_allclose(file.run(task, {"ids": row[None]})["probabilities"], expected, atol=1e-6)


@pytest.mark.parametrize(("quantize", "units"), [(None, 5), ("int8", 64)])
@pytest.mark.parametrize("name", MODELS)
def test_large_weights_leave_nothing_behind_to_the_last_bit(name, quantize, units, tmp_path, seed):
    model = MODELS[name](units=units)
    model.set_weights([200 * w for w in model.get_weights()])  # where rounding alone moves what Keras itself says
    export.to_tflite(model, tmp_path / "x", T, quantize, "fused")

    task = "tag" if name == "tagger" else "classify"

    def answer(file, row):
        return file.run(task, {"ids": row[None]})["probabilities"]

    used = Interpreter(tmp_path / "x")
    for row in rows():
        np.testing.assert_array_equal(answer(used, row), answer(Interpreter(tmp_path / "x"), row))


def test_eight_bits_lose_nothing_by_the_step_that_shuts_the_gates(tmp_path, seed):
    model = MODELS["last"](units=64)
    export.to_tflite(model, tmp_path / "x", T, "int8", "fused")
    assert (tmp_path / "x").stat().st_size < 150_000  # a quarter of the 33,000 weights' size, and the operators
    file = schema.ModelT.InitFromPackedBuf((tmp_path / "x").read_bytes(), 0)
    graph = file.subgraphs[0]
    (layer,) = (one for one in graph.operators if is_a(file, one, "UNIDIRECTIONAL_SEQUENCE_LSTM"))
    held = [graph.tensors[number] for number in layer.inputs[1:9]]  # of the input to i, f, g, o, then of h
    (cell,) = (one.cell for one in model._flatten_layers() if isinstance(one, Recurrence))
    weights = [
        dict(zip(cell.gates, np.split(w.numpy().T, 4), strict=True)) for w in (cell.kernel, cell.recurrent_kernel)
    ]
    for tensor, expected in zip(held, [one[k] for one in weights for k in "ifgo"], strict=True):
        width = expected.shape[1]  # one column more carries the step
        step = np.abs(expected).max() / 127
        assert tensor.type == schema.TensorType.INT8
        np.testing.assert_allclose(scales(tensor)[0], step, rtol=1e-3)
        assert np.abs(values(file, tensor)[:, :width] - expected).max() <= 0.51 * step


def test_eight_bits_say_by_the_fused_layer_what_they_say_by_the_loop(tmp_path, seed):
    off = {"loop": [], "fused": []}
    for _ in range(4):  # whose rounding differs: in each alone one may come four times as near as the other
        model, ids = MODELS["last"](units=64), rows()
        model.set_weights([5 * w for w in model.get_weights()])  # answers that differ from text to text
        expected = np.asarray(model.classify(ids)["probabilities"])
        for strategy, apart in off.items():
            export.to_tflite(model, tmp_path / strategy, T, "int8", strategy)
            file = Interpreter(tmp_path / strategy)
            got = [file.run("classify", {"ids": row[None]})["probabilities"][0] for row in ids]
            apart.append(np.abs(got - expected).mean())
    assert 0 < np.mean(off["fused"]) < 3 * np.mean(off["loop"])


def test_compiled_model_and_the_audit_refuse_its_variables(tmp_path, seed):
    export.to_tflite(MODELS["last"](units=4), tmp_path / "x", T, strategy="fused")
    with pytest.raises(ValueError, match="variable in classify"):
        export.audit(tmp_path / "x")
    with pytest.raises(RuntimeError):
        Compiled(tmp_path / "x")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: seqkeras.SequenceClassifier(20, 3, units=4, cell="gru"), "LSTM as it is.* Received: GRU"),
        (lambda: seqkeras.SequenceClassifier(20, 3, units=4, cell="peepholelstm"), "Received: PeepholeLSTM"),
        (lambda: seqkeras.Greedy(seqkeras.LanguageModel(20, units=4, cell="lstm"), 9), ": one without"),
        (lambda: seqkeras.SequenceClassifier(20, 3, units=4, encoder="bag"), "over a whole sequence.*: one without"),
    ],
)
def test_a_model_that_cannot_be_fused_is_refused(make, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        export.to_tflite(make(), tmp_path / "x", T, strategy="fused")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("taken", ["h", "c"])
def test_going_on_from_the_memory_is_refused_and_from_h_is_not(taken):
    layer = Recurrence(cells.make("lstm", 4))
    layer.build((None, None, 3))
    held = layer.get_weights()

    @tf.function
    def read(x):
        constants = [(v, tf.constant(value)) for v, value in zip(layer.weights, held, strict=True)]
        with keras.StatelessScope(state_mapping=constants), looping(fused.loop):
            return dict(zip("hc", layer(x)[1], strict=True))[taken] + 1.0

    functions = [read.get_concrete_function(tf.TensorSpec((1, T, 3)))]
    if taken == "h":
        fused.check(functions)
    else:
        with pytest.raises(ValueError, match="goes on from no recurrent layer's final state"):
            fused.check(functions)


def test_gates_whose_weights_have_all_but_gone_are_shut_too(tmp_path, seed):
    model = MODELS["last"](units=4)
    (kernel,) = (w for w in model.weights if re.search(r"lstm(_\d+)?/kernel$", w.path))
    shrunk = kernel.numpy()
    shrunk[:, 4:8] *= 1e-39  # the forget gate's
    kernel.assign(shrunk)
    export.to_tflite(model, tmp_path / "x", T, strategy="fused")
    export.parity(model, tmp_path / "x", {"ids": rows()}, runtimes=["interpreter"])


def test_what_is_not_a_number_stays_until_the_variables_are_reset(tmp_path, seed):
    model = seqkeras.SequenceClassifier(None, 3, units=4, cell="lstm", pooling="last", input_units=2)
    export.to_tflite(model, tmp_path / "x", T, strategy="fused")
    file, x = Interpreter(tmp_path / "x"), np.random.normal(size=(1, T, 2)).astype("float32")

    def answer(values):
        said = file.run("classify", {"values": values, "length": np.array([T], "int32")})
        return said["probabilities"]

    expected = answer(x)
    answer(np.full_like(x, np.nan))
    assert np.isnan(answer(x)).any()
    file._interpreter.reset_all_variables()
    np.testing.assert_array_equal(answer(x), expected)


@pytest.mark.parametrize("context", ["state", "input", "both"])
def test_an_encoder_is_fused_beside_a_decoder_that_steps(context, tmp_path, seed):
    model = seqkeras.Greedy(seqkeras.Seq2Seq(20, units=4, cell="lstm", context=context), 5)
    report = export.to_tflite(model, tmp_path / "x", T, strategy="fused")
    assert report["operators"]["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 4  # in both directions, for `translate` and `encode`
    export.parity(model, tmp_path / "x", {"source": rows()}, runtimes=["interpreter"])


def test_words_read_character_by_character_stay_in_a_loop(tmp_path, seed):
    spelt = {"character_vocab_size": 9, "character_encoder": "recurrent", "word_length": 3}
    model = seqkeras.SequenceClassifier(20, 3, units=4, cell="lstm", **spelt)
    report = export.to_tflite(model, tmp_path / "x", T, strategy="fused")
    assert report["operators"]["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 2 and "WHILE" in report["operators"]
    inputs = {"ids": rows(), "characters": np.random.randint(1, 9, (12, T, 3)).astype("int32")}
    export.parity(model, tmp_path / "x", inputs, runtimes=["interpreter"])


def test_a_variable_that_anything_else_reads_is_refused(tmp_path):
    export.to_tflite(MODELS["last"](units=4), tmp_path / "x", T, strategy="fused")
    model = schema.ModelT.InitFromPackedBuf((tmp_path / "x").read_bytes(), 0)
    graph = model.subgraphs[0]
    state = next(index for index, tensor in enumerate(graph.tensors) if tensor.isVariable)
    graph.operators[-1].inputs = [state, *graph.operators[-1].inputs[1:]]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(ValueError, match="read at 2 places, in classify"):
        export.audit(bytes(builder.Output()), variables=True)


def test_a_layer_that_begins_elsewhere_than_at_zeros_is_refused(seed):
    layer = Recurrence(cells.make("lstm", 4))
    state = [keras.random.normal((1, 4))] * 2
    with pytest.raises(ValueError, match="begin at zeros.* Received: an initial state"), looping(fused.loop):
        layer(np.zeros((1, T, 3), "float32"), initial_state=state)


def test_a_bundle_which_runs_everywhere_holds_none(tmp_path):
    with pytest.raises(ValueError, match="strategy to be one of loop.*auto. Received: strategy='fused'"):
        export.write_bundle(MODELS["last"](units=4), tmp_path / "x", T, inputs={"ids": rows()}, strategy="fused")
