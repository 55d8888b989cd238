"""What TensorFlow never gives back is made once for all layers that are configured alike, and only for those."""

import gc
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import cells
from seqkeras.cells import Zoneout
from seqkeras.rnn import xla
from seqkeras.rnn.handwritten_backward import one_chunk
from seqkeras.rnn.recurrence import Recurrence


def function_of(name, units=4, reverse=False):
    cell = cells.make(name, units)
    cell.build((None, None, 3))

    @tf.function
    def traced():
        found.append(xla.shared(one_chunk, cell, reverse))
        return tf.constant(0)

    found = []
    traced()
    return found[0]


def test_cells_that_are_configured_alike_share_what_is_compiled():
    assert function_of("gru") is function_of("gru")
    alone = [function_of("gru"), function_of("gru", 5), function_of("gru", reverse=True), function_of("lstm")]
    alone += [function_of("simplernn:relu"), function_of("simplernn:tanh"), function_of("peepholelstm")]
    assert len(set(map(id, alone))) == len(alone)


class Own(cells.Cell):
    """Of a user's, whose config does not know its factor."""

    def __init__(self, units, factor=1.0):
        super().__init__(units)
        self.factor = factor

    def step(self, projected, state, ops):
        return (self.factor * projected + ops.matmul(state[0], self.recurrent_kernel),)


class OwnConfig(Own):
    """The same with a config of its own, which does not know the factor either."""

    def get_config(self):
        return super().get_config()


@pytest.mark.parametrize("cls", [Own, OwnConfig])
@pytest.mark.parametrize("inside", [lambda cell: cell, lambda cell: Zoneout(cell, 0.0)], ids=["alone", "in zoneout"])
def test_a_cell_whose_config_may_lack_an_argument_shares_nothing(cls, inside):
    x, said = np.ones((1, 3, 2), "float32"), []
    for factor in (1.0, 2.0):
        layer = Recurrence(inside(cls(2, factor)))
        layer.build((None, None, 2))
        layer.set_weights([np.eye(2), np.zeros((2, 2)), np.zeros(2)])
        said.append(tf.function(lambda x, layer=layer: layer(x, training=True)[0])(x).numpy())
    np.testing.assert_allclose(said[1], 2 * said[0])


def test_shared_functions_read_the_weights_of_the_layer_that_calls_them(seed):
    x = np.random.default_rng(seed).normal(size=(2, 3, 2)).astype("float32")
    for training in (True, False):
        for _ in range(2):
            layer = Recurrence(cells.make("gru", 4))
            traced = tf.function(lambda x, layer=layer, now=training: layer(x, training=now)[0])(x)
            np.testing.assert_allclose(traced, layer(x)[0], atol=1e-6)


@pytest.mark.slow
def test_a_hundred_models_in_a_row_stay_small(seed):
    def megabytes():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024

    rng = np.random.default_rng(seed)
    x, y = rng.integers(4, 50, (32, 20)), rng.integers(0, 3, 32)
    used = []
    for _ in range(12):
        model = seqkeras.SequenceClassifier(50, 3, units=32)
        model.compile("adam", seqkeras.CrossEntropy())
        model.fit(x, y, verbose=0)
        del model
        keras.backend.clear_session()
        gc.collect()
        used.append(megabytes())
    assert used[-1] - used[2] < 9 * 3  # 300 MB for 100
