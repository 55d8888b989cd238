"""One time step of every recurrent network, as equations. A cell is three methods:

    initial_state(batch)            -> state, a tuple of zeros [B, H]
    project(inputs)                 everything that does not depend on the state, for many time steps at once
    step(projected, state, ops)     -> state after one time step; state[0] is the output

`project` treats each time step by itself. `ops` holds the products and gate functions of a step, see `StepOps`. The
loops over time in `rnn` serve every cell; a new cell is a subclass of `Cell` and nothing else, and is then known by its
class name wherever there is a `cell=`.

    class LeakyRNN(Cell):                                       SequenceClassifier(..., cell="leakyrnn")
        def step(self, projected, state, ops):
            (h,) = state
            return (0.9 * h + 0.1 * ops.tanh(projected + ops.matmul(h, self.recurrent_kernel)),)

With `gates = "zn"` there are two blocks of columns, which `self.split(projected)` gives; `num_states` counts the
vectors of the state. A `.keras` file with a cell of yours is loaded after its class has been defined.

Letters: B batch, T time, D input width, H units; x_t input, h_t hidden state, W input matrix, U recurrent matrix,
b bias; * is the element-wise product.
"""

import dataclasses
from collections.abc import Callable

import keras

from seqkeras import arguments


@dataclasses.dataclass(frozen=True)
class StepOps:
    """What a step computes with. The loop that runs a cell hands it to `Cell.step`.

    Attributes:
        matmul: h [B, H], U [H, K] -> h U [B, K]. A loop may keep the products, or compute them in blocks.
        merge: whether a gate function of several blocks runs once over all of them: faster under XLA, slower where each
            operator runs by itself, as on a device.
    """

    matmul: Callable = keras.ops.matmul
    merge: bool = True

    def sigmoid(self, *blocks):
        """The sigmoid of one block [B, H], or a list of those of several."""
        return self._of_each(keras.ops.sigmoid, blocks)

    def tanh(self, *blocks):
        """The hyperbolic tangent of one block [B, H], or a list of those of several."""
        return self._of_each(keras.ops.tanh, blocks)

    def dropping(self, kept):
        """The same, but with h * kept in the place of h in each product; kept [B, H]."""
        return dataclasses.replace(self, matmul=lambda h, kernel: self.matmul(h * kept, kernel))

    def _of_each(self, function, blocks):
        if len(blocks) == 1:
            return function(blocks[0])
        if not self.merge:
            return [function(block) for block in blocks]
        return keras.ops.split(function(keras.ops.concatenate(blocks, axis=-1)), len(blocks), axis=-1)


STEP_OPS = StepOps()


class Cell(keras.layers.Layer):
    """Weights W, U and b with a block of H columns per gate, and the affine map of the input.

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
        return keras.ops.zeros(shape, dtype)

    def project(self, inputs):
        """W x + b, for many steps at once: inputs [T, B, D], or [B, D] for one -> [..., len(gates) * H]."""
        return keras.ops.matmul(inputs, self.kernel) + self.bias

    def step(self, projected, state, ops):
        raise NotImplementedError(f"{type(self).__name__} must define step(projected, state, ops) -> state")

    def split(self, x):
        """The blocks of x: [..., len(gates) * H] -> len(gates) times [..., H]."""
        return keras.ops.split(x, len(self.gates), axis=-1)

    def initial_state(self, batch):
        return tuple(keras.ops.zeros((batch, self.units), dtype=self.compute_dtype) for _ in range(self.num_states))

    def call(self, inputs, state, ops=STEP_OPS):
        """One step from raw input: inputs [B, D], state tuple of [B, H] -> state; state[0] is the output."""
        return self.step(self.project(inputs), state, ops)
