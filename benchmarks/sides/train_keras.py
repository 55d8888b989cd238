"""A training step of one recurrent layer in Keras on TensorFlow: python train_keras.py ours|teacher_forced|layers

ours: this package's loop; teacher_forced: the same with the true outputs given, no loop; layers: `keras.layers`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
import tensorflow as tf
from turns import serve

from seqkeras import cells
from seqkeras.rnn.recurrence import Recurrence

LAYERS = {"lstm": "LSTM", "gru": "GRU", "simplernn": "SimpleRNN"}


class AsKeras(keras.layers.Layer):
    """One of our cells as `keras.layers.RNN` wants it: the same equations, the input projected in each step."""

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        self.state_size = [cell.units] * cell.num_states
        self.output_size = cell.units

    def build(self, input_shape):
        self.cell.build(input_shape)

    def call(self, inputs, states, training=False):
        state = self.cell(inputs, tuple(states))
        return state[0], list(state)


class Ours(keras.layers.Layer):
    def __init__(self, cell, teacher_forced, **kwargs):
        super().__init__(**kwargs)
        self.recurrence = Recurrence(cell)
        self.teacher_forced = teacher_forced

    def build(self, input_shape):
        self.recurrence.build(input_shape)

    def call(self, inputs):
        return self.recurrence(inputs, targets=inputs if self.teacher_forced else None)[0]


def layer(side, cell, units):
    if side in ("ours", "teacher_forced"):
        return Ours(cells.make(cell, units), side == "teacher_forced")
    if cell in LAYERS:
        return getattr(keras.layers, LAYERS[cell])(units, return_sequences=True)
    return keras.layers.RNN(AsKeras(cells.make(cell, units)), return_sequences=True)


def make(cell, units, length, batch, train):
    keras.backend.clear_session()
    model = keras.Sequential([keras.Input((length, units), batch_size=batch), layer(sys.argv[1], cell, units)])
    model.compile(keras.optimizers.Adam(1e-4), "mse")  # everything else as `fit` has it by default
    random = np.random.default_rng(0)
    x, y = (tf.constant(random.standard_normal((batch, length, units), "float32")) for _ in range(2))
    batches = iter(tf.data.Dataset.from_tensors((x, y)).repeat())
    model.make_train_function()
    model.make_predict_function()

    def train_step():
        np.asarray(model.train_function(batches)["loss"])

    def forward_step():
        np.asarray(model.predict_function([(x,)]))

    return train_step if train else forward_step, {"parameters": model.count_params()}


if __name__ == "__main__":
    serve(make)
