"""The options of each model on the command line, a table of them. No TensorFlow here, so that help comes at once.

What follows from the data is no option: sizes of vocabularies, numbers of classes, the longest input. A test holds the
table to the models' constructors.
"""

from typing import NamedTuple


class Option(NamedTuple):
    name: str
    default: object
    help: str

    @property
    def type(self):
        """Of a value other than the default: options without one are numbers of units."""
        return int if self.default is None else type(self.default)


WIDTH = (
    Option("units", 128, "width of each layer"),
    Option("num_layers", 1, "number of layers"),
    Option("dropout", 0.0, "rate of dropout on each layer's input"),
)
CELL = "the recurrent cell: gru, lstm, simplernn, or another that docs/cells.md lists"
RECURRENT = (
    Option("cell", "gru", CELL),
    Option("residual", False, "from the second layer on, a layer's input is added to its output"),
    Option("recurrent_dropout", 0.0, "rate of dropout in the recurrence, of the same units at all steps"),
    Option("zoneout", 0.0, "rate at which the state keeps its value of the step before"),
)
BIDIRECTIONAL = Option("bidirectional", True, "whether recurrent layers read in both directions")
EMBEDDING = Option("embedding_units", None, "width of the token embedding (that of the layers)")
BIAS = Option(
    "output_bias", "frequencies", 'what the output layer begins with: "frequencies" of the training targets, or "zeros"'
)
POOLING = Option("pooling", "max", 'one vector of all positions: "max", "mean", or "last", the encoder\'s last output')
CONTEXT = Option(
    "context", "both", 'how the vector enters the decoder: its first "state", an "input" to each step, "both"'
)
READING = (
    *WIDTH,
    *RECURRENT,
    BIDIRECTIONAL,
    EMBEDDING,
    Option("window", 5, "positions that a convolution or a window sees"),
    Option("num_heads", 4, "heads of a Transformer's attention"),
    Option("word_dropout", 0.0, "share of the words that are read as unknown in training"),
    BIAS,
)
ENCODER = Option("encoder", "recurrent", "what reads the text: recurrent, transformer or convolution")
BASELINES = Option("encoder", "recurrent", "what reads the text: recurrent, transformer, convolution, window or bag")
TRANSFORMER = (
    Option("units", 128, "width of each layer"),
    Option("num_layers", 2, "number of layers"),
    Option("num_heads", 4, "heads of the attention"),
    Option("ff_units", None, "width of the dense layers (4 times that of the others)"),
    Option("dropout", 0.0, "rate of dropout"),
    Option("norm", "pre", 'where layers are normalised: "pre" or "post"'),
    Option("positions", "sinusoid", 'vectors of positions: "sinusoid" or "learned"'),
    Option("tied_embeddings", False, "whether the target embedding is the output layer too"),
)
SEQ2SEQ = (*WIDTH, *RECURRENT, BIDIRECTIONAL, EMBEDDING, BIAS)

OPTIONS = {
    "SequenceClassifier": (BASELINES, *READING, POOLING),
    "SequenceTagger": (ENCODER, *READING),
    "JointTagger": (ENCODER, *READING, POOLING),
    "SequenceGenerator": (*WIDTH, *RECURRENT, EMBEDDING, CONTEXT, BIAS),
    "Seq2Seq": (*SEQ2SEQ, CONTEXT),
    "AttentionSeq2Seq": (*SEQ2SEQ, Option("score", "mlp", "the attention's score: mlp, dot or scaled_dot")),
    "LanguageModel": (
        Option("decoder", "recurrent", "what the model is made of: recurrent or transformer"),
        *WIDTH,
        Option("cell", "lstm", CELL),
        *RECURRENT[1:],
        EMBEDDING,
        *(one for one in TRANSFORMER if one.name not in ("units", "num_layers", "dropout")),
        BIAS,
    ),
    "TransformerSeq2Seq": (*TRANSFORMER, BIAS),
}


def of(model):
    """The options of a public class of models, a tuple of `Option`."""
    return OPTIONS[model]
