"""Many to one: a class for a sequence."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.layers.pooling import POOLINGS
from seqkeras.models.reader import Reader
from seqkeras.saving import saveable


@saveable
class SequenceClassifier(Reader):
    """Many to one: an encoder, pooling over time, one dense layer.

    logits = W pool(h_1 .. h_T) + b

    Args:
        vocab_size: number of token ids; None for real-valued input of width `input_units`.
        num_classes: number of classes, 2 or more.
        pooling: "last" (the encoder's summary), "max" or "mean" over real positions.
        output_bias: "frequencies" for an output layer that begins with how frequent each class is in training, see
            `SequenceModel.adapt`; or "zeros".
        units and all others: as of `reader.Reader`; `encoder` may also be a baseline of one layer, "window" or "bag".

    Call arguments: as of `reader.Reader`. Returns: logits [B, num_classes].
    """

    task = "classify"
    encoders = ("recurrent", "transformer", "convolution", "window", "bag")

    def __init__(
        self, vocab_size, num_classes, units=128, *, pooling="max", output_bias="frequencies", dropout=0.0, **kwargs
    ):
        arguments.classes(num_classes=num_classes)
        arguments.choice(*POOLINGS, pooling=pooling)
        super().__init__(vocab_size, units, dropout=dropout, **kwargs)
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
        return {self.task: (self.classify, self.reads(batch, length)), **self.streaming(batch)}

    def step(self, inputs, state):
        """inputs of one step `{"ids": [B]}` or `{"values": [B, D]}`, state -> (as `classify` of all so far, state)."""
        _, whole, _, state = self.one_step(inputs, state)
        return {"probabilities": ops.softmax(self.logits(whole))}, state
