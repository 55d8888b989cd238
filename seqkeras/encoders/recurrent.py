"""A stack of recurrent layers."""

import keras
from keras import ops

from seqkeras import arguments, cells
from seqkeras.cells.noise import noisy
from seqkeras.encoders.encoder import Encoder
from seqkeras.layers.pooling import POOLINGS
from seqkeras.rnn.recurrence import Recurrence
from seqkeras.saving import saveable


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
        recurrent_dropout, zoneout: rates of the noise in the recurrence, see `cells.noise`.
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
            n = recurrence.cell.num_states
            own, state = recurrence.step(x, state[:n]), state[n:]
            y = own[0]
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
