"""Language models: the next token, over characters, words or subwords."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.decoders.recurrent import RecurrentStack
from seqkeras.layers import masking
from seqkeras.layers.embeddings import Positions, TiedOutput
from seqkeras.layers.masking import Masked
from seqkeras.layers.transformer import CausalBlock
from seqkeras.models.sequence_model import SequenceModel
from seqkeras.saving import saveable
from seqkeras.signatures import spec, stepwise
from seqkeras.tokens import PAD, UNKNOWN


@saveable
class RecurrentPredictor(RecurrentStack):
    """Embedding, recurrent layers, output layer; the state is the layers', zeros at first. Arguments: `LanguageModel`.

    Call arguments: ids [B, T]. Returns: logits [B, T, V].
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
        rest = recurrent_dropout, zoneout, residual
        super().__init__(vocab_size, units, num_layers, dropout, cell, embedding_units, *rest, **kwargs)

    def build(self, ids_shape):
        self.build_stack(0, 0, self.units)

    def call(self, ids, training=False):
        state = self.start(ops.shape(ids)[0])
        return self.logits(masking.in_order(lambda ids: self.run(self.embedding(ids), state, training), ids))

    def follow(self, ids, state, training=False):
        """All steps from `state`: ids [B, T] -> (logits [B, T, V], state)."""
        x, state = self.follow_layers(self.embedding(ids), state, training)
        return self.logits(self.drop(x, training=training)), state

    def start(self, batch):
        return sum((recurrence.cell.initial_state(batch) for recurrence in self.recurrences), ())

    def step(self, ids, state, position):
        x, state = self.run_step(self.embedding(ids), state)
        return self.logits(x), state


