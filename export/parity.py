"""Whether the file says what the model says: Keras, SavedModel, LiteRT interpreter and CompiledModel side by side."""

import tempfile
import time
from numbers import Real
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqkeras import loops, recurrence
from seqkeras.export import dependence, given, quality, texts
from seqkeras.export.runtime import RUNTIMES, Interpreter
from seqkeras.export.saved_model import to_saved_model, traced
from seqkeras.tokens import END, PAD, START

PROBABILITY = 1e-5  # how far two float32 outputs may lie apart
TIE = 1e-4  # how far two float32 logits may; how near Keras's two best must lie for a differing token to be excused
CHUNK = 64  # rows a call where the batch is free
FEW = 8  # rows whose logits are held at a time


def parity(
    model,
    path,
    inputs,
    metric=None,
    bound=None,
    runtimes=tuple(RUNTIMES),
    num_threads=1,
    tokenizers=None,
    labels=None,
    targets=None,
):
    """Runs `inputs` through all four, twice, the second time in another order, and compares.

    A float32 file: each token equal, each other output within 1e-5, log-probabilities, which are sums, within 1e-4. A
    differing token is excused where Keras holds both for equally good (logits within 1e-4), and counted; what follows
    it in its row is not compared. The file's `encode` and `step` are fed what Keras wrote: each logit within 1e-4.
    Where a model reads step by step, `step` is fed the input so, and what it says in the end, or of a tagger at each
    step, is compared like the rest.
    With tokenizers the texts are compared too: what a SavedModel makes of strings, and what Python does.
    Answers, or the logits they are chosen from, that are the same for inputs which differ are refused.
    An 8-bit file: `metric` of its outputs, and of what the search chooses from the logits of its `step`, lies within
    `bound` of `metric` of Keras's.

    Args:
        model: what was exported.
        path: of the LiteRT file.
        inputs: dict of arrays [n, ...] as the task's signature names them, at most as long as the file takes: ids,
            source or prompt [n, T], label [n], values [n, T, D] and length [n]; uniform [n, T] and temperature [n]
            beside them where a search draws.
        metric: outputs (dict of arrays [n, ...]) -> a number; None compares exactly.
        bound: how far the metric may be off.
        runtimes: a list of LiteRT's, "interpreter" and "compiled"; a file with a `fused` layer has but the first.
        num_threads: that each of them takes.
        tokenizers, labels: as of `write_bundle`; None compares no texts.
        targets: what the data says to the inputs, as `held_out` keeps it.

    Returns:
        dict: "examples", "keras" (metric); for each of "saved_model", "interpreter", "compiled" and, of a search or a
        model that reads step by step, "interpreter_step", "compiled_step" (the file's `step`) the rows "compared",
        "equal" (each token, or the likeliest class) and "excused", the largest "difference" of float outputs, "metric",
        and "milliseconds" an example, the median; a step, where a model reads by it. "saved_model" has the number of
        "texts" compared.
        With targets "quality", the figures of Keras's answers beside them.

    Raises:
        ValueError: they differ, or a second call differs from the first; or answers do not depend on the inputs.
    """
    check_metric(metric, bound)
    listed = list(runtimes) if isinstance(runtimes, (list, tuple)) else []
    if not listed or not all(name in list(RUNTIMES) for name in listed):
        raise ValueError(f"Expected runtimes to be a list of {' and '.join(RUNTIMES)}. Received: runtimes={runtimes!r}")
    num_threads = given.checked_threads(num_threads)
    reference, interpreter = Reference(given.model_in_float32(model)), Interpreter(path, num_threads)
    padded = given.examples(reference.model, inputs, interpreter.inputs(reference.task))
    inputs = {name: np.asarray(inputs.get(name, array), array.dtype) for name, array in padded.items()}
    n = len(next(iter(inputs.values())))
    expected = reference.run(inputs)
    dependence.check("the model", inputs, reference.answers(inputs, expected), reference.task)
    report, names = {"examples": n}, given.checked_names(labels, reference.model)
    if targets is not None:
        report["quality"] = quality.figures(reference.task, inputs, expected, targets, names)
    if metric is not None:
        report |= {"bound": float(bound), "keras": _figure(metric, expected)}
    faults = []

    def judge(name, got, compared, milliseconds):
        result = {"compared": n, **compared}
        wrong = result.pop("wrong")
        if metric is not None:
            result["metric"] = _figure(metric, got)
            if not abs(result["metric"] - report["keras"]) <= bound:
                faults.append(f"{name}: metric {result['metric']:.6g}, Keras's {report['keras']:.6g}")
        elif wrong:
            faults.append(f"{name}: {len(wrong)} of {n} rows differ, first {wrong[0]}")
        report[name] = {**result, "milliseconds": milliseconds}

    def twice(name, run, order):
        first, _ = run(np.arange(n))
        second, milliseconds = run(order)
        first, second = _cut(first, expected), _cut(second, expected)
        for key in first:
            size = PROBABILITY if key == "log_probability" else 0
            if not np.allclose(first[key][order], second[key], rtol=size, atol=PROBABILITY):
                faults.append(f"{name}: a second call gave other {key} than the first")
        if not reference.writes:
            dependence.check(name, inputs, reference.answers(inputs, first), reference.task)
        judge(name, first, _compared(reference, inputs, expected, first), milliseconds)

    with tempfile.TemporaryDirectory() as folder:
        to_saved_model(reference.model, Path(folder) / "saved_model", tokenizers, labels)
        loaded = tf.saved_model.load(str(Path(folder) / "saved_model"))
        signature = loaded.signatures[reference.task]
        starts = np.random.default_rng(n).permutation(range(0, n, CHUNK))
        order = np.concatenate([np.arange(start, min(start + CHUNK, n)) for start in starts])
        twice("saved_model", lambda rows: _chunks(lambda one: signature(**one), inputs, rows), order)
        if tokenizers:
            report["saved_model"]["texts"], differences = texts.compared(
                loaded.signatures, reference.task, inputs, tokenizers, names
            )
            faults += [f"texts: {difference}" for difference in differences[:3]]
    order = np.random.default_rng(n).permutation(n)
    for name in listed:
        runtime = interpreter if name == "interpreter" else RUNTIMES[name](path, num_threads)
        twice(name, lambda rows: _one_by_one(lambda one: runtime.run(reference.task, one), padded, rows), order)  # noqa: B023
        if reference.streams:
            got, milliseconds = _streamed(runtime, reference.task, padded, expected)
            judge(f"{name}_step", got, _compared(reference, inputs, expected, got), milliseconds)
        if reference.writes:
            opening = _openings(lambda one, ids: _logits(runtime, one, ids[0])[None], padded, expected["ids"])  # noqa: B023
            dependence.check(f"{name}_step", inputs, {"logits": opening}, reference.task)
            got, compared, milliseconds, leaks = _stepped(reference, runtime, inputs, padded, expected["ids"])
            judge(f"{name}_step", got, compared, milliseconds)
            faults += [f"{name}_step: a second call gave other logits than the first"] * leaks
    if faults:
        raise ValueError(f"Expected {path} to say what the model says. Received:\n  " + "\n  ".join(faults))
    return report


