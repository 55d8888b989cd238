"""Sequence -> memory. Every encoder maps (inputs [B, S, D], mask [B, S]) to

memory [B, S, W]    a vector a position, zeros where the mask is False,
summary [B, W]      a vector for the whole sequence.
"""

import keras
from keras import ops

from seqkeras import arguments, cells, masks
from seqkeras.masks import Masked
from seqkeras.recurrence import Recurrence
from seqkeras.saving import saveable
from seqkeras.transformer import EncoderBlock


@saveable
class RecurrentEncoder(Masked):
    """A stack of recurrent layers, each in one direction or in both.

    H(l)_t = f(H(l-1)_t, H(l)_{t-1});  bidirectional: the forward and the backward output side by side, W = 2 units.
    The summary is the top layer's output after the last real step (and, backwards, after the first).

    References: deep: Graves, Mohamed & Hinton 2013, section 2; bidirectional: Schuster & Paliwal 1997, section 2;
    residual (layer l's input is added to its output from the second layer on): Wu et al. 2016, section 3.1.

    Args:
        units: width of each layer and direction.
        num_layers: depth.
        dropout: on each layer's input.
        cell: name of a cell, see `cells.names()`.
        bidirectional, residual: as above.
    """

    def __init__(self, units, num_layers=1, dropout=0.0, cell="gru", bidirectional=False, residual=False, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(units=units, num_layers=num_layers)
        arguments.share(dropout=dropout)
        directions = (False, True) if bidirectional else (False,)
        self.recurrences = [
            [Recurrence(cells.make(cell, units), reverse) for reverse in directions] for _ in range(num_layers)
        ]
        self.drop = keras.layers.Dropout(dropout)

    @property
    def width(self):
        return self.units * (2 if self.bidirectional else 1)

    def build(self, input_shape):
        width = input_shape[-1]
        for layer in self.recurrences:
            for recurrence in layer:
                recurrence.build((None, None, width))
            width = self.width

    def call(self, inputs, mask=None, training=False):
        x = inputs
        for depth, layer in enumerate(self.recurrences):
            dropped = self.drop(x, training=training)
            outputs, states = zip(*(recurrence(dropped, mask=mask) for recurrence in layer), strict=True)
            y = ops.concatenate(outputs, axis=-1)
            x = x + y if self.residual and depth else y
        return x, ops.concatenate([state[0] for state in states], axis=-1)


@saveable
class TransformerEncoder(Masked):
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
        self.top = keras.layers.LayerNormalization(epsilon=1e-5) if norm == "pre" else keras.layers.Identity()

    @property
    def width(self):
        return self.units

    def build(self, input_shape):
        for block in (*self.blocks, self.top):
            block.build((None, None, self.units))

    def call(self, inputs, mask=None, training=False):
        x = self.drop(inputs, training=training)
        for block in self.blocks:
            x = block(x, mask=mask, training=training)
        x = self.top(x)
        if mask is None:
            return x, ops.mean(x, axis=1)
        return ops.where(mask[..., None], x, 0), mean(x, mask)


def mean(memory, mask):
    """Mean over real positions: memory [B, S, W], mask [B, S] -> [B, W]; zeros for a row without any."""
    real = ops.cast(mask, memory.dtype)[..., None]
    return ops.sum(memory * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1)


def maximum(memory, mask):
    """Maximum over real positions: memory [B, S, W], mask [B, S] -> [B, W]; zeros for a row without any."""
    highest = ops.max(ops.where(mask[..., None], memory, -3e4), axis=1)
    return ops.where(masks.last(mask)[:, None] > 0, highest, 0)
