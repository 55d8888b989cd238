"""Every public name of the models. Importing it is what makes Keras know their classes, and `cell=` every cell."""

# ruff: noqa: F401
from seqkeras import (
    attention,
    cells,
    cells_discovered,
    cells_lstm,
    cells_regularized,
    decoders,
    diagnosis,
    distribution,
    encoders,
    forecasting,
    incremental,
    language,
    losses,
    masks,
    metrics,
    models,
    reading,
    recurrence,
    search,
    seq2seq,
    signatures,
    tagging,
    tokens,
    training_report,
    transformer,
)
from seqkeras.diagnosis import Diagnosis
from seqkeras.forecasting import Forecaster
from seqkeras.incremental import incremental_gradient_descent
from seqkeras.language import LanguageModel, Truncated
from seqkeras.losses import BinaryCrossEntropy, CrossEntropy, QuantileLoss
from seqkeras.metrics import ExactMatch, MacroF1, Perplexity, SpanF1, TokenAccuracy
from seqkeras.models import SequenceClassifier, SequenceGenerator
from seqkeras.search import Greedy, Sample
from seqkeras.seq2seq import AttentionSeq2Seq, Seq2Seq, TransformerSeq2Seq
from seqkeras.tagging import JointTagger, SequenceTagger
