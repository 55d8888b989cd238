import keras
import numpy as np
import pytest

from seqkeras.layers import attention
from seqkeras.layers.attention import Attention, MultiHeadAttention

B, T, S, D, M = 3, 4, 5, 6, 7


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def draw(*shape):
    return np.random.normal(size=shape).astype("float32")


def test_scores_are_their_equations(seed):
    q, k, v = draw(B, T, D), draw(B, S, D), draw(D)
    dot = np.einsum("btd,bsd->bts", q, k)
    np.testing.assert_allclose(attention.dot(q, k), dot, atol=1e-5)
    np.testing.assert_allclose(attention.scaled_dot(q, k), dot / np.sqrt(D), atol=1e-5)
    mlp = np.einsum("d,btsd->bts", v, np.tanh(q[:, :, None] + k[:, None]))
    np.testing.assert_allclose(attention.mlp(q, k, v), mlp, atol=1e-5)


@pytest.mark.parametrize("score", ["mlp", "dot", "scaled_dot"])
def test_attention_is_the_mean_of_the_memory_under_the_weights(score, seed):
    layer = Attention(D, score)
    query, memory = draw(B, T, 3), draw(B, S, M)
    mask = np.arange(S) < np.array([[5], [2], [1]])
    layer.build(query.shape, memory.shape)
    context, weights = layer(query, layer.keys(memory), memory, mask=mask)

    q = query @ layer.query_projection.kernel
    k = memory @ layer.key_projection.kernel
    if score == "mlp":
        k = k + layer.key_projection.bias
        e = np.einsum("d,btsd->bts", layer.kernel, np.tanh(q[:, :, None] + k[:, None]))
    else:
        e = np.einsum("btd,bsd->bts", q, k) * (D**-0.5 if score == "scaled_dot" else 1)
    a = softmax(np.where(mask[:, None], e, -np.inf))
    np.testing.assert_allclose(weights, a, atol=1e-5)
    np.testing.assert_allclose(context, a @ memory, atol=1e-5)


def test_the_query_has_a_projection_of_its_own(seed):
    layer = Attention(D, "dot")
    query, memory = draw(B, T, 3), draw(B, S, M)
    layer.build(query.shape, memory.shape)
    before = layer(query, layer.keys(memory), memory)[1]
    layer.query_projection.kernel.assign(-layer.query_projection.kernel)
    assert np.abs(layer(query, layer.keys(memory), memory)[1] - before).max() > 1e-3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_masked_places_get_nothing_and_a_row_without_a_real_place_is_uniform(dtype):
    scores = keras.ops.convert_to_tensor([[5.0, 500.0, -3.0, 0.0]] * 2, dtype=dtype)
    mask = np.array([[True, False, True, False], [False] * 4])
    weights = keras.ops.convert_to_numpy(keras.ops.cast(attention.weights(scores, mask), "float32"))
    np.testing.assert_allclose(weights[0, [1, 3]], 0)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-2)
    np.testing.assert_allclose(weights[1], 0.25)


def test_multi_head_attention_is_attention_head_by_head(seed):
    heads = 2
    layer = MultiHeadAttention(D, heads)
    layer.build((None, None, D))
    for v in layer.trainable_variables:
        v.assign(v + draw(*v.shape))
    query, memory = draw(B, T, D), draw(B, S, D)
    mask = np.random.rand(B, T, S) < 0.7
    mask[..., 0] = True
    received = layer(query, *layer.keys_values(memory), mask=mask)

    q = query @ layer.query_projection.kernel + layer.query_projection.bias
    kv = memory @ layer.memory_projection.kernel + layer.memory_projection.bias
    k, v = kv[..., :D], kv[..., D:]
    mixed = []
    for h in range(heads):
        part = slice(h * D // heads, (h + 1) * D // heads)
        e = np.einsum("btd,bsd->bts", q[..., part], k[..., part]) / np.sqrt(D // heads)
        mixed.append(softmax(np.where(mask, e, -np.inf)) @ v[..., part])
    expected = np.concatenate(mixed, -1) @ layer.output_projection.kernel + layer.output_projection.bias
    np.testing.assert_allclose(received, expected, atol=1e-4)


def test_dropout_acts_in_training_only(seed):
    layer = MultiHeadAttention(D, 2, dropout=0.5)
    layer.build((None, None, D))
    query, (keys, values) = draw(B, T, D), layer.keys_values(draw(B, S, D))
    still = [layer(query, keys, values, training=False) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert np.abs(layer(query, keys, values, training=True) - still[0]).max() > 1e-3


def test_keys_may_be_computed_before_the_first_call(seed):
    query, memory = draw(B, T, D), draw(B, S, D)
    layer = Attention(D)
    assert layer(query, layer.keys(memory), memory)[0].shape == (B, T, D)
    heads = MultiHeadAttention(D, 2)
    assert heads(query, *heads.keys_values(memory)).shape == (B, T, D)


def test_a_score_below_every_other_still_counts_more_than_a_masked_one():
    weights = attention.weights(keras.ops.convert_to_tensor([[-5e4, 7.0]]), np.array([[True, False]]))
    np.testing.assert_array_equal(weights, [[1.0, 0.0]])
