"""Sequence models in Keras 3: train with `fit`, ship one verified LiteRT file."""

from seqkeras import (
    attention,
    cells,
    cells_discovered,
    cells_lstm,
    cells_regularized,
    decoders,
    distribution,
    encoders,
    losses,
    masks,
    metrics,
    models,
    recurrence,
    search,
    tokens,
    transformer,
)
from seqkeras.losses import CrossEntropy
from seqkeras.metrics import ExactMatch, Perplexity, TokenAccuracy
from seqkeras.models import (
    AttentionSeq2Seq,
    Seq2Seq,
    SequenceClassifier,
    SequenceGenerator,
    TransformerSeq2Seq,
)
from seqkeras.search import Greedy, Sample
