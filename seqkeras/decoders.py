"""Memory -> sequence. Every decoder is three functions that agree with each other:

    call(ids [B, T], memory, mask)      -> logits [B, T, V], all steps at once, the true prefix given (teacher forcing)
    start(memory, mask)                 -> state, a flat tuple of fixed-shape tensors
    step(ids [B], state)                -> (logits [B, V], state), one step from its own last output

mask [B, S] belongs to the memory. A search calls only `start` and `step`.
"""

import keras
from keras import ops

from seqkeras import arguments, cells, encoders, masks
from seqkeras.attention import Attention
from seqkeras.cells_regularized import noisy
from seqkeras.embeddings import embedding
from seqkeras.masks import Masked
from seqkeras.recurrence import Recurrence
from seqkeras.saving import saveable
from seqkeras.transformer import DecoderBlock, Positions, TiedOutput


class RecurrentStack(Masked):
    """Embedding, recurrent layers and output layer, which both recurrent decoders are made of.

    The initial state of each layer is tanh(V c), c a vector [B, M] that summarises the memory (Cho et al. 2014, 2.2).

    The output layer W y + b begins with weights of variance 1 / units, so that W y varies as much as y (LeCun, Bottou,
    Orr & Mueller, Efficient BackProp, 1998, section 4.6). Glorot's 2 / (units + vocab_size) is far less for a large
    vocabulary, and so is what the layers below learn at first.
    """

    def __init__(
        self,
        vocab_size,
        units,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        embedding_units=None,
        recurrent_dropout=0.0,
        zoneout=0.0,
        residual=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size, units=units, num_layers=num_layers)
        arguments.positive_or_none(embedding_units=embedding_units)
        arguments.choice(True, False, residual=residual)
        arguments.share(dropout=dropout, recurrent_dropout=recurrent_dropout, zoneout=zoneout)
        self.embedding = embedding(vocab_size, embedding_units or units)
        self.recurrences = [
            Recurrence(noisy(cells.make(cell, units), recurrent_dropout, zoneout)) for _ in range(num_layers)
        ]
        self.num_states = self.recurrences[0].cell.num_states
        self.bridge = keras.layers.Dense(num_layers * self.num_states * units, activation="tanh", name="bridge")
        self.logits = keras.layers.Dense(vocab_size, kernel_initializer="lecun_uniform", name="logits")
        self.drop = keras.layers.Dropout(dropout)

    def build_stack(self, summary_width, context_width, output_width):
        self.embedding.build((None, None))
        width = self.embedding.output_dim + context_width
        for recurrence in self.recurrences:
            recurrence.build((None, None, width))
            width = self.units
        if summary_width:
            self.bridge.build((None, summary_width))
        self.logits.build((None, None, output_width))

    def initial_state(self, summary):
        """summary [B, M] -> tuple of num_layers * num_states tensors [B, units]."""
        return tuple(ops.split(self.bridge(summary), self.num_layers * self.num_states, axis=-1))

    def run(self, x, state, training):
        """All steps: x [B, T, D] -> [B, T, units]."""
        return self.drop(self.follow_layers(x, state, training)[0], training=training)

    def follow_layers(self, x, state, training):
        """All steps from `state`: x [B, T, D] -> ([B, T, units], state)."""

        def layer(recurrence, x, state):
            return recurrence(self.drop(x, training=training), initial_state=state, training=training)

        return self.climb(layer, x, state)

    def run_step(self, x, state):
        """One step: x [B, D] -> ([B, units], state)."""
        return self.climb(lambda recurrence, x, state: recurrence.cell(x, state), x, state)

    def climb(self, layer, x, state):
        """From layer to layer: `layer(recurrence, x, its state) -> (y, its state)`."""
        new = ()
        for depth, (recurrence, own) in enumerate(zip(self.recurrences, self.by_layer(state), strict=True)):
            y, own = layer(recurrence, x, own)
            x, new = x + y if self.residual and depth else y, (*new, *own)
        return x, new

    def by_layer(self, state):
        n = self.num_states
        return [state[i : i + n] for i in range(0, self.num_layers * n, n)]


