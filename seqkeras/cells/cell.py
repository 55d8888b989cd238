"""One time step of every recurrent network, as equations.

A cell is two functions and the shape of its state:

    project(inputs)               everything that does not depend on the state, for many time steps at once
    step(projected, state)        -> (output, state), one time step; the state begins with the output
    initial_state(batch)          -> a tuple of zeros [B, units]

`project` is given the steps of a sequence in one call or in several and treats each step by itself; what is drawn for
the whole of a sequence is drawn by `once`. Matrix products of a step are written `product(h, U)`. The loop over time
lives in `loops` and serves every cell; a new cell is a subclass of `Cell` and nothing else, and is then known by its
class name wherever a `cell=` is asked for. Here: Elman, Jordan, GRU. `cells_lstm` has the LSTM and its variants,
`cells_discovered` the cells found by search, `cells.noise` the normalised and the noisy ones.

Letters: B batch, T time, D input width, H units; x_t input, h_t hidden state, W input matrix, U recurrent matrix,
b bias; * is the element-wise product.
"""

import contextlib
import contextvars

import keras
from keras import ops

from seqkeras import arguments

_matmul = contextvars.ContextVar("matmul", default=ops.matmul)


_apart = contextvars.ContextVar("apart", default=False)


_drawn = contextvars.ContextVar("drawn", default=None)


def product(h, kernel):
    """h U, the matrix product of a step: [B, H], [H, K] -> [B, K].

    Cells write it so that the loop can keep its results and form the gradient of U once, over all time steps.
    """
    return _matmul.get()(h, kernel)


@contextlib.contextmanager
def products(function):
    """Inside, `product` is `function`."""
    token = _matmul.set(function)
    try:
        yield
    finally:
        _matmul.reset(token)


def dropping(kept):
    """Inside, `product(h, U)` is that of h * kept and U, kept [B, H]."""
    matmul = _matmul.get()
    return products(lambda h, kernel: matmul(h * kept, kernel))


def together(function, *blocks):
    """An element-wise function of several blocks [B, H], in one pass over all: faster than one by one under XLA."""
    if _apart.get() or not blocks:
        return [function(block) for block in blocks]
    return ops.split(function(ops.concatenate(blocks, axis=-1)), len(blocks), axis=-1)


@contextlib.contextmanager
def apart():
    """Inside, `together` goes through its blocks one by one: faster where each operator is run for itself."""
    token = _apart.set(True)
    try:
        yield
    finally:
        _apart.reset(token)


@contextlib.contextmanager
def one_sequence():
    """Inside, each call of `project` is given a part of the same sequences: what is drawn `once` is drawn once."""
    token = _drawn.set({})
    try:
        yield
    finally:
        _drawn.reset(token)


def once(key, draw):
    """What `draw` draws for whole sequences; `key` tells it from what else is drawn."""
    drawn = _drawn.get()
    if drawn is None:
        return draw()
    if key not in drawn:
        drawn[key] = draw()
    return drawn[key]


class Cell(keras.layers.Layer):
    """Weights W, U and b with a block of H columns a gate, and the affine map of the input.

    `gates` names the blocks in their order, a letter each; `num_states` counts the vectors of the state.

    Args:
        units: width H of the state.
    """

    gates = "h"
    num_states = 1

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(units=units)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.input_weight("kernel", input_shape[-1], len(self.gates))
        self.recurrent_kernel = self.recurrent_weight("recurrent_kernel", len(self.gates))
        self.bias = self.bias_weight("bias", len(self.gates), self.initial_bias)

    def input_weight(self, name, width, gates=1):
        return self.add_weight(name=name, shape=(width, gates * self.units), initializer="glorot_uniform")

    def recurrent_weight(self, name, gates=1):
        return self.add_weight(name=name, shape=(self.units, gates * self.units), initializer="orthogonal")

    def bias_weight(self, name, gates=1, initializer="zeros"):
        return self.add_weight(name=name, shape=(gates * self.units,), initializer=initializer)

    def initial_bias(self, shape, dtype=None):
        return ops.zeros(shape, dtype)

    def project(self, inputs, training=False):
        """W x + b, for many steps at once: inputs [T, B, D], or [B, D] for one -> [..., len(gates) * H]."""
        return ops.matmul(inputs, self.kernel) + self.bias

    def step(self, projected, state):
        raise NotImplementedError(f"{type(self).__name__} must define step(projected, state) -> (output, state)")

    def split(self, x):
        """The blocks of x: [..., len(gates) * H] -> len(gates) times [..., H]."""
        return ops.split(x, len(self.gates), axis=-1)

    def initial_state(self, batch):
        return tuple(ops.zeros((batch, self.units), dtype=self.compute_dtype) for _ in range(self.num_states))

    def call(self, inputs, state):
        """One step from raw input: inputs [B, D], state tuple of [B, H] -> (output [B, H], state)."""
        return self.step(self.project(inputs), state)