def rounding(model, rounded, inputs, metric=None, bound=None):
    """How far the answers of a model with rounded weights are from those of the trained one.

    Args:
        model, rounded: both in float32.
        inputs: dict of arrays [n, ...], as `given.examples` gives it.
        metric, bound: as of `parity`.

    Returns:
        dict: "compared", "equal" and "difference" as of `parity`; with a metric "keras" and "metric".

    Raises:
        ValueError: the metrics lie further apart than `bound`.
    """
    reference = Reference(model)
    expected, got = reference.run(inputs), Reference(rounded).run(inputs)
    compared = _compared(reference, inputs, expected, got)
    report = {
        "compared": len(next(iter(expected.values()))),
        **{name: compared[name] for name in ("equal", "difference")},
    }
    if metric is not None:
        report |= {"keras": _figure(metric, expected), "metric": _figure(metric, got)}
        if not abs(report["metric"] - report["keras"]) <= bound:
            raise ValueError(
                f"Expected rounded weights to change the metric by at most {bound}. Received: {report['metric']:.6g}, "
                f"with the trained weights {report['keras']:.6g}"
            )
    return report


def check_metric(metric, bound):
    """Raises ValueError for one without the other, and for what they cannot be."""
    if (metric is None) != (bound is None):
        raise ValueError(f"Expected metric and bound together. Received: metric={metric}, bound={bound}")
    number = isinstance(bound, Real) and not isinstance(bound, bool) and 0 <= bound < np.inf
    if metric is not None and not (callable(metric) and number):
        raise ValueError(
            f"Expected metric to be a function and bound a number from 0. Received: metric={metric!r}, bound={bound!r}"
        )


