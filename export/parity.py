"""Whether the file says what the model says: Keras, SavedModel, LiteRT interpreter and CompiledModel side by side."""

import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqkeras.export.quantize import in_float32
from seqkeras.export.runtime import Compiled, Interpreter
from seqkeras.export.saved_model import to_saved_model
from seqkeras.tokens import END, PAD, START

PROBABILITY = 1e-5  # how far two float32 outputs may lie apart
TIE = 1e-4  # how near Keras's two best logits must lie for a differing token to be excused
BY_HAND = 8  # inputs that are also run through `encode` and `step` with a loop of our own
CHUNK = 64  # rows a call where the batch is free


def parity(model, path, inputs, metric=None, bound=None):
    """Runs `inputs` through all four, twice, the second time in another order, and compares.

    A float32 file: each token equal, each other output within 1e-5. A differing token is excused where Keras holds
    both for equally good (logits within 1e-4), and counted; what follows it in its row is not compared.
    An 8-bit file: `metric` of its outputs lies within `bound` of `metric` of Keras's.

    Args:
        model: what was exported.
        path: of the LiteRT file.
        inputs: dict of arrays [n, ...] as the task's signature names them, at most as long as the file takes: ids or
            source [n, T], label [n], values [n, T, D] and length [n].
        metric: outputs (dict of arrays [n, ...]) -> a number; None compares exactly.
        bound: how far the metric may be off.

    Returns:
        dict: "examples", "keras" (metric); for each of "saved_model", "interpreter", "compiled" and
        "by_hand" (the file's `encode` and `step`) the rows "compared", "equal" (each token, or the likeliest class)
        and "excused", the largest "difference" of float outputs, "metric", and "milliseconds" an example, the median.

    Raises:
        ValueError: they differ, or a second call differs from the first.
    """
    if (metric is None) != (bound is None):
        raise ValueError(f"Expected metric and bound together. Received: metric={metric}, bound={bound}")
    reference, interpreter = Reference(in_float32(model)), Interpreter(path)
    padded = _padded(inputs, interpreter.inputs(reference.task))
    inputs = {name: np.asarray(inputs[name], array.dtype) for name, array in padded.items()}
    n = len(next(iter(inputs.values())))
    expected = reference.run(reference.task, inputs)
    report = {"examples": n}
    if metric is not None:
        report |= {"bound": bound, "keras": float(metric(expected))}
    faults = []

    def compare(name, got, milliseconds, rows=n):
        wanted = {key: array[:rows] for key, array in expected.items()}
        result = {"compared": rows, **_compared(reference, inputs, wanted, got)}
        wrong = result.pop("wrong")
        if metric is not None and rows == n:
            result["metric"] = float(metric(got))
            if not abs(result["metric"] - report["keras"]) <= bound:
                faults.append(f"{name}: metric {result['metric']:.6g}, Keras's {report['keras']:.6g}")
        elif metric is None and wrong:
            faults.append(f"{name}: {len(wrong)} of {rows} rows differ, first {wrong[0]}")
        report[name] = {**result, "milliseconds": milliseconds}

    def twice(name, run, order):
        first, _ = run(np.arange(len(order)))
        second, milliseconds = run(order)
        for key in first:
            if not np.allclose(first[key][order], second[key], rtol=0, atol=PROBABILITY):
                faults.append(f"{name}: a second call gave other {key} than the first")
        compare(name, first, milliseconds)

    with tempfile.TemporaryDirectory() as folder:
        to_saved_model(reference.model, Path(folder) / "saved_model")
        loaded = tf.saved_model.load(str(Path(folder) / "saved_model"))
        signature = loaded.signatures[reference.task]
        starts = np.random.default_rng(n).permutation(range(0, n, CHUNK))
        order = np.concatenate([np.arange(start, min(start + CHUNK, n)) for start in starts])
        twice("saved_model", lambda rows: _chunks(lambda one: signature(**one), inputs, rows), order)
    order = np.random.default_rng(n).permutation(n)
    for name, runtime in (("interpreter", interpreter), ("compiled", Compiled(path))):
        twice(name, lambda rows: _one_by_one(lambda one: runtime.run(reference.task, one), padded, rows), order)  # noqa: B023
    if "step" in runtime.signatures and runtime.inputs("encode").keys() == inputs.keys():  # a search draws from more
        compare("by_hand", *_by_hand(runtime, padded, expected["ids"].shape[1], min(n, BY_HAND)), min(n, BY_HAND))
    if faults:
        raise ValueError(f"Expected {path} to say what the model says. Received:\n  " + "\n  ".join(faults))
    return report


def held_out(batches, n):
    """The first `n` examples of batches as the task functions make them, as `parity` takes them.

    Args:
        batches: (ids, label), or features -> ..., the features' "target" left out.
    """
    columns, rows = {}, 0
    for features, *_ in batches:
        features = features if isinstance(features, dict) else {"ids": features}
        for name, array in features.items():
            if name != "target":
                columns.setdefault(name, []).append(np.asarray(array))
        rows += len(next(iter(features.values())))
        if rows >= n:
            break
    return {name: _stacked(arrays)[:n] for name, arrays in columns.items()}


