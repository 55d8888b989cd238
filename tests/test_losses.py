import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkeras import BinaryCrossEntropy, CrossEntropy, QuantileLoss
from seqkeras.tokens import UNKNOWN_LABEL

B, T, V = 3, 4, 7


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def setting(seed):
    """labels [B, T], logits [B, T, V], weight [B, T] with one row that is all padding."""
    labels = np.random.default_rng(seed).integers(0, V, (B, T))
    return labels, 3 * draw(seed, B, T, V), (np.arange(T) < np.array([[4], [2], [0]])).astype("float32")


def loss_and_gradient(loss, labels, outputs, weight):
    outputs = tf.constant(outputs)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        value = loss(labels, outputs, sample_weight=weight)
    return float(value), tape.gradient(value, outputs).numpy()


def log_softmax(z):
    z = z.astype("float64")
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_cross_entropy_with_label_smoothing_in_numpy(smoothing, seed):
    labels, logits, weight = setting(seed)
    target = (1 - smoothing) * np.eye(V)[labels] + smoothing / V
    each = -(target * log_softmax(logits)).sum(-1)
    loss = CrossEntropy(smoothing)
    np.testing.assert_allclose(loss.call(labels, logits), each, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(loss(labels, logits, weight), (each * weight).sum() / weight.sum(), rtol=1e-4)
    np.testing.assert_allclose(loss(labels, logits), each.mean(), rtol=1e-4)
    np.testing.assert_allclose(loss(labels[:, 0], logits[:, 0]), each[:, 0].mean(), rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5), st.sampled_from([0.0, 0.2]))
def test_padding_never_changes_loss_or_gradient(seed, more, smoothing):
    labels, logits, weight = setting(seed)
    loss = CrossEntropy(smoothing)
    value, gradient = loss_and_gradient(loss, labels, logits, weight)
    hidden = np.where(weight[..., None] > 0, logits, 50 * draw(seed + 1, B, T, V)).astype("float32")
    longer = np.concatenate([hidden, draw(seed + 2, B, more, V)], axis=1)
    padded_value, padded_gradient = loss_and_gradient(
        loss, np.pad(labels, ((0, 0), (0, more))), longer, np.pad(weight, ((0, 0), (0, more)))
    )
    np.testing.assert_allclose(padded_value, value, rtol=1e-5)
    np.testing.assert_allclose(padded_gradient[:, :T], gradient, atol=1e-6)
    assert not np.any(padded_gradient[np.pad(weight, ((0, 0), (0, more))) == 0])


def test_a_batch_without_a_token_costs_nothing_and_teaches_nothing(seed):
    labels, logits, weight = setting(seed)
    value, gradient = loss_and_gradient(CrossEntropy(), labels, logits, 0 * weight)
    assert value == 0 and not np.any(gradient)


def test_one_weight_a_sequence_weighs_all_its_tokens(seed):
    """Also where batch and length are the same number, and a weight a row could be taken for one a column."""
    labels, logits, _ = setting(seed)
    labels, logits = labels[:, :B], logits[:, :B]
    weight = np.array([1.0, 0.5, 0.0], "float32")
    expected = CrossEntropy()(labels, logits, np.repeat(weight[:, None], B, 1))
    np.testing.assert_allclose(CrossEntropy()(labels, logits, weight), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_summed_in_float32(dtype, seed):
    labels, logits, weight = setting(seed)
    half = keras.ops.cast(logits, dtype)
    value = CrossEntropy(0.1)(labels, half, weight)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    np.testing.assert_allclose(value, CrossEntropy(0.1)(labels, logits, weight), rtol=2e-2)


def test_extreme_logits_stay_finite():
    logits = np.array([[[1e4, -1e4, 0.0]]], "float32")
    value, gradient = loss_and_gradient(CrossEntropy(0.1), np.array([[1]]), logits, np.ones((1, 1), "float32"))
    assert np.isfinite(value) and np.all(np.isfinite(gradient))


def test_binary_cross_entropy_in_numpy(seed):
    z, weight = draw(seed, B, T, V), setting(seed)[2]
    y = (draw(seed + 1, B, T, V) > 0).astype("float32")
    p = 1 / (1 + np.exp(-z.astype("float64")))
    each = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(-1)
    np.testing.assert_allclose(BinaryCrossEntropy()(y, z, weight), (each * weight).sum() / weight.sum(), rtol=1e-4)


def test_the_best_constant_under_the_quantile_loss_is_the_quantile(seed):
    y = np.random.default_rng(seed).normal(size=(1, 101, 1)).astype("float32")
    for q in (0.1, 0.5, 0.9):
        candidates = np.sort(y.ravel())
        costs = [float(QuantileLoss([q])(y, np.full((1, 101, 1, 1), c))) for c in candidates]
        assert candidates[np.argmin(costs)] == pytest.approx(np.quantile(y, q), abs=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "none", None])
