"""The way into a LiteRT file: what is in it, what it costs, and what happens when the converter fails."""

import json
import os
import signal
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from exported import LENGTH, LONG, V, family, unexported
from tensorflow.core.protobuf import saved_model_pb2

import seqkeras
from seqkeras import export
from seqkeras.export import conversion
from seqkeras.export.quantize import in_float32
from seqkeras.export.runtime import Compiled, Interpreter
from seqkeras.export.tflite import checked_length, trace


@pytest.mark.parametrize("name", ["attention", "transformer"])
def test_one_file_holds_the_task_and_its_parts_at_static_shapes(name):
    signatures = family(name).manifest["signatures"]
    assert list(signatures) == ["encode", "step", "translate"]
    assert signatures["translate"]["inputs"] == {"source": {"shape": [1, LENGTH], "dtype": "int32"}}
    assert signatures["translate"]["outputs"] == {
        "ids": {"shape": [1, 12], "dtype": "int32"},
        "log_probability": {"shape": [1], "dtype": "float32"},
    }
    assert signatures["step"]["outputs"]["logits"] == {"shape": [1, V], "dtype": "float32"}


def test_step_gives_out_only_what_it_changes_and_encode_only_what_is_not_zero():
    signatures = family("transformer").manifest["signatures"]
    state, encoded, changed = (
        {key for key in signatures[name][side] if key.startswith("state")}
        for name, side in (("step", "inputs"), ("encode", "outputs"), ("step", "outputs"))
    )
    assert encoded | changed == state and not encoded & changed


@pytest.mark.parametrize("name", ["attention", "transformer"])
def test_weights_of_several_signatures_are_stored_once(name):
    model = schema.ModelT.InitFromPackedBuf(family(name).path.read_bytes(), 0)
    large = [bytes(buffer.data) for buffer in model.buffers if buffer.data is not None and len(buffer.data) > 256]
    assert len(large) == len(set(large))
    weights = sum(4 * v.shape.num_elements() for v in (w.value for w in family(name).model.weights))
    assert sum(map(len, large)) < 1.2 * weights + 4 * 128 * 16  # and the table of positions


@pytest.mark.parametrize("runtime", [Interpreter, Compiled])
def test_cost_follows_the_real_length(runtime):
    model, ids = runtime(family("classify").path), np.zeros((1, LONG), "int32")
    ids[:, :4] = 5
    fewest = {}
    for real, inputs in (("short", ids), ("long", np.full_like(ids, 5))) * 20:
        begin = time.perf_counter()
        model.run("classify", {"ids": inputs})
        fewest[real] = min(fewest.get(real, 1), time.perf_counter() - begin)
    assert fewest["short"] < fewest["long"] / 3


