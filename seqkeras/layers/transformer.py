"""The Transformer's blocks. Reference: Vaswani et al. 2017; pre-norm: Xiong et al. 2020."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.layers.attention import MultiHeadAttention
from seqkeras.layers.masking import Masked
from seqkeras.saving import saveable


class Block(Masked):
    """Sublayers f with residual connections:  pre-norm x + f(norm(x)), post-norm norm(x + f(x)).

    Self-attention is the first sublayer, two dense layers are the last:  f(x) = W_2 relu(W_1 x + b_1) + b_2.
    """

    num_sublayers = 2

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

    def enter(self, norm, x):
        """What a sublayer reads of x."""
        return norm(x) if self.norm == "pre" else x

    def leave(self, norm, x, y, training):
        """x and what a sublayer made of it, y, together."""
        x = x + self.drop(y, training=training)
        return x if self.norm == "pre" else norm(x)

    def feed_forward(self, x, training):
        norm = self.norms[-1]
        return self.leave(norm, x, self.outer(self.inner(self.enter(norm, x))), training)


@saveable
class EncoderBlock(Block):
    """Self-attention, then two dense layers, position by position.

    Call arguments: x [B, S, D], mask [B, S]. Returns [B, S, D].
    """

    def call(self, x, mask=None, training=False):
        mask = None if mask is None else mask[:, None]
        read = self.enter(self.norms[0], x)
        attended = self.attention(read, *self.attention.keys_values(read), mask, training=training)
        return self.feed_forward(self.leave(self.norms[0], x, attended, training), training)


@saveable
class DecoderBlock(Block):
    """Masked self-attention, attention to a memory unless there is none, two dense layers.

    Args:
        units, num_heads, ff_units, dropout, norm: as of `EncoderBlock`.
        cross_attention: False for a block without a memory.

    Call arguments:
        x: [B, T, D].
        mask: [B or 1, T, S'] which of the self-attention's S' keys each position may see.
        memory: keys and values of the memory from `remember`, each [B, H, S, D/H].
        memory_mask: [B, S].
        cache: None to attend within x; or keys and values [B, H, S', D/H] into which those of x are put at `position`.

    Returns: ([B, T, D], the self-attention's keys and values).
    """

    def __init__(self, units, num_heads, ff_units, dropout=0.0, norm="pre", cross_attention=True, **kwargs):
        self.num_sublayers = 3 if cross_attention else 2
        super().__init__(units, num_heads, ff_units, dropout, norm, **kwargs)
        if cross_attention:
            self.memory_attention = MultiHeadAttention(units, num_heads, dropout, name="memory_attention")

    def build(self, input_shape):
        super().build(input_shape)
        if self.cross_attention:
            self.memory_attention.build((None, None, self.units))

    def remember(self, memory):
        """The keys and values of a memory [B, S, D]."""
        return self.memory_attention.keys_values(memory)

    def call(self, x, mask, memory=None, memory_mask=None, cache=None, position=0, training=False):
        read = self.enter(self.norms[0], x)
        new = self.attention.keys_values(read)
        if cache is not None:
            at = (0, 0, position, 0)
            new = tuple(ops.slice_update(old, at, part) for old, part in zip(cache, new, strict=True))
        x = self.leave(self.norms[0], x, self.attention(read, *new, mask, training=training), training)
        if self.cross_attention:
            read = self.enter(self.norms[1], x)
            attended = self.memory_attention(read, *memory, memory_mask[:, None], training=training)
            x = self.leave(self.norms[1], x, attended, training)
        return self.feed_forward(x, training), new
