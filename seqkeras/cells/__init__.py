"""One time step of every recurrent network, as equations: `cell` has the contract, `by_name` what `cell=` takes."""

from seqkeras.cells.by_name import make, names
from seqkeras.cells.cell import STEP_OPS, Cell, StepOps
from seqkeras.cells.greff_lstm import (
    CoupledLSTM,
    FullGateRecurrenceLSTM,
    NoForgetGateLSTM,
    NoInputActivationLSTM,
    NoInputGateLSTM,
    NoOutputActivationLSTM,
    NoOutputGateLSTM,
    PeepholeLSTM,
)
from seqkeras.cells.gru import GRU, ResetBeforeGRU
from seqkeras.cells.layer_norm import LayerNormGRU, LayerNormLSTM
from seqkeras.cells.lstm import LSTM
from seqkeras.cells.noise import Noise, VariationalDropout, Zoneout, noisy
from seqkeras.cells.searched import MUT1, MUT2, MUT3, NAS
from seqkeras.cells.simple import ACTIVATIONS, Jordan, OneMatrixRNN, OutputToHidden, SimpleRNN

__all__ = [
    "STEP_OPS",
    "Cell",
    "StepOps",
    "ACTIVATIONS",
    "SimpleRNN",
    "OneMatrixRNN",
    "Jordan",
    "OutputToHidden",
    "GRU",
    "ResetBeforeGRU",
    "LSTM",
    "PeepholeLSTM",
    "NoInputGateLSTM",
    "NoForgetGateLSTM",
    "NoOutputGateLSTM",
    "NoInputActivationLSTM",
    "NoOutputActivationLSTM",
    "CoupledLSTM",
    "FullGateRecurrenceLSTM",
    "LayerNormLSTM",
    "LayerNormGRU",
    "MUT1",
    "MUT2",
    "MUT3",
    "NAS",
    "Noise",
    "VariationalDropout",
    "Zoneout",
    "noisy",
    "make",
    "names",
]
