"""Attention: a score for each (query, key), a softmax over the keys, the mean of the values under it.

Shapes: query [B, T, D], keys [B, S, D], values [B, S, E], mask broadcastable to the scores [B, T, S].
"""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.layers import masking
from seqkeras.layers.masking import Masked
from seqkeras.saving import saveable


def dot(query, keys):
    """e_ts = q_t . k_s. Reference: Luong, Pham & Manning 2015, section 3.1."""
    return ops.matmul(query, ops.swapaxes(keys, -1, -2))


def scaled_dot(query, keys):
    """e_ts = q_t . k_s / sqrt(D). Reference: Vaswani et al. 2017, section 3.2.1."""
    return dot(query, keys) * query.shape[-1] ** -0.5


def mlp(query, keys, kernel):
    """e_ts = v . tanh(q_t + k_s), v = kernel [D]. Reference: Bahdanau, Cho & Bengio 2015, appendix A.1.2."""
    return ops.sum(kernel * ops.tanh(query[:, :, None] + keys[:, None]), axis=-1)


def weights(scores, mask=None):
    """Softmax over the last axis, in float32; masked places get 0, a row without a real place is uniform."""
    dtype, scores = scores.dtype, ops.cast(scores, "float32")
    if mask is not None:
        scores = ops.where(mask, scores, masking.lowest(scores.dtype))
    return ops.cast(ops.softmax(scores, axis=-1), dtype)


@saveable
class Attention(Masked):
    """Attention of a recurrent decoder, with its own projections of query and keys.

    c_t = sum_s a_ts m_s,  a_t = softmax_s score(W_q q_t, W_k m_s)

    Args:
        units: width of the projected query and keys.
        score: "mlp" (Bahdanau et al. 2015), "dot" (Luong et al. 2015) or "scaled_dot".

    Call arguments: query [B, T, Q]; keys [B, S, units], computed once by `keys(memory)`; memory [B, S, M]; mask [B, S].

    Returns: (context [B, T, M], weights [B, T, S]).
    """

    def __init__(self, units, score="mlp", **kwargs):
        super().__init__(**kwargs)
        arguments.positive(units=units)
        arguments.choice("mlp", "dot", "scaled_dot", score=score)
        self.query_projection = keras.layers.Dense(units, use_bias=False, name="query")
        self.key_projection = keras.layers.Dense(units, use_bias=score == "mlp", name="key")

    def build(self, query_shape, memory_shape):
        self.query_projection.build(query_shape)
        if not self.key_projection.built:  # `keys` may have come first
            self.key_projection.build(memory_shape)
        if self.score == "mlp":
            self.kernel = self.add_weight(name="kernel", shape=(self.units,), initializer="uniform")

    def keys(self, memory):
        return self.key_projection(memory)

    def call(self, query, keys, memory, mask=None):
        query = self.query_projection(query)
        if self.score == "mlp":
            scores = mlp(query, keys, self.kernel)
        else:
            scores = (dot if self.score == "dot" else scaled_dot)(query, keys)
        a = weights(scores, None if mask is None else mask[:, None])
        return ops.matmul(a, memory), a


@saveable
class MultiHeadAttention(Masked):
    """Scaled dot-product attention in H heads of width D / H.

    Reference: Vaswani et al. 2017, section 3.2.2.

    Args:
        units: width D of queries, keys, values and output; a multiple of `num_heads`.
        num_heads: H.
        dropout: share of attention weights dropped in training.

    Call arguments: query [B, T, D]; keys, values [B, H, S, D/H] from `keys_values(memory)`, or a cache of them; mask
    broadcastable to [B, T, S].

    Returns: [B, T, D].
    """

    def __init__(self, units, num_heads, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(units=units, num_heads=num_heads)
        arguments.share(dropout=dropout)
        if units % num_heads:
            raise ValueError(
                f"Expected units to be a multiple of num_heads. Received: units={units}, num_heads={num_heads}"
            )
        self.query_projection = keras.layers.Dense(units, name="query")
        self.memory_projection = keras.layers.Dense(2 * units, name="keys_values")
        self.output_projection = keras.layers.Dense(units, name="output")
        self.drop = keras.layers.Dropout(dropout)

    def build(self, input_shape):
        for layer in (self.query_projection, self.memory_projection, self.output_projection):
            if not layer.built:  # `keys_values` may have come first
                layer.build((None, None, self.units))

    def keys_values(self, memory):
        """memory [B, S, D] -> keys, values, each [B, H, S, D/H]."""
        keys, values = ops.split(self.memory_projection(memory), 2, axis=-1)
        return self._heads(keys), self._heads(values)

    def call(self, query, keys, values, mask=None, training=False):
        scores = scaled_dot(self._heads(self.query_projection(query)), keys)  # [B, H, T, S]
        a = self.drop(weights(scores, None if mask is None else mask[:, None]), training=training)
        heads = ops.transpose(ops.matmul(a, values), (0, 2, 1, 3))  # [B, T, H, D/H]
        return self.output_projection(ops.reshape(heads, (-1, ops.shape(query)[1], self.units)))

    def _heads(self, x):
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.num_heads, self.units // self.num_heads))
        return ops.transpose(x, (0, 2, 1, 3))
