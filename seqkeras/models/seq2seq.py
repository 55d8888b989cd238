"""Sequence to sequence, of two lengths: an encoder reads the source, a decoder writes the target."""

from seqkeras import arguments
from seqkeras.decoders.attention import AttentionDecoder
from seqkeras.decoders.recurrent import RecurrentDecoder
from seqkeras.decoders.transformer import TransformerDecoder
from seqkeras.encoders.recurrent import RecurrentEncoder
from seqkeras.encoders.transformer import TransformerEncoder
from seqkeras.layers import masking
from seqkeras.layers.embeddings import TokenAndPositionEmbedding, embedding
from seqkeras.models.sequence_model import SequenceModel
from seqkeras.saving import saveable
from seqkeras.signatures import spec, stepwise
from seqkeras.tokens import UNKNOWN


class EncoderDecoder(SequenceModel):
    """What the sequence-to-sequence models share: source ids -> encoder -> memory -> decoder -> logits.

    A subclass makes `source_embedding`, `encoder` and `decoder`, and calls `build_parts`.

    Call arguments: `{"source": [B, S], "target": [B, T]}`. Returns: logits [B, T, V].
    """

    task = "translate"
    unknown_target = UNKNOWN

    def build_parts(self, embedding_units, memory_shape):
        self.source_embedding.build((None, None))
        self.encoder.build((None, None, embedding_units))
        self.decoder.build((None, None), memory_shape)
        self.built = True

    def call(self, inputs, training=False):
        arguments.tensors(inputs, {"source": spec(None, None), "target": spec(None, None)})
        memory, mask = self.encode(inputs["source"], training)
        return self.decoder(inputs["target"], memory, mask=mask, training=training)

    def encode(self, source, training=False):
        """source [B, S] -> (memory, mask) for the decoder."""
        mask = masking.padding(source)
        return self.encoder(self.source_embedding(source), mask=mask, training=training)[0], mask

    def start(self, inputs):
        arguments.tensors(inputs, {"source": spec(None, None)})
        return self.decoder.start(*self.encode(inputs["source"]))

    def inputs_read(self):
        most = getattr(self, "max_length", None)
        return {"source": (self.vocab_size, most), "target": (self.target_vocab_size or self.vocab_size, most)}

    def output_biases(self):
        return self.decoder.logits.bias

    def step(self, ids, state):
        return self.decoder.step(ids, state)

    def signatures(self, batch, length):
        return stepwise(self, {"source": spec(batch, length)})


