"""The same classifier in onnxruntime: python device_onnx.py FOLDER float32|int8

int8 is onnxruntime's dynamic quantisation.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from turns import serve

FOLDER, PRECISION = Path(sys.argv[1]), sys.argv[2]
GATES = {"lstm": ("ifog", "iofg"), "gru": ("zrn", "zrn")}  # the order of the blocks: ours, ONNX's


def graph(name, path):
    """Embedding, recurrent layer, softmax over its last output; texts of any length."""
    weights = np.load(FOLDER / f"{name}.npz")

    def one(ending):
        (found,) = [weights[key] for key in weights.files if key.endswith(ending)]
        return found

    cell = name.rstrip("0123456789")
    mine, theirs = GATES[cell]

    def blocks(array):
        """Our blocks in ONNX's order and layout: [..., gates * H] -> [1, gates * H, ...]"""
        parts = dict(zip(mine, np.split(array, len(mine), axis=-1), strict=True))
        return np.concatenate([parts[gate] for gate in theirs], axis=-1).T[None]

    bias = blocks(one(f"{cell}.bias"))
    units = bias.shape[1] // len(mine)
    inner = np.zeros_like(bias)  # ONNX has a bias with U too
    if cell == "gru":
        inner[:, 2 * units :] = one("reset_bias")
    arrays = {
        "embedding": one("embeddings"),
        "W": blocks(one(f"{cell}.kernel")),
        "R": blocks(one(f"{cell}.recurrent_kernel")),
        "B": np.concatenate([bias, inner], axis=1),
        "V": one("logits.kernel"),
        "c": one("logits.bias"),
        "first": np.array([0], "int64"),
    }
    options = {"linear_before_reset": 1} if cell == "gru" else {}
    nodes = [
        helper.make_node("Gather", ["embedding", "ids"], ["x"]),
        helper.make_node("Transpose", ["x"], ["along"], perm=[1, 0, 2]),
        helper.make_node(cell.upper(), ["along", "W", "R", "B"], ["", "last"], hidden_size=units, **options),
        helper.make_node("Squeeze", ["last", "first"], ["h"]),
        helper.make_node("Gemm", ["h", "V", "c"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT32, [1, None])
    answer = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, len(arrays["c"])])
    constants = [numpy_helper.from_array(array, key) for key, array in arrays.items()]
    model = helper.make_graph(nodes, name, [ids], [answer], constants)
    onnx.save(helper.make_model(model, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def make(name, length, threads):
    with tempfile.TemporaryDirectory() as folder:
        path = exact = Path(folder) / "model.onnx"
        graph(name, exact)
        if PRECISION == "int8":
            path = Path(folder) / "small.onnx"
            quantize_dynamic(exact, path, weight_type=QuantType.QInt8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def answer(row):
        return session.run(None, {"ids": row})[0]

    examples = np.load(FOLDER / "examples.npz")
    said = [np.argmax(answer(row[None, : np.count_nonzero(row)])) for row in examples["ids"]]
    full = np.random.default_rng(0).integers(4, 40, (1, length)).astype("int32")
    return lambda: answer(full), {"accuracy": float(np.mean(said == examples["label"]))}


if __name__ == "__main__":
    serve(make, onnxruntime=onnxruntime.__version__)
