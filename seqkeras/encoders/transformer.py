"""Self-attention over the whole sequence."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.encoders.encoder import Encoder
from seqkeras.layers.pooling import mean
from seqkeras.layers.transformer import EncoderBlock
from seqkeras.saving import saveable


@saveable
class TransformerEncoder(Encoder):
    """A stack of self-attention blocks over embedded inputs; the summary is the mean over real positions.

    Reference: Vaswani et al. 2017, section 3.1.

    Args:
        units, num_layers, num_heads, ff_units: of the blocks; ff_units is 4 * units if None.
        dropout: on the inputs and in the blocks.
        norm: "pre" (with a last normalisation on top) or "post".
    """

    def __init__(self, units, num_layers=2, num_heads=4, ff_units=None, dropout=0.0, norm="pre", **kwargs):
        super().__init__(**kwargs)
        arguments.positive(num_layers=num_layers)
        arguments.positive_or_none(ff_units=ff_units)
        arguments.share(dropout=dropout)
        self.drop = keras.layers.Dropout(dropout)
        self.blocks = [EncoderBlock(units, num_heads, ff_units or 4 * units, dropout, norm) for _ in range(num_layers)]
        self.final_norm = keras.layers.LayerNormalization(epsilon=1e-5) if norm == "pre" else keras.layers.Identity()

    @property
    def width(self):
        return self.units

    def build(self, input_shape):
        for block in (*self.blocks, self.final_norm):
            block.build((None, None, self.units))

    def call(self, inputs, mask=None, training=False):
        x = self.drop(inputs, training=training)
        for block in self.blocks:
            x = block(x, mask=mask, training=training)
        x = self.final_norm(x)
        summary = mean(x, mask)
        return (x if mask is None else ops.where(mask[..., None], x, 0)), summary
