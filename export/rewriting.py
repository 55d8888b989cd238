"""What the converter leaves undone, done to its file: the same results from less work.

- A row of an embedding E, times W, plus b is a row of E W + b: where the rows of a constant go into a product with a
  constant, one table takes the place of both.
- Rows of a table that are put into another order are taken in that order at once.
- A loop variable on which no result depends goes (the counter that `tf.while_loop` adds).
- Operators, tensors and buffers without use go.
"""

import math
from collections import Counter, defaultdict

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_OPERATOR, _TYPE = schema.BuiltinOperator, schema.TensorType
_DTYPES = {_TYPE.FLOAT32: np.float32, _TYPE.INT8: np.int8, _TYPE.INT32: np.int32}
_TYPES = {np.dtype(dtype): number for number, dtype in _DTYPES.items()}


def rewritten(data, growth=1.0):
    """The LiteRT file `data` (bytes) with less to do; its constants at most `growth` times as large."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    if any(buffer.offset > 1 for buffer in model.buffers):
        return data  # from 2 GiB on constants lie behind the flatbuffer
    for graph in model.subgraphs:
        for one in (graph, *graph.operators):
            one.inputs, one.outputs = list(one.inputs), list(one.outputs)
    _join(model, growth)
    for graph in model.subgraphs:
        _order_first(model, graph)
    _drop_idle(model)
    _sweep(model)
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _join(model, growth):
    """Replaces products of table rows, table by table, where the constants stay within the limit."""
    limit = growth * _size(model)
    for products in _products(model).values():
        before = [graph.operators for graph in model.subgraphs]
        tables = {}
        for graph, product, gather in products:
            made = _joined(model, graph, product, gather, tables)
            at = graph.operators.index(product)
            graph.operators = graph.operators[:at] + made + graph.operators[at + 1 :]
        if _size(model) > limit:
            for graph, operators in zip(model.subgraphs, before, strict=True):
                graph.operators = operators


def _products(model):
    """Buffer of a table -> (subgraph, FULLY_CONNECTED, the GATHER of the rows that go into it)."""
    products = defaultdict(list)
    for graph in model.subgraphs:
        makers = _makers(graph)
        for product in graph.operators:
            if not _is(model, product, "FULLY_CONNECTED") or product.builtinOptions.fusedActivationFunction:
                continue
            if not all(tensor < 0 or _constant(model, graph, tensor) for tensor in product.inputs[1:]):
                continue
            width, rows = graph.tensors[product.inputs[1]].shape[-1], makers.get(product.inputs[0])
            while rows is not None and _is(model, rows, "RESHAPE", "DEQUANTIZE"):
                rows = makers.get(rows.inputs[0]) if graph.tensors[rows.outputs[0]].shape[-1] == width else None
            if rows is not None and _of_rows(model, graph, rows) and graph.tensors[rows.inputs[0]].shape[1] == width:
                products[graph.tensors[rows.inputs[0]].buffer].append((graph, product, rows))
    return products


def _joined(model, graph, product, gather, tables):
    """Operators that look up what `product` makes; `tables` are those made so far, by the buffers they come from."""
    parts = [gather.inputs[0], *(tensor for tensor in product.inputs[1:] if tensor >= 0)]
    key = tuple(graph.tensors[tensor].buffer for tensor in parts)
    if key not in tables:
        rows, kernel, *bias = (_values(model, graph, tensor) for tensor in parts)
        table = rows @ kernel.T + sum(bias)
        small = any(graph.tensors[tensor].type == _TYPE.INT8 for tensor in parts)
        scale = (np.abs(table).max() / 127 or 1.0) if small else None
        table = np.round(table / scale).astype("int8") if small else table.astype("float32")
        model.buffers.append(schema.BufferT(data=np.frombuffer(table.tobytes(), np.uint8)))
        tables[key] = len(model.buffers) - 1, scale, table.shape, table.dtype
    buffer, scale, shape, dtype = tables[key]
    out = graph.tensors[product.outputs[0]]
    table = _tensor(graph, out.name + b";table", shape, dtype, buffer, scale)
    ids, operators = gather.inputs[1], []
    if list(graph.tensors[ids].shape) != list(out.shape[:-1]):
        ids, reshape = _reshaped(model, graph, ids, out.shape[:-1])
        operators = [reshape]
    return operators + _rows(model, graph, table, ids, product.outputs[0])


def _order_first(model, graph):
    """Rows of a table, then some of those rows -> some of the ids, then their rows."""
    makers, readers = _makers(graph), Counter(tensor for one in (graph, *graph.operators) for tensor in _read(one))
    for order in list(graph.operators):
        if not _is(model, order, "GATHER") or order.builtinOptions.axis or order.builtinOptions.batchDims:
            continue
        rows = makers.get(order.inputs[0])
        between = [order.inputs[0]]
        if rows is not None and _is(model, rows, "DEQUANTIZE"):
            between.append(rows.inputs[0])
            rows = makers.get(rows.inputs[0])
        if rows is None or not _of_rows(model, graph, rows) or any(readers[tensor] > 1 for tensor in between):
            continue
        table, ids = rows.inputs
        shape, places = list(graph.tensors[ids].shape), list(graph.tensors[order.inputs[1]].shape)
        if not shape or math.prod(places) > shape[0]:
            continue
        dtype = _dtype(graph.tensors[ids])
        chosen = _tensor(graph, graph.tensors[ids].name + b";ordered", places + shape[1:], dtype)
        options = schema.GatherOptionsT()
        first = _operator(model, "GATHER", [ids, order.inputs[1]], [chosen], options)
        at = graph.operators.index(order)
        graph.operators[at : at + 1] = [first, *_rows(model, graph, table, chosen, order.outputs[0])]


def _drop_idle(model):
    """Takes out of each WHILE the variables on which neither a result nor its end depends."""
    loops = [(graph, one) for graph in model.subgraphs for one in graph.operators if _is(model, one, "WHILE")]
    callers = Counter(number for _, loop in loops for number in _parts(loop))
    for graph, loop in loops:
        if all(callers[number] == 1 for number in _parts(loop)):
            condition, body = (model.subgraphs[number] for number in _parts(loop))
            read = {tensor for one in (graph, *graph.operators) for tensor in _read(one)}
            kept, before = {i for i, tensor in enumerate(loop.outputs) if tensor in read}, None
            while kept != before:
                before = kept
                ends = _needed(condition, condition.outputs)
                goes_on = _needed(body, [body.outputs[i] for i in kept])
                kept = kept | {i for i, tensor in enumerate(condition.inputs) if tensor in ends}
                kept = kept | {i for i, tensor in enumerate(body.inputs) if tensor in goes_on}
            for one in (loop, condition, body):
                one.inputs = [one.inputs[i] for i in sorted(kept)]
            for one in (loop, body):
                one.outputs = [one.outputs[i] for i in sorted(kept)]


def _sweep(model):
    """Takes out what nothing reads."""
    for index, graph in enumerate(model.subgraphs):
        graph.operators = _live(graph)
        used = sorted({t for one in (graph, *graph.operators) for t in (*one.inputs, *one.outputs) if t >= 0})
        place = {-1: -1, **{tensor: i for i, tensor in enumerate(used)}}
        graph.tensors = [graph.tensors[tensor] for tensor in used]
        for one in (graph, *graph.operators):
            one.inputs, one.outputs = [place[t] for t in one.inputs], [place[t] for t in one.outputs]
        for signature in model.signatureDefs or ():
            if signature.subgraphIndex == index:
                for one in (*signature.inputs, *signature.outputs):
                    one.tensorIndex = place[one.tensorIndex]
    holders = [*(tensor for graph in model.subgraphs for tensor in graph.tensors), *(model.metadata or ())]
    used = sorted({0, *(holder.buffer for holder in holders)})
    model.buffers = [model.buffers[number] for number in used]
    for holder in holders:
        holder.buffer = used.index(holder.buffer)


# reading


def _is(model, operator, *names):
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode) in [getattr(_OPERATOR, name) for name in names]


def _of_rows(model, graph, operator):
    """Whether it gathers rows of a constant matrix."""
    if not _is(model, operator, "GATHER") or operator.builtinOptions.axis or operator.builtinOptions.batchDims:
        return False
    table = operator.inputs[0]
    return _constant(model, graph, table) and len(graph.tensors[table].shape) == 2


def _constant(model, graph, tensor):
    data = model.buffers[graph.tensors[tensor].buffer].data
    return data is not None and len(data) > 0 and graph.tensors[tensor].type in _DTYPES


def _dtype(tensor):
    return np.dtype(_DTYPES.get(tensor.type, np.int64))


def _values(model, graph, number):
    """What a constant stands for, as float64."""
    tensor = graph.tensors[number]
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes()
    values = np.frombuffer(data, _DTYPES[tensor.type]).reshape(tensor.shape).astype("float64")
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return values
    axes = [1] * values.ndim
    axes[quantization.quantizedDimension] = -1
    return (values - np.reshape(quantization.zeroPoint, axes)) * np.reshape(quantization.scale, axes)


def _makers(graph):
    return {tensor: operator for operator in graph.operators for tensor in operator.outputs}


def _parts(loop):
    """The subgraphs of a WHILE: its condition's and its body's number."""
    return loop.builtinOptions.condSubgraphIndex, loop.builtinOptions.bodySubgraphIndex


def _read(one):
    """The tensors an operator reads, or those a subgraph's caller does."""
    return one.outputs if isinstance(one, schema.SubGraphT) else one.inputs


