"""Scores of answers that are names, of classes or of tags: true names and predicted ones in, figures out.

A true name that the model does not know counts as an answer that is wrong. A division by zero gives 0.
"""

from collections import Counter

from seqkeras.training.spans import spans


def confusion(true, predicted):
    """dict of true name -> dict of predicted name -> how often, the most frequent first."""
    counts = {}
    for (one, said), count in Counter(zip(true, predicted, strict=True)).most_common():
        counts.setdefault(one, {})[said] = count
    return counts


def accuracy(true, predicted):
    """The share of names that are predicted as they are."""
    return sum(one == said for one, said in zip(true, predicted, strict=True)) / max(1, len(true))


def by_class(true, predicted):
    """dict of name -> {"precision", "recall", "F1", "true", "predicted"}, of all names that are true or predicted.

        precision = right / predicted        recall = right / true        F1 = 2 right / (true + predicted)

    The last two of a name's figures are counts.
    """
    right = Counter(one for one, said in zip(true, predicted, strict=True) if one == said)
    are, said = Counter(true), Counter(predicted)
    return {name: _scores(right[name], are[name], said[name]) for name in sorted({*are, *said})}


def macro_f1(true, predicted):
    """The mean of the F1 of all classes that are true or predicted."""
    scores = by_class(true, predicted)
    return sum(one["F1"] for one in scores.values()) / max(1, len(scores))


def span_f1(true, predicted):
    """F1 of the spans in BIO tags, a list of tags a sentence: a span is right where its ends and its type are.

    F1 = 2 right / (true + predicted)
    """
    right = are = said = 0
    for one, other in zip(true, predicted, strict=True):
        one, other = set(spans(one)), set(spans(other))
        right, are, said = right + len(one & other), are + len(one), said + len(other)
    return _scores(right, are, said)["F1"]


def _scores(right, true, predicted):
    return {
        "precision": right / max(1, predicted),
        "recall": right / max(1, true),
        "F1": 2 * right / max(1, true + predicted),
        "true": true,
        "predicted": predicted,
    }
