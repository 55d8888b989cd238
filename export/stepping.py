"""The loops an app writes around `encode` and `step`, run with a file and compared with the model."""

import time

import numpy as np

from seqkeras.export.reference import alive, fed
from seqkeras.search.loop import log_probability
from seqkeras.tokens import PAD

PROBABILITY = 1e-5  # how far two float32 outputs may lie apart
TIE = 1e-4  # how far two float32 logits may; how near Keras's two best must lie for a differing token to be excused
ROWS_AT_A_TIME = 8  # rows whose logits are held at a time


def stepped(reference, runtime, inputs, padded, ids):
    """The loop an app writes around `encode` and `step`, fed Keras's own `ids` [n, T].

    Returns: outputs, what `_compared` says, milliseconds an example, and whether a second call gave other logits.
    """
    living, got, sure = alive(ids), np.full_like(ids, PAD), np.zeros(len(ids), "float32")
    wrong, excused, leaks, difference, seconds = [], 0, False, 0.0, []
    for start in range(0, len(ids), ROWS_AT_A_TIME):
        rows = np.arange(start, min(start + ROWS_AT_A_TIME, len(ids)))
        some, lives = {name: array[rows] for name, array in inputs.items()}, living[rows]
        expected = reference.logits(some, ids[rows])
        first, again = np.zeros_like(expected), np.zeros_like(expected)
        for said, order in ((first, rows), (again, rows[::-1])):
            for row in order:
                begin = time.perf_counter()
                one = step_logits(
                    runtime, {name: array[row : row + 1] for name, array in padded.items()}, ids[row][living[row]]
                )
                seconds.append(time.perf_counter() - begin)
                said[row - start, : len(one)] = one
        leaks |= not np.allclose(first, again, rtol=0, atol=PROBABILITY)
        got[rows] = np.where(lives, reference.choose(first, some), PAD)
        each = log_probability(first.reshape(-1, first.shape[-1]), got[rows].reshape(-1))
        sure[rows] = np.where(lives, np.reshape(each, lives.shape), 0).sum(axis=1)
        apart = np.where(lives[..., None], np.abs(expected.astype("float64") - first), 0)
        difference = max(difference, float(apart.max()))
        near = (apart <= TIE + PROBABILITY * np.abs(expected)).all(axis=(1, 2))
        wrong += [f"row {row}: logits {apart[row - start].max():.2g} apart" for row in rows[~near]]
        excused += int((near & np.any(got[rows] != ids[rows], axis=1)).sum())
    equal = int(np.all(got == ids, axis=1).sum())
    compared = {"equal": equal, "excused": excused, "difference": difference, "wrong": wrong}
    return {"ids": got, "log_probability": sure}, compared, 1000 * float(np.median(seconds)), leaks


def streamed(runtime, inputs, expected):
    """The loop an app writes around `step` of a model that reads.

    A tagger's answers are those of each step, others that of the last. A row without a step keeps what is expected.

    Returns: outputs as of the whole, milliseconds an example, and whether a second call gave others.
    """
    first, again = ({name: array.copy() for name, array in expected.items()} for _ in range(2))
    rows, seconds = range(len(next(iter(inputs.values())))), []
    for got, order in ((first, rows), (again, reversed(rows))):
        for row in order:
            begin = time.perf_counter()
            said = _steps(runtime, {name: array[row : row + 1] for name, array in inputs.items()})
            seconds.append(time.perf_counter() - begin)
            for name in expected if said else ():
                if got[name].ndim == 3:  # an answer a step
                    got[name][row, : len(said)] = [one[name][0] for one in said]
                else:
                    got[name][row] = said[-1][name][0]
    leaks = any(not np.allclose(first[name], again[name], rtol=0, atol=PROBABILITY) for name in first)
    return first, 1000 * float(np.median(seconds)), leaks


def _steps(runtime, inputs):
    """What the file's `step` says to each step of one row, up to its last real one."""
    specs = runtime.inputs("step")
    state = {name: np.zeros(shape, dtype) for name, (shape, dtype) in specs.items() if name not in inputs}
    real = (
        inputs["length"][0] if "length" in inputs else np.max(np.flatnonzero(inputs["ids"][0] != PAD), initial=-1) + 1
    )
    said = []
    for t in range(real):
        outputs = runtime.run("step", {**state, **{name: x[:, t] for name, x in inputs.items() if name in specs}})
        state = {name: outputs.pop(name) for name in state}
        said.append(outputs)
    return said


def step_logits(runtime, inputs, ids):
    """What the file's `step` says where each of `ids` [T] of one row was chosen: [T, V]."""
    state = {name: np.zeros(shape, dtype) for name, (shape, dtype) in runtime.inputs("step").items()}
    state |= runtime.run("encode", {name: inputs[name] for name in runtime.inputs("encode")})
    said = []
    for now in fed(ids[None]).T:
        outputs = runtime.run("step", {**state, "ids": now})
        said.append(outputs.pop("logits")[0])
        state |= outputs
    return np.stack(said)
