"""The model itself, run in batches through the functions that were exported; and rows run through any of them."""

import time

import numpy as np
import tensorflow as tf

from seqkeras.export.saved_model import traced
from seqkeras.rnn import loops, recurrence
from seqkeras.signatures import main
from seqkeras.tokens import END, PAD, START

CHUNK = 64  # rows a call where the batch is free


class Reference:
    """The model itself, run in batches through the functions that were exported."""

    def __init__(self, model):
        self.model = model
        with recurrence.looping(loops.inference_loop):  # on a GPU too, whose own loops round otherwise
            self._functions = traced(model)
        self.task, _, _ = main(model, None, None)
        self.writes, self.streams = "encode" in self._functions, getattr(model, "streams", False)

    def run(self, inputs):
        rows = np.arange(len(next(iter(inputs.values()))))
        return chunks(lambda one: self._functions[self.task](**one), inputs, rows)[0]

    def logits(self, inputs, ids):
        """The logits that each token of `ids` was chosen from: [n, T] -> [n, T, V]."""
        wanted = self.model.signatures(None, None)["encode"][1]
        state = self._functions["encode"](**{name: tf.constant(inputs[name]) for name in wanted})
        said = []
        for now in fed(ids).T:
            state = self._functions["step"](**state, ids=tf.constant(now))
            said.append(state.pop("logits").numpy())
        return np.stack(said, axis=1)

    def answers(self, inputs, outputs):
        """What `dependence.check` compares: outputs, or of a search the logits of the first token of its own."""
        if not self.writes:
            return {name: array.__getitem__ for name, array in outputs.items()}

        return {"logits": openings(self.logits, inputs, outputs["ids"])}

    def choose(self, logits, inputs):
        """What the search takes of logits [n, T, V]: ids [n, T]."""
        return np.stack([self.model.choose(logits[:, t], t, inputs) for t in range(logits.shape[1])], axis=1)


def openings(logits, inputs, ids):
    """Of a row's number the logits of the first token that a search chose itself, after the prompt; None without one.

    Args:
        logits: inputs of one row, ids [1, T] -> [1, T, V].
    """

    def opening(row):
        first = int((inputs["prompt"][row] != PAD).sum()) if "prompt" in inputs else 0
        one = {name: array[row : row + 1] for name, array in inputs.items()}
        return logits(one, ids[row : row + 1, : first + 1])[0, first] if first < ids.shape[1] else None

    return opening


def fed(ids):
    """What a search feeds to `step` when it chooses `ids` [n, T]: each row one further, START first."""
    return np.pad(ids[:, :-1].astype("int32"), [(0, 0), (1, 0)], constant_values=START)


def alive(ids):
    """Where a row of `ids` [n, T] had not ended yet when its token was chosen."""
    return np.logical_and.accumulate((fed(ids) != END) & (fed(ids) != PAD), axis=1)


def chunks(function, inputs, rows):
    """Many rows a call: (outputs, milliseconds an example)."""
    outputs, seconds = [], []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        begin = time.perf_counter()
        outputs.append(function({name: tf.constant(array[chunk]) for name, array in inputs.items()}))
        seconds.append((time.perf_counter() - begin) / len(chunk))
    return joined(outputs), 1000 * float(np.median(seconds))


def one_by_one(function, inputs, rows):
    """A row a call: (outputs, milliseconds an example)."""
    outputs, seconds = [], []
    for row in rows:
        one = {name: array[row : row + 1] for name, array in inputs.items()}
        begin = time.perf_counter()
        outputs.append(function(one))
        seconds.append(time.perf_counter() - begin)
    return joined(outputs), 1000 * float(np.median(seconds))


def joined(outputs):
    return {name: np.concatenate([np.asarray(one[name]) for one in outputs]) for name in outputs[0]}
