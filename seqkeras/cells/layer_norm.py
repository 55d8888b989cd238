"""Cells with layer normalisation inside the step. Letters as in `cells.cell`."""

import keras

from seqkeras.cells.cell import Cell
from seqkeras.cells.lstm import LSTM
from seqkeras.saving import saveable


def normalize(x, gain):
    """LN(x; gain) = gain * (x - mean) / sqrt(variance + 1e-5), over the last axis."""
    return gain * keras.ops.layer_normalization(x, epsilon=1e-5)


@saveable
class LayerNormLSTM(LSTM):
    """Long short-term memory with layer normalisation:

        i, f, o, g = LN(W x_t; v) + LN(U h_{t-1}; u) + b            over the four blocks together
        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
        h_t = sigmoid(o) * tanh(LN(c_t; m) + d)

    The gains v, u and m start at 1. The paper's three biases of the first line are their sum b.

    Reference: Ba, Kiros & Hinton, Layer normalization, 2016, supplementary material.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.input_gain = self.bias_weight("input_gain", 4, "ones")
        self.recurrent_gain = self.bias_weight("recurrent_gain", 4, "ones")
        self.state_gain = self.bias_weight("state_gain", 1, "ones")
        self.state_bias = self.bias_weight("state_bias")

    def project(self, inputs):
        return normalize(keras.ops.matmul(inputs, self.kernel), self.input_gain) + self.bias

    def step(self, projected, state, ops):
        h, c = state
        u = normalize(ops.matmul(h, self.recurrent_kernel), self.recurrent_gain)
        i, f, o, g = self.split(projected + u)
        i, f, o = ops.sigmoid(i, f, o)
        c = f * c + i * ops.tanh(g)
        h = o * ops.tanh(normalize(c, self.state_gain) + self.state_bias)
        return h, c


@saveable
class LayerNormGRU(Cell):
    """Gated recurrent unit, reset after the product, with layer normalisation:

        z, r = LN(W x_t; v) + LN(U h_{t-1}; u) + b                  over both blocks together
        n = tanh(LN(W_n x_t; v_n) + b_n + sigmoid(r) * (LN(U_n h_{t-1}; u_n) + d_n))
        h_t = (1 - sigmoid(z)) * h_{t-1} + sigmoid(z) * n           z = 1 takes the new state

    The gains start at 1.

    Reference: Ba, Kiros & Hinton, Layer normalization, 2016, supplementary material.
    """

    gates = "zrn"

    def build(self, input_shape):
        super().build(input_shape)
        self.input_gain = self.bias_weight("input_gain", 3, "ones")
        self.recurrent_gain = self.bias_weight("recurrent_gain", 3, "ones")
        self.reset_bias = self.bias_weight("reset_bias")

    def project(self, inputs):
        return self.normalize(keras.ops.matmul(inputs, self.kernel), self.input_gain) + self.bias

    def step(self, projected, state, ops):
        (h,) = state
        z, r, n = self.split(projected)
        hz, hr, hn = self.split(self.normalize(ops.matmul(h, self.recurrent_kernel), self.recurrent_gain))
        z, r = ops.sigmoid(z + hz, r + hr)
        n = ops.tanh(n + r * (hn + self.reset_bias))
        h = (1.0 - z) * h + z * n
        return (h,)

    def normalize(self, x, gain):
        """The blocks z and r together, the block n by itself."""
        gates = 2 * self.units
        parts = normalize(x[..., :gates], gain[:gates]), normalize(x[..., gates:], gain[gates:])
        return keras.ops.concatenate(parts, axis=-1)
