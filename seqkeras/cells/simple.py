"""The networks of Elman and of Jordan. Letters as in `cells.cell`."""

import keras

from seqkeras.cells.cell import Cell
from seqkeras.saving import saveable

ACTIVATIONS = ("linear", "hard_tanh", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "selu")


@saveable
class SimpleRNN(Cell):
    """The Elman network:  h_t = s(W x_t + U h_{t-1} + b).

    Args:
        units: width H.
        activation: s, one of `ACTIVATIONS` (the slope of leaky_relu below zero is 0.2).

    Reference: Elman, Finding structure in time, Cognitive Science 14 (1990).
    """

    def __init__(self, units, activation="tanh", **kwargs):
        super().__init__(units, **kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(f"Expected activation to be one of {', '.join(ACTIVATIONS)}. Received: {activation=}")
        self.activate = keras.activations.get(activation)

    def step(self, projected, state, ops):
        (h,) = state
        h = self.activate(projected + ops.matmul(h, self.recurrent_kernel))
        return (h,)


@saveable
class OneMatrixRNN(SimpleRNN):
    """The Elman network with one matrix M over the stacked vector:  h_t = s(M (h_{t-1}, x_t) + b).

    The same function as `SimpleRNN`: the first H rows of M are U, the D rows below them W.
    """

    def build(self, input_shape):
        self.kernel = self.input_weight("kernel", self.units + input_shape[-1])
        self.bias = self.bias_weight("bias")

    def project(self, inputs):
        return keras.ops.matmul(inputs, self.kernel[self.units :]) + self.bias

    def step(self, projected, state, ops):
        (h,) = state
        h = self.activate(projected + ops.matmul(h, self.kernel[: self.units]))
        return (h,)


@saveable
class Jordan(SimpleRNN):
    """The Jordan network, whose only recurrence is from its previous output:

        h_t = s(W x_t + U y_{t-1} + b)      y_t = s(V h_t + c)

    The output has the width of the hidden layer; `activation` is s of both.

    Reference: Jordan, Serial order: a parallel distributed processing approach, 1986.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.output_kernel = self.recurrent_weight("output_kernel")
        self.output_bias = self.bias_weight("output_bias")

    def step(self, projected, state, ops):
        (y,) = state
        h = self.activate(projected + ops.matmul(y, self.recurrent_kernel))
        y = self.activate(ops.matmul(h, self.output_kernel) + self.output_bias)
        return (y,)


@saveable
class OutputToHidden(Jordan):
    """Output-to-hidden connections (U) in addition to hidden-to-hidden ones (R):

        h_t = s(W x_t + U y_{t-1} + R h_{t-1} + b)      y_t = s(V h_t + c)

    Reference: Goodfellow, Bengio & Courville, Deep Learning, 2016, section 10.2: the connections of its first two
    designs in one.
    """

    num_states = 2

    def build(self, input_shape):
        super().build(input_shape)
        self.hidden_kernel = self.recurrent_weight("hidden_kernel")

    def step(self, projected, state, ops):
        y, h = state
        h = self.activate(projected + ops.matmul(y, self.recurrent_kernel) + ops.matmul(h, self.hidden_kernel))
        y = self.activate(ops.matmul(h, self.output_kernel) + self.output_bias)
        return y, h