def _figure(metric, outputs):
    """What a metric says of outputs."""
    try:
        figure = metric({name: array.copy() for name, array in outputs.items()})
        number = float(figure)
    except Exception as error:  # whatever somebody's function raises
        said = f"{type(error).__name__}: {error}"
    else:
        if np.isfinite(number) and not isinstance(figure, (str, bool)):
            return number
        said = repr(figure)
    raise ValueError(f"Expected metric to give a finite number, of outputs {sorted(outputs)}. Received: {said}")


class Reference:
    """The model itself, run in batches through the functions that were exported."""

    def __init__(self, model):
        self.model = model
        with recurrence.looping(loops.in_place):  # on a GPU too, whose own loops round otherwise
            self._functions = traced(model)
        self.task = next(iter(self._functions))
        self.writes, self.streams = "encode" in self._functions, getattr(model, "streams", False)

    def run(self, inputs):
        rows = np.arange(len(next(iter(inputs.values()))))
        return _chunks(lambda one: self._functions[self.task](**one), inputs, rows)[0]

    def logits(self, inputs, ids):
        """The logits that each token of `ids` was chosen from: [n, T] -> [n, T, V]."""
        wanted = self.model.signatures(None, None)["encode"][1]
        state = self._functions["encode"](**{name: tf.constant(inputs[name]) for name in wanted})
        said = []
        for now in _fed(ids).T:
            state = self._functions["step"](**state, ids=tf.constant(now))
            said.append(state.pop("logits").numpy())
        return np.stack(said, axis=1)

    def answers(self, inputs, outputs):
        """What `dependence.check` compares: outputs, or of a search the logits of the first token of its own."""
        if not self.writes:
            return {name: array.__getitem__ for name, array in outputs.items()}

        return {"logits": _openings(self.logits, inputs, outputs["ids"])}

    def choose(self, logits, inputs):
        """What the search takes of logits [n, T, V]: ids [n, T]."""
        return np.stack([self.model.choose(logits[:, t], t, inputs) for t in range(logits.shape[1])], axis=1)


def _openings(logits, inputs, ids):
    """Of a row's number the logits of the first token that a search chose itself, behind the prompt; None without one.

    Args:
        logits: inputs of one row, ids [1, T] -> [1, T, V].
    """

    def opening(row):
        first = int((inputs["prompt"][row] != PAD).sum()) if "prompt" in inputs else 0
        one = {name: array[row : row + 1] for name, array in inputs.items()}
        return logits(one, ids[row : row + 1, : first + 1])[0, first] if first < ids.shape[1] else None

    return opening


def _fed(ids):
    """What a search feeds to `step` when it chooses `ids` [n, T]: each row one further, START first."""
    return np.pad(ids[:, :-1].astype("int32"), [(0, 0), (1, 0)], constant_values=START)


def _alive(ids):
    """Where a row of `ids` [n, T] had not ended yet when its token was chosen."""
    return np.logical_and.accumulate((_fed(ids) != END) & (_fed(ids) != PAD), axis=1)


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


def _cut(outputs, expected):
    """As many steps as there were inputs: a file answers for its static length."""
    return {name: array[tuple(map(slice, expected[name].shape))] for name, array in outputs.items()}


def _joined(outputs):
    return {name: np.concatenate([np.asarray(one[name]) for one in outputs]) for name in outputs[0]}


def _compared(reference, inputs, expected, got):
    """Rows with the same answer, rows excused, rows that are wrong, and how far float outputs lie apart."""
    rows = len(next(iter(expected.values())))
    equal, wrong, difference = np.ones(rows, bool), {}, 0.0
    for name, want in expected.items():
        if name == "log_probability":  # of other ids it is another, and those are compared
            sums = np.all(expected["ids"] == got["ids"], axis=1)
            apart = np.where(sums, np.abs(want.astype("float64") - got[name]), 0)
            difference = max(difference, float(apart.max()))
            far = np.flatnonzero(~(apart <= TIE + PROBABILITY * np.abs(want)))
            wrong |= {int(row): f"{name} {apart[row]:.2g} apart" for row in far}
            continue
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
            one = {key: array[row : row + 1] for key, array in inputs.items()}
            logits = reference.logits(one, want[row : row + 1, : at + 1])[0, at]
            gap = float(logits[want[row][at]] - logits[got[name][row][at]])
            if not abs(gap) <= TIE:
                wrong[int(row)] = f"token {at} is {got[name][row][at]}, not {want[row][at]}; logits {gap:.2g} apart"
    return {
        "equal": int(equal.sum()),
        "excused": sum(row not in wrong for row in np.flatnonzero(~equal)),
        "difference": difference,
        "wrong": [f"row {row}: {text}" for row, text in sorted(wrong.items())],
    }


