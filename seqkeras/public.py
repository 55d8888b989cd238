"""Every public name of the models. Importing it is what makes Keras know their classes, and `cell=` every cell."""

# ruff: noqa: F401
from seqkeras import cells, decoders, encoders, models, search, signatures, tokens
from seqkeras.layers import attention, masking, transformer
from seqkeras.models import forecaster, language_model, reader, seq2seq
from seqkeras.models.classifier import SequenceClassifier
from seqkeras.models.forecaster import Forecaster
from seqkeras.models.generator import SequenceGenerator
from seqkeras.models.joint_tagger import JointTagger
from seqkeras.models.language_model import LanguageModel
from seqkeras.models.seq2seq import AttentionSeq2Seq, Seq2Seq, TransformerSeq2Seq
from seqkeras.models.tagger import SequenceTagger
from seqkeras.models.truncated_bptt import TruncatedBPTT
from seqkeras.rnn import recurrence
from seqkeras.search.greedy import Greedy
from seqkeras.search.sampling import Sample
from seqkeras.training import distribution, gradient_descent, gradient_diagnosis, losses, metrics, report
from seqkeras.training.gradient_descent import incremental_gradient_descent
from seqkeras.training.gradient_diagnosis import Diagnosis
from seqkeras.training.losses import BinaryCrossEntropy, CrossEntropy, QuantileLoss
from seqkeras.training.metrics import ExactMatch, MacroF1, Perplexity, SpanF1, TokenAccuracy
