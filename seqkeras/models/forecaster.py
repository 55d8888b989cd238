"""From a window of a multivariate series to what follows it."""

import keras
from keras import ops

from seqkeras import arguments, cells
from seqkeras.choices import FORECASTERS
from seqkeras.encoders.convolution import ConvolutionEncoder
from seqkeras.encoders.recurrent import RecurrentEncoder
from seqkeras.models.sequence_model import SequenceModel
from seqkeras.rnn.recurrence import Recurrence
from seqkeras.saving import saveable
from seqkeras.signatures import spec


class AutoregressiveStack(keras.layers.Layer):
    """A stack of cells that reads its own last output, as a cell; units D is the width of the output.

    h_t = cell(y_{t-1}, h_{t-1})        y_t = y_{t-1} + W h_t + b + x_t
    """

    constructor_arguments = ("stack", "units")

    def __init__(self, stack, units, **kwargs):
        super().__init__(**kwargs)
        self.stack = stack
        self.units = units
        self.num_states = 1 + sum(cell.num_states for cell in stack)
        self.change = keras.layers.Dense(units, kernel_initializer="zeros", name="change")

    def get_config(self):
        return {"stack": [keras.saving.serialize_keras_object(cell) for cell in self.stack], "units": self.units}

    def build(self, input_shape):
        self.change.build((None, self.stack[-1].units))

    def initial_state(self, batch):
        zeros = ops.zeros((batch, self.units), dtype=self.compute_dtype)
        return zeros, *sum((cell.initial_state(batch) for cell in self.stack), ())

    def project(self, inputs):
        return inputs

    def step(self, projected, state, ops):
        y, *rest = state
        x, new = y, ()
        for cell in self.stack:
            layer_state = cell(x, tuple(rest[: cell.num_states]), ops=ops)  # as a layer, in its own precision
            x, rest, new = layer_state[0], rest[cell.num_states :], new + tuple(layer_state)
        y = y + self.change(x) + projected
        return y, *new


@saveable
class Forecaster(SequenceModel):
    """The next `horizon` values of a series of D variables from the last `window`, relative to the last one x_L.

        direct:         y_1 .. y_H = x_L + A (x_1 - x_L .. x_L - x_L) + V encoder(x - x_L) + b       all at once
        recursive:      h_t = cell(y_{t-1}, h_{t-1})    y_t = y_{t-1} + W h_t + b                    y_0 = x_L

    A is one linear map of the window to the horizon for all variables. Untrained, the last value is repeated.

    Train it with a loss of Keras ("mse" or L2: the mean; "mae" or L1: the median; "huber") or, with `quantiles`, with
    `QuantileLoss`.

    References: the strategies: Ben Taieb, Bontempi, Atiya & Sorjamaa 2012, section 2; A relative to the last value
    (NLinear): Zeng, Chen, Zhang & Xu 2023, section 4; with a recurrent network: Lai et al. 2018, section 3.6.

    Args:
        input_units: number D of variables.
        window: number L of values that are seen.
        horizon: number H of values to say.
        units, num_layers, dropout: of the encoder.
        cell: of a recurrent encoder, and of the recursive strategy.
        encoder: "recurrent", "convolution", or "linear" for A alone.
        strategy: "direct" or "recursive", which is recurrent.
        quantiles: None for one number a value, or numbers q between 0 and 1, direct only.

    Call arguments: values [B, window, D]. Returns: [B, horizon, D], with quantiles [B, horizon, D, Q].
    """

    task = "forecast"
    uses = {"encoder": FORECASTERS}

    def __init__(
        self,
        input_units,
        window,
        horizon,
        units=64,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        encoder="recurrent",
        strategy="direct",
        quantiles=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(input_units=input_units, window=window, horizon=horizon, units=units, num_layers=num_layers)
        arguments.choice("recurrent", "convolution", "linear", encoder=encoder)
        arguments.choice("direct", "recursive", strategy=strategy)
        if strategy == "recursive" and (quantiles is not None or encoder != "recurrent"):
            raise ValueError(
                "Expected encoder='recurrent' and no quantiles with strategy='recursive'. "
                f"Received: encoder={encoder!r}, quantiles={quantiles}"
            )
        arguments.used(self)
        self.quantiles = None if quantiles is None else arguments.quantiles(quantiles)
        arguments.share(dropout=dropout)
        (self._build_direct if strategy == "direct" else self._build_recursive)()
        self.built = True

    def _build_direct(self):
        said = self.horizon * len(self.quantiles or [None])
        self.linear = keras.layers.Dense(said, kernel_initializer="zeros", name="linear")
        self.linear.build((None, self.input_units, self.window))
        self.body = None
        if self.encoder == "linear":
            return
        size = {"units": self.units, "num_layers": self.num_layers, "dropout": self.dropout, "name": "encoder"}
        if self.encoder == "recurrent":
            self.body = RecurrentEncoder(cell=self.cell, **size)
        else:
            self.body = ConvolutionEncoder(**size)
        self.body.build((None, self.window, self.input_units))
        self.rest = keras.layers.Dense(self.input_units * said, kernel_initializer="zeros", name="rest")
        self.rest.build((None, self.body.width))

    def _build_recursive(self):
        self.recurrences = [Recurrence(cells.make(self.cell, self.units)) for _ in range(self.num_layers)]
        width = self.input_units
        for recurrence in self.recurrences:
            recurrence.build((None, None, width))
            width = self.units
        self.feedback = Recurrence(AutoregressiveStack([one.cell for one in self.recurrences], self.input_units))
        self.feedback.build((None, self.horizon, self.input_units))
        self.drop = keras.layers.Dropout(self.dropout)

    def call(self, values, training=False):
        arguments.tensors({"values": values}, self._reads(None))
        last = values[:, -1:]
        said = (self._direct if self.strategy == "direct" else self._recursive)(values - last, training)
        return said + (last if self.quantiles is None else last[..., None])

    def _direct(self, x, training):
        shape = (-1, self.input_units, self.horizon, len(self.quantiles or [None]))
        y = ops.reshape(self.linear(ops.transpose(x, (0, 2, 1))), shape)
        if self.body is not None:
            y = y + ops.reshape(self.rest(self.body(x, training=training)[1]), shape)
        y = ops.transpose(y, (0, 2, 1, 3))  # [B, H, D, Q]
        return y[..., 0] if self.quantiles is None else y

    def _recursive(self, x, training):
        state, zeros, h = (), ops.zeros_like(x[:, 0]), x[:, :-1]
        for recurrence in self.recurrences:
            h, layer_state = recurrence(self.drop(h, training=training), training=training)
            state += tuple(layer_state)
        nothing = ops.repeat(zeros[:, None], self.horizon, axis=1)
        return self.feedback(nothing, initial_state=(zeros, *state))[0]

    def forecast(self, inputs):
        """`{"values": [B, window, D]}` -> `{"next": [B, horizon, D]}`, with quantiles `[B, horizon, D, Q]`."""
        arguments.tensors(inputs, self._reads(None))
        return {"next": self(inputs["values"])}

    def signatures(self, batch, length):
        return {self.task: (self.forecast, self._reads(batch))}

    def _reads(self, batch):
        return {"values": spec(batch, self.window, self.input_units, dtype="float32")}
