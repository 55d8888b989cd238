"""Why cuDNN is not used is one line; the layers of Keras that call it say and learn what the loop does."""

import copy
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import cells
from seqkeras.cells import Zoneout
from seqkeras.rnn import cudnn
from seqkeras.rnn.recurrence import Recurrence

pytestmark = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="of Keras's layers where they go without cuDNN; there is a GPU"
)
B, T, D, H = 4, 5, 3, 4
MASKS = {
    "none": None,
    "padding": np.arange(T) < np.array([[5], [3], [1], [0]]),
    "holes": np.array([[1, 0, 1, 1, 0], [0, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool),
}


@pytest.fixture
def gpu(monkeypatch):
    """TensorFlow believes in a GPU: graphs for one can be traced, not run."""
    real, there = tf.config.get_visible_devices, [tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")]

    def devices(kind=None):
        return there if kind == "GPU" else real(kind) + there * (kind is None)

    for which in ("list_physical_devices", "get_visible_devices", "list_logical_devices"):
        monkeypatch.setattr(tf.config, which, devices)


def both_ways(cell, mask, reverse, dtype="float32"):
    """[outputs, *final state, *gradients] by the loop, then by Keras's layer."""
    layer = Recurrence(cells.names()[cell](H, dtype=dtype), reverse, dtype=dtype)
    layer.build((None, None, D))
    for v in layer.trainable_variables:
        v.assign(v + 0.3 * keras.random.normal(v.shape))
    x, *state = (tf.random.normal((B, T, D)), *(tf.random.normal((B, H)) for _ in range(layer.cell.num_states)))
    inputs, given = tf.cast(x, layer.compute_dtype), tuple(tf.cast(s, layer.compute_dtype) for s in state)

    for layer.by_cudnn in (False, True):
        with tf.GradientTape() as tape:
            tape.watch([inputs, given])
            parts = tf.nest.flatten(layer(inputs, mask=mask, initial_state=given))
            score = sum(tf.reduce_sum(tf.sin(3 * p)) for p in parts)
        yield parts + tf.nest.flatten(tape.gradient(score, [inputs, given, layer.trainable_variables]))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_layer_of_keras_says_and_learns_what_the_loop_does(cell, reverse, mask, seed):
    loop, layer = both_ways(cell, MASKS[mask], reverse)
    for a, b in zip(layer, loop, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_it_does_in_half_precision(seed):
    loop, layer = both_ways("gru", MASKS["padding"], False, dtype="mixed_float16")
    for a, b in zip(layer, loop, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0.05, atol=0.05)


def test_a_graph_looks_at_each_mask_when_it_runs(seed):
    layer = Recurrence(cells.make("lstm", H))
    x = tf.random.normal((B, T, D))
    layer(x)
    expected = {name: layer(x, mask=mask) for name, mask in MASKS.items() if mask is not None}
    layer.by_cudnn = True
    graph = tf.function(lambda mask: layer(x, mask=mask))
    for name, parts in expected.items():
        for a, b in zip(tf.nest.flatten(graph(tf.constant(MASKS[name]))), tf.nest.flatten(parts), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_an_empty_batch_goes_by_the_loop(reverse):
    layer = Recurrence(cells.make("gru", H), reverse)
    layer.by_cudnn = True
    for shape in ((0, T, D), (B, 0, D)):
        outputs, (final,) = tf.function(layer)(tf.zeros(shape))
        assert outputs.shape == (*shape[:2], H) and final.shape == (shape[0], H)


def test_a_copy_of_a_layer_has_its_own_weights(seed):
    layer = Recurrence(cells.make("lstm", H))
    layer.by_cudnn = True
    x = tf.random.normal((B, T, D))
    layer(x)
    twin = copy.deepcopy(layer)
    twin.cell.kernel.assign(twin.cell.kernel * 2)
    expected = Recurrence(twin.cell)(x)[0]
    np.testing.assert_allclose(twin(x)[0], expected, atol=1e-6)
    assert not np.allclose(layer(x)[0], expected, atol=1e-3)


def operators(graph):
    """Of a graph and of the functions it calls."""
    return set(re.findall(r'\bop: "(\w+)"', str(graph.as_graph_def())))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_where_there_is_a_gpu_a_training_step_is_cudnns_and_not_compiled(cell, gpu):
    model = seqkeras.SequenceClassifier(11, 3, units=H, cell=cell, num_layers=2, bidirectional=True)
    model.compile("adam", seqkeras.CrossEntropy())
    assert not model.jit_compile

    @tf.function
    def step(ids, labels):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(ids, labels, model(ids, training=True), training=True)
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    graph = step.get_concrete_function(tf.TensorSpec((B, T), "int32"), tf.TensorSpec((B,), "int32")).graph
    assert {"CudnnRNNV3", "CudnnRNNBackpropV3"} <= operators(graph)


def test_where_there_is_a_gpu_another_cell_says_once_why_not(gpu):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        model = seqkeras.SequenceClassifier(11, 3, units=H, cell="mut1", num_layers=2)
    assert [str(one.message) for one in said] == ["no cuDNN: it has LSTM and GRU as they are, no MUT1"]
    model.compile("adam", seqkeras.CrossEntropy())
    assert model.jit_compile


def test_of_what_a_user_did_not_choose_nothing_is_said(gpu):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seqkeras.Forecaster(2, window=6, horizon=3, units=H, strategy="recursive", cell="lstm")


def test_without_a_gpu_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Recurrence(cells.make("mut1", H))


def test_the_reason_is_one_line_with_all_there_is_to_say(gpu):
    lstm = cells.make("lstm", H)
    assert cudnn.reason(lstm) is cudnn.reason(cells.make("gru", H), tf.constant(MASKS["padding"])) is None
    assert (
        cudnn.reason(lstm, tf.constant(MASKS["holes"]))
        == "no cuDNN: it takes padding behind the real steps of a row alone"
    )
    for cell in (Zoneout(lstm, 0.1), *(cells.make(name, H) for name in cells.names() if name not in ("lstm", "gru"))):
        assert cudnn.reason(cell).startswith("no cuDNN: it has LSTM and GRU as they are, no ")
    assert cudnn.reason(cells.names()["lstm"](H, dtype="bfloat16")) == "no cuDNN: it has not been tried in bfloat16"


def test_without_a_gpu_that_is_the_reason():
    assert cudnn.reason(cells.make("lstm", H)) == "no cuDNN: TensorFlow sees no GPU"
