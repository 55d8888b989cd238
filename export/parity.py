"""Whether the file says what the model says: Keras, SavedModel, LiteRT interpreter and CompiledModel side by side."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seqkeras.export import dependence, given, quality, texts
from seqkeras.export.reference import CHUNK, Reference, chunks, one_by_one, openings
from seqkeras.export.runtime import RUNTIMES, Interpreter
from seqkeras.export.saved_model import to_saved_model
from seqkeras.export.stepping import PROBABILITY, TIE, step_logits, stepped, streamed


def parity(
    model: Any,
    path: str | os.PathLike[str],
    inputs: Mapping[str, np.ndarray],
    metric: Callable[[dict[str, np.ndarray]], float] | None = None,
    bound: float | None = None,
    runtimes: Sequence[str] = tuple(RUNTIMES),
    num_threads: int = 1,
    tokenizers: Mapping[str, Any] | None = None,
    labels: Any = None,
    targets: Any = None,
) -> dict[str, Any]:
    """Runs `inputs` through Keras, a SavedModel and LiteRT's runtimes, each twice in two orders, and compares.

    A float32 file: each token equal, each other output within 1e-5, log-probabilities, which are sums, within 1e-4. A
    differing token is excused where Keras holds both for equally good (logits within 1e-4), and counted; what follows
    it in its row is not compared. The file's `encode` and `step` are fed what Keras wrote: each logit within 1e-4.
    Where a model reads step by step, `step` is fed the input so, and what it says in the end, or of a tagger at each
    step, is compared like the rest.
    With tokenizers the texts are compared too: what a SavedModel makes of strings, and what Python does. The same
    answers, or logits they are chosen from, for inputs which differ are refused.
    An 8-bit file: `metric` of its outputs, and of what the search chooses from the logits of its `step`, lies within
    `bound` of `metric` of Keras's.

    Args:
        model: what was exported.
        path: of the LiteRT file.
        inputs: dict of arrays [n, ...] as the task's signature names them, at most as long as the file takes: ids,
            source or prompt [n, T], label [n], values [n, T, D] and length [n]; uniform [n, T] and temperature [n]
            besides, where a search draws.
        metric: outputs (dict of arrays [n, ...]) -> a number; None compares exactly.
        bound: how far the metric may be off.
        runtimes: a list of LiteRT's, "interpreter" and "compiled"; a file with a `fused` layer has but the first.
        num_threads: that each of them takes.
        tokenizers, labels: as of `write_bundle`; None compares no texts. targets: of the inputs, as of `held_out`.

    Returns:
        dict: "examples", "keras" (metric); for each of "saved_model", "interpreter", "compiled" and, of a search or a
        model that reads step by step, "interpreter_step", "compiled_step" (the file's `step`) the rows "compared",
        "equal" (each token, or the likeliest class) and "excused", the largest "difference" of float outputs, "metric",
        and "milliseconds" per example, the median. "saved_model" has the number of "texts" compared.
        With targets "quality", the figures of Keras's answers compared with them.

    Raises:
        ValueError: they differ, or a second call differs from the first; or answers do not depend on the inputs.
    """
    check_metric(metric, bound)
    _check_runtimes(runtimes)
    reference = Reference(given.model_in_float32(model))
    interpreter = Interpreter(path, given.checked_threads(num_threads))
    padded = given.examples(reference.model, inputs, interpreter.inputs(reference.task))
    names = given.checked_names(labels, reference.model)
    unpadded = {name: np.asarray(inputs.get(name, array), array.dtype) for name, array in padded.items()}
    comparison = Comparison(reference, unpadded, metric, bound)
    if targets is not None:
        comparison.measure(targets, names)
    comparison.saved_model(tokenizers, names)
    for name in runtimes:
        comparison.file(name, interpreter if name == "interpreter" else RUNTIMES[name](path, num_threads), padded)
    return comparison.passed(path)


def _check_runtimes(runtimes):
    listed = list(runtimes) if isinstance(runtimes, (list, tuple)) else []
    if not listed or not all(name in list(RUNTIMES) for name in listed):
        raise ValueError(f"Expected runtimes to be a list of {' and '.join(RUNTIMES)}. Received: runtimes={runtimes!r}")


class Comparison:
    """Answers of several ways to run a model, each judged against its own.

    Args:
        reference: the model.
        inputs: dict of arrays [n, ...].
        metric, bound: as of `parity`.

    `report` and `faults`, a list of messages, grow with each way.
    """

    def __init__(self, reference, inputs, metric, bound):
        self.reference, self.inputs, self.metric, self.bound = reference, inputs, metric, bound
        self.n = len(next(iter(inputs.values())))
        self.expected = reference.run(inputs)
        self.report, self.faults = {"examples": self.n}, []
        self._check_dependence("the model", self.expected)
        if metric is not None:
            self.report |= {"bound": float(bound), "keras": _figure(metric, self.expected)}

    def measure(self, targets, names):
        """Puts the figures of Keras's answers, compared with the targets, into the report."""
        figures = quality.figures(self.reference.task, self.inputs, self.expected, targets, names)
        self.report["quality"] = figures

    def passed(self, path):
        """The report; a ValueError with all faults, if there are any."""
        if self.faults:
            faults = "\n  ".join(self.faults)
            raise ValueError(f"Expected {path} to say what the model says. Received:\n  {faults}")
        return self.report

    def saved_model(self, tokenizers, names):
        """The model as a SavedModel, on numbers and with tokenizers on strings."""
        reference, inputs = self.reference, self.inputs
        with tempfile.TemporaryDirectory() as folder:
            to_saved_model(reference.model, Path(folder) / "saved_model", tokenizers, names)
            loaded = tf.saved_model.load(str(Path(folder) / "saved_model"))
            signature = loaded.signatures[reference.task]
            starts = np.random.default_rng(self.n).permutation(range(0, self.n, CHUNK))
            order = np.concatenate([np.arange(start, min(start + CHUNK, self.n)) for start in starts])
            self._twice("saved_model", lambda rows: chunks(lambda one: signature(**one), inputs, rows), order)
            if tokenizers:
                signatures, task = loaded.signatures, reference.task
                count, differences = texts.compared(signatures, task, inputs, tokenizers, names)
                self.report["saved_model"]["texts"] = count
                self.faults += [f"texts: {difference}" for difference in differences[:3]]

    def file(self, name, runtime, padded):
        """A file in one runtime: the whole task, and its `step` where it has one.

        Args:
            padded: the inputs, up to the file's static length.
        """
        reference, task, expected = self.reference, self.reference.task, self.expected
        order = np.random.default_rng(self.n).permutation(self.n)
        self._twice(name, lambda rows: one_by_one(lambda one: runtime.run(task, one), padded, rows), order)
        if reference.streams:
            got, milliseconds, leaks = streamed(runtime, padded, expected)
            self._judge(f"{name}_step", got, _compared(reference, self.inputs, expected, got), milliseconds)
            self.faults += [f"{name}_step: a second call gave other answers than the first"] * leaks
        if reference.writes:
            opening = openings(lambda one, ids: step_logits(runtime, one, ids[0])[None], padded, expected["ids"])
            dependence.check(f"{name}_step", self.inputs, {"logits": opening}, task)
            got, compared, milliseconds, leaks = stepped(reference, runtime, self.inputs, padded, expected["ids"])
            self._judge(f"{name}_step", got, compared, milliseconds)
            self.faults += [f"{name}_step: a second call gave other logits than the first"] * leaks

    def _twice(self, name, run, order):
        """Judges the answers of `run(rows)` -> (outputs, milliseconds an example), a second time too."""
        first, _ = run(np.arange(self.n))
        second, milliseconds = run(order)
        first, second = _cut(first, self.expected), _cut(second, self.expected)
        for key in first:
            size = PROBABILITY if key == "log_probability" else 0
            if not np.allclose(first[key][order], second[key], rtol=size, atol=PROBABILITY):
                self.faults.append(f"{name}: a second call gave other {key} than the first")
        if not self.reference.writes:
            self._check_dependence(name, first)
        self._judge(name, first, _compared(self.reference, self.inputs, self.expected, first), milliseconds)

    def _judge(self, name, got, compared, milliseconds):
        result = {"compared": self.n, **compared}
        wrong = result.pop("wrong")
        if self.metric is not None:
            result["metric"] = _figure(self.metric, got)
            if not abs(result["metric"] - self.report["keras"]) <= self.bound:
                self.faults.append(f"{name}: metric {result['metric']:.6g}, Keras's {self.report['keras']:.6g}")
        elif wrong:
            self.faults.append(f"{name}: {len(wrong)} of {self.n} rows differ, first {wrong[0]}")
        self.report[name] = {**result, "milliseconds": milliseconds}

    def _check_dependence(self, who, outputs):
        dependence.check(who, self.inputs, self.reference.answers(self.inputs, outputs), self.reference.task)


def rounding(model, rounded, inputs, metric=None, bound=None):
    """How far the answers of a model with rounded weights are from those of the trained one.

    Args:
        model, rounded: both in float32.
        inputs: dict of arrays [n, ...], as `given.examples` gives it.
        metric, bound: as of `parity`.

    Returns:
        dict: "compared", "equal" and "difference" as of `parity`; with a metric "bound", "keras" and "metric".

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
        report |= {"bound": float(bound), "keras": _figure(metric, expected), "metric": _figure(metric, got)}
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


def _cut(outputs, expected):
    """As many steps as there were inputs: a file answers for its static length."""
    return {name: array[tuple(map(slice, expected[name].shape))] for name, array in outputs.items()}


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
