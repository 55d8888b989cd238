"""A tag at each position and a label for the whole."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.layers.pooling import POOLINGS
from seqkeras.models.reader import Reader
from seqkeras.saving import saveable


@saveable
class JointTagger(Reader):
    """A tag at each position and a label for the whole, learnt together: slots and intent of what somebody said.

    tags_t = W h_t + b        label = V pool(h_1 .. h_T) + c        h = encoder(x_1 .. x_T)

    It is trained with a loss for each, `loss={"tags": CrossEntropy(), "label": CrossEntropy()}`.

    References: Liu & Lane 2016, section 3; Goo et al. 2018, section 2.

    Args:
        vocab_size: number of token ids; None for real-valued input of width `input_units`.
        num_tags: number C of tags at each position.
        num_classes: number K of labels of the whole.
        pooling, output_bias: as of `SequenceClassifier`.
        units and all others: as of `reader.Reader`.

    Call arguments: as of `SequenceTagger`. Returns: logits `{"tags": [B, T, C], "label": [B, K]}`.
    """

    task = "understand"
    outputs_by_name = ("tags", "label")

    def __init__(
        self,
        vocab_size,
        num_tags,
        num_classes,
        units=128,
        *,
        pooling="max",
        output_bias="frequencies",
        dropout=0.0,
        **kwargs,
    ):
        arguments.classes(num_tags=num_tags, num_classes=num_classes)
        arguments.choice(*POOLINGS, pooling=pooling)
        super().__init__(vocab_size, units, dropout=dropout, **kwargs)
        self.drop = keras.layers.Dropout(dropout)
        self.tags = keras.layers.Dense(num_tags, name="tags")
        self.tags.build((None, None, self.body.width))
        self.label = keras.layers.Dense(num_classes, name="label")
        self.label.build((None, self.body.width))
        self.built = True

    def output_biases(self):
        return {"tags": self.tags.bias, "label": self.label.bias}

    def real_targets(self, x, y):
        if x is None:
            return None
        real = self.real_positions(x)
        return {"tags": real, "label": ops.ones(ops.shape(real)[:1], "bool")}

    def call(self, inputs, training=False):
        memory, summary, mask = self.read(inputs, training)
        return self._logits(memory, summary, mask, training)

    def _logits(self, memory, summary, mask, training=False):
        summary = POOLINGS[self.pooling].over(memory, mask, summary)
        return {
            "tags": self.tags(self.drop(memory, training=training)),
            "label": self.label(self.drop(summary, training=training)),
        }

    def understand(self, inputs):
        """inputs `{"ids": [B, T]}` or as in `call` -> probabilities `{"tags": [B, T, C], "label": [B, K]}`.

        Zeros where there is no real position.
        """
        memory, summary, mask = self.read(inputs)
        logits = self._logits(memory, summary, mask)
        return {
            "tags": ops.where(mask[..., None], ops.softmax(logits["tags"]), 0),
            "label": ops.softmax(logits["label"]),
        }

    def signatures(self, batch, length):
        return {self.task: (self.understand, self.reads(batch, length)), **self.streaming(batch)}

    def step(self, inputs, state):
        """inputs of one step -> ({"tags": [B, C] of this step, "label": [B, K] of all so far}, state)."""
        here, whole, mask, state = self.one_step(inputs, state)
        tags = ops.where(mask, ops.softmax(self.tags(here)), 0)
        return {"tags": tags, "label": ops.softmax(self.label(whole))}, state
