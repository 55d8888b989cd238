"""One time step of a recurrent network, as equations.

A cell is two functions and the shape of its state:

    project(inputs)               everything that does not depend on the state, for all time steps at once
    step(projected, state)        -> (output, state), one time step
    initial_state(batch)          -> a tuple of zeros [B, units]

Matrix products of a step are written `product(h, U)`. The loop over time lives in `recurrence` and serves every cell;
a new cell is a subclass of `Cell` here and nothing else, and is then known by its class name, in any case, wherever a
`cell=` is asked for.

Letters: B batch, T time, D input width, H units; x_t input, h_t hidden state; * is the element-wise product.
"""

import contextlib
import contextvars

import keras
from keras import ops

from seqkeras.saving import saveable

_matmul = contextvars.ContextVar("matmul", default=ops.matmul)


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


class Cell(keras.layers.Layer):
    """Weights W (input), U (recurrent) and b of `num_gates` gates side by side, and the affine map of the input.

    Args:
        units: width H of the state.
    """

    num_gates = 1
    num_states = 1

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(units, int) or units < 1:
            raise ValueError(f"Expected units to be a positive integer. Received: units={units!r}")
        self.units = units

    def build(self, input_shape):
        gates = self.num_gates * self.units
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], gates), initializer="glorot_uniform")
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, gates), initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(gates,), initializer="zeros")

    def project(self, inputs):
        """W x + b: inputs [..., D] -> [..., num_gates * H]."""
        return ops.matmul(inputs, self.kernel) + self.bias

    def step(self, projected, state):
        raise NotImplementedError(f"{type(self).__name__} must define step(projected, state) -> (output, state)")

    def initial_state(self, batch):
        return tuple(ops.zeros((batch, self.units), dtype=self.compute_dtype) for _ in range(self.num_states))

    def call(self, inputs, state):
        """One step from raw input: inputs [B, D], state tuple of [B, H] -> (output [B, H], state)."""
        return self.step(self.project(inputs), state)


@saveable
class SimpleRNN(Cell):
    """The Elman network:  h_t = tanh(W x_t + U h_{t-1} + b).

    Reference: Elman, Finding structure in time, Cognitive Science 14 (1990), section 2.
    """

    def step(self, projected, state):
        (h,) = state
        h = ops.tanh(projected + product(h, self.recurrent_kernel))
        return h, (h,)


@saveable
class LSTM(Cell):
    """Long short-term memory with input, forget and output gates.

        i, f, o = sigmoid(W x_t + U h_{t-1} + b)      g = tanh(W_g x_t + U_g h_{t-1} + b_g)
        c_t = f * c_{t-1} + i * g                     h_t = o * tanh(c_t)

    Gates lie side by side in the order i, f, o, g; the forget gate's bias starts at 1.

    References: Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000; bias 1: Jozefowicz,
    Zaremba & Sutskever 2015, section 4.
    """

    num_gates = 4
    num_states = 2

    def build(self, input_shape):
        super().build(input_shape)
        self.bias.assign(ops.repeat(ops.convert_to_tensor([0.0, 1.0, 0.0, 0.0]), self.units))

    def step(self, projected, state):
        h, c = state
        i, f, o, g = ops.split(projected + product(h, self.recurrent_kernel), 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, (h, c)


@saveable
class GRU(Cell):
    """Gated recurrent unit, reset gate after the matrix product.

        z, r = sigmoid(W x_t + U h_{t-1} + b)                       update, reset
        n = tanh(W_n x_t + b_n + r * (U_n h_{t-1} + d_n))
        h_t = z * h_{t-1} + (1 - z) * n                             z = 1 keeps the old state

    Reference: Cho et al. 2014, section 2.3; the reset after the product as in cuDNN (Keras: `reset_after=True`).
    """

    num_gates = 3

    def build(self, input_shape):
        super().build(input_shape)
        self.reset_bias = self.add_weight(name="reset_bias", shape=(self.units,), initializer="zeros")

    def step(self, projected, state):
        (h,) = state
        z, r, n = ops.split(projected, 3, axis=-1)
        hz, hr, hn = ops.split(product(h, self.recurrent_kernel), 3, axis=-1)
        z, r = ops.sigmoid(z + hz), ops.sigmoid(r + hr)
        n = ops.tanh(n + r * (hn + self.reset_bias))
        h = z * h + (1.0 - z) * n
        return h, (h,)


def names():
    """The names `cell=` accepts, lower-case: every subclass of `Cell`, yours included."""
    return {cls.__name__.lower(): cls for cls in _subclasses(Cell)}


def make(name, units):
    """The cell called `name` (its class name in any case) with `units` units.

    Raises:
        ValueError: no cell has that name; the message lists those that exist.
    """
    known = names()
    if not isinstance(name, str) or name.lower() not in known:
        raise ValueError(f"Expected cell to be one of {', '.join(sorted(known))}. Received: cell={name!r}")
    return known[name.lower()](units)


def _subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)
