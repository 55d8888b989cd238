"""Long short-term memory. Letters as in `cells.cell`; c_t is the cell state, i, f, o are the gates."""

import keras

from seqkeras.cells.cell import Cell
from seqkeras.saving import saveable


@saveable
class LSTM(Cell):
    """Long short-term memory with input, forget and output gates.

        i, f, o = sigmoid(W x_t + U h_{t-1} + b)                        input, forget, output gate
        c_t = f * c_{t-1} + i * tanh(W_g x_t + U_g h_{t-1} + b_g)
        h_t = o * tanh(c_t)

    The forget gate's bias starts at 1. `greff_lstm` has the variants with peepholes and others.

    References: Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000; bias 1: Jozefowicz,
    Zaremba & Sutskever 2015.
    """

    gates = "ifog"
    num_states = 2

    def initial_bias(self, shape, dtype=None):
        ones_of_f = keras.ops.convert_to_tensor([float(gate == "f") for gate in self.gates], dtype)
        return keras.ops.repeat(ones_of_f, self.units)

    def step(self, projected, state, ops):
        h, c = state
        i, f, o, g = self.split(projected + ops.matmul(h, self.recurrent_kernel))
        i, f, o = ops.sigmoid(i, f, o)
        c = f * c + i * ops.tanh(g)
        h = o * ops.tanh(c)
        return h, c
