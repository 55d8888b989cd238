"""The Transformer's blocks. Reference: Vaswani et al. 2017; pre-norm: Xiong et al. 2020."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.layers.attention import MultiHeadAttention
from seqkeras.layers.masking import Masked
from seqkeras.saving import saveable


class Block(Masked):
    """A residual block of sublayers:  pre-norm x + f(norm(x)), post-norm norm(x + f(x))."""

    def __init__(self, units, num_heads, ff_units, dropout=0.0, norm="pre", **kwargs):
        super().__init__(**kwargs)
        arguments.positive(ff_units=ff_units)
        arguments.choice("pre", "post", norm=norm)
        self.attention = MultiHeadAttention(units, num_heads, dropout, name="attention")
        self.inner = keras.layers.Dense(ff_units, activation="relu", name="inner")
        self.outer = keras.layers.Dense(units, name="outer")
        self.drop = keras.layers.Dropout(dropout)
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-5) for _ in range(self.num_sublayers)]

    def build(self, input_shape):
        width = (None, None, self.units)
        for layer in (self.attention, self.inner, *self.norms):
            layer.build(width)
        self.outer.build((None, None, self.ff_units))

    def residual(self, norm, x, sublayer, training):
        if self.norm == "pre":
            return x + self.drop(sublayer(norm(x)), training=training)
        return norm(x + self.drop(sublayer(x), training=training))

    def feed_forward(self, x):
        return self.outer(self.inner(x))

    def look_back(self, x, mask, cache, position, training):
        """Masked self-attention: ([B, T, D], its keys and values, put into `cache` at `position` if there is one)."""

        def attend(x):
            nonlocal cache
            new = self.attention.keys_values(x)
            if cache is not None:
                new = tuple(
                    ops.slice_update(old, (0, 0, position, 0), part) for old, part in zip(cache, new, strict=True)
                )
            cache = new
            return self.attention(x, *cache, mask, training=training)

        return self.residual(self.norms[0], x, attend, training), cache


@saveable
class EncoderBlock(Block):
    """Self-attention, then two dense layers, position by position.

    Call arguments: x [B, S, D], mask [B, S]. Returns [B, S, D].
    """

    num_sublayers = 2

    def call(self, x, mask=None, training=False):
        mask = None if mask is None else mask[:, None]
        x = self.residual(
            self.norms[0],
            x,
            lambda x: self.attention(x, *self.attention.keys_values(x), mask, training=training),
            training,
        )
        return self.residual(self.norms[1], x, self.feed_forward, training)


@saveable
class CausalBlock(Block):
    """Masked self-attention, then two dense layers: a decoder's block without a memory.

    Call arguments: x, mask, cache, position as of `DecoderBlock`.

    Returns: ([B, T, D], the self-attention's keys and values).
    """

    num_sublayers = 2

    def call(self, x, mask, cache=None, position=0, training=False):
        x, cache = self.look_back(x, mask, cache, position, training)
        return self.residual(self.norms[1], x, self.feed_forward, training), cache


@saveable
class DecoderBlock(Block):
    """Masked self-attention, attention to the memory, two dense layers.

    Call arguments:
        x: [B, T, D].
        mask: [B or 1, T, S'] which of the self-attention's S' keys each position may see.
        memory: keys and values of the memory from `remember`, each [B, H, S, D/H].
        memory_mask: [B, S].
        cache: None to attend within x; or keys and values [B, H, S', D/H] into which those of x are put at `position`.

    Returns: ([B, T, D], the self-attention's keys and values).
    """

    num_sublayers = 3

    def __init__(self, units, num_heads, ff_units, dropout=0.0, norm="pre", **kwargs):
        super().__init__(units, num_heads, ff_units, dropout, norm, **kwargs)
        self.memory_attention = MultiHeadAttention(units, num_heads, dropout, name="memory_attention")

    def build(self, input_shape):
        super().build(input_shape)
        self.memory_attention.build((None, None, self.units))

    def remember(self, memory):
        return self.memory_attention.keys_values(memory)

    def call(self, x, mask, memory, memory_mask, cache=None, position=0, training=False):
        def look_at_memory(x):
            return self.memory_attention(x, *memory, memory_mask[:, None], training=training)

        x, cache = self.look_back(x, mask, cache, position, training)
        x = self.residual(self.norms[1], x, look_at_memory, training)
        return self.residual(self.norms[2], x, self.feed_forward, training), cache