@saveable
class RecurrentDecoder(RecurrentStack):
    """A recurrent language model conditioned on one vector: memory [B, M], mask None.

    Args:
        vocab_size, units, num_layers, dropout, cell: of the layers.
        context: how the memory enters: "state" (it initialises the state), "input" (it is part of each step's
            input, the state starts at zero) or "both". Goodfellow, Bengio & Courville 2016, section 10.2.4.
        embedding_units: width of the token embedding, `units` if None.
        recurrent_dropout, zoneout: rates of the noise in the recurrence, see `cells_regularized`.
        residual: from the second layer on, a layer's input is added to its output (Wu et al. 2016, section 3.1).
    """

    def __init__(
        self,
        vocab_size,
        units,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        context="both",
        embedding_units=None,
        recurrent_dropout=0.0,
        zoneout=0.0,
        residual=False,
        **kwargs,
    ):
        rest = recurrent_dropout, zoneout, residual
        super().__init__(vocab_size, units, num_layers, dropout, cell, embedding_units, *rest, **kwargs)
        arguments.choice("state", "input", "both", context=context)

    def build(self, ids_shape, memory_shape):
        M = memory_shape[-1]
        self.build_stack(M * (self.context != "input"), M * (self.context != "state"), self.units)

    def call(self, ids, memory, mask=None, training=False):
        def read(ids):
            x = self.embedding(ids)
            if self.context != "state":
                T = ops.shape(x)[1]
                x = ops.concatenate([x, ops.repeat(memory[:, None], T, axis=1)], axis=-1)
            return self.run(x, self.start(memory, mask), training)

        return self.logits(masks.in_order(read, ids))

    def start(self, memory, mask=None):
        if self.context == "state":
            return self.initial_state(memory)
        if self.context == "both":
            return (*self.initial_state(memory), memory)
        zeros = [recurrence.cell.initial_state(ops.shape(memory)[0]) for recurrence in self.recurrences]
        return (*sum(zeros, ()), memory)

    def step(self, ids, state):
        *layers, memory = (*state, None) if self.context == "state" else state
        x = self.embedding(ids)
        if memory is not None:
            x = ops.concatenate([x, memory], axis=-1)
        x, layers = self.run_step(x, tuple(layers))
        return self.logits(x), layers if memory is None else (*layers, memory)


@saveable
class AttentionDecoder(RecurrentStack):
    """A recurrent decoder that attends to memory [B, S, M] with its top layer's output as the query.

        h_t = RNN(y_{t-1}, h_{t-1})     c_t = attention(h_t, memory)     logits = W tanh(W_c [c_t, h_t])

    The recurrence does not wait for the attention, so training runs in parallel over time.

    Reference: Luong, Pham & Manning 2015, section 3 (global attention); the MLP score: Bahdanau et al. 2015.

    Args:
        vocab_size, units, num_layers, dropout, cell: of the layers.
        score: "mlp", "dot" or "scaled_dot".
        embedding_units: width of the token embedding, `units` if None.
        recurrent_dropout, zoneout: rates of the noise in the recurrence, see `cells_regularized`.
        residual: from the second layer on, a layer's input is added to its output (Wu et al. 2016, section 3.1).
    """

    def __init__(
        self,
        vocab_size,
        units,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        score="mlp",
        embedding_units=None,
        recurrent_dropout=0.0,
        zoneout=0.0,
        residual=False,
        **kwargs,
    ):
        rest = recurrent_dropout, zoneout, residual
        super().__init__(vocab_size, units, num_layers, dropout, cell, embedding_units, *rest, **kwargs)
        self.attention = Attention(units, score, name="attention")
        self.combine = keras.layers.Dense(units, activation="tanh", name="combine")

    def build(self, ids_shape, memory_shape):
        M = memory_shape[-1]
        self.build_stack(M, 0, self.units)
        self.attention.build((None, None, self.units), memory_shape)
        self.combine.build((None, None, M + self.units))

    def call(self, ids, memory, mask=None, training=False):
        h = self.read(ids, summary(memory, mask), training)
        return self.look(h, self.attention.keys(memory), memory, mask, training)[0]

    def attend(self, ids, memory, mask=None):
        """The attention weights [B, T, S] for a given output, for looking at."""
        h = self.read(ids, summary(memory, mask))
        return self.look(h, self.attention.keys(memory), memory, mask, False)[1]

    def read(self, ids, summary, training=False):
        """The states [B, T, units] over the tokens of an output, from those that `summary` [B, M] starts."""
        state = self.initial_state(summary)
        return masks.in_order(lambda ids: self.run(self.embedding(ids), state, training), ids)

    def look(self, h, keys, memory, mask, training=False):
        context, weights = self.attention(h, keys, memory, mask=mask)
        combined = self.combine(ops.concatenate([context, h], axis=-1))
        return self.logits(self.drop(combined, training=training)), weights

    def start(self, memory, mask=None):
        mask = masks.everywhere(memory) if mask is None else mask
        return (*self.initial_state(summary(memory, mask)), self.attention.keys(memory), memory, mask)

    def step(self, ids, state):
        *layers, keys, memory, mask = state
        h, layers = self.run_step(self.embedding(ids), tuple(layers))
        logits, _ = self.look(h[:, None], keys, memory, mask)
        return logits[:, 0], (*layers, keys, memory, mask)


def summary(memory, mask):
    return ops.mean(memory, axis=1) if mask is None else encoders.mean(memory, mask)


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
        causal = masks.causal(ops.shape(ids)[1])
        mask = masks.everywhere(memory) if mask is None else mask

        def read(ids):
            x = self.drop(self.embed(ids), training=training)
            for block in self.blocks:
                x, _ = block(x, causal, block.remember(memory), mask, training=training)
            return x

        return self.logits(self.top(masks.in_order(read, ids)))

    def start(self, memory, mask=None):
        mask = masks.everywhere(memory) if mask is None else mask
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