def _needed(graph, tensors):
    """`tensors` and all they are made from."""
    needed = set(tensors)
    for operator in reversed(graph.operators):
        if needed & set(operator.outputs):
            needed |= set(operator.inputs)
    return needed


def _live(graph):
    needed = _needed(graph, graph.outputs)
    return [operator for operator in graph.operators if needed & set(operator.outputs)]


def _size(model):
    """Bytes of the constants in use."""
    used = {
        graph.tensors[tensor].buffer
        for graph in model.subgraphs
        for operator in _live(graph)
        for tensor in operator.inputs
        if tensor >= 0
    }
    return sum(len(data) for data in (model.buffers[number].data for number in used) if data is not None)


# writing


def _tensor(graph, name, shape, dtype, buffer=0, scale=None):
    quantization = schema.QuantizationParametersT()
    if scale is not None:
        quantization.scale, quantization.zeroPoint = np.array([scale], "float32"), np.zeros(1, "int64")
    kind = _TYPES.get(np.dtype(dtype), _TYPE.INT64)
    graph.tensors.append(
        schema.TensorT(
            shape=[int(n) for n in shape], type=kind, buffer=buffer, name=name, quantization=quantization, hasRank=True
        )
    )
    return len(graph.tensors) - 1


def _operator(model, name, inputs, outputs, options, version=1):
    kind = getattr(_OPERATOR, name)
    known = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    if kind not in known:
        known.append(kind)
        model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=min(kind, 127), builtinCode=kind))
    index = known.index(kind)
    model.operatorCodes[index].version = max(model.operatorCodes[index].version, version)
    number = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    return schema.OperatorT(
        opcodeIndex=index, inputs=inputs, outputs=outputs, builtinOptionsType=number, builtinOptions=options
    )


