"""Weights of 16 bits: the file is half as large, and says what the model with rounded weights says."""

import flatbuffers
import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from exported import CHARACTERS, LABELS, LENGTH, V, unexported

import seqkeras
from seqkeras import export
from seqkeras.export.halving import halved
from seqkeras.export.runtime import Compiled, Interpreter


def half(weights):
    return [w.astype("float16").astype("float32") for w in weights]


@pytest.mark.parametrize("runtime", [Interpreter, Compiled])
@pytest.mark.parametrize("name", ["classify", "values", "attention", "transformer"])
def test_half_the_bytes_say_the_same_to_the_last_bit(name, runtime, tmp_path):
    made = unexported(name)
    model = getattr(made.model, "model", made.model)
    model.set_weights(half(model.get_weights()))
    for weights in (None, "float16"):
        export.to_tflite(made.model, tmp_path / (weights or "float32"), made.length, weights)
    before, after = (runtime(tmp_path / w) for w in ("float32", "float16"))
    task = next(iter(made.model.signatures(1, made.length)))
    specs = before.inputs(task)
    for row in range(3):
        one = {name: np.zeros(shape, dtype) for name, (shape, dtype) in specs.items()}
        for name, array in made.inputs.items():
            here = array[row : row + 1]
            one[name][tuple(slice(0, size) for size in here.shape)] = here
        wanted = before.run(task, one)
        for _ in range(2):
            got = after.run(task, one)
            assert all(np.array_equal(wanted[name], got[name]) for name in wanted)


def test_a_file_is_half_as_large(tmp_path):
    model = seqkeras.SequenceClassifier(500, 3, units=64)
    sizes = [export.to_tflite(model, tmp_path / "x", LENGTH, w)["bytes"] for w in (None, "float16")]
    assert sizes[1] < 0.55 * sizes[0]


def test_what_16_bits_would_round_stays_as_it_is(tmp_path, seed):
    model = seqkeras.SequenceClassifier(V, 3, units=16)
    export.to_tflite(model, tmp_path / "x", LENGTH)
    data = (tmp_path / "x").read_bytes()
    assert abs(len(halved(data)) / len(data) - 1) < 0.05
    ids = np.full((1, LENGTH), 5, "int32")
    said = [Interpreter(one).run("classify", {"ids": ids})["probabilities"] for one in (data, halved(data))]
    assert np.array_equal(*said)


def test_a_bundle_says_how_far_the_rounded_model_is_from_the_trained_one(tmp_path, seed):
    model = seqkeras.SequenceClassifier(V, 3, units=32)
    for v in model.trainable_variables:
        v.assign(v + 0.3 * keras.random.normal(v.shape))
    inputs = {"ids": np.random.default_rng(seed).integers(4, V, (9, LENGTH)).astype("int32")}
    rest = {"inputs": inputs, "tokenizers": {"text": CHARACTERS}, "labels": LABELS, "quantize": "float16"}
    manifest = export.write_bundle(model, tmp_path / "x", LENGTH, **rest)
    trained = np.array(model.classify(inputs)["probabilities"])
    rounded = seqkeras.SequenceClassifier(V, 3, units=32)
    rounded.set_weights(half(model.get_weights()))
    apart = np.abs(trained - np.array(rounded.classify(inputs)["probabilities"])).max()
    assert manifest["weights"] == "float16" and manifest["parity"]["compiled"]["difference"] < 1e-5
    assert manifest["parity"]["rounding"]["compared"] == 9 and 1e-5 < apart < 0.05
    assert manifest["parity"]["rounding"]["difference"] == pytest.approx(apart, abs=1e-6)
    said = export.load_bundle(tmp_path / "x")(CHARACTERS.decode(inputs["ids"])[0])
    assert [said[label] for label in LABELS] == pytest.approx(list(trained[0]), abs=0.05)
    first = lambda outputs: float(outputs["probabilities"][:, 0].mean())  # noqa: E731
    with pytest.raises(ValueError, match="Expected rounded weights to change the metric by at most 0. Received"):
        export.write_bundle(model, tmp_path / "y", LENGTH, **rest, metric=first, bound=0)
    assert not (tmp_path / "y").exists()


def test_weights_beyond_16_bits_are_refused(tmp_path):
    model = seqkeras.SequenceClassifier(V, 3, units=4)
    model.logits.bias.assign([0.0, 7e4, 0.0])
    with pytest.raises(ValueError, match="Expected weights from -65,504 to 65,504 .*Received: .*bias"):
        export.to_tflite(model, tmp_path / "x", LENGTH, "float16")
    assert not (tmp_path / "x").exists()


def test_tables_of_products_do_not_take_the_place_of_smaller_weights(tmp_path):
    model = seqkeras.SequenceClassifier(2000, 3, units=32)
    for growth in (1, 2):
        size = export.to_tflite(model, tmp_path / "x", LENGTH, "float16", growth=growth)["bytes"]
        assert size < growth * 2 * model.count_params() + 20_000


def test_a_constant_that_is_given_out_stays_whole():
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [schema.OperatorCodeT(builtinCode=schema.BuiltinOperator.ADD)]
    numbers = np.arange(128, dtype="float32")
    model.buffers = [schema.BufferT(), schema.BufferT(data=np.frombuffer(numbers.tobytes(), "uint8"))]
    tensor = lambda name, buffer: schema.TensorT(name=name, shape=[128], buffer=buffer, hasRank=True)  # noqa: E731
    options = {"builtinOptionsType": schema.BuiltinOptions.AddOptions, "builtinOptions": schema.AddOptionsT()}
    graph = schema.SubGraphT(tensors=[tensor("x", 0), tensor("c", 1), tensor("y", 0)], inputs=[0], outputs=[2, 1])
    graph.operators = [schema.OperatorT(opcodeIndex=0, inputs=[0, 1], outputs=[2], **options)]
    model.subgraphs = [graph]
    maps = lambda names: [schema.TensorMapT(name=name, tensorIndex=i) for name, i in names.items()]  # noqa: E731
    model.signatureDefs = [schema.SignatureDefT(maps({"x": 0}), maps({"y": 2, "c": 1}), "run", 0)]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    said = Interpreter(halved(bytes(builder.Output()))).run("run", {"x": numbers})
    np.testing.assert_array_equal(said["c"], numbers)
    np.testing.assert_array_equal(said["y"], 2 * numbers)


@pytest.mark.parametrize("vocabulary", [30, 100])
@pytest.mark.parametrize("kind", ["classifier", "language model"])
def test_a_weight_takes_two_bytes(kind, vocabulary, tmp_path):
    if kind == "classifier":
        model = network = seqkeras.SequenceClassifier(vocabulary, 3, units=64)
    else:
        network = seqkeras.LanguageModel(vocabulary, units=64)
        model = seqkeras.Greedy(network, 20)
    size = export.to_tflite(model, tmp_path / "x", LENGTH, "float16")["bytes"]
    assert size < 2 * network.count_params() + 40_000
