"""The audit lets through what every LiteRT runtime runs and refuses the rest by name; on real flatbuffers."""

import flatbuffers
import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from exported import family

from seqkeras.export import audit


def convert(folder, function, *specs, flex=False, custom=False):
    module = tf.Module()
    module.state = tf.Variable(tf.zeros((1, 4)))
    module.run = tf.function(lambda *inputs: function(module, *inputs), input_signature=specs, autograph=False)
    tf.saved_model.save(module, str(folder), signatures={"run": module.run.get_concrete_function()})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    if flex:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    converter.allow_custom_ops = custom
    converter.experimental_enable_resource_variables = True
    return converter.convert()


STATIC = tf.TensorSpec((1, 4), name="x")


@pytest.mark.parametrize("name", ["classify", "generate", "attention", "transformer"])
def test_our_own_files_pass(name):
    report = audit(family(name).path)
    assert report["bytes"] == family(name).path.stat().st_size
    assert report["operators"]["WHILE"] >= 1 and report["operators"]["FULLY_CONNECTED"] >= 1


def test_keras_own_recurrent_export_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.GRU(3)])
    model.export(str(tmp_path / "gru.tflite"), format="litert", verbose=False)
    with pytest.raises(
        ValueError, match=r"Flex operator FlexTensorList\w+ in serving_default, subgraph 'main', makes '"
    ):
        audit(tmp_path / "gru.tflite")


def test_a_flex_operator_inside_a_loop_is_traced_to_its_signature(tmp_path):
    def loop(_, x):
        turns = lambda t, y: (t + 1, tf.linalg.inv(y))  # noqa: E731
        return {"y": tf.while_loop(lambda t, _: t < 3, turns, (0, x))[1]}

    with pytest.raises(ValueError, match=r"Flex operator FlexMatrixInverse in run, subgraph '\w*while_body"):
        audit(convert(tmp_path, loop, tf.TensorSpec((2, 2)), flex=True))


def test_a_custom_operator_is_refused(tmp_path):
    with pytest.raises(ValueError, match="custom operator Erfinv in run"):
        audit(convert(tmp_path, lambda _, x: {"y": tf.math.erfinv(x)}, STATIC, custom=True))


def test_a_variable_is_refused(tmp_path):
    def count(module, x):
        module.state.assign_add(x)
        return {"y": module.state.read_value() + x}

    with pytest.raises(ValueError, match="variable operator VAR_HANDLE") as error:
        audit(convert(tmp_path, count, STATIC))
    assert "READ_VARIABLE" in str(error.value) and "ASSIGN_VARIABLE" in str(error.value)


def test_a_dynamic_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"dynamic shape \[-1, 4\] in run, subgraph 'main', tensor '.*x"):
        audit(convert(tmp_path, lambda _, x: {"y": x * 2}, tf.TensorSpec((None, 4), name="x")))


def test_a_shape_known_only_when_run_is_refused(tmp_path):
    def chosen(_, x):
        return {"y": tf.gather(x[0], tf.where(x[0] > 0)[:, 0])}

    with pytest.raises(ValueError, match="dynamic shape"):
        audit(convert(tmp_path, chosen, STATIC))


def test_an_input_given_out_again_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one tensor as 'x' and under another name in run"):
        audit(convert(tmp_path, lambda _, x: {"y": x + 1, "z": x}, STATIC))


@pytest.mark.parametrize("bytes_", [b"", b"TFL3", b"no flatbuffer at all"])
def test_what_is_no_litert_file_is_refused(bytes_):
    with pytest.raises(ValueError, match="Expected a LiteRT file"):
        audit(bytes_)


def altered(change):
    """A file of ours after `change(model)`."""
    model = schema.ModelT.InitFromPackedBuf(family("generate").path.read_bytes(), 0)
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def an_operator_of_tomorrow(model):
    model.operatorCodes[0].builtinCode, model.operatorCodes[0].deprecatedBuiltinCode = 9999, 127


def of_type(type_):
    def change(model):
        model.subgraphs[0].tensors[0].type = type_

    return change


def without_a_rank(model):
    model.subgraphs[0].tensors[0].shape, model.subgraphs[0].tensors[0].hasRank = None, False


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda model: None, None),
        (an_operator_of_tomorrow, "unknown operator number 9999 in "),
        (of_type(schema.TensorType.RESOURCE), "variable in "),
        (of_type(schema.TensorType.VARIANT), "variable in "),
        (without_a_rank, "unknown rank in "),
    ],
)
def test_what_no_runtime_promises_to_run_is_refused(change, fault):
    if fault is None:
        assert audit(altered(change))["signatures"] == audit(family("generate").path)["signatures"]
    else:
        with pytest.raises(ValueError, match=fault):
            audit(altered(change))


def test_a_scalar_without_a_shape_is_a_scalar():
    def scalar(model):
        tensor = model.subgraphs[0].tensors[model.signatureDefs[0].inputs[0].tensorIndex]
        tensor.shape, tensor.shapeSignature, tensor.hasRank = None, None, True

    signatures = audit(altered(scalar))["signatures"].values()
    assert [] in [one["shape"] for signature in signatures for one in signature["inputs"].values()]


def test_a_part_of_a_file_is_refused(seed):
    whole = family("generate").path.read_bytes()
    for length in [
        8,
        100,
        len(whole) // 2,
        len(whole) - 64,
        *np.random.default_rng(seed).integers(8, len(whole) - 64, 20),
    ]:
        with pytest.raises(ValueError, match="Expected a"):
            audit(whole[:length])
