"""Sequence models in Keras 3: train with `fit`, ship one verified LiteRT file."""

import os
import sys

# Started as a command, the package imports nothing ahead of time: `--help` must not wait for TensorFlow.
started = [os.path.basename(word) for word in sys.orig_argv[1:3]]
if started[:1] != ["seqkeras"] and started != ["-m", "seqkeras"]:
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
        signatures,
        tagging,
        tokens,
        transformer,
    )
    from seqkeras.diagnosis import Diagnosis
    from seqkeras.forecasting import Forecaster
    from seqkeras.incremental import incremental_gradient_descent
    from seqkeras.language import LanguageModel, Truncated
    from seqkeras.losses import BinaryCrossEntropy, CrossEntropy, QuantileLoss
    from seqkeras.metrics import ExactMatch, Perplexity, TokenAccuracy
    from seqkeras.models import (
        AttentionSeq2Seq,
        Seq2Seq,
        SequenceClassifier,
        SequenceGenerator,
        TransformerSeq2Seq,
    )
    from seqkeras.search import Greedy, Sample
    from seqkeras.tagging import SequenceTagger
