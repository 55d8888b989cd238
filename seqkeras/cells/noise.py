"""Noise in the recurrence, that any cell can be wrapped in. Letters as in `cells.cell`.

A wrapper has what a `Cell` has and goes where one goes: `Recurrence(Zoneout(LSTM(256), 0.1))`. Noise does not depend on
the state, so the layer draws it in training, once for whole sequences, and the loop hands it to `project`, which adds
it to what is projected as more columns for `step`. Outside training nothing is drawn and no column added.
"""

import keras

from seqkeras import arguments
from seqkeras.cells.cell import STEP_OPS
from seqkeras.saving import saveable


class Noise(keras.layers.Layer):
    """A cell around another, with two methods more:

    draw(length, batch, width)      -> noise for sequences of inputs [T, B, D]: a tuple of tensors [T or 1, B, K], 1
                                    where it is the same at all steps; first its own, then that of the cell inside
    separate(projected)             -> what the cell inside projected, and the noise of this step
    """

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

    def inner_draw(self, length, batch, width):
        return self.cell.draw(length, batch, width) if isinstance(self.cell, Noise) else ()

    def inner_project(self, inputs, noise):
        projected, width = self.cell.project(inputs, noise) if noise else self.cell.project(inputs), self.width
        if not isinstance(self.cell, Noise) and projected.shape[-1] != width:
            raise ValueError(f"Expected a cell in noise to project to {width} columns. Received: {projected.shape}")
        return projected

    @property
    def width(self):
        """Columns that the innermost cell projects to, a block of `units` per gate."""
        return len(self.gates) * self.units

    def separate(self, projected):
        """What the cell projected, and the noise of this step: None outside training."""
        if projected.shape[-1] == self.width:
            return projected, None
        return projected[..., : -self.columns], projected[..., -self.columns :]

    def call(self, inputs, state, ops=STEP_OPS):
        """One step from raw input, without noise: inputs [B, D], state -> state."""
        return self.step(self.project(inputs), state, ops)


@saveable
class VariationalDropout(Noise):
    """Dropout whose masks are drawn once per sequence: the same inputs and units are dropped at all its time steps.

        step of the cell with x_t * m_x in the place of x_t, and h * m_h in the place of h in each product h U

    The masks, Bernoulli(1 - rate) / (1 - rate), are tied: the same for all gates. What a step carries over without a
    matrix, such as the cell state of an LSTM or z * h_{t-1} of a GRU, is not dropped.

    Args:
        cell: the cell.
        input_rate, recurrent_rate: share of the inputs and of the units that is dropped, from 0 to below 1.

    Reference: Gal & Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, 2016,
    section 4.
    """

    def __init__(self, cell, input_rate=0.0, recurrent_rate=0.0, **kwargs):
        super().__init__(cell, cell.units, **kwargs)
        arguments.share(input_rate=input_rate, recurrent_rate=recurrent_rate)

    def draw(self, length, batch, width):
        sizes = [(self.input_rate, width)] if self.input_rate else []
        masks = [
            keras.random.dropout(keras.ops.ones((1, batch, size), dtype=self.compute_dtype), rate, seed=self.seed)
            for rate, size in [*sizes, (self.recurrent_rate, self.units)]
        ]
        return *masks, *self.inner_draw(length, batch, width)

    def project(self, inputs, noise=()):
        if not noise:
            return self.inner_project(inputs, ())
        if self.input_rate:
            kept_inputs, *noise = noise
            inputs = inputs * kept_inputs
        kept_units, *inner = noise
        projected = self.inner_project(inputs, inner)
        every_step = kept_units * keras.ops.ones_like(projected[..., : self.units])
        return keras.ops.concatenate([projected, every_step], axis=-1)

    def step(self, projected, state, ops):
        projected, kept = self.separate(projected)
        return self.cell.step(projected, state, ops if kept is None else ops.dropping(kept))


@saveable
class Zoneout(Noise):
    """Each number of the state keeps its value of the step before with a probability, instead of taking the new one:

        s_t = d * s_{t-1} + (1 - d) * (the cell's s_t)      d ~ Bernoulli(rate) in training, d = rate outside it

    Args:
        cell: the cell.
        rates: the probability, from 0 to below 1; or one per vector of the state, as (0.05, 0.5) for h and c.

    Reference: Krueger et al., Zoneout: regularizing RNNs by randomly preserving hidden activations, 2017, section 3.
    """

    def __init__(self, cell, rates, **kwargs):
        super().__init__(cell, cell.num_states * cell.units, **kwargs)
        self.rates = list(rates) if isinstance(rates, (list, tuple)) else [rates] * cell.num_states
        if len(self.rates) != cell.num_states:
            raise ValueError(f"Expected one rate, or one for each of {cell.num_states} vectors. Received: {rates=}")
        for rate in self.rates:
            arguments.share(rates=rate)

    def draw(self, length, batch, width):
        drawn = keras.random.uniform((length, batch, self.columns), dtype=self.compute_dtype, seed=self.seed)
        rates = keras.ops.repeat(keras.ops.convert_to_tensor(self.rates, drawn.dtype), self.units)
        return keras.ops.cast(drawn < rates, drawn.dtype), *self.inner_draw(length, batch, width)

    def project(self, inputs, noise=()):
        if not noise:
            return self.inner_project(inputs, ())
        kept, *inner = noise
        return keras.ops.concatenate([self.inner_project(inputs, inner), kept], axis=-1)

    def step(self, projected, state, ops):
        projected, drawn = self.separate(projected)
        keep = self.rates if drawn is None else keras.ops.split(drawn, self.num_states, axis=-1)
        new = self.cell.step(projected, state, ops)
        return tuple(d * s + (1.0 - d) * n for d, s, n in zip(keep, state, new, strict=True))


def noisy(cell, recurrent_dropout=0.0, zoneout=0.0):
    """`cell`, wrapped in `VariationalDropout` of its state and in `Zoneout` where their rates are above zero."""
    if recurrent_dropout:
        cell = VariationalDropout(cell, recurrent_rate=recurrent_dropout)
    return Zoneout(cell, zoneout) if zoneout else cell
