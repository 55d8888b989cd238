"""Constants of a LiteRT file in 16 bits: half the size, the same numbers.

A weight that float16 holds exactly is stored so, and a DEQUANTIZE, run once, makes float32 of it again; what float16
would round stays as it is. `quantize.in_float16` rounds a model's weights beforehand, so that they all fit.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from seqkeras.export import flatbuffer

FEWEST = 64  # numbers of a constant that pays for one more operator


def halved(data):
    """A LiteRT file (bytes) whose large float32 constants are float16 wherever that changes no number."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    halves = {}
    for graph in model.subgraphs:
        read = {tensor for one in (graph, *graph.operators) for tensor in one.inputs}
        graph.operators = [
            *(_half(model, graph, tensor, halves) for tensor in sorted(read) if _fits(model, graph, tensor)),
            *graph.operators,
        ]
    for buffer in halves.keys() - {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}:
        model.buffers[buffer].data = None
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _fits(model, graph, tensor):
    """Whether a tensor is a constant of float32 that float16 holds, large enough to pay."""
    if tensor < 0 or tensor in graph.outputs or not flatbuffer.has_numbers(model, graph, tensor):
        return False
    if flatbuffer.dtype(graph.tensors[tensor]) != "float32":
        return False
    numbers = flatbuffer.values(model, graph.tensors[tensor])
    with np.errstate(over="ignore"):
        return numbers.size >= FEWEST and np.array_equal(numbers.astype("float16"), numbers)


def _half(model, graph, tensor, halves):
    """The operator that makes a constant of its half; `halves` are those made so far, by the buffer they replace."""
    one = graph.tensors[tensor]
    if one.buffer not in halves:
        halves[one.buffer] = flatbuffer.new_buffer(model, flatbuffer.values(model, one).astype("float16"))
    half = flatbuffer.new_tensor(graph, one.name + b";half", one.shape, "float16", halves[one.buffer])
    one.buffer = 0
    return flatbuffer.new_operator(model, "DEQUANTIZE", [half], tensor, schema.DequantizeOptionsT(), version=3)
