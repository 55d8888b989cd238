"""Every public class once: a small constructor call that gives each argument a value of its own, and example inputs.

`test_conformance` runs over the list and fails when a registered class is missing from it. A cell needs no line: every
cell that `cells.names()` knows is listed by itself.
"""

from dataclasses import dataclass, field

import keras
import numpy as np

import seqkeras
from seqkeras import cells, decoders, encoders
from seqkeras.layers import attention, embeddings, transformer
from seqkeras.rnn import recurrence

B, S, T, D, V, C = 4, 6, 5, 3, 11, 3
rng = np.random.default_rng(1)


@dataclass
class Entry:
    """cls(**arguments), called with `inputs`; a model also has `labels` (and `weight` where it makes sequences)."""

    cls: type
    arguments: dict
    inputs: dict
    labels: np.ndarray | dict = None
    weight: np.ndarray | dict = None
    made: dict = field(default_factory=dict)  # arguments that are objects: name -> function that makes one

    @property
    def name(self):
        return self.cls.__name__

    def make(self, **changed):
        made = {name: function() for name, function in self.made.items()}
        return self.cls(**{**self.arguments, **made, **changed})

    def loss(self, **options):
        """The loss, one for each output where there are several."""
        return keras.tree.map_structure(
            lambda labels: "mse" if labels.dtype.kind == "f" else seqkeras.CrossEntropy(**options), self.labels
        )

    def measures(self):
        """What is measured of tokens [B, T], or of anything else; for each output where there are several."""

        def of(labels):
            if labels.ndim == 2:
                return [seqkeras.TokenAccuracy(), seqkeras.ExactMatch(), seqkeras.Perplexity()]
            return ["mse" if labels.dtype.kind == "f" else "accuracy"]

        return keras.tree.map_structure(of, self.labels)

    def still(self, **changed):
        """Made without anything random in training."""
        noise = {"dropout", "recurrent_dropout", "zoneout", "word_dropout"} & set(self.arguments)
        return self.make(**dict.fromkeys(noise, 0.0), **changed)


def floats(*shape):
    return rng.normal(size=shape).astype("float32")


def tokens(*shape):
    """Random ids with padding behind a different length in each row, the last row all padding but one."""
    ids = rng.integers(4, V, shape).astype("int32")
    lengths = np.linspace(shape[1], 1, shape[0]).astype(int)
    return np.where(np.arange(shape[1]) < lengths[:, None], ids, 0)


SOURCE, TARGET, NEXT = tokens(B, S), tokens(B, T), tokens(B, T)
WEIGHT = (NEXT != 0).astype("float32")
LABEL = np.array([0, 2, 1, 0], "int32")
MASK = SOURCE != 0
SEQUENCES = {"source": SOURCE, "target": TARGET}
W, A = 4, 9  # characters of a word, of the alphabet
SPELT = {"ids": SOURCE, "characters": rng.integers(4, A, (B, S, W)).astype("int32") * MASK[..., None]}
SPELT["characters"][:, ::2, 2:] = 0
LETTERS = {
    "character_vocab_size": A,
    "character_encoder": "recurrent",
    "character_units": 5,
    "word_length": W,
    "word_dropout": 0.25,
}

