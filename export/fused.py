"""LiteRT's fused LSTM: a whole layer over time as one operator, UNIDIRECTIONAL_SEQUENCE_LSTM.

The operator's state is a variable of the file, which CompiledModel refuses: only the interpreter runs such a file. It
begins where the call before it ended; a step put in front of the sequence, whose gates are all shut, sets h and c to
zeros. So an initial state cannot be given, and what comes out is h of each step, c of none. Zero times what is not a
number is none: after such an input the state stays so until the interpreter's `reset_all_variables`.
"""

import numpy as np
import tensorflow as tf

from seqkeras.cells import LSTM
from seqkeras.export.loops import batches, in_order
from seqkeras.rnn.loops import pooled

_LAYER, _CELL_STATE = "a_fused_lstm", "the_cell_state_of_a_fused_lstm"
_SHUT = -100.0  # of which the sigmoid is 0 in float32
_LEAST = 1e-6  # of the weight that carries it: what is much less, a file holds as 0


def loop(cell, inputs, mask, state, *, reverse=False, noise=None, pooling=None):
    """The fused layer of a cell, see `seqkeras.rnn.loops`; batches of more than one go through `loops.batches`."""
    if type(cell) is not LSTM:
        raise ValueError(
            f'Expected recurrent layers of LSTM as it is with strategy="fused". Received: {type(cell).__name__}; each '
            "of the other strategies takes it"
        )

    if inputs.shape[0] != 1:
        return batches(cell, inputs, mask, state, reverse=reverse, noise=noise, pooling=pooling)
    begun = [tf.get_static_value(one) for one in state]
    if any(value is None or value.any() for value in begun):
        raise ValueError('Expected layers that begin at zeros with strategy="fused". Received: an initial state')
    rows, end, back = in_order(tf.transpose(inputs, (1, 0, 2)), None if mask is None else tf.transpose(mask), reverse)
    first, weights = _shutting(cell)
    rows = tf.concat([first, tf.pad(rows, [(0, 0), (0, 0), (0, 1)])], axis=0)
    own = [tf.constant(-np.zeros(one.shape, "float32")) for one in state]  # -0: the converter merges equal constants
    outputs = tf.identity(_sequence(rows, own, weights), _LAYER)
    final = tf.gather(outputs, end), tf.identity(state[1], _CELL_STATE)
    return pooled(tf.transpose(back(outputs[1:]), (1, 0, 2)), mask, final, pooling)


def check(functions):
    """Raises ValueError for traced functions without a fused layer, or with outputs that are made of a layer's c."""
    todo, seen = [x.op for function in functions for x in function.outputs], set()
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += [x.op for x in one.inputs]
    names = {one.name.rpartition("/")[2].rstrip("_0123456789") for one in seen}
    if _CELL_STATE in names:
        raise ValueError(
            'Expected a model that goes on from no recurrent layer\'s final state with strategy="fused", since the '
            "operator does not give out c. Received: one that does; each of the other strategies takes it"
        )
    if _LAYER not in names:
        raise ValueError(
            'Expected a model with a recurrent layer over a whole sequence with strategy="fused". Received: one without'
        )


def _shutting(cell):
    """A row [1, 1, D + 1] that shuts a cell's gates, and the weights for it and for rows with a 0 after them.

    The weights are in the order of Keras, i, f, g, o, and NumPy's: the row is as large as they make necessary, its
    weight as large as the largest next to it, so that 8-bit weights lose nothing by it.
    """
    gates = "ifgo"
    kernel, recurrent, bias = (
        dict(zip(cell.gates, np.split(tf.get_static_value(w.value), 4, axis=-1), strict=True))
        for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    lift = max((np.abs(recurrent[k]).sum(axis=0) + np.abs(bias[k])).max() for k in "ifo")  # |h| is at most 1
    largest = {k: max(np.abs(kernel[k]).max(), _LEAST) for k in "ifo"}
    kernel = {k: np.pad(kernel[k], [(0, 1), (0, 0)], constant_values=largest.get(k, 0.0)) for k in gates}
    row = np.zeros((1, 1, len(kernel["i"])), "float32")
    row[..., -1] = max((_SHUT - lift) / min(largest.values()), np.finfo("float32").min)
    return row, [np.concatenate([one[k] for k in gates], axis=-1) for one in (kernel, recurrent, bias)]


def _sequence(rows, state, weights):
    """rows [T, 1, D] -> h of each step [T, 1, H], in a function that LiteRT's converter knows by its attributes."""

    def standard_lstm(inputs, h, c, kernel, recurrent_kernel, bias):
        def step(t, h, c, outputs):
            z = tf.matmul(inputs[t], kernel) + tf.matmul(h, recurrent_kernel) + bias
            i, f, g, o = tf.split(z, 4, axis=1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            return t + 1, h, c, outputs.write(t, h)

        T = inputs.shape[0]
        outputs = tf.TensorArray(inputs.dtype, T, element_shape=h.shape)
        _, h, c, outputs = tf.while_loop(lambda t, *_: t < T, step, (0, h, c, outputs))
        return h, outputs.stack(), h, c, tf.constant(1.0)

    attributes = {
        "api_implements": "lstm_of_the_house",
        "api_preferred_device": "CPU",
        "time_major": True,
        "go_backwards": False,
    }
    function = tf.function(standard_lstm, autograph=False, experimental_attributes=attributes)
    return function(rows, *state, *weights)[1]
