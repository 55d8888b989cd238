"""Every cell over time, on the backend that Keras runs on: outputs, final states and all gradients, as arrays.

From a process of its own, into a file: KERAS_BACKEND=jax python -m tests.slopes SEED FILE
"""

import sys

import keras
import numpy as np
from keras import ops

from seqkeras import cells
from seqkeras.cells import VariationalDropout, Zoneout
from seqkeras.rnn.recurrence import Recurrence

B, T, D, H = 3, 6, 2, 3
MASK = np.array([[1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]], bool)  # holes; a row that is all mask
CELLS = sorted(name for name, cls in cells.names().items() if cls.__module__.startswith(cells.__name__))


def layers(cell):
    """The cell forwards, and backwards in noise of rate 0, which is drawn, goes through the loop and does nothing."""
    bare, wrapped = cells.make(cell, H), Zoneout(VariationalDropout(cells.make(cell, H)), 0.0)
    made = Recurrence(bare), Recurrence(wrapped, reverse=True)
    for layer in made:
        layer.build((None, None, D))
    return made


def drawn(layer, seed):
    """Inputs, initial state and weights, the same on every backend; none at zero, where a gradient lost goes unseen."""
    random = np.random.default_rng([seed, layer.reverse])
    shapes = [(B, T, D), *[(B, H)] * layer.cell.num_states, *(v.shape for v in layer.trainable_variables)]
    return [random.normal(scale=0.7, size=shape).astype("float32") for shape in shapes]


def said(layer, x, *rest):
    """([outputs, *final state], a number that each of them has a part in)."""
    state, weights = rest[: layer.cell.num_states], rest[layer.cell.num_states :]
    fixed = [v.value for v in layer.non_trainable_variables]
    answer, _ = layer.stateless_call(weights, fixed, x, mask=MASK, initial_state=state, training=True)
    parts = keras.tree.flatten(answer)
    return parts, sum(ops.sum(p * np.cos(np.arange(np.prod(p.shape))).reshape(p.shape).astype("f")) for p in parts)


def near(received, expected, cell):
    """Equal but for the rounding of float32, which normalising grows where a variance is nearly zero."""
    bound = 1e-3 if "layernorm" in cell else 1e-5
    np.testing.assert_allclose(received, expected, rtol=bound, atol=bound, err_msg=cell)


def in_jax(seed):
    """dict of cell -> list of arrays: of both its layers the outputs, the final state and the gradients."""
    import jax

    def run(layer, given):
        def score(given):
            parts, number = said(layer, *given)
            return number, parts

        gradients, parts = jax.grad(score, has_aux=True)(given)
        return parts + gradients

    found = {}
    for cell in CELLS:
        made = layers(cell)
        both = jax.jit(lambda given, made=made: sum((run(*one) for one in zip(made, given, strict=True)), []))
        found[cell] = both([drawn(layer, seed) for layer in made])
    return found


def in_tensorflow(layer, seed, wrap=lambda function: function):
    """The arrays of one layer, through `wrap`: `tf.function`, or nothing."""
    import tensorflow as tf

    @wrap
    def run(*given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            parts, number = said(layer, *given)
        return parts + tape.gradient(number, list(given))

    return run(*map(tf.constant, drawn(layer, seed)))


if __name__ == "__main__":
    found = in_jax(int(sys.argv[1]))
    if "tensorflow" in sys.modules:
        raise SystemExit("Expected JAX alone. Received: TensorFlow beside it")
    np.savez(sys.argv[2], **{f"{cell} {i}": x for cell, arrays in found.items() for i, x in enumerate(arrays)})