def _stepped(reference, runtime, inputs, padded, ids):
    """The loop an app writes around `encode` and `step`, fed Keras's own `ids` [n, T].

    Returns: outputs, what `_compared` says, milliseconds an example, and whether a second call gave other logits.
    """
    alive, got = _alive(ids), np.full_like(ids, PAD)
    wrong, excused, leaks, difference, seconds = [], 0, False, 0.0, []
    for start in range(0, len(ids), FEW):
        rows = np.arange(start, min(start + FEW, len(ids)))
        some, lives = {name: array[rows] for name, array in inputs.items()}, alive[rows]
        expected = reference.logits(some, ids[rows])
        first, again = np.zeros_like(expected), np.zeros_like(expected)
        for said, order in ((first, rows), (again, rows[::-1])):
            for row in order:
                begin = time.perf_counter()
                one = _logits(
                    runtime, {name: array[row : row + 1] for name, array in padded.items()}, ids[row][alive[row]]
                )
                seconds.append(time.perf_counter() - begin)
                said[row - start, : len(one)] = one
        leaks |= not np.allclose(first, again, rtol=0, atol=PROBABILITY)
        got[rows] = np.where(lives, reference.choose(first, some), PAD)
        apart = np.where(lives[..., None], np.abs(expected.astype("float64") - first), 0)
        difference = max(difference, float(apart.max()))
        near = (apart <= TIE + PROBABILITY * np.abs(expected)).all(axis=(1, 2))
        wrong += [f"row {row}: logits {apart[row - start].max():.2g} apart" for row in rows[~near]]
        excused += int((near & np.any(got[rows] != ids[rows], axis=1)).sum())
    equal = int(np.all(got == ids, axis=1).sum())
    compared = {"equal": equal, "excused": excused, "difference": difference, "wrong": wrong}
    return {"ids": got}, compared, 1000 * float(np.median(seconds)), leaks


def _streamed(runtime, task, inputs, expected):
    """The loop an app writes around `step` of a model that reads: (outputs as of the whole, milliseconds a step).

    A tagger's answers are those of each step, others that of the last. A row without a step keeps what is expected.
    """
    got, seconds = {name: array.copy() for name, array in expected.items()}, []
    fed = [name for name in inputs if name in runtime.inputs("step")]
    real = inputs["values"] if "length" in inputs else inputs["ids"] != PAD
    for row in range(len(real)):
        steps = inputs["length"][row] if "length" in inputs else np.max(np.flatnonzero(real[row]), initial=-1) + 1
        state = {name: np.zeros(shape, dtype) for name, (shape, dtype) in runtime.inputs("step").items()}
        for t in range(steps):
            begin = time.perf_counter()
            outputs = runtime.run("step", {**state, **{name: inputs[name][row : row + 1, t] for name in fed}})
            seconds.append(time.perf_counter() - begin)
            for name in expected:
                here = got[name][row, t] if got[name].ndim == 3 else got[name][row]
                padding = "length" not in inputs and not real[row, t] and got[name].ndim == 3
                here[...] = 0 if padding else outputs[name][0]
            state |= {name: array for name, array in outputs.items() if name in state}
    return got, 1000 * float(np.median(seconds)) if seconds else 0.0


def _logits(runtime, inputs, ids):
    """What the file's `step` says where each of `ids` [T] of one row was chosen: [T, V]."""
    state = {name: np.zeros(shape, dtype) for name, (shape, dtype) in runtime.inputs("step").items()}
    state |= runtime.run("encode", {name: inputs[name] for name in runtime.inputs("encode")})
    said = []
    for now in _fed(ids[None]).T:
        outputs = runtime.run("step", {**state, "ids": now})
        said.append(outputs.pop("logits")[0])
        state |= outputs
    return np.stack(said)