def test_another_reduction_is_refused_not_forgotten(reduction):
    with pytest.raises(ValueError, match="Expected no other reduction than the mean over tokens. Received: reduction="):
        CrossEntropy(reduction=reduction)


REFUSED = {
    "one-hot": (CrossEntropy(), (B, V), (B, V)),
    "no time": (CrossEntropy(), (B,), (B, T, V)),
    "one label for all": (BinaryCrossEntropy(), (B, T, 1), (B, T, V)),
    "one position for all": (BinaryCrossEntropy(), (B, 1, V), (B, T, V)),
    "no variables": (QuantileLoss(), (B, T), (B, T, 1, 3)),
    "one step for all": (QuantileLoss(), (B, 1, 1), (B, T, 1, 3)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_targets_that_would_have_to_be_broadcast_are_refused(name):
    loss, shape, outputs = REFUSED[name]
    with pytest.raises(ValueError, match="Expected targets .*numbers, for outputs .* Received: targets "):
        loss(np.zeros(shape, "float32"), np.zeros(outputs, "float32"))


def test_what_is_no_target_is_refused():
    for loss, targets, outputs, weight, message in (
        (QuantileLoss([0.5]), np.zeros((B, T, 1)), np.zeros((B, T, 1, 3)), None, "outputs for the quantiles .0.5."),
        (CrossEntropy(), np.array(["a"] * B), np.zeros((B, V)), None, "targets .3., numbers.*of string"),
        (CrossEntropy(), np.zeros(B), np.zeros((B, V)), np.ones((B, 1)), "weight .3.. Received: weight .3, 1."),
    ):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            loss(targets, outputs, weight)


def test_cross_entropy_gives_an_unknown_label_no_weight(seed):
    """In loss and gradient, eagerly and under XLA, with label smoothing and without."""
    labels, logits, weight = setting(seed)
    unknown = labels.copy()
    unknown[:, 1] = UNKNOWN_LABEL
    without = weight * (unknown != UNKNOWN_LABEL)
    for smoothing in (0.0, 0.2):
        loss = CrossEntropy(smoothing)
        expected, slope = loss_and_gradient(loss, labels, logits, without)
        for call in (loss, tf.function(loss, jit_compile=True)):
            value, gradient = loss_and_gradient(call, unknown, logits, weight)
            assert value == pytest.approx(expected, rel=1e-6)
            np.testing.assert_allclose(gradient, slope, atol=1e-6)
    value, gradient = loss_and_gradient(CrossEntropy(), np.full_like(labels, UNKNOWN_LABEL), logits, weight)
    assert value == 0 and not np.any(gradient)


def test_binary_cross_entropy_leaves_an_unknown_entry_out(seed):
    z, weight = draw(seed, B, T, V), setting(seed)[2]
    y = (draw(seed + 1, B, T, V) > 0).astype("float32")
    p = 1 / (1 + np.exp(-z.astype("float64")))
    each = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    y[:, 0, 2], y[0, 1] = UNKNOWN_LABEL, UNKNOWN_LABEL
    known = y != UNKNOWN_LABEL
    w = weight * known.any(-1)
    value, gradient = loss_and_gradient(BinaryCrossEntropy(), y, z, weight)
    assert value == pytest.approx(((each * known).sum(-1) * w).sum() / w.sum(), rel=1e-4)
    assert not np.any(gradient[~known]) and np.all(gradient[known & (w[..., None] > 0)])


@pytest.mark.parametrize("label", [-2, -100, V, 2**31 - 1])
def test_cross_entropy_refuses_what_is_no_label_where_it_has_weight(label, seed):
    labels, logits, weight = setting(seed)
    labels[0, 1] = label
    with pytest.raises(ValueError, match=f"Expected labels from -1 to {V - 1}. Received: {label} among labels"):
        CrossEntropy()(labels, logits, weight)
    weight[0, 1] = 0
    value, gradient = loss_and_gradient(CrossEntropy(), labels, logits, weight)
    assert np.isfinite(value) and np.all(np.isfinite(gradient))


def test_cross_entropy_refuses_logits_of_one_class():
    with pytest.raises(ValueError, match=r"two classes or more.* Received: logits \[3, 1\]; take two classes"):
        CrossEntropy()(np.zeros(B), np.zeros((B, 1), "float32"))


def test_labels_in_a_column_are_those_labels(seed):
    """As Keras's own sparse losses take them, called and in `fit`."""
    labels, logits = setting(seed)[0][:, 0], setting(seed)[1][:, 0]
    np.testing.assert_array_equal(CrossEntropy()(labels[:, None], logits), CrossEntropy()(labels, logits))
    model = keras.Sequential([keras.layers.Dense(V)])
    model.compile("sgd", CrossEntropy())
    losses = [model.evaluate(logits, y, verbose=0) for y in (labels, labels[:, None])]
    assert losses[0] == losses[1]
