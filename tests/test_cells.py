"""Every cell against its equation, written once more here in NumPy, and its gradients against differences of that."""

import gc
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras import cells
from seqkeras.cells import VariationalDropout, Zoneout
from seqkeras.rnn import chunking, handwritten_backward, inference, recurrence
from seqkeras.rnn.loops import inference_loop, scan
from seqkeras.rnn.recurrence import Recurrence
from tests.unrolled import unrolled

B, T, D, H = 2, 4, 2, 3
NAMES = sorted(name for name, cls in cells.names().items() if cls.__module__.startswith("seqkeras."))
BY_HAND = handwritten_backward.loop
LOOPS = (BY_HAND, inference.loop, scan, inference_loop, unrolled)


@pytest.fixture(autouse=True)
def float64(seed):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


def identity(x):
    return x


def norm(x, gain):
    return gain * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def blocks(x, n):
    return np.split(x, n, -1)


# One step of each cell: weights by name, x [B, D], state -> state, the output first.


def elman(w, x, h, f=np.tanh):
    return (f(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"]),)


def one_matrix(w, x, h):
    return (np.tanh(np.concatenate([h, x], -1) @ w["kernel"] + w["bias"]),)


def jordan(w, x, y):
    h = np.tanh(x @ w["kernel"] + y @ w["recurrent_kernel"] + w["bias"])
    return (np.tanh(h @ w["output_kernel"] + w["output_bias"]),)


def output_to_hidden(w, x, y, h):
    h = np.tanh(x @ w["kernel"] + y @ w["recurrent_kernel"] + h @ w["hidden_kernel"] + w["bias"])
    return np.tanh(h @ w["output_kernel"] + w["output_bias"]), h


def lstm(w, x, h, c):
    i, f, o, g = blocks(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def greff(order, i=None, f=None, o=None, g=np.tanh, out=np.tanh, coupled=False):
    """The vanilla LSTM of Greff et al. with the gates in `order`; a gate given a number has that value."""

    def step(w, x, h, c, *before):
        z = dict(zip(order, blocks(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"], len(order)), strict=True))
        for name, gate in zip("ifo", before, strict=False):
            for k, more in zip("ifo", blocks(gate @ w[f"gate_kernel_{name}"], 3), strict=True):
                z[k] = z[k] + more
        input_gate = sigmoid(z["i"] + w["peephole_i"] * c) if i is None else i
        forget_gate = 1 - input_gate if coupled else f
        if forget_gate is None:
            forget_gate = sigmoid(z["f"] + w["peephole_f"] * c)
        c = g(z["g"]) * input_gate + c * forget_gate
        output_gate = sigmoid(z["o"] + w["peephole_o"] * c) if o is None else o
        h = out(c) * output_gate
        return (h, c, input_gate, forget_gate, output_gate) if before else (h, c)

    return step


def gru(w, x, h):
    z, r, n = blocks(x @ w["kernel"] + w["bias"], 3)
    uz, ur, un = blocks(h @ w["recurrent_kernel"], 3)
    z, r = sigmoid(z + uz), sigmoid(r + ur)
    return (z * h + (1 - z) * np.tanh(n + r * (un + w["reset_bias"])),)


def reset_before_gru(w, x, h):
    z, r, n = blocks(x @ w["kernel"] + w["bias"], 3)
    uz, ur = blocks(h @ w["recurrent_kernel"], 2)
    z, r = sigmoid(z + uz), sigmoid(r + ur)
    return (z * h + (1 - z) * np.tanh(n + (r * h) @ w["candidate_kernel"]),)


def mut1(w, x, h):
    bz, br, bh = blocks(w["bias"], 3)
    wz, wr = blocks(w["kernel"], 2)
    z = sigmoid(x @ wz + bz)
    r = sigmoid(x @ wr + h @ w["recurrent_kernel"] + br)
    return (np.tanh((r * h) @ w["candidate_kernel"] + np.tanh(x @ w.get("widen", np.eye(H))) + bh) * z + h * (1 - z),)


def mut2(w, x, h):
    bz, br, bh = blocks(w["bias"], 3)
    wz, wh = blocks(w["kernel"], 2)
    uz, ur = blocks(w["recurrent_kernel"], 2)
    z = sigmoid(x @ wz + h @ uz + bz)
    r = sigmoid(x @ w.get("widen", np.eye(H)) + h @ ur + br)
    return (np.tanh((r * h) @ w["candidate_kernel"] + x @ wh + bh) * z + h * (1 - z),)


def mut3(w, x, h):
    bz, br, bh = blocks(w["bias"], 3)
    wz, wr, wh = blocks(w["kernel"], 3)
    z = sigmoid(x @ wz + np.tanh(h) @ w["update_kernel"] + bz)
    r = sigmoid(x @ wr + h @ w["recurrent_kernel"] + br)
    return (np.tanh((r * h) @ w["candidate_kernel"] + x @ wh + bh) * z + h * (1 - z),)


def nas(w, x, h, c):
    """The figure's tree from its leaves up: eight pairs, four nodes, two, one; the memory enters the first node."""
    x, u = blocks(x @ w["kernel"] + w["bias"], 8), blocks(h @ w["recurrent_kernel"], 8)
    activations = sigmoid, relu, sigmoid, relu, np.tanh, sigmoid, np.tanh, sigmoid
    leaf = [f(x[k] * u[k] if k == 3 else x[k] + u[k]) for k, f in enumerate(activations)]
    left = np.tanh(np.tanh(leaf[0] * leaf[1]) + c), np.tanh(leaf[2] + leaf[3])
    right = np.tanh(leaf[4] * leaf[5]), sigmoid(leaf[6] + leaf[7])
    c = left[0] * left[1]
    return np.tanh(c * np.tanh(right[0] + right[1])), c


def layer_norm_lstm(w, x, h, c):
    z = norm(x @ w["kernel"], w["input_gain"]) + norm(h @ w["recurrent_kernel"], w["recurrent_gain"]) + w["bias"]
    i, f, o, g = blocks(z, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(norm(c, w["state_gain"]) + w["state_bias"]), c


def layer_norm_gru(w, x, h):
    u, wx = h @ w["recurrent_kernel"], x @ w["kernel"]
    k = 2 * H
    gates = norm(wx[:, :k], w["input_gain"][:k]) + norm(u[:, :k], w["recurrent_gain"][:k]) + w["bias"][:k]
    z, r = blocks(sigmoid(gates), 2)
    n = norm(wx[:, k:], w["input_gain"][k:]) + w["bias"][k:]
    n = np.tanh(n + r * (norm(u[:, k:], w["recurrent_gain"][k:]) + w["reset_bias"]))
    return ((1 - z) * h + z * n,)


EQUATIONS = {
    "simplernn": elman,
    "onematrixrnn": one_matrix,
    "jordan": jordan,
    "outputtohidden": output_to_hidden,
    "lstm": lstm,
    "peepholelstm": greff("ifog"),
    "noinputgatelstm": greff("fog", i=1),
    "noforgetgatelstm": greff("iog", f=1),
    "nooutputgatelstm": greff("ifg", o=1),
    "noinputactivationlstm": greff("ifog", g=identity),
    "nooutputactivationlstm": greff("ifog", out=identity),
    "coupledlstm": greff("iog", coupled=True),
    "fullgaterecurrencelstm": greff("ifog"),
    "gru": gru,
    "resetbeforegru": reset_before_gru,
    "mut1": mut1,
    "mut2": mut2,
    "mut3": mut3,
    "nas": nas,
    "layernormlstm": layer_norm_lstm,
    "layernormgru": layer_norm_gru,
}


def build(name, width=D, units=H):
    """A recurrence over a cell whose weights, biases too, are random."""
    layer = Recurrence(cells.make(name, units))
    layer.build((None, None, width))
    for v in layer.trainable_variables:
        v.assign(np.random.normal(size=v.shape) * 0.7)
    return layer


def weights(layer):
    return {v.name: v.numpy() for v in layer.trainable_variables}


def example(layer, width=D):
    return np.random.normal(size=(B, T, width)), [np.random.normal(size=(B, H)) for _ in range(layer.cell.num_states)]


def by_equation(step, w, x, state):
    """The whole sequence: outputs [B, T, H] and the final state."""
    outputs = []
    for t in range(x.shape[1]):
        state = step(w, x[:, t], *state)
        outputs.append(state[0])
    return np.stack(outputs, 1), state


def run(layer, x, state, loop=BY_HAND):
    with recurrence.looping(loop):
        outputs, final = layer(tf.constant(x), initial_state=tuple(map(tf.constant, state)))
    return outputs.numpy(), [s.numpy() for s in final]


def gradients(layer, x, state, loop):
    """d/d(x, state, weights) of sum(outputs * ramp) + sum(final state ** 2)."""
    x, *state = map(tf.constant, (x, *state))
    variables = [v.value for v in layer.trainable_variables]
    with recurrence.looping(loop), tf.GradientTape() as tape:
        tape.watch([x, state])
        outputs, final = layer(x, initial_state=tuple(state))
        loss = tf.reduce_sum(outputs * ramp(outputs.shape)) + sum(tf.reduce_sum(s**2) for s in final)
    return [np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(loss, [x, *state, *variables])]


def ramp(shape):
    return np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)


def differences(step, w, x, state, e=1e-6):
    """The same gradients by central differences of the equation, a number at a time."""
    arrays = [x, *state, *w.values()]

    def loss():
        outputs, final = by_equation(step, w, x, state)
        return np.sum(outputs * ramp(outputs.shape)) + sum(np.sum(s**2) for s in final)

    def slope(array, at):
        kept = array[at]
        array[at] = kept + e
        up = loss()
        array[at] = kept - e
        down = loss()
        array[at] = kept
        return (up - down) / (2 * e)

    return [np.array([slope(a, at) for at in np.ndindex(a.shape)]).reshape(a.shape) for a in arrays]


def test_every_cell_has_its_equation_here():
    assert set(NAMES) == set(EQUATIONS)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_follow_the_equation_in_every_loop(name):
    layer = build(name)
    x, state = example(layer)
    outputs, final = by_equation(EQUATIONS[name], weights(layer), x, state)
    assert [s.shape for s in final] == [(B, H)] * layer.cell.num_states
    for loop in LOOPS:
        ours, ours_final = run(layer, x, state, loop)
        np.testing.assert_allclose(ours, outputs, atol=1e-12, err_msg=loop.__name__)
        np.testing.assert_allclose(ours_final, final, atol=1e-12, err_msg=loop.__name__)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_equation(name):
    layer = build(name)
    x, state = example(layer)
    ours = gradients(layer, x, state, BY_HAND)
    for g, automatic in zip(ours, gradients(layer, x, state, scan), strict=True):
        np.testing.assert_allclose(g, automatic, rtol=1e-9, atol=1e-11)
    for g, numeric in zip(ours, differences(EQUATIONS[name], weights(layer), x, state), strict=True):
        np.testing.assert_allclose(g, numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["mut1", "mut2"])
def test_input_of_the_cells_own_width_enters_without_a_matrix(name):
    layer = build(name, width=H)
    assert "widen" not in weights(layer)
    x, state = example(layer, width=H)
    expected, _ = by_equation(EQUATIONS[name], weights(layer), x, state)
    np.testing.assert_allclose(run(layer, x, state)[0], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["nas", "fullgaterecurrencelstm", "mut2"])
def test_compiled_by_xla_the_numbers_and_gradients_stay(name):
    layer = build(name)
    x, state = example(layer)
    variables = [v.value for v in layer.trainable_variables]

    def loss_and_gradients(x, *state):
        with tf.GradientTape() as tape:
            tape.watch([x, state])
            outputs, final = layer(x, initial_state=state)
            loss = tf.reduce_sum(outputs * ramp(outputs.shape)) + sum(tf.reduce_sum(s**2) for s in final)
        return outputs, tape.gradient(loss, [x, *state, *variables])

    outputs, slopes = tf.function(loss_and_gradients, jit_compile=True)(*map(tf.constant, (x, *state)))
    np.testing.assert_allclose(outputs, run(layer, x, state)[0], atol=1e-12)
    for g, eager in zip(slopes, gradients(layer, x, state, BY_HAND), strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(g), eager, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_comes_back_from_its_config(name):
    layer = build(name)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again.cell) is type(layer.cell)
    assert again.get_config() == layer.get_config()
    again.build((None, None, D))
    again.set_weights(layer.get_weights())
    x, state = example(layer)
    np.testing.assert_array_equal(run(again, x, state)[0], run(layer, x, state)[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_state_starts_at_zero_and_begins_with_the_output(name):
    cell = cells.make(name, H)
    state = cell.initial_state(B)
    assert [tuple(s.shape) for s in state] == [(B, H)] * cell.num_states
    assert not np.any(state)
    x = tf.ones((B, D), "float64")
    new = cell(x, state)
    assert [tuple(s.shape) for s in new] == [(B, H)] * cell.num_states
    outputs, final = Recurrence(cell)(x[:, None])
    np.testing.assert_allclose(outputs[:, 0], new[0], atol=1e-12)
    np.testing.assert_allclose(final[0], new[0], atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_gives_finite_half_precision(name):
    keras.config.set_dtype_policy("mixed_float16")
    layer = Recurrence(cells.make(name, H))
    outputs, final = layer(tf.random.normal((B, T, D)))
    assert outputs.dtype == tf.float16 and all(s.dtype == tf.float16 for s in final)
    assert np.all(np.isfinite(outputs))
    assert all(v.dtype == "float32" for v in layer.trainable_variables)


ACTIVATIONS = {
    "linear": identity,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": relu,
    "leaky_relu": lambda x: np.where(
        x > 0, x, np.float64(np.float32(0.2)) * x
    ),  # TensorFlow keeps its slope in 32 bits
    "softplus": lambda x: np.log1p(np.exp(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
}


@pytest.mark.parametrize("activation", cells.ACTIVATIONS)
def test_elman_with_each_activation(activation):
    layer = build(f"simplernn:{activation}")
    x, state = example(layer)
    expected, _ = by_equation(lambda w, x, h: elman(w, x, h, ACTIVATIONS[activation]), weights(layer), x, state)
    np.testing.assert_allclose(run(layer, x, state)[0], expected, atol=1e-12)
    assert layer.get_config()["cell"]["config"]["activation"] == activation


def test_one_matrix_over_the_stacked_vector_is_the_elman_network():
    two, one = build("simplernn:sigmoid"), build("onematrixrnn:sigmoid")
    w = weights(two)
    one.set_weights([np.concatenate([w["recurrent_kernel"], w["kernel"]]), w["bias"]])
    x, state = example(two)
    np.testing.assert_allclose(run(one, x, state)[0], run(two, x, state)[0], atol=1e-12)


def test_output_to_hidden_without_its_hidden_recurrence_is_the_jordan_network():
    both, jordan = build("outputtohidden"), build("jordan")
    w = weights(both)
    jordan.set_weights([w[v.name] for v in jordan.trainable_variables])
    named(both, "hidden_kernel").assign(np.zeros((H, H)))
    x, state = example(both)
    np.testing.assert_allclose(run(both, x, state)[0], run(jordan, x, state[:1])[0], atol=1e-12)


def test_without_what_they_add_the_lstm_variants_are_one():
    full, peephole, plain = build("fullgaterecurrencelstm"), build("peepholelstm"), build("lstm")
    for v in full.trainable_variables:
        if v.name.startswith(("gate_kernel", "peephole")):
            v.assign(np.zeros(v.shape))
    w = weights(full)
    for layer in (peephole, plain):
        layer.set_weights([w[v.name] for v in layer.trainable_variables])
    x, state = example(full)
    expected = run(full, x, state)[0]
    np.testing.assert_allclose(run(peephole, x, state[:2])[0], expected, atol=1e-12)
    np.testing.assert_allclose(run(plain, x, state[:2])[0], expected, atol=1e-12)


def test_the_other_convention_of_the_update_gate_changes_its_sign():
    layer = build("resetbeforegru")
    x, state = example(layer)
    w = weights(layer)

    def flipped(block):
        block = block.copy()
        block[..., :H] *= -1
        return block

    def printed(w, x, h):
        """h_t = (1 - z) * h_{t-1} + z * n."""
        z, r, n = blocks(x @ w["kernel"] + w["bias"], 3)
        uz, ur = blocks(h @ w["recurrent_kernel"], 2)
        z, r = sigmoid(z + uz), sigmoid(r + ur)
        return ((1 - z) * h + z * np.tanh(n + (r * h) @ w["candidate_kernel"]),)

    expected, _ = by_equation(printed, w, x, state)
    for name in ("kernel", "recurrent_kernel", "bias"):
        named(layer, name).assign(flipped(w[name]))
    np.testing.assert_allclose(run(layer, x, state)[0], expected, atol=1e-12)


def named(layer, name):
    return next(v for v in layer.trainable_variables if v.name == name)


def test_the_forget_gate_starts_open_however_the_layer_is_built():
    class Lazy(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = Recurrence(cells.make("lstm", H))

        def call(self, inputs):
            return self.layer(inputs)[0]

    model = Lazy()
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    model.fit(np.zeros((B, T, D)), np.zeros((B, T, H)), verbose=0)
    np.testing.assert_array_equal(weights(model.layer)["bias"].reshape(4, H), np.eye(4)[1][:, None] * np.ones(H))
    assert np.all(weights(build_fresh("noinputgatelstm"))["bias"][:H] == 1)
    assert not np.any(weights(build_fresh("coupledlstm"))["bias"])


def build_fresh(name):
    layer = Recurrence(cells.make(name, H))
    layer.build((None, None, D))
    return layer


@pytest.mark.parametrize("name", ["lstmm", "", None, 3, "cell"])
def test_an_unknown_cell_lists_those_that_exist(name):
    with pytest.raises(ValueError, match="Expected cell to be one of .*gru.*lstm.*simplernn"):
        cells.make(name, H)


@pytest.mark.parametrize("units", [0, -1, 2.0, "3"])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match="Expected units to be a positive integer. Received: units="):
        cells.make("gru", units)


def test_an_activation_must_exist_and_be_open():
    with pytest.raises(ValueError, match="Expected activation to be one of linear, .*selu. Received: activation='x'"):
        cells.make("simplernn:x", H)
    with pytest.raises(ValueError, match="Expected no activation: that of lstm is fixed"):
        cells.make("lstm:relu", H)


def test_a_new_cell_is_known_by_its_name():
    class Accumulator(cells.Cell):
        def step(self, projected, state, ops):
            (h,) = state
            return (h + projected,)

    try:
        layer = build("accumulator")
        x, state = example(layer)
        w = weights(layer)
        expected = state[0][:, None] + np.cumsum(x @ w["kernel"] + w["bias"], 1)
        np.testing.assert_allclose(run(layer, x, state)[0], expected, atol=1e-12)
    finally:
        del Accumulator


# Noise.


def linear_network(recurrent, width=H, units=H):
    """h_t = x_t + h_{t-1} R, R = recurrent * identity."""
    cell = cells.make("simplernn:linear", units)
    cell.build((None, None, width))
    cell.kernel.assign(np.eye(width, units))
    cell.recurrent_kernel.assign(recurrent * np.eye(units))
    return cell


@pytest.fixture(params=[1, 2])
def trained(request, monkeypatch):
    """(layer, inputs, state) -> outputs in training, compiled, all steps in one chunk of time or in two."""
    monkeypatch.setattr(chunking, "count", lambda cell, shape: request.param)

    def run(layer, x, state=None):
        return tf.function(lambda x: layer(x, initial_state=state, training=True)[0])(tf.constant(x)).numpy()

    return run


def test_variational_dropout_drops_the_same_units_at_all_steps(trained):
    n = 500
    layer = Recurrence(VariationalDropout(linear_network(1.0, units=n), recurrent_rate=0.2))
    x, state = np.zeros((B, T, H)), (np.ones((B, n)),)
    outputs = trained(layer, x, state)
    kept = outputs[:, 0] > 0
    np.testing.assert_allclose(outputs, kept[:, None] * 1.25 ** np.arange(1, T + 1)[:, None], atol=1e-9)
    assert 0.1 < 1 - kept.mean() < 0.3
    assert np.any(kept[0] != kept[1])  # each sequence its own
    again = trained(layer, x, state)
    assert np.any((again > 0) != (outputs > 0))


def test_variational_dropout_drops_the_same_inputs_at_all_steps(trained):
    n = 500
    layer = Recurrence(VariationalDropout(linear_network(0.0, n, n), input_rate=0.2))
    outputs = trained(layer, np.ones((B, T, n)))
    np.testing.assert_allclose(outputs, np.repeat(outputs[:, :1], T, 1))
    assert set(np.unique(outputs.round(9))) == {0.0, 1.25}
    assert 0.1 < np.mean(outputs == 0) < 0.3


def test_variational_dropout_leaves_what_is_carried_over_without_a_matrix():
    cell = cells.make("gru", H)
    cell.build((None, None, D))
    cell.bias.assign(np.repeat([50.0, 0, 0], H))  # z = 1: the old state is kept
    layer = Recurrence(VariationalDropout(cell, recurrent_rate=0.9))
    x, state = example(layer)
    outputs = layer(tf.constant(x), initial_state=state, training=True)[0]
    np.testing.assert_allclose(outputs, np.repeat(state[0][:, None], T, 1))


def test_zoneout_keeps_old_numbers_at_random_in_training(trained):
    n = 2000
    layer = Recurrence(Zoneout(linear_network(1.0, units=n), 0.3))
    cell = layer.cell.cell
    cell.bias.assign(np.ones(n))  # h_t = h_{t-1} + 1: a zoned step does not count
    outputs = trained(layer, np.zeros((B, T, H)))
    steps = np.diff(outputs, axis=1, prepend=0)
    assert set(np.unique(steps)) == {0.0, 1.0}
    np.testing.assert_allclose(np.mean(steps == 0, axis=(0, 2)), 0.3, atol=0.08)  # every step its own draw
    assert np.any(steps[0] != steps[1])


def test_zoneout_mixes_by_the_rate_outside_training():
    layer = build("lstm")
    x, state = example(layer)

    def mixed(w, x, h, c):
        new_h, new_c = lstm(w, x, h, c)
        return 0.1 * h + 0.9 * new_h, 0.4 * c + 0.6 * new_c

    expected, final = by_equation(mixed, weights(layer), x, state)
    outputs, ours = run(Recurrence(Zoneout(layer.cell, (0.1, 0.4))), x, state)
    np.testing.assert_allclose(outputs, expected, atol=1e-12)
    np.testing.assert_allclose(ours, final, atol=1e-12)


def test_zoneout_has_a_rate_for_each_vector_of_the_state():
    layer = build("lstm")
    x, state = example(layer)
    zoned = Zoneout(layer.cell, (0.0, 0.99))
    projected = zoned.project(tf.transpose(x, (1, 0, 2)), zoned.draw(T, B, D))
    assert projected.shape == (T, B, 4 * H + 2 * H)
    kept = projected.numpy()[..., 4 * H :]
    assert not np.any(kept[..., :H]) and np.mean(kept[..., H:]) > 0.7


@pytest.mark.parametrize("name", ["lstm", "resetbeforegru", "fullgaterecurrencelstm", "outputtohidden"])
def test_noise_on_noise_has_the_same_numbers_and_gradients_in_every_loop(name):
    cell = Zoneout(VariationalDropout(build(name).cell, 0.3, 0.4), 0.2)
    x, state = example(Recurrence(cell))
    x = tf.constant(x)
    noise = cell.draw(T, B, D)
    state = tuple(map(tf.constant, state))
    variables = [v.value for v in cell.trainable_variables]

    def outputs_and_gradients(loop):
        with tf.GradientTape() as tape:
            tape.watch([x, state])
            outputs, final = loop(cell, x, None, state, noise=noise)
            loss = tf.reduce_sum(outputs * ramp(outputs.shape)) + sum(tf.reduce_sum(s**2) for s in final)
        return outputs, *tape.gradient(loss, [x, *state, *variables], unconnected_gradients="zero")

    expected = outputs_and_gradients(scan)
    for loop in (BY_HAND, unrolled):
        for ours, automatic in zip(outputs_and_gradients(loop), expected, strict=True):
            np.testing.assert_allclose(ours, automatic, rtol=1e-9, atol=1e-11, err_msg=loop.__name__)
    np.testing.assert_allclose(inference_loop(cell, x, None, state, noise=noise)[0], expected[0], atol=1e-12)


def test_outside_training_dropout_costs_and_changes_nothing():
    layer = build("gru")
    x, state = example(layer)
    quiet = VariationalDropout(layer.cell, 0.5, 0.5)
    assert quiet.project(tf.constant(x)).shape == (B, T, 3 * H)
    np.testing.assert_array_equal(run(Recurrence(quiet), x, state)[0], run(layer, x, state)[0])


def test_noise_comes_back_from_its_config_and_trains_compiled():
    layer = Recurrence(Zoneout(VariationalDropout(cells.make("lstm", H), 0.1, 0.2), (0.3, 0.4)))
    again = Recurrence.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    noise = again.cell.cell
    assert (noise.input_rate, noise.recurrent_rate, again.cell.rates) == (0.1, 0.2, [0.3, 0.4])
    x = tf.ones((B, T, D), "float64")
    again.build((None, None, D))
    step = tf.function(lambda x: again(x, training=True)[0], jit_compile=True)
    assert np.any(step(x).numpy() != step(x).numpy())


def test_rates_that_cannot_be_are_refused():
    cell = cells.make("lstm", H)
    with pytest.raises(ValueError, match="Expected recurrent_rate to be a number in .0, 1.. Received: rec.*=1"):
        VariationalDropout(cell, 0.0, 1)
    with pytest.raises(ValueError, match="Expected rates to be a number in .0, 1.. Received: rates=-0.1"):
        Zoneout(cell, -0.1)
    with pytest.raises(ValueError, match="Expected one rate, or one for each of 2 vectors. Received: rates="):
        Zoneout(cell, (0.1, 0.1, 0.1))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("cell", ["layernormlstm", "layernormgru"])
def test_layer_normalisation_holds_large_values_in_half_precision(cell, dtype, seed):
    n = 64  # of three numbers two may all but agree, and what is left of their difference is rounding
    exact, half = (cells.names()[cell](n, dtype=policy) for policy in ("float32", f"mixed_{dtype}"))
    x = 1000 * np.random.normal(size=(B, D)).astype("float32")
    for one in (exact, half):
        one.build((None, D))
    half.set_weights(exact.get_weights())
    expected = exact(x, exact.initial_state(B))[0]
    np.testing.assert_allclose(np.asarray(half(x, half.initial_state(B))[0], "float32"), expected, atol=0.03)


def test_two_cells_of_one_name_are_refused():
    twin = type("GRU", (cells.Cell,), {"__module__": "somewhere_else"})
    with pytest.raises(ValueError, match="Expected one cell of a name; call yours otherwise. Received: gru in"):
        cells.make("gru", 3)
    del twin
    gc.collect()
    assert cells.make("gru", np.int64(3)).units == 3