def test_a_converter_that_aborts_is_an_error_message_and_the_next_one_another_process(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os\nos.write(2, b'out of luck')\nos.abort()\n")
    conversion.stop()
    target = tmp_path / "out" / "model.tflite"
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(RuntimeError, match=r"status -6[\s\S]*out of luck"):
            export.to_tflite(unexported("classify").model, target, 4)
    assert os.listdir(tmp_path / "out") == []
    export.to_tflite(unexported("classify").model, target, 4)


def test_a_converter_that_is_killed_says_that_memory_was_short(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    conversion.stop()
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(RuntimeError, match=r"for lack of memory. The weights take 0.\d\d GB, .*has \d+.\d GB. End"):
            export.to_tflite(unexported("classify").model, tmp_path / "model.tflite", 4)


@pytest.mark.parametrize("strategy", ["loop", "unrolled"])
def test_trace_keeps_weights_out_of_the_graphs(strategy, tmp_path):
    """What is a constant in the graph of every signature takes the converter 190 bytes a parameter."""
    model = seqkeras.Greedy(seqkeras.AttentionSeq2Seq(500, units=16), 4)
    trace(model, tmp_path / "traced", 4, strategy)
    proto = saved_model_pb2.SavedModel.FromString((tmp_path / "traced" / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    constants = [node.attr["value"].tensor for node in nodes if node.op == "Const"]
    floats = [one.ByteSize() for one in constants if one.dtype == tf.float32.as_datatype_enum]
    assert max(floats) < 4 * 16 * 16  # the smallest matrix of the model
    assert not [node.name for node in nodes if node.op == "ReadVariableOp" and "while" in node.name]


def test_one_converter_serves_several_exports(tmp_path):
    children = []
    for _ in range(2):
        export.to_tflite(unexported("classify").model, tmp_path / "x", 4)
        children.append(conversion._running.child)
    assert children[0] is children[1]


def test_a_converter_that_has_waited_long_enough_ends_and_another_takes_its_place(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(conversion, "IDLE", 0.1)
        conversion.stop()
        export.to_tflite(unexported("classify").model, tmp_path / "x", 4)
        child = conversion._running.child
        assert child.wait(60) == 0
    export.to_tflite(unexported("classify").model, tmp_path / "x", 4)
    assert conversion._running.child is not child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_converter_between_two_exports_is_not_noticed(number, tmp_path):
    export.to_tflite(unexported("classify").model, tmp_path / "x", 4)
    child = conversion._running.child
    child.send_signal(number)
    report = export.to_tflite(unexported("classify").model, tmp_path / "x", 4)
    assert report.items() >= export.audit(tmp_path / "x").items()
    assert (conversion._running.child is child) == (number == signal.SIGINT)


def test_what_others_print_is_no_answer(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('done', flush=True)\n")
    conversion.stop()
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        for _ in range(2):
            export.to_tflite(unexported("classify").model, tmp_path / "x", 4)
            export.audit(tmp_path / "x")
    conversion.stop()


def test_an_answer_nobody_waited_for_is_not_the_next_ones(tmp_path, monkeypatch):
    def interrupted(self, job):
        self.child.stdin.write(json.dumps(job) + "\n")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(conversion._Process, "answer", interrupted)
        export.to_tflite(unexported("classify").model, tmp_path / "x", 4)
    assert os.listdir(tmp_path) == []
    export.to_tflite(unexported("classify").model, tmp_path / "x", 4)
    export.audit(tmp_path / "x")


def test_an_operator_litert_lacks_is_an_error_that_names_it(tmp_path):
    class Strange(keras.Model):
        def signatures(self, batch, length):
            def classify(inputs):
                return {"probabilities": keras.ops.erfinv(keras.ops.cast(inputs["ids"], "float32") / 99)}

            return {"classify": (classify, {"ids": keras.KerasTensor((batch, length), "int32")})}

    (tmp_path / "model.tflite").write_bytes(b"old")
    with pytest.raises(RuntimeError, match="Erfinv"):
        export.to_tflite(Strange(), tmp_path / "model.tflite", 4)
    assert (tmp_path / "model.tflite").read_bytes() == b"old" and os.listdir(tmp_path) == ["model.tflite"]


def test_a_file_that_the_audit_refuses_does_not_appear(tmp_path):
    class Chosen(keras.Model):
        def signatures(self, batch, length):
            def classify(inputs):
                return {"probabilities": tf.gather(inputs["ids"][0], tf.where(inputs["ids"][0] > 0)[:, 0])}

            return {"classify": (classify, {"ids": keras.KerasTensor((batch, length), "int32")})}

    (tmp_path / "model.tflite").write_bytes(b"old")
    with pytest.raises(ValueError, match="dynamic shape"):
        export.to_tflite(Chosen(), tmp_path / "model.tflite", 4)
    assert (tmp_path / "model.tflite").read_bytes() == b"old" and os.listdir(tmp_path) == ["model.tflite"]


def test_a_length_is_asked_for_where_it_means_something():
    for length, whole in ((None, None), (7, 7), (np.int64(7), 7)):
        found = checked_length(unexported("generate").model, length)
        assert found == whole and type(found) is type(whole)
    assert checked_length(unexported("forecast").model, None) is None
    for name in ("classify", "values", "attention", "continue"):
        with pytest.raises(
            ValueError,
            match="Expected length to be a positive integer, such as data.lengths\\['text'\\]. Received: length=None",
        ):
            checked_length(unexported(name).model, None)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"quantize": "int4"}, "int4"),
        ({"length": 0}, "length=0"),
        ({"length": True}, "length=True"),
        ({"model": keras.Sequential([])}, "a model of seqkeras"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, wrong, match):
    with pytest.raises(ValueError, match=match):
        export.to_tflite(**{"model": unexported("classify").model, "path": tmp_path / "x", "length": 4, **wrong})


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    with pytest.raises(ValueError, match="Expected the path of a file. Received: .*, a folder"):
        export.to_tflite(unexported("classify").model, tmp_path, 4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float16"])
def test_a_model_trained_in_mixed_precision_leaves_in_float32(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = seqkeras.Greedy(seqkeras.TransformerSeq2Seq(V, units=16), 8)
    finally:
        keras.config.set_dtype_policy(before)
    twin, source = in_float32(model), np.full((1, 5), 7, "int32")
    logits, exact = (one.model({"source": source, "target": source}) for one in (model, twin))
    assert exact.dtype == "float32" and logits.dtype != "float32"
    assert np.allclose(exact, keras.ops.cast(logits, "float32"), atol=0.1)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), twin.get_weights(), strict=True))
    assert keras.config.dtype_policy() == before and in_float32(twin) is twin


def test_a_part_of_its_own_precision_leaves_in_float32_too():
    search = seqkeras.Greedy(seqkeras.TransformerSeq2Seq(V, units=16, dtype="mixed_bfloat16"), 8)
    twin, source = in_float32(search), np.full((1, 5), 7, "int32")
    assert search.dtype_policy.name == "float32" and in_float32(twin) is twin
    assert twin.model({"source": source, "target": source}).dtype == "float32"


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(wrong, tmp_path):
    model = seqkeras.SequenceClassifier(9, 2, units=4)
    table = model.embedding.embeddings.numpy()
    table[7] = wrong
    model.embedding.embeddings.assign(table)
    for write in (
        lambda: export.to_tflite(model, tmp_path / "x", 5),
        lambda: export.to_saved_model(model, tmp_path / "y"),
    ):
        with pytest.raises(
            ValueError, match="Expected finite weights. Received: .*embeddings with nan or inf.*diverged"
        ):
            write()