MODELS = [
    Entry(
        seqkeras.SequenceClassifier,
        {
            "vocab_size": V,
            "num_classes": C,
            "units": 8,
            "num_layers": 2,
            "dropout": 0.25,
            "cell": "lstm",
            "bidirectional": False,
            "residual": True,
            "pooling": "mean",
            "embedding_units": 7,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
            **LETTERS,
            "output_bias": "zeros",
        },
        SPELT,
        LABEL,
    ),
    Entry(
        seqkeras.SequenceGenerator,
        {
            "vocab_size": V,
            "num_classes": C,
            "units": 8,
            "num_layers": 2,
            "dropout": 0.25,
            "cell": "simplernn",
            "context": "input",
            "embedding_units": 7,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
            "residual": True,
            "output_bias": "zeros",
        },
        {"label": LABEL, "target": TARGET},
        NEXT,
        WEIGHT,
    ),
    Entry(
        seqkeras.Seq2Seq,
        {
            "vocab_size": V,
            "target_vocab_size": V + 1,
            "units": 8,
            "num_layers": 2,
            "dropout": 0.25,
            "cell": "lstm",
            "bidirectional": False,
            "residual": True,
            "context": "state",
            "embedding_units": 7,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
            "output_bias": "zeros",
        },
        SEQUENCES,
        NEXT,
        WEIGHT,
    ),
    Entry(
        seqkeras.AttentionSeq2Seq,
        {
            "vocab_size": V,
            "target_vocab_size": V + 1,
            "units": 8,
            "num_layers": 2,
            "dropout": 0.25,
            "cell": "GRU",
            "bidirectional": False,
            "residual": True,
            "score": "scaled_dot",
            "embedding_units": 7,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
            "output_bias": "zeros",
        },
        SEQUENCES,
        NEXT,
        WEIGHT,
    ),
    Entry(
        seqkeras.TransformerSeq2Seq,
        {
            "vocab_size": V,
            "target_vocab_size": V + 1,
            "units": 8,
            "num_layers": 1,
            "num_heads": 2,
            "ff_units": 9,
            "dropout": 0.25,
            "max_length": 12,
            "norm": "post",
            "positions": "learned",
            "tied_embeddings": True,
            "output_bias": "zeros",
        },
        SEQUENCES,
        NEXT,
        WEIGHT,
    ),
    Entry(
        seqkeras.SequenceTagger,
        {
            "vocab_size": V,
            "num_classes": C,
            "units": 8,
            "num_layers": 2,
            "dropout": 0.25,
            "cell": "lstm",
            "bidirectional": False,
            "residual": True,
            "outputs": "labels",
            "embedding_units": 7,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
            **LETTERS,
            "output_bias": "zeros",
        },
        SPELT,
        SOURCE % C,
        (SOURCE != 0).astype("float32"),
    ),
    Entry(
        seqkeras.JointTagger,
        {
            "vocab_size": V,
            "num_tags": C,
            "num_classes": C + 1,
            "units": 8,
            "num_layers": 2,
            "dropout": 0.25,
            "cell": "lstm",
            "bidirectional": False,
            "residual": True,
            "pooling": "mean",
            "embedding_units": 7,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
            **LETTERS,
            "output_bias": "zeros",
        },
        SPELT,
        {"tags": SOURCE % C, "label": LABEL},
        {"tags": (SOURCE != 0).astype("float32"), "label": np.ones(B, "float32")},
    ),
    Entry(
        seqkeras.LanguageModel,
        {
            "vocab_size": V,
            "units": 8,
            "num_layers": 2,
            "dropout": 0.25,
            "decoder": "transformer",
            "num_heads": 2,
            "ff_units": 9,
            "max_length": 12,
            "norm": "post",
            "positions": "learned",
            "tied_embeddings": True,
            "output_bias": "zeros",
        },
        TARGET,
        NEXT,
        WEIGHT,
    ),
    Entry(
        seqkeras.Forecaster,
        {
            "input_units": D,
            "window": S,
            "horizon": 2,
            "units": 8,
            "num_layers": 2,
            "dropout": 0.25,
            "encoder": "convolution",
            "quantiles": [0.25, 0.5],
        },
        floats(B, S, D),
        rng.integers(0, 2, (B, 2, D)).astype("int32"),
    ),
]

