"""Long short-term memory. Letters as in `cells.cell`; c_t is the cell state, i, f, o the gates, p their peepholes."""

from keras import ops

from seqkeras.cells.cell import Cell, product, together
from seqkeras.saving import saveable


@saveable
class LSTM(Cell):
    """Long short-term memory with input, forget and output gates.

        i = sigmoid(W_i x_t + U_i h_{t-1} + b_i)        f, o alike
        c_t = f * c_{t-1} + i * tanh(W_g x_t + U_g h_{t-1} + b_g)
        h_t = o * tanh(c_t)

    The forget gate's bias starts at 1, peepholes at 0. The subclasses are the variants of Greff et al. 2015, each by
    what it leaves out of their vanilla LSTM (`PeepholeLSTM`) or, once, adds; this class has no peepholes (NP).

    References: Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000; bias 1: Jozefowicz,
    Zaremba & Sutskever 2015; variants: Greff, Srivastava, Koutnik, Steunebrink & Schmidhuber, LSTM: a search space
    odyssey, 2015.
    """

    gates = "ifog"  # a gate left out is 1
    num_states = 2
    coupled = False
    peepholes = False
    gate_recurrence = False
    input_activation = staticmethod(ops.tanh)
    output_activation = staticmethod(ops.tanh)

    def build(self, input_shape):
        super().build(input_shape)
        peepholes = self.gates[:-1] if self.peepholes else ""
        self.peephole = {gate: self.bias_weight(f"peephole_{gate}") for gate in peepholes}
        sources = "ifo" if self.gate_recurrence else ""
        self.gate_kernels = [self.recurrent_weight(f"gate_kernel_{gate}", 3) for gate in sources]

    def initial_bias(self, shape, dtype=None):
        return ops.repeat(ops.convert_to_tensor([float(gate == "f") for gate in self.gates], dtype), self.units)

    def step(self, projected, state):
        h, c, *gates = state  # the gates of the step before: only with gate recurrence
        z = dict(zip(self.gates, self.split(projected + product(h, self.recurrent_kernel)), strict=True))
        for gate, kernel in zip(gates, self.gate_kernels, strict=True):
            for name, more in zip("ifo", ops.split(product(gate, kernel), 3, axis=-1), strict=True):
                z[name] += more
        opened = self.opened("if" if self.peepholes else "ifo", z, c)
        i = opened["i"]
        f = 1.0 - i if self.coupled else opened["f"]
        c = f * c + i * self.input_activation(z["g"])
        if self.peepholes:  # the output gate sees the new memory
            opened |= self.opened("o", z, c)
        o = opened["o"]
        h = o * self.output_activation(c)
        return h, (h, c, i, f, o) if self.gate_recurrence else (h, c)

    def opened(self, names, z, c):
        """The gates of these names; one left out is 1."""
        seen = {name: z[name] + self.peephole[name] * c if self.peepholes else z[name] for name in names if name in z}
        return dict.fromkeys(names, 1.0) | dict(zip(seen, together(ops.sigmoid, *seen.values()), strict=True))
