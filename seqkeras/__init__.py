"""Sequence models in Keras 3: train with `fit`, ship one verified LiteRT file.

Models:     SequenceClassifier, SequenceTagger, JointTagger, SequenceGenerator, Seq2Seq, AttentionSeq2Seq,
            TransformerSeq2Seq, LanguageModel, TruncatedBPTT (a LanguageModel trained in chunks), Forecaster.
Searches:   Greedy, Sample: models that write, around a model that says what comes next.
Losses:     CrossEntropy, BinaryCrossEntropy, QuantileLoss.
Metrics:    TokenAccuracy, ExactMatch, Perplexity, SpanF1, MacroF1; in `metrics` bleu, chrf, edit_rate, error_rate.
Training:   incremental_gradient_descent, Diagnosis (a callback); `seqkeras.distribution`, `seqkeras.tuning`.
Data:       `seqkeras.pipelines`: files and texts to batches.
Export:     `seqkeras.export`: a model to a LiteRT file or a bundle.
"""

import sys
import sysconfig
from importlib import import_module
from pathlib import Path


def _is_command():
    """Whether this process is the installed `seqkeras` or `python -m seqkeras`: argv[0] is "-m" until that is found."""
    if sys.argv[:1] == ["-m"]:
        named = (name for flag, name in zip(sys.orig_argv, sys.orig_argv[1:], strict=False) if flag == "-m")
        return next(named, None) == "seqkeras"
    return Path(*sys.argv[:1]).absolute() == Path(sysconfig.get_path("scripts"), "seqkeras")


# `import seqkeras` brings everything, so that Keras can load any of its models. The command brings it too, but reads
# its arguments first: help is not to wait for TensorFlow.
if not _is_command():
    from seqkeras.public import *  # noqa: F403


def __getattr__(name):
    return getattr(import_module("seqkeras.public"), name)
