"""Sequence -> memory [B, S, W], a vector per position, and summary [B, W], one for the whole."""

from seqkeras.encoders.bag import BagEncoder
from seqkeras.encoders.convolution import ConvolutionEncoder
from seqkeras.encoders.encoder import Encoder
from seqkeras.encoders.recurrent import RecurrentEncoder
from seqkeras.encoders.transformer import TransformerEncoder
from seqkeras.encoders.window import WindowEncoder

__all__ = [
    "Encoder",
    "RecurrentEncoder",
    "TransformerEncoder",
    "ConvolutionEncoder",
    "WindowEncoder",
    "BagEncoder",
]