@saveable
class TransformerPredictor(Masked):
    """Positions, blocks of masked self-attention, output layer. Arguments: `LanguageModel`.

    Embeddings begin at U(-0.05, 0.05), as those of a recurrent model. After 120 steps that gave a perplexity of 10.0 on
    characters, where N(0, 1 / D) gave 10.4 and with learned positions 10.7.

    The state: keys and values [B, H, max_length, D/H] of each block at the positions so far.

    Call arguments: ids [B, T]. Returns: logits [B, T, V].
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
        self.embed = Positions(vocab_size, units, max_length, positions, "uniform", name="embed")
        self.drop = keras.layers.Dropout(dropout)
        self.blocks = [CausalBlock(units, num_heads, ff_units or 4 * units, dropout, norm) for _ in range(num_layers)]
        self.top = keras.layers.LayerNormalization(epsilon=1e-5) if norm == "pre" else keras.layers.Identity()
        self.logits = TiedOutput(self.embed) if tied_embeddings else keras.layers.Dense(vocab_size, name="logits")

    def build(self, ids_shape):
        self.embed.build((None, None))
        for block in (*self.blocks, self.top):
            block.build((None, None, self.units))
        self.logits.build((None, None, self.units))

    def call(self, ids, training=False):
        causal = masking.causal(ops.shape(ids)[1])

        def read(ids):
            x = self.drop(self.embed(ids), training=training)
            for block in self.blocks:
                x, _ = block(x, causal, training=training)
            return x

        return self.logits(self.top(masking.in_order(read, ids)))

    def start(self, batch):
        shape = (batch, self.num_heads, self.max_length, self.units // self.num_heads)
        return (ops.zeros(shape, dtype=self.compute_dtype),) * (2 * self.num_layers)

    def step(self, ids, state, position):
        x = self.embed(ids[:, None], position=position)
        seen = (ops.arange(self.max_length, dtype="int32") <= position)[None, None]  # [1, 1, max_length]
        new = ()
        for block, cache in zip(self.blocks, zip(state[::2], state[1::2], strict=True), strict=True):
            x, cache = block(x, seen, cache=cache, position=position)
            new += tuple(cache)
        return self.logits(self.top(x))[:, 0], new


@saveable
class LanguageModel(SequenceModel):
    """Each token from those before it.

        p(y_1 .. y_T) = prod_t p(y_t | y_1 .. y_{t-1})

    `Greedy` and `Sample` continue a prompt: `search({"prompt": ids})`, one without tokens for a text from nothing.
    What comes out is the prompt and its continuation; an id that is none of the vocabulary comes out as UNKNOWN.

    References: recurrent: Mikolov et al. 2010, section 2; Transformer: Radford et al. 2018, section 3.1; its output
    layer the embedding's transpose: Press & Wolf 2017.

    Args:
        vocab_size: number of token ids.
        units, num_layers, dropout: of the layers.
        cell: of a recurrent model.
        decoder: "recurrent" or "transformer".
        num_heads, ff_units, norm, positions, tied_embeddings: of a Transformer; as for `TransformerSeq2Seq`.
        max_length: longest sequence of a Transformer, which needs one; START is counted.
        embedding_units: width of a recurrent model's token embedding, `units` if None.
        recurrent_dropout, zoneout: rates of the noise in the recurrence.
        residual: of a recurrent model, from the second layer on, a layer's input is added to its output.
        output_bias: "frequencies" for an output layer that begins with how frequent each token is in training, see
            `SequenceModel.adapt`; or "zeros".

    Call arguments: ids [B, T], the first of them START. Returns: logits [B, T, V] of the next tokens.
    """

    task = "continue"
    unknown_target = UNKNOWN

    def __init__(
        self,
        vocab_size,
        units=128,
        num_layers=1,
        dropout=0.0,
        cell="lstm",
        decoder="recurrent",
        num_heads=4,
        ff_units=None,
        max_length=None,
        norm="pre",
        positions="sinusoid",
        tied_embeddings=False,
        embedding_units=None,
        recurrent_dropout=0.0,
        zoneout=0.0,
        residual=False,
        output_bias="frequencies",
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.choice("recurrent", "transformer", decoder=decoder)
        arguments.positive(vocab_size=vocab_size, units=units)
        if decoder == "transformer":
            arguments.positive(max_length=max_length)
            shape = num_heads, ff_units, dropout, max_length, norm, positions, tied_embeddings
            self.predictor = TransformerPredictor(vocab_size, units, num_layers, *shape, name="predictor")
        else:
            rest = embedding_units, recurrent_dropout, zoneout, residual
            self.predictor = RecurrentPredictor(vocab_size, units, num_layers, dropout, cell, *rest, name="predictor")
        self.predictor.build((None, None))
        self.built = True

    def call(self, ids, training=False):
        arguments.tensors({"ids": ids}, {"ids": spec(None, None)})
        return self.predictor(ids, training=training)

    def inputs_read(self):
        return {"ids": (self.vocab_size, self.max_length if self.decoder == "transformer" else None)}

    def output_biases(self):
        return self.predictor.logits.bias

    def start(self, inputs):
        """`{"prompt": ids [B, P]}` -> state: prompt, position, the predictor's. PAD is no part of a prompt."""
        arguments.tensors(inputs, {"prompt": spec(None, None)})
        prompt = ops.cast(inputs["prompt"], "int32")
        if prompt.shape[1] != 0:
            prompt = masking.to_front(prompt, masking.padding(prompt))
        prompt = ops.where(ops.logical_and(prompt >= 0, prompt < self.vocab_size), prompt, UNKNOWN)
        prompt = ops.pad(prompt, ((0, 0), (0, 1)), constant_values=PAD)
        state = self.predictor.start(ops.shape(prompt)[0])
        return (prompt, ops.convert_to_tensor(0, "int32"), *state)

    def step(self, ids, state):
        """As of every decoder; where the prompt has a token, that one is certain."""
        prompt, position, *state = state
        logits, state = self.predictor.step(ids, tuple(state), position)
        given = ops.take(prompt, ops.minimum(position, ops.shape(prompt)[1] - 1), axis=1)[:, None]  # [B, 1]
        certain = ops.where(ops.arange(self.vocab_size, dtype="int32") == given, 0.0, masking.lowest(logits.dtype))
        logits = ops.where(given == PAD, logits, ops.cast(certain, logits.dtype))
        return logits, (prompt, position + 1, *state)

    def signatures(self, batch, length):
        return stepwise(self, {"prompt": spec(batch, length)})
