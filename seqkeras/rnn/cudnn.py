"""LSTM and GRU by cuDNN, NVIDIA's library for its GPUs, through the layers of Keras that call it under TensorFlow.

Without a GPU the same layers go through their own loop; that their numbers are those of ours is tested there. A graph
traced with a GPU holds cuDNN's operators, which CPUs have not; what `export` writes holds the loop.
"""

import functools
import threading
import warnings

import keras
import tensorflow as tf
from keras import ops

from seqkeras.cells.cell import Cell
from seqkeras.cells.gru import GRU
from seqkeras.cells.lstm import LSTM
from seqkeras.cells.noise import Noise
from seqkeras.layers import masking
from seqkeras.rnn import handwritten_backward
from seqkeras.rnn.loops import masked_outputs, pooled


def reason(cell, mask=None):
    """One line that says why cuDNN does not run a cell; None if it does.

    Args:
        cell: a `cells.Cell`, as it is or wrapped in noise.
        mask: bool [B, T] whose values are known, or None. A mask in a graph is looked at when it runs.
    """
    why = []
    if type(cell) not in AS_KERAS:
        why.append(f"it has {' and '.join(one.__name__ for one in AS_KERAS)} as they are, no {type(cell).__name__}")
    if cell.compute_dtype not in ("float16", "float32", "float64"):
        why.append(f"it has not been tried in {cell.compute_dtype}")
    if mask is not None and not right_padded(mask):
        why.append("it takes padding behind the real steps of a row alone")
    if not tf.config.get_visible_devices("GPU"):
        why.append("TensorFlow sees no GPU")
    return f"no cuDNN: {'; '.join(why)}" if why else None


def permits(cell):
    """Whether cuDNN runs a cell. Where there is a GPU and it does not, a warning gives the `reason`, of a `Cell`."""
    why = reason(cell)
    if why and isinstance(cell, (Cell, Noise)) and tf.config.get_visible_devices("GPU"):
        warnings.warn(why, stacklevel=2)
    return why is None


def right_padded(mask):
    """Whether nothing real stands after padding in any row of a mask [B, T]: bool []."""
    return tf.reduce_all(mask[:, :-1] | ~mask[:, 1:])


def loop(cell, inputs, mask, state, *, reverse=False, noise=None, pooling=None):
    """The loop of a cell that cuDNN `permits`, see `rnn.loops`.

    An empty batch, and a mask that is not `right_padded`, go through `handwritten_backward.loop`.
    """
    mask = masking.everywhere(inputs) if mask is None else mask

    def by_cudnn():
        first = tf.range(tf.shape(mask)[1]) == 0
        outputs, final = _all_steps(cell, inputs, mask | first, state, reverse)  # cuDNN wants a real step in each row
        some = tf.reduce_any(mask, axis=1)[:, None]
        return masked_outputs(outputs, mask), tuple(tf.where(some, n, s) for n, s in zip(final, state, strict=True))

    def by_hand():
        return handwritten_backward.loop(cell, inputs, mask, state, reverse=reverse, noise=noise)

    outputs, final = tf.cond((tf.size(mask) > 0) & right_padded(mask), by_cudnn, by_hand)
    return pooled(outputs, mask, final, pooling)


def _all_steps(cell, inputs, mask, state, reverse):
    """(outputs [B, T, H] in the order of the input, final state), by the layer of Keras with the cell's weights."""
    _, weights = AS_KERAS[type(cell)]
    layer, names = layer_for(cell, reverse), ("kernel", "recurrent_kernel", "bias")
    with _lock:
        try:
            for name, weight in zip(names, weights(cell), strict=True):  # the cell's own: `build` would make others
                setattr(layer.cell, name, ops.cast(weight, cell.compute_dtype))
            outputs, *final = layer(inputs, mask=mask, initial_state=list(state))
        finally:
            for name in names:
                layer.cell.__dict__.pop(name, None)
    return tf.reverse(outputs, [1]) if reverse else outputs, tuple(final)


_lock = threading.Lock()  # one layer of Keras serves all cells of its kind and size, one after the other


def layer_for(cell, reverse):
    """The layer of Keras, without weights, for a cell; made once, which should be before any graph."""
    return _layer(AS_KERAS[type(cell)][0], cell.units, reverse, cell.dtype_policy.name)


@functools.cache
def _layer(kind, units, reverse, dtype):
    """Its seed is fixed, for one of its own would change what others draw."""
    with tf.init_scope():
        layer = kind(units, go_backwards=reverse, return_sequences=True, return_state=True, dtype=dtype, seed=0)
    layer.built = layer.cell.built = True
    return layer


def _lstm(cell):
    """Keras's order of the gates is i, f, g, o."""

    def ordered(weight):
        i, f, o, g = cell.split(weight)
        return ops.concatenate([i, f, g, o], axis=-1)

    return ordered(cell.kernel), ordered(cell.recurrent_kernel), ordered(cell.bias)


def _gru(cell):
    """Keras's second bias stands after the product, for all three gates."""
    behind = ops.pad(cell.reset_bias, ((2 * cell.units, 0),))
    return cell.kernel, cell.recurrent_kernel, ops.stack([cell.bias.value, behind])


AS_KERAS = {LSTM: (keras.layers.LSTM, _lstm), GRU: (keras.layers.GRU, _gru)}  # and its kernel, recurrent kernel, bias
