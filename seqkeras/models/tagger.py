"""Many to many, same length: an output at each position."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.models.reader import Reader
from seqkeras.saving import saveable


@saveable
class SequenceTagger(Reader):
    """An output at each position of an encoder's memory.

    logits_t = W h_t + b        h = encoder(x_1 .. x_T)

    References: hidden-to-hidden recurrence with an output at each step: Goodfellow, Bengio & Courville 2016, section
    10.2; in both directions: Graves & Schmidhuber 2005; the window of a convolution: Collobert et al. 2011.

    Args:
        vocab_size: number of token ids; None for real-valued input of width `input_units`.
        num_classes: number C of classes, of labels, or of real numbers at each position.
        outputs: what the logits stand for: "class", one of C (`CrossEntropy`); "labels", any of C
            (`BinaryCrossEntropy`); "values", real numbers as they are (a loss of Keras with
            `reduction="mean_with_sample_weight"`).
        output_bias: "frequencies" for an output layer that begins with how frequent each class or label is in training,
            or with the mean of the values, see `SequenceModel.adapt`; or "zeros".
        units and all others: as of `reader.Reader`.

    Call arguments: as of `reader.Reader`. Returns: logits [B, T, C].
    """

    task = "tag"

    def __init__(
        self, vocab_size, num_classes, units=128, *, outputs="class", output_bias="frequencies", dropout=0.0, **kwargs
    ):
        arguments.choice("class", "labels", "values", outputs=outputs)
        (arguments.classes if outputs == "class" else arguments.positive)(num_classes=num_classes)
        super().__init__(vocab_size, units, dropout=dropout, **kwargs)
        self.drop = keras.layers.Dropout(dropout)
        self.logits = keras.layers.Dense(num_classes, name="logits")
        self.logits.build((None, None, self.body.width))
        self.built = True

    @property
    def target_kind(self):
        return self.outputs

    def output_biases(self):
        return self.logits.bias

    def real_targets(self, x, y):
        return None if x is None else self.real_positions(x)

    def call(self, inputs, training=False):
        memory, _, _ = self.read(inputs, training)
        return self.logits(self.drop(memory, training=training))

    def tag(self, inputs):
        """inputs `{"ids": [B, T]}` or as in `call` -> `{"probabilities": [B, T, C]}` or `{"values": [B, T, C]}`.

        Zeros where there is no real position.
        """
        memory, _, mask = self.read(inputs)
        return self._said(memory, mask[..., None])

    def _said(self, memory, mask):
        """What is said at positions: [..., W], mask [..., 1] -> `{"probabilities": [..., C]}` or `{"values": …}`."""
        logits = self.logits(memory)
        if self.outputs == "values":
            return {"values": ops.where(mask, logits, 0)}
        probabilities = ops.softmax(logits) if self.outputs == "class" else ops.sigmoid(logits)
        return {"probabilities": ops.where(mask, probabilities, 0)}

    def step(self, inputs, state):
        """inputs of one step `{"ids": [B]}` or `{"values": [B, D]}`, state -> (as `tag`, but [B, C]; state)."""
        here, _, mask, state = self.one_step(inputs, state)
        return self._said(here, mask), state

    def signatures(self, batch, length):
        return {self.task: (self.tag, self.reads(batch, length)), **self.streaming(batch)}
