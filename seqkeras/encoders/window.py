"""A fixed window of positions, a baseline."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.encoders.encoder import Encoder
from seqkeras.layers import masking
from seqkeras.saving import saveable


@saveable
class WindowEncoder(Encoder):
    """A fixed window: the first `window` positions, each with weights of its own; what follows is not seen.

        memory_t = tanh(W_t x_t + b) for t < window, 0 after it      summary = tanh(sum_t W_t x_t + b)

    Reference: Bengio, Ducharme, Vincent & Jauvin 2003, section 2, whose hidden layer it is.

    Args:
        units: width.
        dropout: on the inputs.
        window: positions that are seen.
    """

    def __init__(self, units, dropout=0.0, window=5, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(units=units, window=window)
        arguments.share(dropout=dropout)
        self.drop = keras.layers.Dropout(dropout)

    @property
    def width(self):
        return self.units

    def build(self, input_shape):
        shape = (self.window, input_shape[-1], self.units)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs, mask=None, training=False):
        mask = masking.everywhere(inputs) if mask is None else mask
        masking.check_in_front(mask)
        x = self.drop(ops.where(mask[..., None], inputs, 0), training=training)
        x = ops.pad(x, ((0, 0), (0, self.window), (0, 0)))[:, : self.window]
        z = ops.transpose(ops.matmul(ops.transpose(x, (1, 0, 2)), self.kernel), (1, 0, 2))  # [B, window, W]
        memory = ops.tanh(z + self.bias)
        behind = ops.zeros_like(inputs[..., :1]) + ops.zeros_like(memory[:, :1])  # [B, S, W]
        memory = ops.concatenate([memory, behind], axis=1)
        memory = ops.where(mask[..., None], memory[:, : ops.shape(inputs)[1]], 0)
        return memory, ops.tanh(ops.sum(z, axis=1) + self.bias)
