"""One time step of every recurrent network, as equations.

A cell is two functions and the shape of its state:

    project(inputs)               everything that does not depend on the state, for many time steps at once
    step(projected, state)        -> (output, state), one time step; the state begins with the output
    initial_state(batch)          -> a tuple of zeros [B, units]

`project` is given the steps of a sequence in one call or in several and treats each step by itself; what is drawn for
the whole of a sequence is drawn by `once`. Matrix products of a step are written `product(h, U)`. The loop over time
lives in `loops` and serves every cell; a new cell is a subclass of `Cell` and nothing else, and is then known by its
class name wherever a `cell=` is asked for. Here: Elman, Jordan, GRU. `cells_lstm` has the LSTM and its variants,
`cells_discovered` the cells found by search, `cells_regularized` the normalised and the noisy ones.

Letters: B batch, T time, D input width, H units; x_t input, h_t hidden state, W input matrix, U recurrent matrix,
b bias; * is the element-wise product.
"""

import contextlib
import contextvars

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.saving import saveable

ACTIVATIONS = ("linear", "hard_tanh", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "selu")

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


@saveable
class SimpleRNN(Cell):
    """The Elman network:  h_t = s(W x_t + U h_{t-1} + b).

    Args:
        units: width H.
        activation: s, one of `ACTIVATIONS` (the slope of leaky_relu below zero is 0.2).

    Reference: Elman, Finding structure in time, Cognitive Science 14 (1990).
    """

    def __init__(self, units, activation="tanh", **kwargs):
        super().__init__(units, **kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(f"Expected activation to be one of {', '.join(ACTIVATIONS)}. Received: {activation=}")
        self.squash = keras.activations.get(activation)

    def step(self, projected, state):
        (h,) = state
        h = self.squash(projected + product(h, self.recurrent_kernel))
        return h, (h,)


@saveable
class OneMatrixRNN(SimpleRNN):
    """The Elman network with one matrix M over the stacked vector:  h_t = s(M (h_{t-1}, x_t) + b).

    The same function as `SimpleRNN`: the first H rows of M are U, the D rows below them W.
    """

    def build(self, input_shape):
        self.kernel = self.input_weight("kernel", self.units + input_shape[-1])
        self.bias = self.bias_weight("bias")

    def project(self, inputs, training=False):
        return ops.matmul(inputs, self.kernel[self.units :]) + self.bias

    def step(self, projected, state):
        (h,) = state
        h = self.squash(projected + product(h, self.kernel[: self.units]))
        return h, (h,)


@saveable
class Jordan(SimpleRNN):
    """The Jordan network, whose only recurrence is from its previous output:

        h_t = s(W x_t + U y_{t-1} + b)      y_t = s(V h_t + c)

    The output has the width of the hidden layer; `activation` is s of both.

    Reference: Jordan, Serial order: a parallel distributed processing approach, 1986.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.output_kernel = self.recurrent_weight("output_kernel")
        self.output_bias = self.bias_weight("output_bias")

    def output_of(self, h):
        return self.squash(product(h, self.output_kernel) + self.output_bias)

    def step(self, projected, state):
        (y,) = state
        h = self.squash(projected + product(y, self.recurrent_kernel))
        y = self.output_of(h)
        return y, (y,)


@saveable
class OutputToHidden(Jordan):
    """Output-to-hidden connections (U) in addition to hidden-to-hidden ones (R):

        h_t = s(W x_t + U y_{t-1} + R h_{t-1} + b)      y_t = s(V h_t + c)

    Reference: Goodfellow, Bengio & Courville, Deep Learning, 2016, section 10.2: the connections of its first two
    designs in one.
    """

    num_states = 2

    def build(self, input_shape):
        super().build(input_shape)
        self.hidden_kernel = self.recurrent_weight("hidden_kernel")

    def step(self, projected, state):
        y, h = state
        h = self.squash(projected + product(y, self.recurrent_kernel) + product(h, self.hidden_kernel))
        y = self.output_of(h)
        return y, (y, h)


@saveable
class GRU(Cell):
    """Gated recurrent unit, reset gate after the matrix product.

        z, r = sigmoid(W x_t + U h_{t-1} + b)                       update, reset
        n = tanh(W_n x_t + b_n + r * (U_n h_{t-1} + d_n))
        h_t = z * h_{t-1} + (1 - z) * n

    Here and in `ResetBeforeGRU` z = 1 keeps the old state, as in Cho et al. 2014, cuDNN, Keras and PyTorch. Chung et
    al. 2014 print the other convention, h_t = (1 - z) * h_{t-1} + z * n; W_z, U_z and b_z then change their sign.

    Reference: Cho et al. 2014, section 2.3; the reset after the product as in cuDNN (Keras: `reset_after=True`).
    """

    gates = "zrn"

    def build(self, input_shape):
        super().build(input_shape)
        self.reset_bias = self.bias_weight("reset_bias")

    def step(self, projected, state):
        (h,) = state
        z, r, n = self.split(projected)
        hz, hr, hn = self.split(product(h, self.recurrent_kernel))
        z, r = together(ops.sigmoid, z + hz, r + hr)
        n = ops.tanh(n + r * (hn + self.reset_bias))
        h = z * h + (1.0 - z) * n
        return h, (h,)


@saveable
class ResetBeforeGRU(Cell):
    """Gated recurrent unit, reset gate before the matrix product.

        z, r = sigmoid(W x_t + U h_{t-1} + b)                       update, reset
        n = tanh(W_n x_t + U_n (r * h_{t-1}) + b_n)
        h_t = z * h_{t-1} + (1 - z) * n                             z = 1 keeps the old state

    Reference: Cho et al., Learning phrase representations using RNN encoder-decoder, 2014, section 2.3.
    """

    gates = "zrn"

    def build(self, input_shape):
        self.kernel = self.input_weight("kernel", input_shape[-1], 3)
        self.recurrent_kernel = self.recurrent_weight("recurrent_kernel", 2)
        self.candidate_kernel = self.recurrent_weight("candidate_kernel")
        self.bias = self.bias_weight("bias", 3)

    def step(self, projected, state):
        (h,) = state
        z, r, n = self.split(projected)
        hz, hr = ops.split(product(h, self.recurrent_kernel), 2, axis=-1)
        z, r = together(ops.sigmoid, z + hz, r + hr)
        n = ops.tanh(n + product(r * h, self.candidate_kernel))
        h = z * h + (1.0 - z) * n
        return h, (h,)


def names():
    """The names `cell=` accepts, lower-case, and their classes: every subclass of `Cell`, yours included."""
    known = {}
    for cls in _subclasses(Cell):
        name = cls.__name__.lower()
        if name in known and known[name].__module__ != cls.__module__:
            raise ValueError(
                f"Expected one cell of a name. Received: {name} in {known[name].__module__} and in {cls.__module__}"
            )
        known[name] = cls  # of one module the newest, as when a notebook's cell is run again
    return known


def make(name, units):
    """The cell called `name` with `units` units.

    Args:
        name: a class name in any case; after a colon the activation of a cell that has one: "lstm", "jordan:relu".
        units: width H.

    Raises:
        ValueError: no cell has that name, or not that activation; the message lists those that exist.
    """
    known = names()
    kind, _, activation = str(name).lower().partition(":")
    if kind not in known:
        raise ValueError(f"Expected cell to be one of {', '.join(sorted(known))}. Received: cell={name!r}")
    if not activation:
        return known[kind](units)
    if not issubclass(known[kind], SimpleRNN):
        raise ValueError(f"Expected no activation: that of {kind} is fixed. Received: cell={name!r}")
    return known[kind](units, activation)


def _subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)
