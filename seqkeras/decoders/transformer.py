"""Masked self-attention and attention to the memory."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.layers import masking
from seqkeras.layers.embeddings import Positions, TiedOutput
from seqkeras.layers.masking import Masked
from seqkeras.layers.transformer import DecoderBlock
from seqkeras.saving import saveable


@saveable
class TransformerDecoder(Masked):
    """Masked self-attention and attention to memory [B, S, D], in blocks.

    The state: the position, the memory's mask, each block's keys and values of the memory, and caches
    [B, H, max_length, D/H] of the keys and values of the positions so far.

    Reference: Vaswani et al. 2017, section 3.1.

    Args:
        vocab_size, units, num_layers, num_heads, ff_units, dropout, max_length: of embedding, blocks and caches;
            ff_units is 4 * units if None.
        norm: "pre" or "post". positions: "sinusoid" or "learned".
        tied_embeddings: the output layer is the embedding's transpose (Press & Wolf 2017), with a bias of its own.
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(num_layers=num_layers)
        arguments.positive_or_none(ff_units=ff_units)
        arguments.share(dropout=dropout)
        arguments.choice(True, False, tied_embeddings=tied_embeddings)
        self.embed = Positions(vocab_size, units, max_length, positions, name="embed")
        self.drop = keras.layers.Dropout(dropout)
        self.blocks = [DecoderBlock(units, num_heads, ff_units or 4 * units, dropout, norm) for _ in range(num_layers)]
        self.top = keras.layers.LayerNormalization(epsilon=1e-5) if norm == "pre" else keras.layers.Identity()
        self.logits = TiedOutput(self.embed) if tied_embeddings else keras.layers.Dense(vocab_size, name="logits")

    def build(self, ids_shape, memory_shape):
        self.embed.build((None, None))
        for block in (*self.blocks, self.top):
            block.build((None, None, self.units))
        self.logits.build((None, None, self.units))

    def call(self, ids, memory, mask=None, training=False):
        causal = masking.causal(ops.shape(ids)[1])
        mask = masking.everywhere(memory) if mask is None else mask

        def read(ids):
            x = self.drop(self.embed(ids), training=training)
            for block in self.blocks:
                x, _ = block(x, causal, block.remember(memory), mask, training=training)
            return x

        return self.logits(self.top(masking.in_order(read, ids)))

    def start(self, memory, mask=None):
        mask = masking.everywhere(memory) if mask is None else mask
        cache = ops.zeros((ops.shape(memory)[0], self.num_heads, self.max_length, self.units // self.num_heads))
        position = ops.convert_to_tensor(0, "int32")
        state = (position, mask)
        for block in self.blocks:
            state += (*block.remember(memory), ops.cast(cache, memory.dtype), ops.cast(cache, memory.dtype))
        return state

    def step(self, ids, state):
        position, mask, *rest = state
        x = self.embed(ids[:, None], position=position)
        seen = (ops.arange(self.max_length, dtype="int32") <= position)[None, None]  # [1, 1, max_length]
        new = (position + 1, mask)
        for i, block in enumerate(self.blocks):
            memory, cache = rest[4 * i : 4 * i + 2], rest[4 * i + 2 : 4 * i + 4]
            x, cache = block(x, seen, memory, mask, cache=cache, position=position)
            new += (*memory, *cache)
        return self.logits(self.top(x))[:, 0], new
