"""Gated recurrent units. Letters as in `cells.cell`."""

import keras

from seqkeras.cells.cell import Cell
from seqkeras.saving import saveable


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

    def step(self, projected, state, ops):
        (h,) = state
        z, r, n = self.split(projected)
        hz, hr, hn = self.split(ops.matmul(h, self.recurrent_kernel))
        z, r = ops.sigmoid(z + hz, r + hr)
        n = ops.tanh(n + r * (hn + self.reset_bias))
        h = z * h + (1.0 - z) * n
        return (h,)


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

    def step(self, projected, state, ops):
        (h,) = state
        z, r, n = self.split(projected)
        hz, hr = keras.ops.split(ops.matmul(h, self.recurrent_kernel), 2, axis=-1)
        z, r = ops.sigmoid(z + hz, r + hr)
        n = ops.tanh(n + ops.matmul(r * h, self.candidate_kernel))
        h = z * h + (1.0 - z) * n
        return (h,)
