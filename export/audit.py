"""What is inside a LiteRT file, read from the flatbuffer; refused where a phone's runtime would refuse it."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from seqkeras.export import flatbuffer

SHOWN = 10  # faults named in a message

_BUILTIN = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_VARIABLES = {"CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}
_STATES = {schema.TensorType.RESOURCE, schema.TensorType.VARIANT}


def audit(file: str | os.PathLike[str] | bytes, variables: bool = False) -> dict[str, Any]:
    """Reads a LiteRT file and refuses what not every LiteRT runtime can run.

    Args:
        file: a path, or the file's bytes.
        variables: True lets it hold a `fused` layer's state, which the interpreter alone can run.

    Returns:
        dict: "signatures" (name -> "inputs", "outputs" -> name -> "shape", "dtype"), "operators" (name -> count),
        "bytes".

    Raises:
        ValueError: not a LiteRT file, or not a whole one; or it holds a Flex, custom or unknown operator, a variable,
            a tensor of dynamic shape or unknown rank, two outputs of a signature that are one tensor or an input that
            is an output. The message names the operator, the signature it belongs to and the tensor it makes.
    """
    data = file if isinstance(file, bytes) else Path(file).read_bytes()
    if not schema.Model.ModelBufferHasIdentifier(data, 0):
        raise ValueError(f"Expected a LiteRT file. Received: {len(data)} bytes without its mark 'TFL3'")
    try:
        faults, report = _read(schema.ModelT.InitFromPackedBuf(data, 0), variables)
    except Exception as error:  # the parser promises nothing about what it raises where an offset leads astray
        raise ValueError(f"Expected a whole LiteRT file. Received: {len(data)} bytes, unreadable ({error!r})") from None
    if faults:
        more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise ValueError(
            "Expected built-in operators, no variables, static shapes and named signatures. Received:\n  "
            + "\n  ".join(faults[:SHOWN] + more)
        )
    return {**report, "bytes": len(data)}


def _read(model, variables):
    """(faults as text, "signatures" and "operators" of the report)."""
    owners = _owners(model)
    faults, operators = [], Counter()
    for index, graph in enumerate(model.subgraphs):
        where = f"in {' and '.join(owners[index]) or 'no signature'}, subgraph {_text(graph.name)!r}"
        for operator in graph.operators:
            name, fault = _operator(model.operatorCodes[operator.opcodeIndex])
            operators[name] += 1
            if fault:
                made = _text(graph.tensors[operator.outputs[0]].name) if len(operator.outputs) else "nothing"
                faults.append(f"{fault} {name} {where}, makes {made!r}")
        faults += [f"{fault} {where}" for fault in _shared_variables(graph)]
        for tensor in graph.tensors:
            fault = _tensor(tensor, variables)
            if fault:
                faults.append(f"{fault} {where}, tensor {_text(tensor.name)!r}")
    signatures = {}
    for signature in model.signatureDefs or ():
        name, graph = _text(signature.signatureKey), model.subgraphs[signature.subgraphIndex]
        faults += [f"{fault} in {name}" for fault in _shared(signature)]
        signatures[name] = {
            side: {_text(one.name): _described(graph.tensors[one.tensorIndex]) for one in getattr(signature, side)}
            for side in ("inputs", "outputs")
        }
    if not signatures:
        faults.append("no named signature")
    return faults, {"signatures": signatures, "operators": dict(sorted(operators.items()))}


def _operator(code):
    """An operator's name, and what is wrong with it or None."""
    number = flatbuffer.kind(code)
    if number == schema.BuiltinOperator.CUSTOM:
        name = _text(code.customCode)
        return name, "Flex operator" if name.startswith("Flex") else "custom operator"
    if number not in _BUILTIN:
        return f"number {number}", "unknown operator"
    return _BUILTIN[number], "variable operator" if _BUILTIN[number] in _VARIABLES else None


def _tensor(tensor, variables):
    """What is wrong with a tensor, or None."""
    shape, signature = _sizes(tensor.shape), _sizes(tensor.shapeSignature)
    if tensor.isVariable and not variables or tensor.type in _STATES:
        return "variable"
    if min(signature + shape, default=0) < 0:
        return f"dynamic shape {signature or shape}"
    return None if shape or tensor.hasRank else "unknown rank"


def _shared_variables(graph):
    """What is wrong with variables: each is one operator's own, for who else reads it reads what a call has left."""
    readers = Counter(index for operator in graph.operators for index in operator.inputs)
    readers.update([*graph.inputs, *graph.outputs])
    return [
        f"variable {_text(tensor.name)!r}, read at {readers[index]} places,"
        for index, tensor in enumerate(graph.tensors)
        if tensor.isVariable and readers[index] != 1
    ]


def _sizes(shape):
    return [] if shape is None else [int(size) for size in shape]


def _shared(signature):
    """Tensors given out under two names, or taken in and given out: CompiledModel answers wrongly for both."""
    named = [(_text(one.name), one.tensorIndex) for one in [*signature.inputs, *signature.outputs]]
    indices = Counter(index for _, index in named)
    return [f"one tensor as {name!r} and under another name" for name, index in named if indices[index] > 1]


def _owners(model):
    """For each subgraph the signatures that reach it, through WHILE, IF and calls."""
    owners = [[] for _ in model.subgraphs]
    for signature in model.signatureDefs or ():
        reached, todo = set(), [signature.subgraphIndex]
        while todo:
            index = todo.pop()
            if index not in reached:
                reached.add(index)
                owners[index].append(_text(signature.signatureKey))
                for operator in model.subgraphs[index].operators:
                    todo += flatbuffer.called(operator)
    return owners


def _described(tensor):
    return {"shape": _sizes(tensor.shape), "dtype": flatbuffer.TYPES[tensor.type]}


def _text(name):
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""
