"""What the converter leaves undone, done to its file: the same results from less work.

- Ids go to a table as they are: what takes another row for a negative one goes, and GATHER refuses it.
- A row of an embedding E, times W, plus b is a row of E W + b: where rows of a constant go into a product with a
  constant, one table takes the place of both, as far as the file may grow. Where rows of the product are only put into
  another order, the table's are taken in that order at once.
- A loop variable on which no result depends goes (the counter that `tf.while_loop` adds).
- Operators, operator codes, tensors and buffers without use go.
"""

from collections import Counter, defaultdict

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from seqkeras.export import flatbuffer

_TENSORS = ("inputs", "outputs", "intermediates")  # lists of tensors that an operator has


def rewritten(data, growth=1.0, half=False):
    """A LiteRT file (bytes) that `audit` finds clean, with less to do; its constants at most `growth` times as large.

    With 8-bit weights a table is rounded to 8 bits too, each of its columns by a scale of its own. With `half` the
    constants that are there will be stored in 16 bits, tables not, and that is counted with.
    """
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    if any(buffer.offset > 1 for buffer in model.buffers):
        return data  # from 2 GiB on constants lie after the flatbuffer
    for graph in model.subgraphs:
        for one in (graph, *graph.operators):
            one.inputs, one.outputs = list(one.inputs), list(one.outputs)
    for graph in model.subgraphs:
        _count_from_the_front(model, graph)
    _join(model, growth, 0.5 if half else 1.0)
    _drop_idle(model)
    for index, graph in enumerate(model.subgraphs):
        _sweep(model, index, graph)
    _sweep_codes(model)
    _sweep_buffers(model)
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


# ids


def _count_from_the_front(model, graph):
    """table[ids < 0 ? ids + V : ids] -> table[ids], and so with a number for ids + V: GATHER refuses negative ids."""
    makers = flatbuffer.makers(graph)
    for gather in graph.operators:
        if flatbuffer.gathers_rows(model, gather) and flatbuffer.has_numbers(model, graph, gather.inputs[0]):
            table, ids = gather.inputs
            while ids is not None:
                gather.inputs = [table, ids]
                ids = _where_not_negative(model, graph, makers, ids, graph.tensors[table].shape[0])


def _where_not_negative(model, graph, makers, tensor, size):
    """ids, where a tensor is ids < 0 ? ids + size : ids, or has a number for ids + size; else None."""

    def made_by(tensor, *names):
        maker = makers.get(tensor)
        return maker if maker is not None and flatbuffer.is_a(model, maker, *names) else None

    choice = made_by(tensor, "SELECT", "SELECT_V2")
    if choice is None:
        return None
    condition, other, ids = choice.inputs
    if _beside(model, graph, made_by(condition, "LESS"), ids) != 0:
        return None
    counted = _beside(model, graph, made_by(other, "ADD"), ids) == size
    return ids if counted or _whole_number(model, graph.tensors[other]) is not None else None


def _beside(model, graph, operator, ids):
    """The one whole number that an operator takes after `ids`, or None."""
    if operator is None or operator.inputs[0] != ids:
        return None
    return _whole_number(model, graph.tensors[operator.inputs[1]])


def _whole_number(model, tensor):
    """The one whole number that a constant holds, or None."""
    if flatbuffer.dtype(tensor) not in ("int32", "int64") or not flatbuffer.is_constant(model, tensor):
        return None
    numbers = flatbuffer.values(model, tensor)
    return numbers.item() if numbers.size == 1 else None


# tables of products


def _join(model, growth, share):
    """Puts tables in the place of products while they fit: of an embedding all or none, embedding by embedding.

    Args:
        share: of their bytes that the constants which are there will take.
    """
    limit, made = growth * share * flatbuffer.bytes_in_use(model), 0
    for products in _products(model).values():
        before = [list(graph.operators) for graph in model.subgraphs]
        for graph, product, gather in products:  # as if it were looked up: what is then still read?
            looked_up = schema.OperatorT(inputs=[gather.inputs[1]], outputs=product.outputs)
            graph.operators[graph.operators.index(product)] = looked_up
        planned = sum({_key(*found): _planned(*found) for found in products}.values())
        size = share * (flatbuffer.bytes_in_use(model) - made) + made + planned
        for graph, operators in zip(model.subgraphs, before, strict=True):
            graph.operators = operators
        if size <= limit:
            tables, made = {}, made + planned
            for graph, product, gather in products:
                _look_up(model, graph, product, gather, tables)


