"""One to many: a sequence from a class label."""

from seqkeras import arguments
from seqkeras.decoders.recurrent import RecurrentDecoder
from seqkeras.layers.embeddings import embedding
from seqkeras.models.sequence_model import SequenceModel
from seqkeras.saving import saveable
from seqkeras.signatures import spec, stepwise
from seqkeras.tokens import UNKNOWN


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
        arguments.choice("state", "input", "both", context=context)
        self.label_embedding = embedding(num_classes, units, name="label")
        self.label_embedding.build((None,))
        self.decoder = RecurrentDecoder(
            vocab_size=vocab_size,
            units=units,
            num_layers=num_layers,
            dropout=dropout,
            cell=cell,
            context=context,
            embedding_units=embedding_units,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            residual=residual,
            name="decoder",
        )
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
