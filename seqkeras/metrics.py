"""Metrics: over tokens while training, over whole outputs afterwards."""

import keras
import sacrebleu
from keras import ops

from seqkeras.losses import cross_entropy, label_of_each, weight_of_each
from seqkeras.saving import saveable


@saveable
class TokenAccuracy(keras.metrics.Mean):
    """Share of real tokens whose likeliest id is the true one: next [B, T], logits [B, T, V], weight [B, T]."""

    def __init__(self, name="token_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(*_flat(_hits(y_true, y_pred), sample_weight))


@saveable
class ExactMatch(keras.metrics.Mean):
    """Share of sequences with every real token right, the true prefix given: next [B, T], logits [B, T, V].

    One label a sequence has no tokens to be right together: that is a matter for `TokenAccuracy`.
    """

    def __init__(self, name="exact_match", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        hits = _hits(y_true, y_pred)
        if len(hits.shape) != 2:
            raise ValueError(
                f"Expected logits [B, T, V]. Received: logits {list(y_pred.shape)}; "
                "take TokenAccuracy where a sequence has one label"
            )
        real = ops.cast(weight_of_each(hits, sample_weight) > 0, "float32")
        # A row without a real token is no sequence.
        super().update_state(1.0 - ops.max(real * (1.0 - hits), axis=-1), ops.max(real, axis=-1))


@saveable
class Perplexity(keras.metrics.Mean):
    """exp of the mean cross-entropy of real tokens, natural logarithm: next [B, T], logits [B, T, V]."""

    def __init__(self, name="perplexity", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(*_flat(cross_entropy(y_true, y_pred), sample_weight))

    def result(self):
        return ops.exp(super().result())


def _flat(values, weight):
    """One axis, because Keras's weighted mean does not take a length that is unknown until run time."""
    return ops.reshape(values, (-1,)), ops.reshape(weight_of_each(values, weight), (-1,))


def _hits(y_true, y_pred):
    y_pred = ops.convert_to_tensor(y_pred)
    best = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
    return ops.cast(best == label_of_each(y_true, y_pred), "float32")


def bleu(outputs, references, **options):
    """Corpus BLEU of plain strings: (score 0..100, sacrebleu signature). Papineni et al. 2002; Post 2018.

    `options` go to `sacrebleu.metrics.BLEU`, for example `lowercase=True`.
    """
    return _corpus(sacrebleu.metrics.BLEU(**options), outputs, references)


def chrf(outputs, references, **options):
    """Corpus chrF of plain strings: (score 0..100, sacrebleu signature). Popovic 2015."""
    return _corpus(sacrebleu.metrics.CHRF(**options), outputs, references)


def _corpus(metric, outputs, references):
    outputs, references = _paired(outputs, references)
    score = metric.corpus_score(outputs, [references]).score
    return score, str(metric.get_signature())


def edit_distance(a, b):
    """Fewest insertions, deletions and substitutions that turn sequence `a` into `b`. Levenshtein 1966."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def edit_rate(outputs, references):
    """Edits over reference symbols, of sequences of symbols: characters (strings) or words (lists). 0 is perfect."""
    outputs, references = _paired(outputs, references)
    edits = sum(edit_distance(o, r) for o, r in zip(outputs, references, strict=True))
    return edits / max(1, sum(len(r) for r in references))


def error_rate(outputs, references):
    """Share of outputs that differ from their reference at all (word error rate of a pronunciation dictionary)."""
    outputs, references = _paired(outputs, references)
    return sum(o != r for o, r in zip(outputs, references, strict=True)) / len(references)


def _paired(outputs, references):
    """Both as lists: as many of one as of the other, and some. One string is no list of outputs but of characters."""
    for name, texts in (("outputs", outputs), ("references", references)):
        if isinstance(texts, (str, bytes)):
            raise ValueError(f"Expected a list of {name}. Received: {name}={texts!r}; put it into a list")
    outputs, references = list(outputs), list(references)
    if not references or len(outputs) != len(references):
        raise ValueError(
            "Expected as many outputs as references, one or more. "
            f"Received: {len(outputs)} outputs, {len(references)} references"
        )
    return outputs, references
