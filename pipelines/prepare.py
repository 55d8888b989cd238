"""What all tasks share: from checked splits to batched datasets and a report of what became of each record."""

import functools
import inspect
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from seqkeras.pipelines import batching
from seqkeras.pipelines.arguments import switch, whole_or_none
from seqkeras.pipelines.columns import ended, lengths_of
from seqkeras.pipelines.labels import Labels
from seqkeras.pipelines.splits import shared


@dataclass
class Data:
    """What a script needs: `model.fit(data.train, validation_data=data.validation)`.

    Args:
        train, validation, test: batched tf.data.Dataset, or None.
        tokenizers: dict of role ("text", "source", "target", …) -> tokenizer.
        labels: Labels, or None; of `joint_tagging` a dict with "tags" and "label".
        records: dict of split -> Records that became examples, in the order of the file, which is also the order of
            the batches of validation and test.
        steps: dict of split -> batches an epoch.
        lengths: dict of role -> the length of the longest example in any split, END counted where there is one: what
            a search needs as `max_length`, and an exported file as `length`.
        shapes: the shapes that batches are padded to, dicts of role -> length.
        report: dict of split -> what became of its records, a dict:
            "read", "kept": records the source held, and those that became examples.
            "skipped": dict of reason -> records left out: "blank" ones by the reader, those with "no tokens", and
                those "longer than" `max_length`.
            "cut": with `truncate`, the records that lost what is beyond `max_length`.
            "windows", "parts": pieces that the records of `language_model` and `documents` are cut into.
            "words cut": with `characters`, words of more characters than are seen, in all records.
            "padding": the share of padding among all tokens of the batches, from 0 to 1.
            "unseen classes": in train, names of the classes that no example has.
            "same text in train": in validation and test, records whose text is in train too.
            "left out each epoch": in train, with `fixed_shapes`, the examples that fill no batch.
            Of `forecasting`: "windows", "series", series "too short" for a window; in train the "mean" and
            "deviation" of each variable.
    """

    train: tf.data.Dataset | None = None
    validation: tf.data.Dataset | None = None
    test: tf.data.Dataset | None = None
    tokenizers: dict = field(default_factory=dict)
    labels: Labels | dict | None = None
    records: dict = field(default_factory=dict, repr=False)
    steps: dict = field(default_factory=dict)
    lengths: dict = field(default_factory=dict)
    shapes: list = field(default_factory=list)
    report: dict = field(default_factory=dict)


def prepare(
    splits,
    key,
    encode,
    assemble,
    ends=(),
    tokenizers=None,
    labels=None,
    classes="label",
    cut=None,
    *,
    batch_size=None,
    tokens_per_batch=None,
    max_length=None,
    truncate=False,
    num_buckets=None,
    shuffle=True,
    seed=0,
    fixed_shapes=False,
):
    """What all tasks share: from checked splits to Data.

    Args:
        splits: dict of split -> Records.
        key: record -> its text, by which records of two splits are compared.
        encode: Records -> dict of columns, ragged or dense, a row a record; those of texts are named by their role.
        assemble: a batch, dict of tensors -> what the model eats.
        ends: the columns that END is put behind.
        tokenizers, labels: handed on.
        classes: the column of indices of `labels`, where that is no dict of column -> Labels.
        cut: columns of records -> columns of examples, where a record is more than one; counted as "windows".

    The options by keyword are those of every task, told at `tasks.classification`.

    The shapes are those that fit the training examples best; one that holds everything is added where an example of
    another split needs it.
    """
    if batch_size is None and tokens_per_batch is None:
        batch_size = 32
    whole_or_none(
        batch_size=batch_size, tokens_per_batch=tokens_per_batch, num_buckets=num_buckets, max_length=max_length
    )
    switch(truncate=truncate, shuffle=shuffle, fixed_shapes=fixed_shapes)
    data = Data(tokenizers=tokenizers or {}, labels=labels)
    columns = {}
    for split, records in splits.items():
        data.records[split], columns[split], data.report[split] = fitted(
            records, encode(records), ends, max_length, truncate
        )
        if cut is not None:
            columns[split] = cut(columns[split])
            data.report[split]["windows"] = next(iter(columns[split].values())).shape[0]
    if labels is not None and "train" in splits:
        of_columns = labels if isinstance(labels, dict) else {classes: labels}
        data.report["train"]["unseen classes"] = [
            name for column, named in of_columns.items() for name in unseen(named, columns["train"][column])
        ]
    lengths = {split: lengths_of(columns[split]) for split in splits}
    data.lengths = {
        name: max(int(of_split[name].max()) for of_split in lengths.values()) for name in next(iter(lengths.values()))
    }
    bucketed = {"train"} & set(splits) if shuffle or fixed_shapes else set()
    data.shapes = _shapes(lengths, bucketed, num_buckets or (1 if fixed_shapes else 24), batch_size, tokens_per_batch)
    for split in splits:
        if split in bucketed:
            sizes = batching.batch_sizes(data.shapes, batch_size, tokens_per_batch)
            which = batching.bucket(lengths[split], data.shapes)
            numbers = batching.order(len(which), seed if shuffle else None)
            numbers = batching.buckets(numbers, which, sizes, fixed_shapes)
            batches = batching.count_batches(which, sizes, fixed_shapes)
            data.steps[split] = int(batches.sum())
            if fixed_shapes:
                data.report[split]["left out each epoch"] = len(which) - int(batches @ sizes)
        else:
            ends, which = batching.consecutive(lengths[split], data.shapes, batch_size, tokens_per_batch)
            numbers, data.steps[split] = batching.runs(ends), len(ends)
        dataset = batching.gather(numbers, columns[split], data.shapes, which).map(assemble)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(data.steps[split]))
        setattr(data, split, dataset.prefetch(tf.data.AUTOTUNE))
        if "train" in splits and split != "train":
            data.report[split]["same text in train"] = shared(data.records[split], data.records["train"], key)
        data.report[split]["padding"] = batching.padding_share(lengths[split], data.shapes, which)
    if not data.steps.get("train", 1):
        raise ValueError(f"Expected a full batch. Received: {len(data.records['train'])} records, {sizes[0]} a batch")
    return data