def _reshaped(model, graph, tensor, shape):
    """(the tensor in that shape, the RESHAPE that makes it)."""
    shape = np.array(shape, "int32")
    name, dtype = graph.tensors[tensor].name, _dtype(graph.tensors[tensor])
    model.buffers.append(schema.BufferT(data=np.frombuffer(shape.tobytes(), np.uint8)))
    wanted = _tensor(graph, name + b";shape", shape.shape, "int32", len(model.buffers) - 1)
    out = _tensor(graph, name + b";reshaped", shape, dtype)
    options = schema.ReshapeOptionsT(newShape=shape.tolist())
    return out, _operator(model, "RESHAPE", [tensor, wanted], [out], options)


def _rows(model, graph, table, ids, out):
    """Operators that put the rows `ids` of a table into the tensor `out`, as floats."""
    rows, options = graph.tensors[table], schema.GatherOptionsT()
    shape = [*graph.tensors[ids].shape, rows.shape[1]]
    if rows.type == _TYPE.FLOAT32:
        return [_operator(model, "GATHER", [table, ids], [out], options)]
    small = _tensor(graph, graph.tensors[out].name + b";rows", shape, "int8", 0, rows.quantization.scale[0])
    return [
        _operator(model, "GATHER", [table, ids], [small], options, version=2),
        _operator(model, "DEQUANTIZE", [small], [out], schema.DequantizeOptionsT(), version=2),
    ]