def _products(model):
    """Buffer of an embedding -> (subgraph, FULLY_CONNECTED, the GATHER of the rows that go into it)."""
    products = defaultdict(list)
    for graph in model.subgraphs:
        makers = flatbuffer.makers(graph)
        for product in graph.operators:
            if not flatbuffer.is_a(model, product, "FULLY_CONNECTED") or not _plain(model, graph, product):
                continue
            width, rows = graph.tensors[product.inputs[1]].shape[-1], makers.get(product.inputs[0])
            while rows is not None and _hands_on(model, graph, rows):
                rows = makers.get(rows.inputs[0]) if graph.tensors[rows.outputs[0]].shape[-1] == width else None
            if (
                rows is None
                or not flatbuffer.gathers_rows(model, rows)
                or not flatbuffer.has_numbers(model, graph, rows.inputs[0])
            ):
                continue
            table, ids = (graph.tensors[tensor] for tensor in rows.inputs)
            if len(table.shape) == 2 and table.shape[1] == width and flatbuffer.dtype(ids) in ("int32", "int64"):
                products[table.buffer].append((graph, product, rows))
    return products


def _hands_on(model, graph, operator):
    """Whether all the numbers that an operator takes come out in their order, in another shape or type perhaps."""
    if not flatbuffer.is_a(model, operator, "STRIDED_SLICE"):
        return flatbuffer.is_a(model, operator, "RESHAPE", "DEQUANTIZE")
    taken, strides = (graph.tensors[operator.inputs[place]] for place in (0, 3))
    forward = flatbuffer.is_constant(model, strides) and flatbuffer.values(model, strides).min() > 0
    return forward and np.prod(taken.shape) == np.prod(graph.tensors[operator.outputs[0]].shape)


def _plain(model, graph, product):
    """Whether a product is one of floats with constants, and nothing more."""
    options = product.builtinOptions
    floats = all(flatbuffer.dtype(graph.tensors[t]) == "float32" for t in (product.inputs[0], *product.outputs))
    constants = all(tensor < 0 or flatbuffer.has_numbers(model, graph, tensor) for tensor in product.inputs[1:])
    return floats and constants and not (options.fusedActivationFunction or options.weightsFormat)


def _parts(graph, product, gather):
    """Embedding, kernel and, if there is one, bias."""
    return [graph.tensors[t] for t in (gather.inputs[0], *product.inputs[1:]) if t >= 0]


def _small(parts):
    return any(flatbuffer.dtype(part) == "int8" for part in parts)


def _key(graph, product, gather):
    """What table takes the place of a product."""
    return tuple(flatbuffer.meaning(part) for part in _parts(graph, product, gather))


def _planned(graph, product, gather):
    """Bytes of the table of a product."""
    embedding, kernel, *_ = parts = _parts(graph, product, gather)
    rows, columns = embedding.shape[0], kernel.shape[0]
    return rows * columns + 4 * columns if _small(parts) else 4 * rows * columns


def _look_up(model, graph, product, gather, tables):
    """Has the rows that `product` makes looked up; `tables` are those made so far."""
    key = _key(graph, product, gather)
    if key not in tables:
        tables[key] = _table(model, _parts(graph, product, gather))
    name, out, ids = graph.tensors[product.outputs[0]].name, product.outputs[0], gather.inputs[1]
    shape, place, made = list(graph.tensors[out].shape)[:-1], product, []
    if list(graph.tensors[ids].shape) != shape:
        wanted = flatbuffer.new_constant(model, graph, name + b";shape", np.array(shape, "int32"))
        reshaped = flatbuffer.new_tensor(graph, name + b";ids", shape, flatbuffer.dtype(graph.tensors[ids]))
        options = schema.ReshapeOptionsT(newShape=shape)
        made.append(flatbuffer.new_operator(model, "RESHAPE", [ids, wanted], reshaped, options))
        ids = reshaped
    order = _reordered(model, graph, out)
    if order is not None:
        chosen = [*graph.tensors[order.inputs[1]].shape, *shape[1:]]
        ordered = flatbuffer.new_tensor(graph, name + b";order", chosen, flatbuffer.dtype(graph.tensors[ids]))
        options = schema.GatherOptionsT()
        made.append(flatbuffer.new_operator(model, "GATHER", [ids, order.inputs[1]], ordered, options))
        ids, out, place = ordered, order.outputs[0], order
    made += _rows(model, graph, tables[key], ids, out)
    at = graph.operators.index(place)
    graph.operators[at : at + 1] = made
    if place is not product:
        graph.operators.remove(product)


def _table(model, parts):
    """(E W + b, the scale of each of its columns or None)."""
    rows, kernel, *bias = (flatbuffer.values(model, part) for part in parts)
    table = rows @ kernel.T + sum(bias)
    if not _small(parts):
        return flatbuffer.new_buffer(model, table.astype("float32")), table.shape, None
    scale = np.abs(table).max(axis=0) / 127
    scale[scale == 0] = 1
    small = np.round(table / scale).astype("int8")
    return flatbuffer.new_buffer(model, small), table.shape, flatbuffer.new_buffer(model, scale.astype("float32"))


