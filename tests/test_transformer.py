import numpy as np
import pytest
import tensorflow as tf

from seqkeras.layers.embeddings import TiedOutput, TokenAndPositionEmbedding, sinusoid
from seqkeras.layers.transformer import DecoderBlock, EncoderBlock

B, T, S, D, H, F = 2, 4, 5, 6, 2, 9


def draw(*shape):
    return np.random.normal(size=shape).astype("float32")


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def made(cls, norm):
    block = cls(D, H, F, norm=norm)
    block.build((None, None, D))
    for v in block.trainable_variables:
        v.assign(v + 0.5 * draw(*v.shape))
    return block


def dense(layer, x):
    return x @ np.array(layer.kernel) + np.array(layer.bias)


def attend(layer, query, memory, mask):
    q, kv = dense(layer.query_projection, query), dense(layer.memory_projection, memory)
    parts = [slice(h * D // H, (h + 1) * D // H) for h in range(H)]
    k, v = kv[..., :D], kv[..., D:]
    scores = [np.einsum("btd,bsd->bts", q[..., p], k[..., p]) / np.sqrt(D // H) for p in parts]
    heads = [softmax(np.where(mask, e, -np.inf)) @ v[..., p] for e, p in zip(scores, parts, strict=True)]
    return dense(layer.output_projection, np.concatenate(heads, -1))


def normalize(layer, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * np.array(layer.gamma) + np.array(layer.beta)


def residual(norm, layer, x, f):
    return x + f(normalize(layer, x)) if norm == "pre" else normalize(layer, x + f(x))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_encoder_block_in_numpy(norm, seed):
    block, x, mask = made(EncoderBlock, norm), draw(B, S, D), np.arange(S) < [[5], [3]]
    y = residual(norm, block.norms[0], x, lambda x: attend(block.attention, x, x, mask[:, None]))
    y = residual(norm, block.norms[1], y, lambda x: dense(block.outer, np.maximum(dense(block.inner, x), 0)))
    np.testing.assert_allclose(block(x, mask=mask), y, atol=1e-4)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_decoder_block_in_numpy(norm, seed):
    block, x, memory = made(DecoderBlock, norm), draw(B, T, D), draw(B, S, D)
    past, mask = np.tril(np.ones((1, T, T), bool)), np.arange(S) < [[5], [3]]
    y = residual(norm, block.norms[0], x, lambda x: attend(block.attention, x, x, past))
    y = residual(norm, block.norms[1], y, lambda x: attend(block.memory_attention, x, memory, mask[:, None]))
    y = residual(norm, block.norms[2], y, lambda x: dense(block.outer, np.maximum(dense(block.inner, x), 0)))
    received, _ = block(x, past, block.remember(memory), mask)
    np.testing.assert_allclose(received, y, atol=1e-4)


def test_sinusoid_is_its_formula():
    table = sinusoid(50, 7)
    assert table.shape == (50, 7)
    for t, i in [(0, 0), (1, 0), (1, 1), (49, 3), (30, 6)]:
        angle = t / 10000 ** (2 * (i // 2) / 7)
        np.testing.assert_allclose(table[t, i], np.sin(angle) if i % 2 == 0 else np.cos(angle), atol=1e-6)


@pytest.mark.parametrize("positions", ["sinusoid", "learned"])
def test_positions_add_a_vector_for_each_place(positions, seed):
    layer = TokenAndPositionEmbedding(11, D, max_length=8, positions=positions)
    ids = np.array([[4, 4, 5]])
    embedded = np.array(layer.embedding(ids)) * np.sqrt(D)
    table = np.array(layer(ids) - embedded)[0]
    if positions == "sinusoid":
        np.testing.assert_allclose(table, sinusoid(3, D), atol=1e-5)
    later = np.array(layer(ids[:, :2], position=1))
    np.testing.assert_allclose(later[0, 0], embedded[0, 0] + table[1], atol=1e-5)
    assert np.abs(table[0] - table[1]).max() > 1e-3


def test_too_long_a_sequence_says_what_to_do():
    with pytest.raises(ValueError, match="Expected at most max_length=3 .*length 4; build the model with a larger"):
        TokenAndPositionEmbedding(11, D, max_length=3)(np.ones((1, 4), "int32"))


def test_tied_logits_are_the_transposed_embedding(seed):
    layer = TokenAndPositionEmbedding(11, D)
    layer.build((None, None))
    output = TiedOutput(layer)
    output.build((None, None, D))
    output.bias.assign(np.arange(11))
    x = draw(B, T, D)
    wanted = x @ np.array(layer.embedding.embeddings).T + np.arange(11)
    np.testing.assert_allclose(output(x), wanted, atol=1e-5)


@pytest.mark.parametrize("positions", ["sinusoid", "learned"])
@pytest.mark.parametrize("jit", [False, True])
def test_positions_that_do_not_exist_are_refused_though_the_length_is_known_only_at_run_time(jit, positions, seed):
    layer = TokenAndPositionEmbedding(9, 4, max_length=5, positions=positions)
    layer.build((None, None))

    @tf.function(jit_compile=jit, input_signature=[tf.TensorSpec((2, None), tf.int32)])
    def embed(ids):
        return layer(ids)

    ids = np.ones((2, 7), "int32")
    np.testing.assert_allclose(embed(ids[:, :5]), layer(ids[:, :5]), atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        embed(ids)
