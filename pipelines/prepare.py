"""What all tasks share: from checked splits to batched datasets and a report of what became of each record."""

from collections import Counter
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
import tensorflow as tf

from seqkeras.pipelines import batching
from seqkeras.pipelines.columns import lengths_of
from seqkeras.pipelines.labels import Labels
from seqkeras.pipelines.splits import shared
from seqkeras.tokens import END

FEWEST_BATCHES = 4  # a bucket with fewer would give the same batches every epoch


@dataclass
class Data:
    """What a script needs: `model.fit(data.train, validation_data=data.validation)`.

    Args:
        train, validation, test: batched tf.data.Dataset, or None.
        tokenizers: dict of role ("text", "source", "target", …) -> tokenizer.
        labels: Labels, or None.
        records: dict of split -> Records that became examples, in the order of the file.
        steps: dict of split -> batches an epoch.
        shapes: the shapes that batches are padded to, dicts of column -> length; the last holds every example.
        report: dict of split -> counts of records read, kept and skipped, share of padding, shared texts.
    """

    train: tf.data.Dataset | None = None
    validation: tf.data.Dataset | None = None
    test: tf.data.Dataset | None = None
    tokenizers: dict = field(default_factory=dict)
    labels: Labels | None = None
    records: dict = field(default_factory=dict, repr=False)
    steps: dict = field(default_factory=dict)
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
        encode: Records -> dict of columns, ragged or dense, a row a record.
        assemble: a batch, dict of tensors -> what the model eats.
        ends: the columns that END is put behind.
        tokenizers, labels: handed on.
        batch_size: examples a batch; 32 when neither this nor `tokens_per_batch` is given.
        tokens_per_batch: instead, at most so many tokens a batch, padding and both sides counted.
        max_length: examples with a longer row (END counted) are skipped, or cut when `truncate` is true.
        num_buckets: at most so many padded shapes; None means 24, or 1 with `fixed_shapes`.
        shuffle: whether the training examples come in another order each epoch; seeded by `seed`.
        fixed_shapes: every training batch is full, so that there are no more shapes than buckets, as XLA and TPUs like
            it. What does not fill a batch is left out of that epoch, and counted; validation and test keep theirs.
    """
    if batch_size is None and tokens_per_batch is None:
        batch_size = 32
    counts = {
        "batch_size": batch_size,
        "tokens_per_batch": tokens_per_batch,
        "num_buckets": num_buckets,
        "max_length": max_length,
    }
    for name, value in counts.items():
        if value is not None and (not isinstance(value, Integral) or value < 1):
            raise ValueError(f"Expected a positive whole number. Received: {name}={value!r}")
    data = Data(tokenizers=tokenizers or {}, labels=labels)
    columns = {}
    for split, records in splits.items():
        data.records[split], columns[split], data.report[split] = _fitted(
            records, encode(records), ends, max_length, truncate
        )
    lengths = {split: lengths_of(columns[split]) for split in splits}
    names = next(iter(lengths.values()))
    together = {name: np.concatenate([lengths[split][name] for split in splits]) for name in names}
    if num_buckets is None:
        num_buckets = 1 if fixed_shapes else 24
    whole = np.mean(np.sum(list(together.values()), axis=0))  # tokens of an example, on average
    smallest = FEWEST_BATCHES * int(batch_size or max(1, tokens_per_batch // whole))
    shapes = batching.shapes(together, num_buckets, smallest)
    sizes = batching.batch_sizes(shapes, batch_size, tokens_per_batch)
    data.shapes = shapes
    for split in splits:
        drop = fixed_shapes and split == "train"
        dataset = batching.examples(columns[split])
        if shuffle and split == "train":
            dataset = batching.shuffle(dataset.cache(), seed)
        dataset = batching.buckets(dataset, shapes, sizes, drop).map(assemble)
        batches = batching.count_batches(lengths[split], shapes, sizes, drop)
        data.steps[split] = int(batches.sum())
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(data.steps[split]))
        setattr(data, split, dataset.prefetch(tf.data.AUTOTUNE))
        if "train" in splits and split != "train":
            data.report[split]["same text in train"] = shared(data.records[split], data.records["train"], key)
        data.report[split]["padding"] = batching.padding_share(lengths[split], shapes)
        if drop:
            data.report[split]["left out each epoch"] = len(data.records[split]) - int(batches @ sizes)
    if not data.steps.get("train", 1):
        raise ValueError(f"Expected a full batch. Received: {len(data.records['train'])} records, {sizes[0]} a batch")
    return data


def _fitted(records, columns, ends, max_length, truncate):
    """Records and columns without those that have no tokens or are too long, END put behind, and the report so far."""
    lengths = lengths_of(columns)
    empty = np.any([length == 0 for length in lengths.values()], axis=0)
    limit = {name: np.inf if max_length is None else max_length - (name in ends) for name in lengths}
    long = np.any([length > limit[name] for name, length in lengths.items()], axis=0) & ~empty
    skipped = {"no tokens": int(empty.sum()), f"longer than {max_length}": 0 if truncate else int(long.sum())}
    kept = np.flatnonzero(~empty if truncate else ~(empty | long))
    fitted = records.take(kept, records.skipped + Counter(skipped))
    report = {"read": fitted.read, "kept": len(fitted), "skipped": dict(fitted.skipped)}
    if truncate:
        report["cut"] = int(long.sum())
    if not len(fitted):
        raise ValueError(
            f"Expected records left after filtering, beginning with {records.places[0]}. Received: {report}"
        )
    columns = {name: tf.gather(column, kept) for name, column in columns.items()}
    for name in lengths:
        if max_length is not None:
            columns[name] = columns[name][:, : limit[name]]
        if name in ends:
            columns[name] = tf.concat([columns[name], tf.fill([len(kept), 1], END)], axis=1)
    return fitted, columns, report