def _rows(model, graph, table, ids, out):
    """Operators that put the rows `ids` of a table into the tensor `out`."""
    buffer, shape, scale = table
    name, sizes = graph.tensors[out].name, [*graph.tensors[ids].shape, shape[1]]
    if scale is None:
        rows = flatbuffer.new_tensor(graph, name + b";table", shape, "float32", buffer)
        return [flatbuffer.new_operator(model, "GATHER", [rows, ids], out, schema.GatherOptionsT())]
    rows = flatbuffer.new_tensor(graph, name + b";table", shape, "int8", buffer)
    columns = flatbuffer.new_tensor(graph, name + b";scale", shape[1:], "float32", scale)
    small = flatbuffer.new_tensor(graph, name + b";rows", sizes, "int8")
    numbers = flatbuffer.new_tensor(graph, name + b";numbers", sizes, "float32")
    return [  # DEQUANTIZE with a scale a column takes five times as long
        flatbuffer.new_operator(model, "GATHER", [rows, ids], small, schema.GatherOptionsT(), version=2),
        flatbuffer.new_operator(model, "DEQUANTIZE", [small], numbers, schema.DequantizeOptionsT(), version=2),
        flatbuffer.new_operator(model, "MUL", [numbers, columns], out, schema.MulOptionsT()),
    ]


def _reordered(model, graph, rows):
    """The GATHER that alone reads these rows and takes no more of them than there are; or None."""
    readers = [operator for operator in graph.operators if rows in operator.inputs]
    if len(readers) != 1 or rows in graph.outputs or not flatbuffer.gathers_rows(model, readers[0]):
        return None
    (order,) = readers
    fewer = np.prod(graph.tensors[order.inputs[1]].shape) <= graph.tensors[rows].shape[0]
    return order if order.inputs[0] == rows and fewer else None


# loop variables


def _drop_idle(model):
    """Takes out of each WHILE the variables on which neither a result nor its end depends, inner loops first."""
    loops = [
        (graph, one) for graph in model.subgraphs for one in graph.operators if flatbuffer.is_a(model, one, "WHILE")
    ]
    callers = Counter(index for graph in model.subgraphs for one in graph.operators for index in flatbuffer.called(one))
    callers.update(signature.subgraphIndex for signature in model.signatureDefs or ())
    for graph, loop in reversed(loops):
        options = loop.builtinOptions
        parts = options.condSubgraphIndex, options.bodySubgraphIndex
        if any(callers[index] != 1 for index in parts):
            continue
        condition, body = (model.subgraphs[index] for index in parts)
        read = {tensor for one in graph.operators for tensor in one.inputs} | set(graph.outputs)
        kept, before = {i for i, tensor in enumerate(loop.outputs) if tensor in read}, None
        while kept != before:
            before = kept
            ends = flatbuffer.needed(condition, condition.outputs)
            goes_on = flatbuffer.needed(body, [body.outputs[i] for i in kept])
            kept = kept | {i for i, tensor in enumerate(condition.inputs) if tensor in ends}
            kept = kept | {i for i, tensor in enumerate(body.inputs) if tensor in goes_on}
        for one in (loop, condition, body):
            one.inputs = [one.inputs[i] for i in sorted(kept)]
        for one in (loop, body):
            one.outputs = [one.outputs[i] for i in sorted(kept)]


# what is left over


def _sweep(model, index, graph):
    """Takes out of a subgraph the operators and tensors that nothing reads."""
    graph.operators = flatbuffer.live(graph)
    parts = [(one, part) for one in (graph, *graph.operators) for part in _TENSORS]
    lists = [(one, part) for one, part in parts if getattr(one, part, None) is not None]
    used = sorted({int(t) for one, part in lists for t in getattr(one, part) if t >= 0})
    place = {-1: -1, **{tensor: i for i, tensor in enumerate(used)}}
    graph.tensors = [graph.tensors[tensor] for tensor in used]
    for one, part in lists:
        setattr(one, part, [place[t] for t in getattr(one, part)])
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == index:
            for named in (*signature.inputs, *signature.outputs):
                named.tensorIndex = place[named.tensorIndex]


def _sweep_codes(model):
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    used = sorted({operator.opcodeIndex for operator in operators})
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    for operator in operators:
        operator.opcodeIndex = used.index(operator.opcodeIndex)


def _sweep_buffers(model):
    holders = [*(tensor for graph in model.subgraphs for tensor in graph.tensors), *(model.metadata or ())]
    used = sorted({0, *(holder.buffer for holder in holders)})
    place = {buffer: i for i, buffer in enumerate(used)}
    model.buffers = [model.buffers[buffer] for buffer in used]
    model.metadataBuffer = None  # the list of those that metadata holds, no longer read
    for holder in holders:
        holder.buffer = place[holder.buffer]
