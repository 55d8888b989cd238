"""The variants of long short-term memory that Greff et al. 2015 compare, each one change to the vanilla LSTM."""

import keras

from seqkeras.cells.lstm import LSTM
from seqkeras.saving import saveable


@saveable
class PeepholeLSTM(LSTM):
    """Gates that see the memory: p_i * c_{t-1} and p_f * c_{t-1} are added to i and f, p_o * c_t to o.

    References: Gers & Schmidhuber 2000; the vanilla LSTM (V) of Greff et al. 2015, section 2.
    """

    peepholes = True


@saveable
class NoInputGateLSTM(LSTM):
    """NIG: i = 1."""

    gates = "fog"
    peepholes = True


@saveable
class NoForgetGateLSTM(LSTM):
    """NFG: f = 1."""

    gates = "iog"
    peepholes = True


@saveable
class NoOutputGateLSTM(LSTM):
    """NOG: o = 1."""

    gates = "ifg"
    peepholes = True


@saveable
class NoInputActivationLSTM(LSTM):
    """NIAF: c_t = f * c_{t-1} + i * (W_g x_t + U_g h_{t-1} + b_g)."""

    peepholes = True
    input_activation = staticmethod(keras.activations.linear)


@saveable
class NoOutputActivationLSTM(LSTM):
    """NOAF: h_t = o * c_t."""

    peepholes = True
    output_activation = staticmethod(keras.activations.linear)


@saveable
class CoupledLSTM(LSTM):
    """CIFG, coupled input and forget gate: f = 1 - i."""

    gates = "iog"
    peepholes = True
    coupled = True


@saveable
class FullGateRecurrenceLSTM(LSTM):
    """FGR: R_ki i_{t-1} + R_kf f_{t-1} + R_ko o_{t-1} is added to each gate k, the gates being part of the state."""

    num_states = 5
    peepholes = True
    gate_recurrence = True
