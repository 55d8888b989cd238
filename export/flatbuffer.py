"""The parts of a LiteRT file, read and made: operators, tensors, constants. Objects of LiteRT's own schema."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
_DTYPES = {
    schema.TensorType.FLOAT32: np.dtype("float32"),
    schema.TensorType.FLOAT16: np.dtype("float16"),
    schema.TensorType.INT8: np.dtype("int8"),
    schema.TensorType.INT32: np.dtype("int32"),
    schema.TensorType.INT64: np.dtype("int64"),
}


def kind(code):
    """An operator code's number among the built-in ones."""
    return max(code.builtinCode, code.deprecatedBuiltinCode)  # the older field holds those below 128 alone


def called(operator):
    """The subgraphs that an operator runs: WHILE's condition and body, IF's branches, …"""
    return [
        int(value)
        for name, value in vars(operator.builtinOptions or object).items()
        if name.lower().endswith("subgraphindex") or name == "subgraph"
    ]


def dtype(tensor):
    """A tensor's dtype; None where it is none of those that are rewritten."""
    return _DTYPES.get(tensor.type)


def scales(tensor):
    """(scale, zero point), arrays that go with the tensor's values; None where these are what they stand for."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return None
    axes = [1] * len(tensor.shape)
    if len(quantization.scale) > 1:
        axes[quantization.quantizedDimension] = -1
    return tuple(np.reshape(one, axes).astype("float64") for one in (quantization.scale, quantization.zeroPoint))


def meaning(tensor):
    """What makes two constants the same: the buffer, and how it is read."""
    return tensor.buffer, tensor.type, tuple(tensor.shape), tuple(part.tobytes() for part in scales(tensor) or ())


def values(model, tensor):
    """What a constant stands for, as float64."""
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes()
    numbers = np.frombuffer(data, dtype(tensor)).reshape(tensor.shape).astype("float64")
    if scales(tensor) is None:
        return numbers
    scale, zero = scales(tensor)
    return (numbers - zero) * scale


def is_a(model, operator, *names):
    """Whether an operator is one of those named."""
    number = kind(model.operatorCodes[operator.opcodeIndex])
    return number in [getattr(schema.BuiltinOperator, name) for name in names]


def gathers_rows(model, operator):
    """Whether it gathers along the first axis."""
    return is_a(model, operator, "GATHER") and not (operator.builtinOptions.axis or operator.builtinOptions.batchDims)


def has_numbers(model, graph, tensor):
    """Whether it is a constant of floats, as they are or in 8 bits."""
    one = graph.tensors[tensor]
    numbers = dtype(one) == "float32" or (dtype(one) == "int8" and scales(one) is not None)
    return numbers and is_constant(model, one)


def is_constant(model, tensor):
    """Whether the file holds the values of a tensor."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def makers(graph):
    """Tensor -> the operator that makes it."""
    return {tensor: operator for operator in graph.operators for tensor in operator.outputs}


def needed(graph, tensors):
    """`tensors` and all they are made from."""
    found = set(tensors)
    for operator in reversed(graph.operators):
        if found & set(operator.outputs):
            found |= set(operator.inputs)
    return found


def live(graph):
    """The operators on which a subgraph's outputs depend."""
    read = needed(graph, graph.outputs)
    return [operator for operator in graph.operators if read & set(operator.outputs)]


def bytes_in_use(model):
    """Bytes of the constants in use."""
    used = {
        graph.tensors[tensor].buffer
        for graph in model.subgraphs
        for operator in live(graph)
        for tensor in operator.inputs
        if tensor >= 0
    }
    return sum(len(data) for data in (model.buffers[number].data for number in used) if data is not None)


def new_buffer(model, array):
    """The number of a new buffer that holds an array."""
    model.buffers.append(schema.BufferT(data=np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)))
    return len(model.buffers) - 1


def new_tensor(graph, name, shape, kind, buffer=0):
    """The number of a new tensor of a dtype; an int8 one stands for the numbers it holds."""
    quantization = schema.QuantizationParametersT()
    if np.dtype(kind) == "int8":
        quantization.scale, quantization.zeroPoint = np.ones(1, "float32"), np.zeros(1, "int64")
    (number,) = (number for number, known in _DTYPES.items() if known == kind)
    shape = [int(size) for size in shape]
    graph.tensors.append(
        schema.TensorT(shape=shape, type=number, buffer=buffer, name=name, quantization=quantization, hasRank=True)
    )
    return len(graph.tensors) - 1


def new_constant(model, graph, name, array):
    return new_tensor(graph, name, array.shape, array.dtype, new_buffer(model, array))


def new_operator(model, name, inputs, output, options, version=1):
    """An operator of one output; its options say its name to the file: RESHAPE has ReshapeOptions."""
    number = getattr(schema.BuiltinOperator, name)
    known = [kind(code) for code in model.operatorCodes]
    if number not in known:
        known.append(number)
        model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=min(number, 127), builtinCode=number))
    code = model.operatorCodes[known.index(number)]
    code.version = max(code.version, version)
    return schema.OperatorT(
        opcodeIndex=known.index(number),
        inputs=inputs,
        outputs=[output],
        builtinOptionsType=getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T")),
        builtinOptions=options,
    )