# What else the models can be made of; training is the same for all.
SMALL = {"vocab_size": V, "num_classes": C, "units": 8}
VARIANTS = [
    Entry(
        seqkeras.SequenceClassifier,
        {"vocab_size": None, "num_classes": C, "units": 8, "input_units": D},
        {"values": floats(B, S, D), "length": MASK.sum(axis=1).astype("int32")},
        LABEL,
    ),
    Entry(seqkeras.SequenceClassifier, {**SMALL, "num_layers": 2, "residual": True, "pooling": "last"}, SOURCE, LABEL),
    Entry(
        seqkeras.SequenceClassifier,
        {**SMALL, "character_vocab_size": A, "character_encoder": "convolution", "word_length": W},
        SPELT,
        LABEL,
    ),
    Entry(
        seqkeras.SequenceClassifier,
        {**SMALL, "encoder": "transformer", "num_heads": 2, "max_length": 9},
        SOURCE,
        LABEL,
    ),
    Entry(seqkeras.SequenceClassifier, {**SMALL, "encoder": "convolution", "window": 3}, SOURCE, LABEL),
    Entry(seqkeras.SequenceTagger, {**SMALL, "cell": "lstm"}, SOURCE, SOURCE % C, (SOURCE != 0).astype("float32")),
    Entry(
        seqkeras.LanguageModel,
        {
            "vocab_size": V,
            "units": 8,
            "num_layers": 2,
            "cell": "gru",
            "embedding_units": 8,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
            "residual": True,
        },
        TARGET,
        NEXT,
        WEIGHT,
    ),
    Entry(
        seqkeras.Forecaster,
        {"input_units": D, "window": S, "horizon": 2, "units": 8, "cell": "lstm", "strategy": "recursive"},
        floats(B, S, D),
        floats(B, 2, D),
    ),
]

SEARCHES = [
    Entry(seqkeras.Greedy, {"max_length": 7}, {"source": SOURCE}, made={"model": MODELS[3].make}),
    Entry(
        seqkeras.Sample,
        {"max_length": 7, "temperature": 0.5, "top_k": 6, "top_p": 0.9},
        {"source": SOURCE, "uniform": rng.random((B, 7)).astype("float32")},
        made={"model": MODELS[4].make},
    ),
]

CELLS = [
    Entry(cls, {"units": 5}, {"inputs": floats(B, D), "state": (floats(B, 5),) * cls.num_states})
    for cls in cells.names().values()
    if cls.__module__.startswith(cells.__name__)
]

