"""What every encoder gives: a memory and a summary that padding has no part in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.encoders import BagEncoder, ConvolutionEncoder, RecurrentEncoder, TransformerEncoder, WindowEncoder
from seqkeras.layers import pooling

B, S, D = 3, 5, 8
MASK = np.arange(S) < np.array([[5], [2], [0]])


def draw(*shape):
    return np.random.normal(size=shape).astype("float32")


def kinds():
    return [
        RecurrentEncoder(4, num_layers=2, cell="lstm", bidirectional=True, residual=True),
        RecurrentEncoder(4, cell="gru"),
        TransformerEncoder(D, num_layers=2, num_heads=2),
        TransformerEncoder(D, num_layers=1, num_heads=2, norm="post"),
        ConvolutionEncoder(4, num_layers=2, window=3),
        WindowEncoder(4, window=3),
        BagEncoder(4),
    ]


@pytest.mark.parametrize("which", range(len(kinds())))
def test_padding_is_never_seen_and_leaves_zeros(which, seed):
    encoder, x = kinds()[which], draw(B, S, D)
    memory, summary = encoder(x, mask=MASK)
    assert memory.shape == (B, S, encoder.width) and summary.shape == (B, encoder.width)
    other, other_summary = encoder(np.where(MASK[..., None], x, 9.0).astype("float32"), mask=MASK)
    np.testing.assert_allclose(memory, other, atol=1e-6)
    np.testing.assert_allclose(summary, other_summary, atol=1e-6)
    assert not np.any(memory[~MASK])
    short, short_summary = encoder(x[1:2, :2], mask=MASK[1:2, :2])
    np.testing.assert_allclose(memory[1:2, :2], short, atol=1e-5)
    np.testing.assert_allclose(summary[1:2], short_summary, atol=1e-5)


@pytest.mark.parametrize("which", range(len(kinds())))
def test_a_row_without_a_token_has_finite_results_and_gradients(which, seed):
    encoder, x = kinds()[which], tf.constant(draw(B, S, D))
    with tf.GradientTape() as tape:
        tape.watch(x)
        memory, summary = encoder(x, mask=MASK)
        poolings = [pooling.mean(memory, MASK), pooling.maximum(memory, MASK), summary]
        total = sum(tf.reduce_sum(p**2) for p in poolings)
    assert all(np.all(np.isfinite(p)) for p in poolings)
    assert all(not np.any(p[2]) for p in poolings)
    for g in tape.gradient(total, [x, *[v.value for v in encoder.trainable_variables]]):
        assert np.all(np.isfinite(tf.convert_to_tensor(g)))


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("which", range(len(kinds())))
def test_a_summary_alone_is_the_pooling_of_the_memory(which, masked, seed):
    encoder, mask = kinds()[which], MASK if masked else None
    for length in (S, 0):
        x, given = draw(B, length, D), mask if mask is None else mask[:, :length]
        memory, summary = encoder(x, mask=given)
        for name, kind in pooling.POOLINGS.items():
            expected = kind.over(memory, given, summary)
            np.testing.assert_allclose(encoder.summarize(x, name, mask=given), expected, atol=1e-6)
            assert np.all(np.isfinite(expected))


@pytest.mark.parametrize("which", range(len(kinds())))
def test_a_batch_without_any_position_has_finite_results(which):
    encoder = kinds()[which]
    memory, summary = encoder(np.zeros((B, 0, D), "float32"), mask=np.zeros((B, 0), bool))
    assert memory.shape == (B, 0, encoder.width)
    empty = np.zeros((B, 0), bool)
    for pooled in (summary, pooling.mean(memory, empty), pooling.maximum(memory, empty)):
        np.testing.assert_array_equal(pooled, np.zeros((B, encoder.width)))


def test_layers_are_stacked_two_directions_side_by_side_with_residuals(seed):
    encoder, x = RecurrentEncoder(4, num_layers=2, cell="gru", bidirectional=True, residual=True), draw(B, S, D)
    memory, summary = encoder(x, mask=MASK)

    (a, b), (c, d) = encoder.recurrences
    (below, _), (below_back, _) = a(x, mask=MASK), b(x, mask=MASK)
    middle = np.concatenate([below, below_back], -1)
    (above, state), (above_back, state_back) = c(middle, mask=MASK), d(middle, mask=MASK)
    assert (a.reverse, b.reverse, c.reverse, d.reverse) == (False, True, False, True)
    np.testing.assert_allclose(memory, middle + np.concatenate([above, above_back], -1), atol=1e-6)
    ends = np.concatenate([memory[:, -1, :4], memory[:, 0, 4:]], -1)  # where each direction ends: residuals in both
    np.testing.assert_allclose(summary[0], ends[0], atol=1e-6)
    np.testing.assert_allclose(summary[:, :4] - state[0], a(x, mask=MASK)[1][0], atol=1e-6)
    np.testing.assert_allclose(summary[:, 4:] - state_back[0], b(x, mask=MASK)[1][0], atol=1e-6)


def test_the_summary_of_a_transformer_is_the_mean_over_real_positions(seed):
    encoder = TransformerEncoder(D, num_layers=1, num_heads=2)
    memory, summary = encoder(draw(B, S, D), mask=MASK)
    np.testing.assert_allclose(summary[1], np.mean(memory[1, :2], axis=0), atol=1e-6)
    memory, summary = encoder(draw(B, S, D))
    np.testing.assert_allclose(summary, np.mean(memory, axis=1), atol=1e-6)


def test_poolings_in_numpy(seed):
    memory = keras.ops.convert_to_tensor(draw(B, S, D))
    np.testing.assert_allclose(pooling.maximum(memory, MASK)[1], np.max(memory[1, :2], axis=0))
    np.testing.assert_allclose(pooling.mean(memory, MASK)[1], np.mean(memory[1, :2], axis=0), rtol=1e-5)