@saveable
class Seq2Seq(EncoderDecoder):
    """Encoder-decoder of two lengths through one vector, the encoder's summary.

    Reference: Cho et al. 2014, section 2.2; Sutskever, Vinyals & Le 2014.

    Args:
        vocab_size, target_vocab_size: number of source and target ids; the same if the second is None.
        units, num_layers, dropout, cell, residual: of encoder and decoder.
        bidirectional: of the encoder.
        context: how the vector enters the decoder: "state", "input" or "both".
        embedding_units: width of both token embeddings, `units` if None.
        recurrent_dropout, zoneout: rates of the noise in the recurrences.
        output_bias: "frequencies" for an output layer that begins with how frequent each token is in training, see
            `SequenceModel.adapt`; or "zeros".
    """

    def __init__(
        self,
        vocab_size,
        target_vocab_size=None,
        units=128,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        bidirectional=True,
        residual=False,
        context="both",
        embedding_units=None,
        recurrent_dropout=0.0,
        zoneout=0.0,
        output_bias="frequencies",
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.choice("state", "input", "both", context=context)
        arguments.positive(vocab_size=vocab_size, units=units)
        arguments.positive_or_none(target_vocab_size=target_vocab_size, embedding_units=embedding_units)
        width = embedding_units or units
        self.source_embedding = embedding(vocab_size, width, name="source")
        layers = {
            "units": units,
            "num_layers": num_layers,
            "dropout": dropout,
            "cell": cell,
            "residual": residual,
            "recurrent_dropout": recurrent_dropout,
            "zoneout": zoneout,
        }
        self.encoder = RecurrentEncoder(bidirectional=bidirectional, **layers, name="encoder")
        self.decoder = RecurrentDecoder(
            target_vocab_size or vocab_size, context=context, embedding_units=embedding_units, **layers, name="decoder"
        )
        self.build_parts(width, (None, self.encoder.width))

    def encode(self, source, training=False):
        """source [B, S] -> (summary [B, M], no mask) for the decoder."""
        x = self.source_embedding(source)
        return self.encoder.summarize(x, mask=masking.padding(source), training=training), None


@saveable
class AttentionSeq2Seq(EncoderDecoder):
    """Encoder-decoder whose decoder attends to every position of the source.

    Reference: Bahdanau, Cho & Bengio 2015 (MLP score); Luong, Pham & Manning 2015 (dot score, order of computation).

    Args:
        vocab_size, target_vocab_size: number of source and target ids; the same if the second is None.
        units, num_layers, dropout, cell, residual: of encoder and decoder.
        bidirectional: of the encoder.
        score: "mlp", "dot" or "scaled_dot".
        embedding_units: width of both token embeddings, `units` if None.
        recurrent_dropout, zoneout: rates of the noise in the recurrences.
        output_bias: "frequencies" for an output layer that begins with how frequent each token is in training, see
            `SequenceModel.adapt`; or "zeros".
    """

    def __init__(
        self,
        vocab_size,
        target_vocab_size=None,
        units=128,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        bidirectional=True,
        residual=False,
        score="mlp",
        embedding_units=None,
        recurrent_dropout=0.0,
        zoneout=0.0,
        output_bias="frequencies",
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size, units=units)
        arguments.positive_or_none(target_vocab_size=target_vocab_size, embedding_units=embedding_units)
        width = embedding_units or units
        self.source_embedding = embedding(vocab_size, width, name="source")
        layers = {
            "units": units,
            "num_layers": num_layers,
            "dropout": dropout,
            "cell": cell,
            "residual": residual,
            "recurrent_dropout": recurrent_dropout,
            "zoneout": zoneout,
        }
        self.encoder = RecurrentEncoder(bidirectional=bidirectional, **layers, name="encoder")
        self.decoder = AttentionDecoder(
            target_vocab_size or vocab_size, score=score, embedding_units=embedding_units, **layers, name="decoder"
        )
        self.build_parts(width, (None, None, self.encoder.width))

    def attend(self, inputs):
        """The attention weights [B, T, S] of `inputs`, as in `call`, for looking at."""
        return self.decoder.attend(inputs["target"], *self.encode(inputs["source"]))


@saveable
class TransformerSeq2Seq(EncoderDecoder):
    """The Transformer. Reference: Vaswani et al. 2017.

    Args:
        vocab_size, target_vocab_size: number of source and target ids; the same if the second is None.
        units, num_layers, num_heads, ff_units, dropout: of encoder and decoder; 4 * units if `ff_units` is None.
        max_length: longest source and longest target, its START or END counted.
        norm: "pre" or "post". positions: "sinusoid" or "learned".
        tied_embeddings: the target embedding is the output layer too.
        output_bias: "frequencies" for an output layer that begins with how frequent each token is in training, see
            `SequenceModel.adapt`; or "zeros".
    """

    def __init__(
        self,
        vocab_size,
        target_vocab_size=None,
        units=128,
        num_layers=2,
        num_heads=4,
        ff_units=None,
        dropout=0.0,
        max_length=128,
        norm="pre",
        positions="sinusoid",
        tied_embeddings=False,
        output_bias="frequencies",
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size)
        arguments.positive_or_none(target_vocab_size=target_vocab_size)
        self.source_embedding = TokenAndPositionEmbedding(vocab_size, units, max_length, positions, name="source")
        blocks = {
            "units": units,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "ff_units": ff_units,
            "dropout": dropout,
            "norm": norm,
        }
        self.encoder = TransformerEncoder(**blocks, name="encoder")
        self.decoder = TransformerDecoder(
            target_vocab_size or vocab_size,
            max_length=max_length,
            positions=positions,
            tied_embeddings=tied_embeddings,
            **blocks,
            name="decoder",
        )
        self.build_parts(units, (None, None, units))

    def encode(self, source, training=False):
        # Places are counted over real positions, wherever the padding is.
        return super().encode(masking.to_front(source, masking.padding(source)), training)
