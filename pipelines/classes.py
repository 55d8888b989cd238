"""Columns of labels: the classes they name, as indices. A label that is none of the classes is UNKNOWN_LABEL."""

from collections import Counter
from numbers import Integral

import numpy as np

from seqkeras.arguments import listed, shown
from seqkeras.pipelines.labels import Labels
from seqkeras.pipelines.mistakes import check_names
from seqkeras.pipelines.vocabulary import unicode_text


class LabelColumn:
    """A column of records that names classes: a label a record, or with `many` a text of labels, one a word.

    Args:
        labels: Labels, or a list of the names of the classes, or None for those of the training records.
        splits: dict of split -> Records.
        number: of the column.

    Raises:
        ValueError: fewer than two classes, given or in training; training records of a class that is not given; what
            is no label. Names the place.
    """

    def __init__(self, labels, splits, number, many=False):
        self.number, self.many = number, many
        self.labels = None if labels is None else _given(labels)
        train = splits.get("train")
        if train is None and labels is None:
            raise ValueError("Expected Labels, or a list of names, where there are no training records. Received: None")
        if train is not None:
            self._learn(train)
        if len(self.labels) < 2:
            raise ValueError(f"Expected two classes at least. Received: labels={self.labels.names}")

    def _learn(self, train):
        rows = self.names(train)
        present = {name for row in rows for name in row} if self.many else set(rows)
        if len(present) < 2:
            raise ValueError(
                f"Expected training records of two classes at least. Received: {sorted(present)} in "
                f"{len(train)} records"
            )
        self.labels = self.labels or Labels.train(present)
        check_names(present)
        for index, row in enumerate(rows if present - set(self.labels.names) else ()):
            missing = [name for name in (row if self.many else [row]) if name not in self.labels]
            if missing:
                raise ValueError(
                    f"Expected labels among {shown(self.labels.names)} in train. Received: {missing[0]!r} in "
                    f"{train.places[index]}; add it to `labels`, or leave its records out"
                )

    def names(self, records):
        """Each record's label, or list of labels; blanks around a name are no part of it."""
        return (tags if self.many else names)(records, self.number)

    def encode(self, records):
        """int32 [N], or with `many` a list of an array a record."""
        rows = self.names(records)
        return list(map(self.labels.indices, rows)) if self.many else self.labels.indices(rows)

    def counts(self, column):
        """dict of class -> how often a column of indices, ragged or dense, has it."""
        flat = np.asarray(getattr(column, "flat_values", column))
        found = np.bincount(flat[flat >= 0], minlength=len(self.labels))
        return {name: int(count) for name, count in zip(self.labels.names, found, strict=True)}

    def unknown(self, records, column):
        """dict of name -> count, of the labels that are none of the classes; the most frequent first."""
        if self.many:
            which = np.unique(column.value_rowids().numpy()[column.flat_values.numpy() < 0])
            rows = tags(records.take(which), self.number)
            cut = (zip(row, column[index].numpy(), strict=False) for row, index in zip(rows, which, strict=True))
            found = Counter(name for row in cut for name, index in row if index < 0)
        else:
            found = Counter(names(records.take(np.flatnonzero(column < 0)), self.number))
        return dict(found.most_common())


def names(records, column):
    """A column of labels, as texts.

    Raises:
        ValueError: what is neither text nor a whole number, or is blank; names its place.
    """
    found = []
    for index, value in enumerate(records.column(column)):
        name = _name(value)
        if not name:
            raise _no_label(value, records.places[index])
        found.append(name)
    return found


def tags(records, column):
    """A column of texts of labels with white space between them, as lists of texts.

    Raises:
        ValueError: what is no text, or is blank; names its place.
    """
    found = []
    for index, value in enumerate(records.column(column)):
        row = unicode_text(value).split() if isinstance(value, str) else []
        if not row:
            raise ValueError(
                f"Expected labels in a text or a list of texts. Received: {value!r:.80} in {records.places[index]}"
            )
        found.append(row)
    return found


def _given(labels):
    if isinstance(labels, Labels):
        return labels
    listed("Labels, or a list of names", labels=labels)
    given = list(labels)
    for value in given:
        if not _name(value):
            raise _no_label(value, "labels")
    return Labels(map(_name, given))


def _name(value):
    """The name of a class, or None where the value is none."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, (Integral, np.bool_)) else None


def _no_label(value, place):
    expected, advice = "a label, text or a whole number", "turn it into text, or into a whole number"
    if isinstance(value, (list, tuple, set, frozenset, dict)) or np.ndim(value):
        expected = "one label a record"
        advice = "several labels a record are not supported: keep one of them, or train a classifier for each"
    elif isinstance(value, (str, type(None))) or value != value:  # only what is not a number differs from itself
        advice = "leave the record out, or give its class a name"
    return ValueError(f"Expected {expected}. Received: {value!r:.80} in {place}; {advice}")
