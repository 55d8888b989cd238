"""The front room: one Keras model a task family.

Constructors take plain numbers and strings; `model.fit` eats what `seqkeras.pipelines` gives; outputs are logits.
Weights exist as soon as a model does. Models that produce sequences answer `start(inputs)` and `step(ids, state)`,
which `search` drives. `signatures(batch, length)` names what a device may ask of the model.
"""

import keras
from keras import ops

from seqkeras import arguments, masks
from seqkeras.decoders import AttentionDecoder, RecurrentDecoder, TransformerDecoder
from seqkeras.encoders import RecurrentEncoder, TransformerEncoder
from seqkeras.pooling import POOLINGS
from seqkeras.reading import Reader
from seqkeras.saving import saveable
from seqkeras.sequence_model import SequenceModel
from seqkeras.signatures import spec, stepwise
from seqkeras.transformer import Positions


@saveable
class SequenceClassifier(Reader):
    """Many to one: an encoder, pooling over time, one dense layer.

    logits = W pool(h_1 .. h_T) + b

    Args:
        vocab_size: number of token ids; None for real-valued input of width `input_units`.
        num_classes: number of classes.
        units, num_layers, dropout: of the encoder. cell, bidirectional, residual: of a recurrent encoder.
        pooling: "last" (the encoder's summary), "max" or "mean" over real positions.
        embedding_units: width of the token embedding, `units` if None. input_units: width of real-valued input.
        encoder: "recurrent", "transformer", "convolution", or a baseline of one layer: "window" (the first `window`
            positions only), "bag" (a bag of words).
        window: positions that a convolution or a window sees.
        num_heads, max_length: of a Transformer. recurrent_dropout, zoneout: rates of the noise in the recurrence.
        character_vocab_size, character_encoder, character_units, word_length: as of `reading.Reader`.
        word_dropout: share of the words that are read as UNKNOWN in training.

    Call arguments: as of `reading.Reader`. Returns: logits [B, num_classes].
    """

    def __init__(
        self,
        vocab_size,
        num_classes,
        units=128,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        bidirectional=True,
        residual=False,
        pooling="max",
        embedding_units=None,
        input_units=None,
        encoder="recurrent",
        window=5,
        num_heads=4,
        max_length=128,
        recurrent_dropout=0.0,
        zoneout=0.0,
        character_vocab_size=None,
        character_encoder="convolution",
        character_units=32,
        word_length=16,
        word_dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(num_classes=num_classes)
        arguments.choice(*POOLINGS, pooling=pooling)
        self.build_reader("recurrent", "transformer", "convolution", "window", "bag")
        self.drop = keras.layers.Dropout(dropout)
        self.logits = keras.layers.Dense(num_classes, name="logits")
        self.logits.build((None, self.body.width))
        self.built = True

    def call(self, inputs, training=False):
        summary = self.summarize(inputs, self.pooling, training)
        return self.logits(self.drop(summary, training=training))

    def activation_map(self, inputs):
        """How much each position speaks for each class: inputs as in `call` -> [B, T, num_classes].

            M_t = W h_t       logits = b + mean of M_t over real positions t

        Raises:
            ValueError: another pooling than "mean".

        Reference: Zhou et al., Learning deep features for discriminative localization, 2016, section 2.
        """
        if self.pooling != "mean":
            raise ValueError(f"Expected a model with pooling='mean'. Received: pooling={self.pooling!r}")
        return ops.matmul(self.read(inputs)[0], self.logits.kernel)

    def classify(self, inputs):
        """inputs `{"ids": [B, T]}` or as in `call` -> `{"probabilities": [B, num_classes]}`."""
        return {"probabilities": ops.softmax(self(inputs))}

    def signatures(self, batch, length):
        return {"classify": (self.classify, self.reads(batch, length))}


@saveable
class SequenceGenerator(SequenceModel):
    """One to many: a class label starts a recurrent decoder.

    p(y_1 .. y_T | label) = prod_t p(y_t | y_1 .. y_{t-1}, label)

    Args:
        vocab_size: number of token ids.
        num_classes: number of labels.
        units, num_layers, dropout, cell: of the decoder.
        context: the label's embedding initialises the "state", is an "input" at each step, or "both".
        embedding_units: width of the token embedding, `units` if None.
        recurrent_dropout, zoneout: rates of the noise in the recurrence.
        residual: from the second layer on, a layer's input is added to its output.

    Call arguments: `{"label": [B], "target": [B, T]}`. Returns: logits [B, T, V].
    """

    task = "generate"

    def __init__(
        self,
        vocab_size,
        num_classes,
        units=128,
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
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size, num_classes=num_classes, units=units)
        self.label_embedding = keras.layers.Embedding(num_classes, units, name="label")
        self.label_embedding.build((None,))
        rest = embedding_units, recurrent_dropout, zoneout, residual
        self.decoder = RecurrentDecoder(vocab_size, units, num_layers, dropout, cell, context, *rest, name="decoder")
        self.decoder.build((None, None), (None, units))
        self.built = True

    def call(self, inputs, training=False):
        arguments.tensors(inputs, {"label": spec(None), "target": spec(None, None)})
        return self.decoder(inputs["target"], self.label_embedding(inputs["label"]), training=training)

    def start(self, inputs):
        arguments.tensors(inputs, {"label": spec(None)})
        return self.decoder.start(self.label_embedding(inputs["label"]))

    def step(self, ids, state):
        return self.decoder.step(ids, state)

    def signatures(self, batch, length):
        return stepwise(self, {"label": spec(batch)})


class EncoderDecoder(SequenceModel):
    """What the sequence-to-sequence models share: source ids -> encoder -> memory -> decoder -> logits.

    A subclass makes `source_embedding`, `encoder` and `decoder`, and calls `build_parts`.

    Call arguments: `{"source": [B, S], "target": [B, T]}`. Returns: logits [B, T, V].
    """

    task = "translate"

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
        mask = masks.padding(source)
        return self.encoder(self.source_embedding(source), mask=mask, training=training)[0], mask

    def start(self, inputs):
        arguments.tensors(inputs, {"source": spec(None, None)})
        return self.decoder.start(*self.encode(inputs["source"]))

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size, units=units)
        arguments.positive_or_none(target_vocab_size=target_vocab_size, embedding_units=embedding_units)
        width = embedding_units or units
        self.source_embedding = keras.layers.Embedding(vocab_size, width, name="source")
        shape, noise = (cell, bidirectional, residual), (recurrent_dropout, zoneout)
        self.encoder = RecurrentEncoder(units, num_layers, dropout, *shape, *noise, name="encoder")
        self.decoder = RecurrentDecoder(
            target_vocab_size or vocab_size,
            units,
            num_layers,
            dropout,
            cell,
            context,
            embedding_units,
            *noise,
            residual,
            name="decoder",
        )
        self.build_parts(width, (None, self.encoder.width))

    def encode(self, source, training=False):
        """source [B, S] -> (summary [B, M], no mask) for the decoder."""
        x = self.source_embedding(source)
        return self.encoder.summarize(x, mask=masks.padding(source), training=training), None


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
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size, units=units)
        arguments.positive_or_none(target_vocab_size=target_vocab_size, embedding_units=embedding_units)
        width = embedding_units or units
        self.source_embedding = keras.layers.Embedding(vocab_size, width, name="source")
        shape, noise = (cell, bidirectional, residual), (recurrent_dropout, zoneout)
        self.encoder = RecurrentEncoder(units, num_layers, dropout, *shape, *noise, name="encoder")
        self.decoder = AttentionDecoder(
            target_vocab_size or vocab_size,
            units,
            num_layers,
            dropout,
            cell,
            score,
            embedding_units,
            *noise,
            residual,
            name="decoder",
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size)
        arguments.positive_or_none(target_vocab_size=target_vocab_size)
        self.source_embedding = Positions(vocab_size, units, max_length, positions, name="source")
        self.encoder = TransformerEncoder(units, num_layers, num_heads, ff_units, dropout, norm, name="encoder")
        self.decoder = TransformerDecoder(
            target_vocab_size or vocab_size,
            units,
            num_layers,
            num_heads,
            ff_units,
            dropout,
            max_length,
            norm,
            positions,
            tied_embeddings,
            name="decoder",
        )
        self.build_parts(units, (None, None, units))
