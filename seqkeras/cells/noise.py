"""Noise in the recurrence, that any cell can be wrapped in.

Letters as in `cells.cell`. A wrapper has what a `Cell` has and goes where one goes:
`Recurrence(Zoneout(LSTM(256), 0.1))`. Noise does not depend on the state, so `project` draws it, for many time steps at
once, and hands it to `step` as more columns of `projected`. Outside training nothing is drawn and no column added.
"""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.cells.cell import dropping, once
from seqkeras.saving import saveable


class Noise(keras.layers.Layer):
    """A cell around another; its subclass says what `draw` draws: `columns` numbers a time step."""

    def __init__(self, cell, columns, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        self.columns = columns
        self.units = cell.units
        self.gates = cell.gates
        self.num_states = cell.num_states
        self.seed = keras.random.SeedGenerator()

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)

    def initial_state(self, batch):
        return self.cell.initial_state(batch)

    def project(self, inputs, training=False):
        projected = self.cell.project(inputs, training)
        return ops.concatenate([projected, self.draw(projected)], axis=-1) if training else projected

    def separate(self, projected):
        """What the cell projected, and what was drawn for this step: None outside training."""
        if projected.shape[-1] == len(self.gates) * self.units:
            return projected, None
        return projected[..., : -self.columns], projected[..., -self.columns :]

    def call(self, inputs, state):
        """One step from raw input, without noise: inputs [B, D], state -> (output [B, H], state)."""
        return self.step(self.project(inputs), state)


@saveable
class VariationalDropout(Noise):
    """Dropout whose masks are drawn once a sequence: the same inputs and units are dropped at all its time steps.

        step of the cell with x_t * m_x in the place of x_t, and h * m_h in the place of h in each product h U

    The masks, Bernoulli(1 - rate) / (1 - rate), are tied: the same for all gates. What a step carries over without a
    matrix, such as the memory of an LSTM or z * h_{t-1} of a GRU, is not dropped.

    Args:
        cell: the cell.
        input_rate, recurrent_rate: share of the inputs and of the units that is dropped, from 0 to below 1.

    Reference: Gal & Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, 2016,
    section 4.
    """

    def __init__(self, cell, input_rate=0.0, recurrent_rate=0.0, **kwargs):
        super().__init__(cell, cell.units, **kwargs)
        arguments.share(input_rate=input_rate, recurrent_rate=recurrent_rate)

    def project(self, inputs, training=False):
        return super().project(self.drop("inputs", inputs, self.input_rate) if training else inputs, training)

    def draw(self, projected):
        return self.drop("state", ops.ones_like(projected[..., : self.units]), self.recurrent_rate)

    def drop(self, name, x, rate):
        if not rate:
            return x
        return x * once((self, name), lambda: keras.random.dropout(ops.ones_like(x[:1]), rate, seed=self.seed))

    def step(self, projected, state):
        projected, kept = self.separate(projected)
        if kept is None:
            return self.cell.step(projected, state)
        with dropping(kept):
            return self.cell.step(projected, state)


@saveable
class Zoneout(Noise):
    """Each number of the state keeps its value of the step before with a probability, instead of taking the new one:

        s_t = d * s_{t-1} + (1 - d) * (the cell's s_t)      d ~ Bernoulli(rate) in training, d = rate outside it

    Args:
        cell: the cell.
        rates: the probability, from 0 to below 1; or one for each vector of the state, as (0.05, 0.5) for h and c.

    Reference: Krueger et al., Zoneout: regularizing RNNs by randomly preserving hidden activations, 2017, section 3.
    """

    def __init__(self, cell, rates, **kwargs):
        super().__init__(cell, cell.num_states * cell.units, **kwargs)
        self.rates = list(rates) if isinstance(rates, (list, tuple)) else [rates] * cell.num_states
        if len(self.rates) != cell.num_states:
            raise ValueError(f"Expected one rate, or one for each of {cell.num_states} vectors. Received: {rates=}")
        for rate in self.rates:
            arguments.share(rates=rate)

    def draw(self, projected):
        shape = (*ops.shape(projected)[:-1], self.columns)
        drawn = keras.random.uniform(shape, dtype=projected.dtype, seed=self.seed)
        return ops.cast(drawn < ops.repeat(ops.convert_to_tensor(self.rates, drawn.dtype), self.units), drawn.dtype)

    def step(self, projected, state):
        projected, drawn = self.separate(projected)
        keep = self.rates if drawn is None else ops.split(drawn, self.num_states, axis=-1)
        _, new = self.cell.step(projected, state)
        state = tuple(d * s + (1.0 - d) * n for d, s, n in zip(keep, state, new, strict=True))
        return state[0], state


def noisy(cell, recurrent_dropout=0.0, zoneout=0.0):
    """`cell`, wrapped in `VariationalDropout` of its state and in `Zoneout` where their rates are above zero."""
    if recurrent_dropout:
        cell = VariationalDropout(cell, recurrent_rate=recurrent_dropout)
    return Zoneout(cell, zoneout) if zoneout else cell
