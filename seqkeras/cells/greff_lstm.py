"""The variants of long short-term memory of Greff et al. 2015: one class, from which each differs in one thing.

Letters as in `cells.cell`; c_t is the cell state, i, f, o are the gates, p their peepholes.
"""

import keras

from seqkeras.cells.lstm import LSTM
from seqkeras.saving import saveable


@saveable
class PeepholeLSTM(LSTM):
    """Long short-term memory with peepholes, gates that see the cell state; the vanilla LSTM (V) of Greff et al.

        i = sigmoid(W_i x_t + U_i h_{t-1} + p_i * c_{t-1} + b_i)        f alike
        c_t = f * c_{t-1} + i * tanh(W_g x_t + U_g h_{t-1} + b_g)
        o = sigmoid(W_o x_t + U_o h_{t-1} + p_o * c_t + b_o)
        h_t = o * tanh(c_t)

    Peepholes start at 0. The subclasses are the paper's variants, each by what it leaves out or, once, adds; its
    variant without peepholes (NP) is `LSTM`.

    References: Gers & Schmidhuber 2000; Greff, Srivastava, Koutnik, Steunebrink & Schmidhuber, LSTM: a search space
    odyssey, 2015, section 2.
    """

    coupled = False
    gate_recurrence = False
    input_activation = staticmethod(keras.ops.tanh)
    output_activation = staticmethod(keras.ops.tanh)

    def build(self, input_shape):
        super().build(input_shape)
        self.peephole = {gate: self.bias_weight(f"peephole_{gate}") for gate in self.gates[:-1]}
        sources = "ifo" if self.gate_recurrence else ""
        self.gate_kernels = [self.recurrent_weight(f"gate_kernel_{gate}", 3) for gate in sources]

    def step(self, projected, state, ops):
        h, c, *gates = state  # the gates of the step before: only with gate recurrence
        z = dict(zip(self.gates, self.split(projected + ops.matmul(h, self.recurrent_kernel)), strict=True))
        for gate, kernel in zip(gates, self.gate_kernels, strict=True):
            for name, more in zip("ifo", keras.ops.split(ops.matmul(gate, kernel), 3, axis=-1), strict=True):
                z[name] += more
        i, f = self.gate_values("if", z, c, ops)
        if self.coupled:
            f = 1.0 - i
        c = f * c + i * self.input_activation(z["g"])
        (o,) = self.gate_values("o", z, c, ops)
        h = o * self.output_activation(c)
        return (h, c, i, f, o) if self.gate_recurrence else (h, c)

    def gate_values(self, names, z, c, ops):
        """The gates of these names with their peepholes to c; a gate that is left out is 1."""
        seen = {name: z[name] + self.peephole[name] * c for name in names if name in z}
        if len(seen) == 2:
            return ops.sigmoid(*seen.values())
        return [ops.sigmoid(seen[name]) if name in seen else 1.0 for name in names]


@saveable
class NoInputGateLSTM(PeepholeLSTM):
    """NIG: i = 1."""

    gates = "fog"


@saveable
class NoForgetGateLSTM(PeepholeLSTM):
    """NFG: f = 1."""

    gates = "iog"


@saveable
class NoOutputGateLSTM(PeepholeLSTM):
    """NOG: o = 1."""

    gates = "ifg"


@saveable
class NoInputActivationLSTM(PeepholeLSTM):
    """NIAF: c_t = f * c_{t-1} + i * (W_g x_t + U_g h_{t-1} + b_g)."""

    input_activation = staticmethod(keras.activations.linear)


@saveable
class NoOutputActivationLSTM(PeepholeLSTM):
    """NOAF: h_t = o * c_t."""

    output_activation = staticmethod(keras.activations.linear)


@saveable
class CoupledLSTM(PeepholeLSTM):
    """CIFG, coupled input and forget gate: f = 1 - i."""

    gates = "iog"
    coupled = True


@saveable
class FullGateRecurrenceLSTM(PeepholeLSTM):
    """FGR: R_ki i_{t-1} + R_kf f_{t-1} + R_ko o_{t-1} is added to each gate k, the gates being part of the state."""

    num_states = 5
    gate_recurrence = True
