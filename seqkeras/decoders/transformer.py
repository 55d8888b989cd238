"""Masked self-attention and attention to the memory, in blocks."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.layers import masking
from seqkeras.layers.embeddings import TiedOutput, TokenAndPositionEmbedding
from seqkeras.layers.masking import Masked
from seqkeras.layers.transformer import DecoderBlock
from seqkeras.saving import saveable


@saveable
class TransformerDecoder(Masked):
    """Masked self-attention and attention to memory [B, S, D], in blocks; a language model where there is no memory.

    The state: the position, the memory's mask, each block's keys and values of the memory, and caches
    [B, H, max_length, D/H] of the keys and values of the positions so far; without a memory, position and caches alone.

    Reference: Vaswani et al. 2017, section 3.1; without a memory: Radford et al. 2018, section 3.1.

    Args:
        vocab_size, units, num_layers, num_heads, ff_units, dropout, max_length: of embedding, blocks and caches;
            ff_units is 4 * units if None.
        norm: "pre" (with a last normalisation on top) or "post".
        positions: "sinusoid" or "learned".
        tied_embeddings: the output layer is the embedding's transpose (Press & Wolf 2017), with a bias of its own.
        cross_attention: False for a decoder without a memory.
        embeddings_initializer: as of `TokenAndPositionEmbedding`.
    """

    def __init__(
        self,
        vocab_size,
        units,
        num_layers=2,
        num_heads=4,
        ff_units=None,
        dropout=0.0,
        max_length=128,
        norm="pre",
        positions="sinusoid",
        tied_embeddings=False,
        cross_attention=True,
        embeddings_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(num_layers=num_layers)
        arguments.positive_or_none(ff_units=ff_units)
        arguments.share(dropout=dropout)
        arguments.choice(True, False, tied_embeddings=tied_embeddings)
        arguments.choice(True, False, cross_attention=cross_attention)
        self.embed = TokenAndPositionEmbedding(
            vocab_size, units, max_length, positions, embeddings_initializer, name="embed"
        )
        self.drop = keras.layers.Dropout(dropout)
        self.blocks = [
            DecoderBlock(units, num_heads, ff_units or 4 * units, dropout, norm, cross_attention)
            for _ in range(num_layers)
        ]
        self.final_norm = keras.layers.LayerNormalization(epsilon=1e-5) if norm == "pre" else keras.layers.Identity()
        self.logits = TiedOutput(self.embed) if tied_embeddings else keras.layers.Dense(vocab_size, name="logits")

    def build(self, ids_shape, memory_shape=None):
        self.embed.build((None, None))
        for block in (*self.blocks, self.final_norm):
            block.build((None, None, self.units))
        self.logits.build((None, None, self.units))

    def call(self, ids, memory=None, mask=None, training=False):
        causal = masking.causal(ops.shape(ids)[1])
        if self.cross_attention and mask is None:
            mask = masking.everywhere(memory)

        def read(ids):
            x = self.drop(self.embed(ids), training=training)
            for block in self.blocks:
                keys_values = block.remember(memory) if self.cross_attention else None
                x, _ = block(x, causal, keys_values, mask, training=training)
            return x

        return self.logits(self.final_norm(masking.in_order(read, ids)))

    def start(self, memory=None, mask=None, batch=None):
        """The state before the first token, of a memory, or without one of the size of a batch."""
        if self.cross_attention:
            batch = ops.shape(memory)[0]
            mask = masking.everywhere(memory) if mask is None else mask
        shape = (batch, self.num_heads, self.max_length, self.units // self.num_heads)
        cache, position = ops.zeros(shape, dtype=self.compute_dtype), ops.convert_to_tensor(0, "int32")
        if not self.cross_attention:
            return position, *[cache] * (2 * self.num_layers)
        state = (position, mask)
        for block in self.blocks:
            state += (*block.remember(memory), cache, cache)
        return state

    def step(self, ids, state):
        mask, n = None, 2
        position, *rest = state
        if self.cross_attention:
            (mask, *rest), n = rest, 4
        x = self.embed(ids[:, None], position=position)
        seen = (ops.arange(self.max_length, dtype="int32") <= position)[None, None]  # [1, 1, max_length]
        new = (position + 1, mask) if self.cross_attention else (position + 1,)
        for i, block in enumerate(self.blocks):
            *memory, keys, values = rest[n * i : n * (i + 1)]
            x, cache = block(x, seen, memory or None, mask, cache=(keys, values), position=position)
            new += (*memory, *cache)
        return self.logits(self.final_norm(x))[:, 0], new