LAYERS = [
    Entry(
        recurrence.Recurrence,
        {"reverse": True},
        {"inputs": floats(B, S, D), "mask": MASK},
        made={"cell": lambda: cells.make("lstm", 5)},
    ),
    Entry(
        attention.Attention,
        {"units": 5, "score": "dot"},
        {"query": floats(B, T, 4), "keys": floats(B, S, 5), "memory": floats(B, S, 6), "mask": MASK},
    ),
    Entry(
        attention.MultiHeadAttention,
        {"units": 8, "num_heads": 2, "dropout": 0.25},
        {"query": floats(B, T, 8), "keys": floats(B, 2, S, 4), "values": floats(B, 2, S, 4), "mask": MASK[:, None]},
    ),
    Entry(
        embeddings.TokenAndPositionEmbedding,
        {"vocab_size": V, "units": 6, "max_length": 7, "positions": "learned", "embeddings_initializer": "uniform"},
        {"ids": SOURCE},
    ),
    Entry(
        transformer.EncoderBlock,
        {"units": 8, "num_heads": 2, "ff_units": 9, "dropout": 0.25, "norm": "post"},
        {"x": floats(B, S, 8), "mask": MASK},
    ),
    Entry(
        transformer.DecoderBlock,
        {"units": 8, "num_heads": 2, "ff_units": 9, "dropout": 0.25, "norm": "post"},
        {
            "x": floats(B, T, 8),
            "mask": np.tril(np.ones((1, T, T), bool)),
            "memory": (floats(B, 2, S, 4), floats(B, 2, S, 4)),
            "memory_mask": MASK,
        },
    ),
    Entry(
        encoders.RecurrentEncoder,
        {
            "units": 5,
            "num_layers": 2,
            "dropout": 0.25,
            "cell": "lstm",
            "bidirectional": True,
            "residual": True,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
        },
        {"inputs": floats(B, S, D), "mask": MASK},
    ),
    Entry(
        encoders.ConvolutionEncoder,
        {"units": 5, "num_layers": 2, "dropout": 0.25, "window": 3},
        {"inputs": floats(B, S, D), "mask": MASK},
    ),
    Entry(
        encoders.WindowEncoder,
        {"units": 5, "dropout": 0.25, "window": 3},
        {"inputs": floats(B, S, D), "mask": MASK},
    ),
    Entry(encoders.BagEncoder, {"units": 5, "dropout": 0.25}, {"inputs": floats(B, S, D), "mask": MASK}),
    Entry(
        encoders.TransformerEncoder,
        {"units": 8, "num_layers": 1, "num_heads": 2, "ff_units": 9, "dropout": 0.25, "norm": "post"},
        {"inputs": floats(B, S, 8), "mask": MASK},
    ),
    Entry(
        decoders.RecurrentDecoder,
        {
            "vocab_size": V,
            "units": 5,
            "num_layers": 2,
            "dropout": 0.25,
            "cell": "lstm",
            "context": "state",
            "embedding_units": 4,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
            "residual": True,
        },
        {"ids": TARGET, "memory": floats(B, D)},
    ),
    Entry(
        decoders.AttentionDecoder,
        {
            "vocab_size": V,
            "units": 5,
            "num_layers": 2,
            "dropout": 0.25,
            "cell": "lstm",
            "score": "dot",
            "embedding_units": 4,
            "recurrent_dropout": 0.25,
            "zoneout": 0.125,
            "residual": True,
        },
        {"ids": TARGET, "memory": floats(B, S, D), "mask": MASK},
    ),
    Entry(
        decoders.TransformerDecoder,
        {
            "vocab_size": V,
            "units": 8,
            "num_layers": 1,
            "num_heads": 2,
            "ff_units": 9,
            "dropout": 0.25,
            "max_length": 7,
            "norm": "post",
            "positions": "learned",
            "tied_embeddings": True,
            "embeddings_initializer": "uniform",
        },
        {"ids": TARGET, "memory": floats(B, S, 8), "mask": MASK},
    ),
]

LOSSES = [
    Entry(seqkeras.CrossEntropy, {"label_smoothing": 0.25, "name": "smooth"}, {}),
    Entry(seqkeras.BinaryCrossEntropy, {"name": "labels"}, {}),
    Entry(seqkeras.QuantileLoss, {"quantiles": [0.25, 0.5], "name": "quarters"}, {}),
]
METRICS = [
    *(Entry(cls, {"unknown": 5, "name": "figure"}, {}) for cls in (seqkeras.TokenAccuracy, seqkeras.ExactMatch)),
    Entry(seqkeras.Perplexity, {"name": "figure"}, {}),
    Entry(seqkeras.MacroF1, {"num_classes": 3, "name": "figure"}, {}),
    Entry(seqkeras.SpanF1, {"names": ["O", "B-name"], "name": "figure"}, {}),
]
WRAPPED_CELLS = [
    Entry(
        cls,
        arguments,
        {"inputs": floats(B, D), "state": (floats(B, 5), floats(B, 5))},
        made={"cell": lambda: cells.make("lstm", 5)},
    )
    for cls, arguments in (
        (cells.VariationalDropout, {"input_rate": 0.25, "recurrent_rate": 0.5}),
        (cells.Zoneout, {"rates": [0.25, 0.5]}),
    )
]

# Models around models, with tests of their own.
CARRIED = [
    Entry(seqkeras.TruncatedBPTT, {"batch_size": B}, TARGET, made={"model": lambda: seqkeras.LanguageModel(V, 8)}),
]

EVERYTHING = [*CARRIED, *MODELS, *SEARCHES, *CELLS, *WRAPPED_CELLS, *LAYERS, *LOSSES, *METRICS]
