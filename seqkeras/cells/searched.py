"""Cells that no one designed: three found by evolution (MUT1, MUT2, MUT3) and one by reinforcement learning (NAS).

Letters as in `cells.cell`. The papers write h_{t+1} from h_t and x_t, which is here h_t from h_{t-1} and x_t.
"""

import keras

from seqkeras.cells.cell import Cell
from seqkeras.saving import saveable


@saveable
class MUT1(Cell):
    """The first of three mutated GRUs:

        z = sigmoid(W_z x_t + b_z)                                  z = 1 takes the new state
        r = sigmoid(W_r x_t + U_r h_{t-1} + b_r)
        n = tanh(U_n (r * h_{t-1}) + tanh(x_t) + b_n)
        h_t = n * z + h_{t-1} * (1 - z)

    x_t enters n without a matrix, which is a sum of H numbers only where D = H. Where D is another width, P x_t stands
    for it, P [D, H] being learned.

    Reference: Jozefowicz, Zaremba & Sutskever, An empirical exploration of recurrent network architectures, 2015.
    """

    gates = "zrn"

    def build(self, input_shape):
        self.kernel = self.input_weight("kernel", input_shape[-1], 2)
        self.widen = _widen(self, input_shape[-1])
        self.recurrent_kernel = self.recurrent_weight("recurrent_kernel")
        self.candidate_kernel = self.recurrent_weight("candidate_kernel")
        self.bias = self.bias_weight("bias", 3)

    def project(self, inputs):
        bare = inputs if self.widen is None else keras.ops.matmul(inputs, self.widen)
        return keras.ops.concatenate([keras.ops.matmul(inputs, self.kernel), keras.ops.tanh(bare)], axis=-1) + self.bias

    def step(self, projected, state, ops):
        (h,) = state
        z, r, n = self.split(projected)
        z, r = ops.sigmoid(z, r + ops.matmul(h, self.recurrent_kernel))
        n = ops.tanh(n + ops.matmul(r * h, self.candidate_kernel))
        h = n * z + h * (1.0 - z)
        return (h,)


@saveable
class MUT2(Cell):
    """The second of three mutated GRUs:

        z = sigmoid(W_z x_t + U_z h_{t-1} + b_z)                    z = 1 takes the new state
        r = sigmoid(x_t + U_r h_{t-1} + b_r)
        n = tanh(U_n (r * h_{t-1}) + W_n x_t + b_n)
        h_t = n * z + h_{t-1} * (1 - z)

    x_t enters r without a matrix; as in `MUT1`, P x_t stands for it where D is not H.

    Reference: as for `MUT1`.
    """

    gates = "zrn"

    def build(self, input_shape):
        self.kernel = self.input_weight("kernel", input_shape[-1], 2)
        self.widen = _widen(self, input_shape[-1])
        self.recurrent_kernel = self.recurrent_weight("recurrent_kernel", 2)
        self.candidate_kernel = self.recurrent_weight("candidate_kernel")
        self.bias = self.bias_weight("bias", 3)

    def project(self, inputs):
        bare = inputs if self.widen is None else keras.ops.matmul(inputs, self.widen)
        z, n = keras.ops.split(keras.ops.matmul(inputs, self.kernel), 2, axis=-1)
        return keras.ops.concatenate([z, bare, n], axis=-1) + self.bias

    def step(self, projected, state, ops):
        (h,) = state
        z, r, n = self.split(projected)
        hz, hr = keras.ops.split(ops.matmul(h, self.recurrent_kernel), 2, axis=-1)
        z, r = ops.sigmoid(z + hz, r + hr)
        n = ops.tanh(n + ops.matmul(r * h, self.candidate_kernel))
        h = n * z + h * (1.0 - z)
        return (h,)


@saveable
class MUT3(Cell):
    """The third of three mutated GRUs:

        z = sigmoid(W_z x_t + U_z tanh(h_{t-1}) + b_z)              z = 1 takes the new state
        r = sigmoid(W_r x_t + U_r h_{t-1} + b_r)
        n = tanh(U_n (r * h_{t-1}) + W_n x_t + b_n)
        h_t = n * z + h_{t-1} * (1 - z)

    Reference: as for `MUT1`.
    """

    gates = "zrn"

    def build(self, input_shape):
        self.kernel = self.input_weight("kernel", input_shape[-1], 3)
        self.update_kernel = self.recurrent_weight("update_kernel")
        self.recurrent_kernel = self.recurrent_weight("recurrent_kernel")
        self.candidate_kernel = self.recurrent_weight("candidate_kernel")
        self.bias = self.bias_weight("bias", 3)

    def step(self, projected, state, ops):
        (h,) = state
        z, r, n = self.split(projected)
        hz, hr = ops.matmul(ops.tanh(h), self.update_kernel), ops.matmul(h, self.recurrent_kernel)
        z, r = ops.sigmoid(z + hz, r + hr)
        n = ops.tanh(n + ops.matmul(r * h, self.candidate_kernel))
        h = n * z + h * (1.0 - z)
        return (h,)


def _widen(cell, width):
    """P [D, H], or None where D = H and x_t needs no matrix."""
    return None if width == cell.units else cell.input_weight("widen", width)


@saveable
class NAS(Cell):
    """The recurrent cell found by neural architecture search. With x_k = W_k x_t + b_k and u_k = U_k h_{t-1}:

        a = tanh(sigmoid(x_0 + u_0) * relu(x_1 + u_1))
        b = tanh(sigmoid(x_2 + u_2) + relu(x_3 * u_3))
        d = tanh(tanh(x_4 + u_4) * sigmoid(x_5 + u_5))
        e = sigmoid(tanh(x_6 + u_6) + sigmoid(x_7 + u_7))
        c_t = tanh(a + c_{t-1}) * b
        h_t = tanh(c_t * tanh(d + e))

    The biases b_k, which start at zero, are not in the figure.

    Reference: Zoph & Le, Neural architecture search with reinforcement learning, 2017, figure 8 (the cell found
    without max and sin in the search space).
    """

    gates = "01234567"
    num_states = 2

    def step(self, projected, state, ops):
        h, c = state
        x = self.split(projected)
        u = self.split(ops.matmul(h, self.recurrent_kernel))
        s0, s2, s5, s7 = ops.sigmoid(*(x[k] + u[k] for k in (0, 2, 5, 7)))
        t4, t6 = ops.tanh(x[4] + u[4], x[6] + u[6])
        a, b, d = ops.tanh(s0 * keras.ops.relu(x[1] + u[1]), s2 + keras.ops.relu(x[3] * u[3]), t4 * s5)
        e = ops.sigmoid(t6 + s7)
        c = ops.tanh(a + c) * b
        h = ops.tanh(c * ops.tanh(d + e))
        return h, c
