"""A bag of words, a baseline."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.encoders.encoder import Encoder
from seqkeras.layers import masking
from seqkeras.layers.pooling import mean
from seqkeras.saving import saveable


@saveable
class BagEncoder(Encoder):
    """A bag of words: each position by itself, so that their order is lost; the summary is the mean.

        memory_t = tanh(W x_t + b)

    Reference: Iyyer, Manjunatha, Boyd-Graber & Daume 2015, section 2.

    Args:
        units: width.
        dropout: on the inputs.
    """

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(units=units)
        arguments.share(dropout=dropout)
        self.drop = keras.layers.Dropout(dropout)
        self.dense = keras.layers.Dense(units, activation="tanh", name="dense")

    @property
    def width(self):
        return self.units

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs, mask=None, training=False):
        mask = masking.everywhere(inputs) if mask is None else mask
        memory = ops.where(mask[..., None], self.dense(self.drop(inputs, training=training)), 0)
        return memory, mean(memory, mask)
