"""Language models: the next token, over characters, words or subwords."""

from keras import ops

from seqkeras import arguments
from seqkeras.choices import DECODERS
from seqkeras.decoders.recurrent import RecurrentDecoder
from seqkeras.decoders.transformer import TransformerDecoder
from seqkeras.layers import masking
from seqkeras.models.sequence_model import SequenceModel
from seqkeras.saving import saveable
from seqkeras.signatures import spec, stepwise
from seqkeras.tokens import PAD, UNKNOWN


@saveable
class LanguageModel(SequenceModel):
    """Each token from those before it.

        p(y_1 .. y_T) = prod_t p(y_t | y_1 .. y_{t-1})

    `Greedy` and `Sample` continue a prompt: `search({"prompt": ids})`, one without tokens for a text from nothing.
    What comes out is the prompt and its continuation; an id that is none of the vocabulary comes out as UNKNOWN.

    Token embeddings of a Transformer begin at U(-0.05, 0.05): after 120 steps that gave a perplexity of 10.0 on
    characters, where N(0, 1 / D), as `TransformerSeq2Seq` begins, gave 10.4 and with learned positions 10.7.

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
    uses = {"decoder": DECODERS}
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
        arguments.used(self)
        if decoder == "transformer":
            arguments.positive(max_length=max_length)
            self.predictor = TransformerDecoder(
                vocab_size=vocab_size,
                units=units,
                num_layers=num_layers,
                num_heads=num_heads,
                ff_units=ff_units,
                dropout=dropout,
                max_length=max_length,
                norm=norm,
                positions=positions,
                tied_embeddings=tied_embeddings,
                cross_attention=False,
                embeddings_initializer="uniform",
                name="predictor",
            )
        else:
            self.predictor = RecurrentDecoder(
                vocab_size=vocab_size,
                units=units,
                num_layers=num_layers,
                dropout=dropout,
                cell=cell,
                context=None,
                embedding_units=embedding_units,
                recurrent_dropout=recurrent_dropout,
                zoneout=zoneout,
                residual=residual,
                name="predictor",
            )
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
        state = self.predictor.start(batch=ops.shape(prompt)[0])
        return (prompt, ops.convert_to_tensor(0, "int32"), *state)

    def step(self, ids, state):
        """As of every decoder; where the prompt has a token, that one is certain."""
        prompt, position, *state = state
        logits, state = self.predictor.step(ids, tuple(state))
        given = ops.take(prompt, ops.minimum(position, ops.shape(prompt)[1] - 1), axis=1)[:, None]  # [B, 1]
        certain = ops.where(ops.arange(self.vocab_size, dtype="int32") == given, 0.0, masking.lowest(logits.dtype))
        logits = ops.where(given == PAD, logits, ops.cast(certain, logits.dtype))
        return logits, (prompt, position + 1, *state)

    def signatures(self, batch, length):
        return stepwise(self, {"prompt": spec(batch, length)})