def _stacked(arrays):
    """Batches of several lengths below each other, zeros behind the shorter ones."""
    longest = np.max([array.shape[1:2] for array in arrays], axis=0)
    return np.concatenate(
        [
            np.pad(
                a,
                [
                    (0, 0),
                    *((0, t - had) for t, had in zip(longest, a.shape[1:2], strict=True)),
                    *[(0, 0)] * (a.ndim - 2),
                ],
            )
            for a in arrays
        ]
    )


class Reference:
    """The model itself, run in batches through the functions that were exported."""

    def __init__(self, model):
        self.model = model
        self._functions = {name: function for name, (function, _) in model.signatures(None, None).items()}
        self.task = next(iter(self._functions))

    def run(self, signature, inputs):
        function = tf.function(self._functions[signature], autograph=False, reduce_retracing=True)
        return _chunks(function, inputs, np.arange(len(next(iter(inputs.values())))))[0]

    def logits(self, inputs, ids):
        """The logits at the position behind the tokens `ids` of one row of `inputs`."""
        state = self._functions["encode"](inputs)
        for one in (START, *ids):
            state = self._functions["step"]({**state, "ids": tf.constant([one], "int32")})
        return state["logits"].numpy()[0]


def _chunks(function, inputs, rows):
    """Many rows a call: (outputs, milliseconds an example)."""
    outputs, seconds = [], []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        begin = time.perf_counter()
        outputs.append(function({name: tf.constant(array[chunk]) for name, array in inputs.items()}))
        seconds.append((time.perf_counter() - begin) / len(chunk))
    return _joined(outputs), 1000 * float(np.median(seconds))


def _one_by_one(function, inputs, rows):
    """A row a call: (outputs, milliseconds an example)."""
    outputs, seconds = [], []
    for row in rows:
        one = {name: array[row : row + 1] for name, array in inputs.items()}
        begin = time.perf_counter()
        outputs.append(function(one))
        seconds.append(time.perf_counter() - begin)
    return _joined(outputs), 1000 * float(np.median(seconds))


def _joined(outputs):
    return {name: np.concatenate([np.asarray(one[name]) for one in outputs]) for name in outputs[0]}


def _padded(inputs, specs):
    """Each input as the file takes it, but with all rows: zeros behind each row up to the static length."""
    padded, rows = {}, {len(array) for array in inputs.values()}
    if len(rows) != 1 or 0 in rows or inputs.keys() != specs.keys():
        raise ValueError(
            f"Expected inputs {sorted(specs)} of one or more rows. Received: {sorted(inputs)} of {sorted(rows)} rows"
        )
    for name, (shape, dtype) in specs.items():
        array = np.asarray(inputs[name], dtype)
        if array.ndim != len(shape) or array.shape[1:2] > shape[1:2] or array.shape[2:] != shape[2:]:
            raise ValueError(f"Expected {name} of at most {shape[1:]}. Received: {name} of {array.shape[1:]}")
        behind = [(0, 0)] + [(0, size - had) for size, had in zip(shape[1:], array.shape[1:], strict=True)]
        padded[name] = np.pad(array, behind)
    return padded


def _compared(reference, inputs, expected, got):
    """Rows with the same answer, rows excused, rows that are wrong, and how far float outputs lie apart."""
    rows = len(next(iter(expected.values())))
    equal, wrong, difference = np.ones(rows, bool), {}, 0.0
    for name, want in expected.items():
        if np.issubdtype(want.dtype, np.floating):
            apart = np.abs(want.astype("float64") - got[name]).reshape(rows, -1).max(1)
            difference = max(difference, float(apart.max()))
            same = want.argmax(-1) == got[name].argmax(-1) if name == "probabilities" else apart <= PROBABILITY
            equal &= same.reshape(rows, -1).all(1)
            wrong |= {int(row): f"{name} {apart[row]:.2g} apart" for row in np.flatnonzero(~(apart <= PROBABILITY))}
            continue
        for row in np.flatnonzero(np.any(want != got[name], axis=1)):
            equal[row] = False
            at = int(np.argmax(want[row] != got[name][row]))
            logits = reference.logits({key: array[row : row + 1] for key, array in inputs.items()}, want[row][:at])
            gap = float(logits[want[row][at]] - logits[got[name][row][at]])
            if not abs(gap) <= TIE:
                wrong[int(row)] = f"token {at} is {got[name][row][at]}, not {want[row][at]}; logits {gap:.2g} apart"
    return {
        "equal": int(equal.sum()),
        "excused": sum(row not in wrong for row in np.flatnonzero(~equal)),
        "difference": difference,
        "wrong": [f"row {row}: {text}" for row, text in sorted(wrong.items())],
    }


def _by_hand(runtime, inputs, length, rows):
    """The loop an app writes around `encode` and `step`: ids [rows, length]."""
    specs = runtime.inputs("step")
    ids, seconds = np.full((rows, length), PAD, "int32"), []
    for row in range(rows):
        begin = time.perf_counter()
        state = {name: np.zeros(shape, dtype) for name, (shape, dtype) in specs.items()}
        state |= runtime.run("encode", {name: array[row : row + 1] for name, array in inputs.items()})
        state["ids"][:] = START
        for t in range(length):
            outputs = runtime.run("step", state)
            ids[row, t] = outputs.pop("logits")[0].argmax()
            if ids[row, t] in (END, PAD):
                break
            state |= {**outputs, "ids": ids[row, t : t + 1]}
        seconds.append(time.perf_counter() - begin)
    return {"ids": ids}, 1000 * float(np.median(seconds))