def _shapes(lengths, bucketed, num_buckets, batch_size, tokens_per_batch):
    """The shapes that fit the training examples best, and one that holds everything where a batch needs it.

    Args:
        lengths: dict of split -> dict of name -> lengths.
        bucketed: the splits whose batches hold examples of one shape; those of the others hold consecutive ones.
    """
    measured = [lengths["train"]] if "train" in lengths else list(lengths.values())
    together = {name: np.concatenate([one[name] for one in measured]) for name in measured[0]}
    shapes = batching.shapes(together, num_buckets, batch_size, tokens_per_batch)
    runs = {split: 1 if split in bucketed else batch_size or 1 for split in lengths}
    if not all(batching.hold_runs(lengths[split], shapes, size) for split, size in runs.items()):
        shapes.append({name: max(int(one[name].max()) for one in lengths.values()) for name in shapes[0]})
    return shapes


def task(function):
    """A function of `tasks` whose `**options` are those of `prepare`: help names them, and no others are taken."""
    own = inspect.signature(function)
    shared = [one for one in inspect.signature(prepare).parameters.values() if one.kind is one.KEYWORD_ONLY]
    *named, _ = own.parameters.values()
    named += [one for one in shared if one.name not in own.parameters]
    names = [one.name for one in named]

    @functools.wraps(function)
    def checked(*given, **options):
        if unknown := sorted(options.keys() - names):
            raise TypeError(f"Expected options among {', '.join(names)}. Received: {', '.join(unknown)}")
        return function(*given, **options)

    checked.__signature__ = own.replace(parameters=named)
    return checked


def unseen(labels, column):
    """The names of the classes that no row of a column of indices, ragged or dense, has."""
    indices = np.setdiff1d(np.arange(len(labels)), getattr(column, "flat_values", column))
    return [labels.names[index] for index in indices]


def fitted(records, columns, ends, max_length=None, truncate=False):
    """Records and columns without those that have no tokens or are too long, END put behind, and the report so far."""
    lengths = lengths_of(columns)
    empty = np.any([length == 0 for length in lengths.values()], axis=0)
    limit = {name: np.inf if max_length is None else max_length - (name in ends) for name in lengths}
    long = np.any([length > limit[name] for name, length in lengths.items()], axis=0) & ~empty
    skipped = {"no tokens": int(empty.sum()), f"longer than {max_length}": 0 if truncate else int(long.sum())}
    kept = np.flatnonzero(~empty if truncate else ~(empty | long))
    left = records.take(kept, records.skipped + Counter(skipped))
    report = {"read": left.read, "kept": len(left), "skipped": dict(left.skipped)}
    if truncate:
        report["cut"] = int(long.sum())
    if not len(left):
        raise ValueError(
            f"Expected records left after filtering, beginning with {records.places[0]}. Received: {report}"
        )
    if len(kept) < len(records):
        columns = {name: tf.gather(column, kept) for name, column in columns.items()}
    for name in lengths:
        if truncate and max_length is not None:
            columns[name] = columns[name][:, : limit[name]]
        if name in ends:
            columns[name] = ended(columns[name])
    return left, columns, report
