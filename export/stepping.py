"""The loops an app writes around `encode` and `step`, run with a file and compared with the model."""

import time

import numpy as np

from seqkeras.export.reference import alive, fed
from seqkeras.tokens import PAD

PROBABILITY = 1e-5  # how far two float32 outputs may lie apart
TIE = 1e-4  # how far two float32 logits may; how near Keras's two best must lie for a differing token to be excused
FEW = 8  # rows whose logits are held at a time


def stepped(reference, runtime, inputs, padded, ids):
    """The loop an app writes around `encode` and `step`, fed Keras's own `ids` [n, T].

    Returns: outputs, what `_compared` says, milliseconds an example, and whether a second call gave other logits.
    """
    living, got = alive(ids), np.full_like(ids, PAD)
    wrong, excused, leaks, difference, seconds = [], 0, False, 0.0, []
    for start in range(0, len(ids), FEW):
        rows = np.arange(start, min(start + FEW, len(ids)))
        some, lives = {name: array[rows] for name, array in inputs.items()}, living[rows]
        expected = reference.logits(some, ids[rows])
        first, again = np.zeros_like(expected), np.zeros_like(expected)
        for said, order in ((first, rows), (again, rows[::-1])):
            for row in order:
                begin = time.perf_counter()
                one = logits(
                    runtime, {name: array[row : row + 1] for name, array in padded.items()}, ids[row][living[row]]
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


def streamed(runtime, inputs, expected):
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


def logits(runtime, inputs, ids):
    """What the file's `step` says where each of `ids` [T] of one row was chosen: [T, V]."""
    state = {name: np.zeros(shape, dtype) for name, (shape, dtype) in runtime.inputs("step").items()}
    state |= runtime.run("encode", {name: inputs[name] for name in runtime.inputs("encode")})
    said = []
    for now in fed(ids[None]).T:
        outputs = runtime.run("step", {**state, "ids": now})
        said.append(outputs.pop("logits")[0])
        state |= outputs
    return np.stack(said)
