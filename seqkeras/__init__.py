"""Sequence models in Keras 3: train with `fit`, ship one verified LiteRT file.

Models:     SequenceClassifier, SequenceTagger, JointTagger, SequenceGenerator, Seq2Seq, AttentionSeq2Seq,
            TransformerSeq2Seq, LanguageModel, Truncated (a LanguageModel trained in chunks), Forecaster.
Searches:   Greedy, Sample: models that write, around a model that says what comes next.
Losses:     CrossEntropy, BinaryCrossEntropy, QuantileLoss.
Metrics:    TokenAccuracy, ExactMatch, Perplexity, SpanF1, MacroF1; in `metrics` bleu, chrf, edit_rate, error_rate.
Training:   incremental_gradient_descent, Diagnosis (a callback); `seqkeras.distribution`, `seqkeras.tuning`.
Data:       `seqkeras.pipelines`: files and texts to batches.
Export:     `seqkeras.export`: a model to a LiteRT file or a bundle.
"""

import sys
from importlib import import_module
from pathlib import PurePath

# `import seqkeras` brings everything, so that Keras can load any of its models. The command, `seqkeras` or
# `python -m seqkeras` (then argv[0] is "-m" here), brings it too, but first reads its arguments: help is not to wait.
if sys.argv[:1] != ["-m"] and PurePath(*sys.argv[:1]).stem != "seqkeras":
    from seqkeras.public import *  # noqa: F403


def __getattr__(name):
    return getattr(import_module("seqkeras.public"), name)
