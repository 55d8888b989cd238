"""A model as one LiteRT file: built-in operators only, no variables (but a `fused` layer's), static shapes, signatures.

The model is traced at batch 1, its weights as captured variables, and handed to LiteRT's converter, which freezes them;
`rewriting` does what that leaves undone.

`encode` and `step` are for an app with its own loop. Its state is a dictionary of the tensors `step` asks for: those
`encode` does not return start at zero, those `step` does not return stay as they are. (LiteRT's CompiledModel cannot
give one tensor out under two names, nor an input out again.)
"""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqkeras import arguments, folders
from seqkeras.export import fused, given, loops
from seqkeras.export import quantize as weights
from seqkeras.export.audit import audit
from seqkeras.export.conversion import convert
from seqkeras.export.halving import halved
from seqkeras.export.rewriting import rewritten
from seqkeras.export.runtime import Interpreter
from seqkeras.export.saved_model import save
from seqkeras.rnn import recurrence
from seqkeras.signatures import main
from seqkeras.tokens import START

ROUNDS, ROWS = 7, 10  # in which strategies take turns to be measured; inputs
PAYS = 1.05  # how many times as fast more threads than one have to be
CALLS, LONG = 9, 50  # with each of them; milliseconds after which there are no more


def to_tflite(
    model: Any,
    path: str | os.PathLike[str],
    length: int | None = None,
    quantize: str | None = None,
    strategy: str = "loop",
    growth: float = 1.0,
    num_threads: int = 1,
    inputs: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Writes `model` as a LiteRT file, in one piece or not at all; `audit` has found it clean.

    Args:
        model: anything with `signatures(batch, length)`: a `SequenceClassifier`, a search over a decoder.
        path: of the file.
        length: the longest input, static; None where the model's inputs are no longer or shorter.
        quantize: None for float32, "float16" for weights rounded to 16 bits, or "int8" for 8-bit weights.
        strategy: how recurrent layers go over time, all with the same results: "loop", a WHILE operator, which stops at
            the end of a shorter input; "partly_unrolled", the same with four steps a round; "unrolled", without one;
            "auto", whichever is the fastest of them here and now; "fused", LiteRT's own operator for a whole layer of
            LSTM, whose state is a variable: the one file with variables, for the interpreter alone, and no faster. An
            input that is not a number stays in it until `reset_all_variables`. See `fused`.
        growth: how many times as large the constants may become to save work. A layer's product with an embedding's
            rows is looked up in one table (vocabulary × the layer's gates) where that fits: at 1 only where the
            constants become no larger, as mostly for characters; 2 or 3 make it so for many words too.
        num_threads: how many threads the file may take where it runs. "auto" measures with as many, and with one: small
            layers wait longer for a second thread than it saves.
        inputs: what "auto" measures with, as of `held_out`; None for one input of the full length.

    Returns:
        What `audit` says of the file, its "strategy", "num_threads" it should be given, and with "auto" the "measured",
        a list of dicts: "strategy", "num_threads", "milliseconds" per input.

    Raises:
        ValueError: a model or another argument that cannot be; the audit failed. RuntimeError: the converter failed.
    """
    weights.check(quantize)
    arguments.choice(*loops.STRATEGIES, "auto", "fused", strategy=strategy)
    arguments.at_least(1, growth=growth)
    num_threads = given.checked_threads(num_threads)
    model = given.model_in_float32(model)
    if quantize == "float16":
        model = weights.in_float16(model)
    length, path = checked_length(model, length), Path(path)
    task, _, specs = main(model, 1, length)
    if inputs is not None:
        inputs = given.examples(model, inputs, {name: (tuple(spec.shape), spec.dtype) for name, spec in specs.items()})
    folders.make(path.parent)
    if path.is_dir():
        raise ValueError(f"Expected the path of a file. Received: path={str(path)!r}, a folder")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        files = {}
        for name in loops.STRATEGIES if strategy == "auto" else (strategy,):
            files[name] = _converted(model, Path(folder) / name, length, quantize, growth)
        report: dict[str, Any] = {"strategy": strategy, "num_threads": num_threads}
        if strategy == "auto":
            report = _fastest(measured(files, task, sorted({1, num_threads}), inputs))
        report |= audit(files[report["strategy"]], variables=strategy == "fused")
        os.replace(files[report["strategy"]], path)
    return report


def _fastest(rows):
    """The strategy and number of threads of the fastest of what was `measured`, and all that was."""
    row = min(rows, key=lambda row: row["milliseconds"] * (PAYS if row["num_threads"] > 1 else 1))
    return {"strategy": row["strategy"], "num_threads": row["num_threads"], "measured": rows}


def _converted(model, folder, length, quantize, growth):
    """The LiteRT file, beside `folder`, of a model by the strategy that the folder is named for."""
    path = folder.with_suffix(".tflite")
    trace(model, folder, length, folder.name)
    convert(folder, path, "int8" if quantize == "int8" else None)
    data = path.read_bytes()
    audit(data, variables=folder.name == "fused")  # what it refuses is not rewritten
    data = rewritten(data, growth, half=quantize == "float16")
    path.write_bytes(halved(data) if quantize == "float16" else data)
    return path


def measured(files, task, threads, inputs):
    """Files (name -> path) with numbers of threads, taking turns: a list of dicts as `to_tflite` returns it.

    "milliseconds" is the mean, over the inputs, of the best round's median: what else the machine does slows and never
    speeds. One interpreter at a time: the threads of one that waits would keep the cores busy.
    """
    times = {pair: [] for pair in itertools.product(files, threads)}
    for _ in range(ROUNDS):
        for (name, number), taken in times.items():
            run = Interpreter(files[name], number)
            fed = _full(run.inputs(task)) if inputs is None else inputs
            rows = np.unique(np.linspace(0, len(next(iter(fed.values()))) - 1, ROWS).astype(int))
            taken.append([_milliseconds(run, task, fed, row) for row in rows])
    return [
        {"strategy": name, "num_threads": number, "milliseconds": float(np.min(taken, axis=0).mean())}
        for (name, number), taken in times.items()
    ]


def _milliseconds(run, task, inputs, row):
    """What a call with one row of the inputs takes: the median of several, of few where one takes long."""
    one = {name: array[row : row + 1] for name, array in inputs.items()}
    taken = []
    while len(taken) < CALLS and sum(taken) < LONG:
        began = time.perf_counter()
        run.run(task, one)
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken[len(taken) // 3 :])


def _full(specs):
    """One input of the full length."""
    inputs = {
        name: np.full(shape, 0.5 if dtype.kind == "f" else 0 if name == "label" else START, dtype)
        for name, (shape, dtype) in specs.items()
    }
    if "length" in inputs:
        inputs["length"][:] = inputs["values"].shape[1]
    return inputs


def checked_length(model, length):
    """`length` as an int, or None for a model that does not ask for one."""
    asked = any(None in spec.shape for _, inputs in model.signatures(1, None).values() for spec in inputs.values())
    whole = isinstance(length, Integral) and not isinstance(length, bool) and length > 0
    if not whole and (asked or length is not None):
        raise ValueError(
            f"Expected length to be a positive integer, such as data.lengths['text']. Received: length={length!r}"
        )
    return int(length) if whole else None


def trace(model, folder, length, strategy):
    """Writes the SavedModel the converter reads: each signature at batch 1, the weights stored once beside the graphs.

    The functions capture the weights as variables, each read once, at the top: constants would be copied into the graph
    of every signature and take the converter 190 bytes a parameter. It freezes what it reads, so the file has no
    variables. Only "fused" looks into the weights while it traces, and gets them as constants.
    """
    loop = fused.loop if strategy == "fused" else loops.STRATEGIES[strategy]
    module, functions, state = tf.Module(), {}, {}
    values = [v.value.numpy() for v in model.variables]
    if strategy != "fused":
        module.weights = values = [tf.Variable(value, trainable=False) for value in values]

    def with_weights(name, function):
        def run(**inputs):
            mapping = list(zip(model.variables, map(tf.convert_to_tensor, values), strict=True))
            with keras.StatelessScope(state_mapping=mapping), recurrence.looping(loop, loops.STEP_OPS):
                outputs = function(inputs)
            if name == "encode":
                state.update({key: tf.TensorSpec(x.shape, x.dtype, key) for key, x in outputs.items()})
                return {key: x for key, x in outputs.items() if not _zero(x)}
            return {key: x for key, x in outputs.items() if x is not inputs.get(key)}

        return tf.function(run, autograph=False)

    for name, (function, inputs) in model.signatures(1, length).items():
        specs = {key: tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in inputs.items()}
        specs |= state if name == "step" else {}
        functions[name] = with_weights(name, function).get_concrete_function(**specs)
    if strategy == "fused":
        fused.check(functions.values())
    module.functions = functions
    save(module, folder, functions)


def _zero(tensor):
    value = tf.get_static_value(tensor)
    return value is not None and not np.any(value)
