"""Convolutions over time."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.encoders.encoder import Encoder
from seqkeras.layers import masking
from seqkeras.layers.pooling import maximum
from seqkeras.saving import saveable


@saveable
class ConvolutionEncoder(Encoder):
    """A stack of convolutions over time; the summary is the maximum over real positions.

        H(l)_t = relu(sum_k W_k H(l-1)_{t+k} + b)      k = -(window - 1) // 2 .. window // 2, zeros beyond both ends

    References: Collobert et al. 2011, section 3.2.2; Kim 2014, section 2.

    Args:
        units: width of each layer.
        num_layers: depth.
        dropout: on each layer's input.
        window: positions that a layer sees at once.

    The real positions of a row come first in the mask: neighbours are those in the input.
    """

    def __init__(self, units, num_layers=1, dropout=0.0, window=5, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(units=units, num_layers=num_layers, window=window)
        arguments.share(dropout=dropout)
        self.convolutions = [
            keras.layers.Conv1D(units, window, padding="same", activation="relu") for _ in range(num_layers)
        ]
        self.drop = keras.layers.Dropout(dropout)

    @property
    def width(self):
        return self.units

    def build(self, input_shape):
        width = input_shape[-1]
        for convolution in self.convolutions:
            convolution.build((None, None, width))
            width = self.units

    def call(self, inputs, mask=None, training=False):
        mask = masking.everywhere(inputs) if mask is None else mask
        x = ops.where(mask[..., None], inputs, 0)
        masking.check_in_front(mask)
        if inputs.shape[1] == 0:  # nothing to look at
            x = ops.zeros((ops.shape(inputs)[0], 0, self.units), dtype=x.dtype)
            return x, maximum(x, mask)
        for convolution in self.convolutions:
            x = ops.where(mask[..., None], convolution(self.drop(x, training=training)), 0)
        return x, maximum(x, mask)
