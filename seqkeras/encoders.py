"""Sequence -> memory. Every encoder maps (inputs [B, S, D], mask [B, S]) to

memory [B, S, W]    a vector a position, zeros where the mask is False,
summary [B, W]      a vector for the whole sequence.
"""

import keras
from keras import ops

from seqkeras import arguments, cells, masks
from seqkeras.cells_regularized import noisy
from seqkeras.masks import Masked
from seqkeras.pooling import POOLINGS, maximum, mean
from seqkeras.recurrence import Recurrence
from seqkeras.saving import saveable
from seqkeras.transformer import EncoderBlock


class Encoder(Masked):
    """(inputs [B, S, D], mask [B, S]) -> (memory, summary); `summarize` for a vector alone."""

    def summarize(self, inputs, pooling="last", mask=None, training=False):
        """A vector for the whole sequence: inputs [B, S, D], mask [B, S] -> [B, W].

        Args:
            pooling: "last" for the summary, "max" or "mean" over the real positions of the memory.
        """
        memory, summary = self(inputs, mask=mask, training=training)
        return POOLINGS[pooling].over(memory, mask, summary)


@saveable
class RecurrentEncoder(Encoder):
    """A stack of recurrent layers, each in one direction or in both.

    H(l)_t = f(H(l-1)_t, H(l)_{t-1});  bidirectional: the forward and the backward output side by side, W = 2 units.
    The summary is the top layer's output after the last real step (and, backwards, after the first).

    References: deep: Graves, Mohamed & Hinton 2013, section 2; bidirectional: Schuster & Paliwal 1997, section 2;
    residual (a layer's input is added to its output from the second layer on, where they are equally wide), and in
    both directions in the first layer only: Wu et al. 2016, sections 3.1 and 3.2.

    Args:
        units: width of each layer and direction.
        num_layers: depth.
        dropout: on each layer's input.
        cell: name of a cell, see `cells.names()`.
        bidirectional: True, False, or "first" for the first layer only.
        residual: as above.
        recurrent_dropout, zoneout: rates of the noise in the recurrence, see `cells_regularized`.
    """

    def __init__(
        self,
        units,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        bidirectional=False,
        residual=False,
        recurrent_dropout=0.0,
        zoneout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(units=units, num_layers=num_layers)
        arguments.share(dropout=dropout, recurrent_dropout=recurrent_dropout, zoneout=zoneout)
        arguments.choice(True, False, "first", bidirectional=bidirectional)
        arguments.choice(True, False, residual=residual)
        both = [bool(bidirectional) and (bidirectional != "first" or depth == 0) for depth in range(num_layers)]
        self.recurrences = [
            [
                Recurrence(noisy(cells.make(cell, units), recurrent_dropout, zoneout), reverse)
                for reverse in ((False, True) if layer else (False,))
            ]
            for layer in both
        ]
        self.drop = keras.layers.Dropout(dropout)

    @property
    def width(self):
        return self.units * len(self.recurrences[-1])

    def build(self, input_shape):
        width = input_shape[-1]
        for layer in self.recurrences:
            for recurrence in layer:
                recurrence.build((None, None, width))
            width = self.units * len(layer)

    def call(self, inputs, mask=None, training=False):
        return self._stack(self.num_layers, inputs, mask, training)

    def summarize(self, inputs, pooling="last", mask=None, training=False):
        if self.num_layers > 1 and self.residual:  # the sum of what two layers say is what is pooled
            return super().summarize(inputs, pooling, mask, training)
        below, _ = self._stack(self.num_layers - 1, inputs, mask, training)
        return self._run(self.num_layers - 1, below, mask, training, POOLINGS[pooling])[0]

    def start(self, batch):
        """The state of all layers before the first step, for a stack in one direction."""
        return sum((recurrence.cell.initial_state(batch) for (recurrence,) in self.recurrences), ())

    def step(self, x, state):
        """One step of a stack in one direction: x [B, D] -> (its place in the memory [B, W], state)."""
        new = ()
        for depth, (recurrence,) in enumerate(self.recurrences):
            cell = recurrence.cell
            own, state = state[: cell.num_states], state[cell.num_states :]
            y, own = cell(x, own)
            x = x + y if self.residual and depth and x.shape[-1] == y.shape[-1] else y
            new += tuple(own)
        return x, new

    def _stack(self, num_layers, x, mask, training):
        """The first layers over x [B, S, D]: the memory and the summary of the last of them."""
        summary = None
        for depth in range(num_layers):
            y, end = self._run(depth, x, mask, training)
            if self.residual and depth and x.shape[-1] == y.shape[-1]:
                x, summary = x + y, summary + end
            else:
                x, summary = y, end
        return x, summary

    def _run(self, depth, x, mask, training, pooling=None):
        """Both directions of a layer side by side: what is made of the outputs, and the output made last."""
        x = self.drop(x, training=training)
        outputs, states = zip(
            *(one(x, mask=mask, training=training, pooling=pooling) for one in self.recurrences[depth]), strict=True
        )
        return tuple(ops.concatenate(one, axis=-1) for one in (outputs, [state[0] for state in states]))


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
        summary = mean(x, mask)
        return (x if mask is None else ops.where(mask[..., None], x, 0)), summary


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
        mask = masks.everywhere(inputs) if mask is None else mask
        x = ops.where(mask[..., None], inputs, 0)
        masks.check_in_front(mask)
        if inputs.shape[1] == 0:  # nothing to look at
            x = ops.zeros((ops.shape(inputs)[0], 0, self.units), dtype=x.dtype)
            return x, maximum(x, mask)
        for convolution in self.convolutions:
            x = ops.where(mask[..., None], convolution(self.drop(x, training=training)), 0)
        return x, maximum(x, mask)


@saveable
class WindowEncoder(Encoder):
    """A fixed window: the first `window` positions, each with weights of its own; what stands behind is not seen.

        memory_t = tanh(W_t x_t + b) for t < window, 0 behind       summary = tanh(sum_t W_t x_t + b)

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
        mask = masks.everywhere(inputs) if mask is None else mask
        masks.check_in_front(mask)
        x = self.drop(ops.where(mask[..., None], inputs, 0), training=training)
        x = ops.pad(x, ((0, 0), (0, self.window), (0, 0)))[:, : self.window]
        z = ops.transpose(ops.matmul(ops.transpose(x, (1, 0, 2)), self.kernel), (1, 0, 2))  # [B, window, W]
        memory = ops.tanh(z + self.bias)
        behind = ops.zeros_like(inputs[..., :1]) + ops.zeros_like(memory[:, :1])  # [B, S, W]
        memory = ops.concatenate([memory, behind], axis=1)
        memory = ops.where(mask[..., None], memory[:, : ops.shape(inputs)[1]], 0)
        return memory, ops.tanh(ops.sum(z, axis=1) + self.bias)


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
        mask = masks.everywhere(inputs) if mask is None else mask
        memory = ops.where(mask[..., None], self.dense(self.drop(inputs, training=training)), 0)
        return memory, mean(memory, mask)
