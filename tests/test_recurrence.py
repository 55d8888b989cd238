"""One loop over time, four times: the same values and the same gradients, for every cell."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras import cells
from seqkeras.rnn import chunking, handwritten_backward, inference, recurrence, xla
from seqkeras.rnn.loops import inference_loop, scan
from seqkeras.rnn.recurrence import Recurrence, fastest, looping
from tests import slopes
from tests.unrolled import unrolled

BY_HAND, EVALUATION = handwritten_backward.loop, inference.loop

B, T, D, H = 4, 6, 3, 4
MASKS = {
    "none": None,
    "padding": np.arange(T) < np.array([[6], [3], [1], [0]]),
    "holes": np.array([[1, 0, 1, 1, 0, 1], [0, 0, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]], bool),
}
CELLS = ["simplernn", "gru", "lstm", "resetbeforegru", "layernormlstm", "mut1"]


def make(cell, reverse=False, dtype="float32"):
    layer = Recurrence(cells.names()[cell](H, dtype=dtype), reverse, dtype=dtype)
    layer.build((None, None, D))
    for v in layer.trainable_variables:  # no weight at zero, where a lost gradient would go unseen
        v.assign(v + 0.3 * keras.random.normal(v.shape, dtype=v.dtype))
    return layer


def draw(layer, dtype="float32"):
    states = [np.random.normal(size=(B, H)).astype(dtype) for _ in range(layer.cell.num_states)]
    return np.random.normal(size=(B, T, D)).astype(dtype), *states


def run(layer, loop, mask, x, *state):
    with looping(loop):
        return layer(x, mask=mask, initial_state=tuple(state))


def score(layer, loop, mask, x, *state):
    """A number that every output and every final state has a part in."""
    outputs, final = run(layer, loop, mask, x, *state)
    parts = [outputs, *final]
    weights = [tf.reshape(tf.cos(tf.range(tf.size(p), dtype=tf.float32)), tf.shape(p)) for p in parts]
    return sum(tf.reduce_sum(p * tf.cast(w, p.dtype)) for p, w in zip(parts, weights, strict=True))


def gradients(layer, loop, mask, *given):
    given = [tf.convert_to_tensor(x) for x in given]
    with tf.GradientTape() as tape:
        tape.watch(given)
        result = score(layer, loop, mask, *given)
    return tape.gradient(result, given + [v.value for v in layer.trainable_variables])


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_the_four_loops_agree(cell, reverse, mask, seed):
    layer, mask = make(cell, reverse), MASKS[mask]
    given = draw(layer)
    outputs, state = run(layer, unrolled, mask, *given)
    for loop in (scan, BY_HAND, inference_loop, EVALUATION):
        received, final = run(layer, loop, mask, *given)
        np.testing.assert_allclose(received, outputs, atol=1e-5, err_msg=loop.__name__)
        for a, b in zip(final, state, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5, err_msg=loop.__name__)
    expected = gradients(layer, unrolled, mask, *given)
    for loop in (BY_HAND, EVALUATION):
        for a, b in zip(gradients(layer, loop, mask, *given), expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4, err_msg=loop.__name__)


@pytest.mark.parametrize("jit", [False, True])
def test_the_loops_agree_in_graphs_compiled_or_not(jit, seed):
    layer, mask = make("lstm", reverse=True), MASKS["holes"]
    given = draw(layer)
    expected = gradients(layer, unrolled, mask, *given)
    for loop in (
        (BY_HAND, EVALUATION) if jit else (BY_HAND, EVALUATION, scan)
    ):  # TensorFlow cannot differentiate Keras's scan under XLA
        graph = tf.function(lambda *xs, loop=loop: gradients(layer, loop, mask, *xs), jit_compile=jit)
        for a, b in zip(graph(*map(tf.constant, given)), expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4, err_msg=loop.__name__)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "resetbeforegru"])
def test_chunks_of_time_change_neither_values_nor_gradients(cell, reverse, mask, monkeypatch, seed):
    layer, mask = make(cell, reverse), MASKS[mask]
    given = [tf.constant(x) for x in draw(layer)]
    outputs, state = run(layer, unrolled, mask, *given)
    expected = tf.nest.flatten((outputs, state, gradients(layer, unrolled, mask, *given)))
    monkeypatch.setattr(chunking, "FEWEST_ROWS", 1)
    monkeypatch.setattr(chunking, "FEWEST_SAVED", 1)
    for batch in (B, None):
        specs = [tf.TensorSpec((batch, *x.shape[1:])) for x in given]
        read = tf.function(lambda *xs: (*run(layer, BY_HAND, mask, *xs), gradients(layer, BY_HAND, mask, *xs)), specs)
        operators = [op.type for op in read.get_concrete_function().graph.get_operations()]
        assert "ConcatV2" in operators  # of the chunks' outputs
        for a, b in zip(tf.nest.flatten(read(*given)), expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def penalty(layer, loop, mask, *given):
    """The gradients of a number that is made of gradients, by tapes that last."""
    given = [tf.convert_to_tensor(x) for x in given]
    sources = given + [v.value for v in layer.trainable_variables]
    with tf.GradientTape(persistent=True) as second:
        second.watch(given)
        with tf.GradientTape(persistent=True) as first:
            first.watch(given)
            parts = tf.nest.flatten(run(layer, loop, mask, *given))
            result = sum(tf.reduce_sum(tf.sin(part)) for part in parts)  # whose slopes are no constants
        slopes = first.gradient(result, sources)
        norm = sum(tf.reduce_sum(tf.sin(slope)) for slope in slopes)
    return slopes + second.gradient(norm, sources) + first.gradient(result, sources)


@pytest.mark.parametrize(
    ("way", "loop", "cell"),
    [("step by step", loop, cell) for loop in (BY_HAND, EVALUATION) for cell in CELLS]
    + [("graph", BY_HAND, "lstm"), ("graph", EVALUATION, "resetbeforegru"), ("xla", BY_HAND, "resetbeforegru")],
)
def test_second_derivatives_are_right_and_tapes_may_last(way, loop, cell, monkeypatch, seed):
    monkeypatch.setattr(chunking, "FEWEST_ROWS", 1)
    monkeypatch.setattr(chunking, "FEWEST_SAVED", 1)
    layer, mask = make(cell, reverse=True, dtype="float64"), MASKS["holes"]
    given = draw(layer, "float64")
    run = functools.partial(penalty, layer, loop, mask)
    received = (run if way == "step by step" else tf.function(run, jit_compile=way == "xla"))(*given)
    for a, b in zip(received, penalty(layer, unrolled, mask, *given), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("loop", [BY_HAND, EVALUATION])
def test_a_gradient_reaches_into_a_condition(loop, seed):
    layer = make("gru")
    x, state = draw(layer)

    @tf.function(autograph=False)
    def slope(x, taken):
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = tf.cond(taken, lambda: score(layer, loop, None, x, state), lambda: 0.0)
        return tape.gradient(result, x)

    np.testing.assert_allclose(slope(x, tf.constant(True)), gradients(layer, unrolled, None, x, state)[0], atol=1e-5)
    assert not np.any(slope(x, tf.constant(False)))


@pytest.mark.parametrize("cell", slopes.CELLS)
def test_every_cell_says_and_learns_in_chunks_what_it_does_in_one(cell, monkeypatch, seed):
    made = slopes.layers(cell)
    expected = [x for layer in made for x in slopes.in_tensorflow(layer, seed)]
    monkeypatch.setattr(chunking, "count", lambda cell, shape: 3)
    received = [x for layer in made for x in slopes.in_tensorflow(layer, seed)]
    for a, b in zip(received, expected, strict=True):
        slopes.near(a, b, cell)


def chunks(length, batch, cell="lstm", units=256):
    layer, found = cells.make(cell, units), []
    layer.build((batch, length, units))
    tf.function(lambda: found.append(chunking.count(layer, (length, batch))))()
    return found[0]


def test_a_loop_is_cut_where_there_is_much_to_keep_and_evenly():
    assert chunks(512, 64) == chunks(512, None) == 4 and chunks(128, 64) == 2
    assert chunks(300, 64) == 4 and chunks(250, 64) == 2  # as many as divide the length
    assert chunks(128, 64, units=512) == 2  # however wide, rows enough for a product
    assert chunks(509, 64) == chunks(32, 64) == chunks(512, 1) == 1
    assert chunks(512, 64, cell="simplernn") == 1  # keeps nothing that outputs put together would not take
    assert chunking.count(cells.make("lstm", 256), (512, 64)) == 1  # step by step, outside any graph


class Leaky(keras.layers.Layer):
    """h_t = a h_{t-1} + x_t, of which a, a single number, is all it learns."""

    units = D
    num_states = 1

    def build(self, shape):
        self.a = self.add_weight(name="a", shape=(), initializer="ones")

    def project(self, inputs):
        return inputs

    def step(self, projected, state, ops):
        return (self.a * state[0] + projected,)


def test_a_cell_whose_one_weight_is_a_number_is_compiled_too():
    layer = Recurrence(Leaky())
    layer.build((None, None, D))
    sums = tf.function(lambda x, h: layer(x, initial_state=(h,), training=True)[0])(
        tf.ones((B, T, D)), tf.zeros((B, D))
    )
    np.testing.assert_allclose(sums, np.broadcast_to(np.arange(1, T + 1)[:, None], (B, T, D)))


def test_chunks_share_what_is_compiled(monkeypatch, seed):
    layer, traced = make("lstm"), []
    step, given = layer.cell.step, [tf.constant(x) for x in draw(layer)]
    monkeypatch.setattr(layer.cell, "step", lambda *given: traced.append(given) or step(*given))
    times, sizes = [], []
    for count in (1, 3):
        monkeypatch.setattr(chunking, "count", lambda cell, shape, count=count: count)
        traced.clear()
        xla._function_of_all.cache_clear()  # what other layers have traced already
        handwritten_backward._plans.clear()
        graph = tf.function(lambda *xs: gradients(layer, BY_HAND, None, *xs)).get_concrete_function(*given).graph
        times.append(len(traced))
        sizes.append(len(graph.get_operations()))
    assert times[0] == times[1] > 0 and sizes[0] < sizes[1]


def test_what_is_kept_does_not_depend_on_whether_the_batch_is_known(seed):
    layer = make("lstm")
    given = [tf.constant(x) for x in draw(layer)]

    def kept(batch):
        """How many tensors each compiled pass is given and gives."""
        specs = [tf.TensorSpec((batch, *x.shape[1:])) for x in given]
        graph = tf.function(lambda *xs: gradients(layer, BY_HAND, None, *xs), specs).get_concrete_function().graph
        calls = [op for op in graph.get_operations() if "PartitionedCall" in op.type]
        return [(len(op.inputs), len(op.outputs)) for op in calls]

    assert kept(None) == kept(B)


def test_xla_compiles_the_loop_in_a_graph_of_fixed_length_alone(seed):
    layer = make("gru")

    def compiled(length, training):
        graph = tf.function(lambda x: layer(x, training=training)[0])
        graph = graph.get_concrete_function(tf.TensorSpec((None, length, D))).graph.as_graph_def()
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        return any(node.attr["_XlaMustCompile"].b for node in nodes if "PartitionedCall" in node.op)

    for training in (True, False):
        assert compiled(T, training) and not compiled(None, training)
    assert fastest(T, True) is fastest(T, False) is BY_HAND  # step by step, outside any graph


def test_every_cell_says_and_learns_in_jax_what_it_does_in_tensorflow(tmp_path, seed):
    """Outputs, final state and the gradients of inputs, initial state and weights; forwards, and backwards in noise."""
    pytest.importorskip("jax", reason="jax is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.slopes", str(seed), str(tmp_path / "jax.npz")],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    received = np.load(tmp_path / "jax.npz")
    for cell in slopes.CELLS:
        expected = [x for layer in slopes.layers(cell) for x in slopes.in_tensorflow(layer, seed)]
        for i, x in enumerate(expected):
            slopes.near(received[f"{cell} {i}"], x, cell)


@pytest.mark.parametrize(
    "cell", [*CELLS, *(pytest.param(cell, marks=pytest.mark.slow) for cell in slopes.CELLS if cell not in CELLS)]
)
def test_every_cell_compiled_says_and_learns_what_it_does_step_by_step(cell, seed):
    layer = slopes.layers(cell)[-1]
    for a, b in zip(slopes.in_tensorflow(layer, seed, tf.function), slopes.in_tensorflow(layer, seed), strict=True):
        slopes.near(a, b, cell)


@pytest.mark.parametrize("loop", [EVALUATION, BY_HAND])
@pytest.mark.parametrize("cell", ["lstm", "gru", "mut3", "simplernn"])
def test_products_in_blocks_of_columns_change_nothing(cell, loop, seed):
    batch = 16
    mask = np.random.random((batch, T)) < 0.8

    def built(units, width):
        """(the layer, what it is given, its results as a graph, its gradients as a graph)"""
        layer = Recurrence(cells.make(cell, units), reverse=True)
        layer.build((None, None, width))
        given = [tf.random.normal(shape) for shape in [(batch, T, width), *[(batch, units)] * layer.cell.num_states]]
        graphs = [tf.function(lambda *given, of=of: of(layer, loop, mask, *given)) for of in (run, gradients)]
        return layer, given, *graphs

    def products(given, *graphs):
        """How many there are in the graph of the results, and how many more in that of the gradients."""
        made = [str(graph.get_concrete_function(*given).graph.as_graph_def()) for graph in graphs]
        results, both = [text.count('op: "MatMul"') for text in made]
        return results, both - results

    for width in (3, 40):  # of the input: 40 rows of W^T make a matrix wide enough for blocks, and too narrow for two
        layer, given, results, slopes_of = built(256, width)
        for a, b in zip(tf.nest.flatten(results(*given)), tf.nest.flatten(run(layer, loop, mask, *given)), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
        for a, b in zip(slopes_of(*given), gradients(layer, loop, mask, *given), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
    wide, narrow = products(given, results, slopes_of), products(*built(H, 3)[1:])
    assert wide[0] > narrow[0] and wide[1] > narrow[1]


def test_a_length_unknown_until_run_time(seed):
    layer = make("gru")
    x = draw(layer)[0]
    for loop in (BY_HAND, inference_loop):
        signature = [tf.TensorSpec((None, None, D)), tf.TensorSpec((None, None), tf.bool)]
        with looping(loop):
            graph = tf.function(lambda x, m: layer(x, mask=m), input_signature=signature)
            outputs, (state,) = graph(x, MASKS["padding"])
        expected, (final,) = run(layer, unrolled, MASKS["padding"], x, np.zeros((B, H), "float32"))
        np.testing.assert_allclose(outputs, expected, atol=1e-5)
        np.testing.assert_allclose(state, final, atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm", "simplernn"])
def test_the_gradient_is_the_slope(cell, seed):
    """Along a random direction through inputs, initial state and weights at once, in double precision."""
    layer = make(cell, dtype="float64")
    given, weights = draw(layer, "float64"), [v.numpy() for v in layer.trainable_variables]
    point = [*given, *weights]
    direction = [np.random.normal(size=p.shape) for p in point]

    def at(step):
        moved = [p + step * d for p, d in zip(point, direction, strict=True)]
        for v, w in zip(layer.trainable_variables, moved[len(given) :], strict=True):
            v.assign(w)
        return float(score(layer, BY_HAND, MASKS["holes"], *moved[: len(given)]))

    slope = (at(1e-5) - at(-1e-5)) / 2e-5
    at(0.0)
    received = gradients(layer, BY_HAND, MASKS["holes"], *given)
    np.testing.assert_allclose(sum(np.sum(g * d) for g, d in zip(received, direction, strict=True)), slope, rtol=1e-6)


@pytest.mark.parametrize("loop", [scan, BY_HAND, inference_loop, unrolled])
def test_what_is_masked_is_not_looked_at(loop, seed):
    layer, mask = make("lstm"), MASKS["holes"]
    x, *state = draw(layer)
    outputs, final = run(layer, loop, mask, x, *state)
    other, other_final = run(layer, loop, mask, np.where(mask[..., None], x, 1e6).astype("float32"), *state)
    np.testing.assert_array_equal(outputs, other)
    np.testing.assert_array_equal(final, other_final)
    assert not np.any(outputs[~mask])
    np.testing.assert_array_equal([s[3] for s in final], [s[3] for s in state])  # the row that is all mask


def test_reverse_is_the_sequence_turned_round(seed):
    forward, backward = make("gru"), make("gru", reverse=True)
    backward.set_weights(forward.get_weights())
    x = draw(forward)[0]
    outputs, state = backward(x)
    turned, final = forward(x[:, ::-1])
    np.testing.assert_allclose(outputs, turned[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(state, final, atol=1e-6)


@pytest.mark.parametrize("loop", [BY_HAND, inference_loop])
def test_no_time_at_all_leaves_the_state(loop, seed):
    layer = make("lstm")
    _, *state = draw(layer)
    outputs, final = run(layer, loop, None, np.zeros((B, 0, D), "float32"), *state)
    assert outputs.shape == (B, 0, H)
    np.testing.assert_array_equal(final, state)


def test_the_loop_is_chosen_for_a_while_only():
    before = recurrence._looping.get()
    with pytest.raises(RuntimeError), looping(scan):
        assert recurrence._looping.get().loop is scan
        raise RuntimeError
    assert recurrence._looping.get() is before


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", ["jordan", "simplernn", "gru"])
def test_taught_its_own_outputs_a_network_says_what_it_says_in_the_loop(cell, reverse, mask, seed):
    layer, mask = make(cell, reverse), MASKS[mask]
    x, *state = draw(layer)
    outputs, final = layer(x, mask=mask, initial_state=tuple(state))
    received, end = layer(x, mask=mask, initial_state=tuple(state), targets=outputs)
    np.testing.assert_allclose(received, outputs, atol=1e-5)
    np.testing.assert_allclose(end[0], final[0], atol=1e-5)


def test_a_teacher_is_followed_and_no_gradient_flows_through_time(seed):
    layer = make("jordan")
    x, *state = draw(layer)
    teacher = np.random.normal(size=(B, T, H)).astype("float32")
    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        outputs, _ = layer(given, initial_state=tuple(state), targets=teacher)
        last = tf.reduce_sum(outputs[:, -1])
    first = layer.cell.call(x[:, 3], (teacher[:, 2],))[0]
    np.testing.assert_allclose(outputs[:, 3], first, atol=1e-5)
    gradient = np.asarray(tape.gradient(last, given))
    assert np.all(gradient[:, :-1] == 0) and np.all(np.abs(gradient[:, -1]).sum(-1) > 0)


def test_a_network_trained_with_a_teacher_through_fit_runs_alone(seed):
    """The outputs of one network, learnt by another from the true outputs before each step."""
    true, taught = make("jordan"), make("jordan")
    x = np.random.normal(size=(64, T, D)).astype("float32")
    y = np.asarray(true(x)[0])
    values, teacher = keras.Input((T, D)), keras.Input((T, H))
    model = keras.Model([values, teacher], taught(values, targets=teacher)[0])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    before = np.mean((np.asarray(taught(x)[0]) - y) ** 2)
    model.fit([x, y], y, epochs=60, batch_size=64, verbose=0)
    assert np.mean((np.asarray(taught(x)[0]) - y) ** 2) < before / 5


def test_a_teacher_needs_a_cell_whose_state_is_its_output():
    with pytest.raises(ValueError, match="Expected a cell whose state is its output, with targets.*2 states"):
        make("lstm")(np.zeros((B, T, D), "float32"), targets=np.zeros((B, T, H), "float32"))


def test_a_frozen_layer_runs_and_stays_while_the_others_learn(seed):
    frozen, learning = make("gru"), Recurrence(cells.make("lstm", H))
    frozen.trainable = False
    values = keras.Input((None, D))
    model = keras.Model(values, learning(frozen(values)[0])[0])
    model.compile("sgd", "mse")
    before = frozen.get_weights(), learning.get_weights()
    x = np.random.normal(size=(B, T, D)).astype("float32")
    model(x)
    model.fit(x, np.random.normal(size=(B, T, H)), verbose=0)
    for a, b in zip(frozen.get_weights(), before[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(np.any(a != b) for a, b in zip(learning.get_weights(), before[1], strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_a_gradient_through_evaluation_in_half_precision_is_that_of_training(cell, seed):
    policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    layer = Recurrence(cells.names()[cell](H, dtype=policy), dtype=policy)
    layer.build((None, None, D))
    x = tf.constant(np.random.normal(size=(B, T, D)), "float16")

    @tf.function
    def gradients(training):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(tf.cast(layer(x, training=training)[0], "float32"))
        return tape.gradient(total, [x, *[v.value for v in layer.trainable_variables]])

    for one, other in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_allclose(tf.cast(one, "float32"), tf.cast(other, "float32"), atol=0.05)
