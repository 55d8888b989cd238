"""Search over a family's constructor arguments and its training, by KerasTuner: one HyperModel a family.

    family = tuning.SequenceClassifier(vocab_size=500, num_classes=6)
    tuner = keras_tuner.RandomSearch(family, "val_loss", max_trials=20)
    tuner.search(data.train, validation_data=data.validation, epochs=5)
    model = tuner.get_best_models()[0]

What is given to the HyperModel is passed on to the model as it is and not searched over: the sizes that the data
decide, and whatever is settled already, `units=64` for example.

`val_loss` is the mean over all real tokens of the validation data, without label smoothing and penalties: trials with
any batch size and any smoothing compare.

Not imported with `seqkeras`: `from seqkeras import tuning`.
"""

import keras
import keras_tuner

from seqkeras import models
from seqkeras.models import seq2seq
from seqkeras.training import losses, metrics


class SearchSpace(keras_tuner.HyperModel):
    """A family's `model` and the `choices` for its arguments; learning rate and label smoothing are searched too.

    Args:
        name, tunable: as of `keras_tuner.HyperModel`.
        arguments: of the model's constructor, not searched over.
    """

    def __init__(self, name=None, tunable=True, **arguments):
        super().__init__(name, tunable)
        self.arguments = arguments

    def build(self, hp):
        settled = self.model.idle(self.arguments) | self.arguments.keys()
        searched = {name: values for name, values in self.choices.items() if name not in settled}
        chosen = {name: hp.Choice(name, values) for name, values in searched.items()}
        model = self.model(**chosen, **self.arguments)
        model.compile(
            keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"), clipnorm=1.0),
            losses.CrossEntropy(hp.Choice("label_smoothing", [0.0, 0.1])),
            weighted_metrics=self.measures(),
        )
        return model

    def measures(self):
        return [metrics.TokenAccuracy(), metrics.ExactMatch(), metrics.Perplexity()]


RECURRENT = {
    "units": [64, 128, 256],
    "num_layers": [1, 2, 3],
    "dropout": [0.0, 0.2, 0.4],
    "cell": ["gru", "lstm"],
}


class SequenceClassifier(SearchSpace):
    """Of `models.SequenceClassifier`; give `num_classes`, and `vocab_size` or `vocab_size=None, input_units=...`."""

    model = models.SequenceClassifier
    choices = {**RECURRENT, "bidirectional": [False, True], "pooling": ["last", "max", "mean"]}

    def measures(self):
        return ["accuracy"]


class SequenceTagger(SearchSpace):
    """Of `models.SequenceTagger`; give `num_classes`, and `vocab_size` or `vocab_size=None, input_units=...`."""

    model = models.SequenceTagger
    choices = {**RECURRENT, "bidirectional": [False, True]}


class SequenceGenerator(SearchSpace):
    """Of `models.SequenceGenerator`; give `vocab_size` and `num_classes`."""

    model = models.SequenceGenerator
    choices = {**RECURRENT, "context": ["state", "input", "both"]}


class Seq2Seq(SearchSpace):
    """Of `seq2seq.Seq2Seq`; give `vocab_size` and, where it differs, `target_vocab_size`."""

    model = seq2seq.Seq2Seq
    choices = {**RECURRENT, "bidirectional": [False, True], "context": ["state", "input", "both"]}


class AttentionSeq2Seq(SearchSpace):
    """Of `seq2seq.AttentionSeq2Seq`; give `vocab_size` and, where it differs, `target_vocab_size`."""

    model = seq2seq.AttentionSeq2Seq
    choices = {**RECURRENT, "bidirectional": [False, True], "score": ["mlp", "dot", "scaled_dot"]}


class TransformerSeq2Seq(SearchSpace):
    """Of `seq2seq.TransformerSeq2Seq`; give `vocab_size`, `max_length` and, where it differs, `target_vocab_size`."""

    model = seq2seq.TransformerSeq2Seq
    choices = {
        "units": [64, 128, 256],
        "num_layers": [1, 2, 4],
        "num_heads": [2, 4, 8],
        "dropout": [0.0, 0.1, 0.3],
        "norm": ["pre", "post"],
        "positions": ["sinusoid", "learned"],
        "tied_embeddings": [False, True],
    }
