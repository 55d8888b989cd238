"""The front room: one Keras model a task family.

Constructors take plain numbers and strings; `model.fit` eats what `seqkeras.pipelines` gives; outputs are logits.
Weights exist as soon as a model does. Models that produce sequences answer `start(inputs)` and `step(ids, state)`,
which `search` drives. `signatures(batch, length)` names what a device may ask of the model.
"""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.decoders import RecurrentDecoder
from seqkeras.embeddings import embedding
from seqkeras.pooling import POOLINGS
from seqkeras.reading import Reader
from seqkeras.saving import saveable
from seqkeras.sequence_model import SequenceModel
from seqkeras.signatures import spec, stepwise
from seqkeras.tokens import UNKNOWN


@saveable
class SequenceClassifier(Reader):
    """Many to one: an encoder, pooling over time, one dense layer.

    logits = W pool(h_1 .. h_T) + b

    Args:
        vocab_size: number of token ids; None for real-valued input of width `input_units`.
        num_classes: number of classes, 2 or more.
        units, num_layers, dropout: of the encoder. cell, bidirectional, residual: of a recurrent encoder.
        pooling: "last" (the encoder's summary), "max" or "mean" over real positions.
        embedding_units: width of the token embedding, `units` if None. input_units: width of real-valued input.
        encoder: "recurrent", "transformer", "convolution", or a baseline of one layer: "window" (the first `window`
            positions only), "bag" (a bag of words).
        window: positions that a convolution or a window sees.
        num_heads, max_length: of a Transformer. recurrent_dropout, zoneout: rates of the noise in the recurrence.
        character_vocab_size, character_encoder, character_units, word_length: as of `reading.Reader`.
        word_dropout: share of the words that are read as UNKNOWN in training.
        output_bias: "frequencies" for an output layer that begins with how frequent each class is in training, see
            `SequenceModel.adapt`; or "zeros".

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
        output_bias="frequencies",
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.classes(num_classes=num_classes)
        arguments.choice(*POOLINGS, pooling=pooling)
        self.build_reader("recurrent", "transformer", "convolution", "window", "bag")
        self.drop = keras.layers.Dropout(dropout)
        self.logits = keras.layers.Dense(num_classes, name="logits")
        self.logits.build((None, self.body.width))
        self.built = True

    def call(self, inputs, training=False):
        summary = self.summarize(inputs, self.pooling, training)
        return self.logits(self.drop(summary, training=training))

    def output_biases(self):
        return self.logits.bias

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
        return {"classify": (self.classify, self.reads(batch, length)), **self.streaming(batch)}

    def step(self, inputs, state):
        """inputs of one step `{"ids": [B]}` or `{"values": [B, D]}`, state -> (as `classify` of all so far, state)."""
        _, whole, _, state = self.one_step(inputs, state)
        return {"probabilities": ops.softmax(self.logits(whole))}, state


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
        output_bias: "frequencies" for an output layer that begins with how frequent each token is in training, see
            `SequenceModel.adapt`; or "zeros".

    Call arguments: `{"label": [B], "target": [B, T]}`. Returns: logits [B, T, V].
    """

    task = "generate"
    unknown_target = UNKNOWN

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
        output_bias="frequencies",
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size, num_classes=num_classes, units=units)
        self.label_embedding = embedding(num_classes, units, name="label")
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

    def inputs_read(self):
        return {"label": (self.num_classes, None), "target": (self.vocab_size, None)}

    def output_biases(self):
        return self.decoder.logits.bias

    def step(self, ids, state):
        return self.decoder.step(ids, state)

    def signatures(self, batch, length):
        return stepwise(self, {"label": spec(batch)})
