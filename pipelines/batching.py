"""From examples to batches: functions of a tf.data.Dataset that return another.

An example is a dict of tensors; those of rank one or more have a length, their first axis, and are padded with
zeros. A shape is a dict that gives each of them the length it is padded to. A bounded number of shapes is a bounded
number of graphs for XLA to compile.
"""

import numpy as np
import tensorflow as tf


def examples(columns):
    """A dataset of the rows of columns held in memory: dict of name -> tf.RaggedTensor or array."""

    def row(column, index):
        if isinstance(column, tf.RaggedTensor):
            return column.values[column.row_splits[index] : column.row_splits[index + 1]]
        return column[index]

    columns = {name: _tensor(column) for name, column in columns.items()}
    count = next(iter(columns.values())).shape[0]
    return tf.data.Dataset.range(count).map(
        lambda index: {name: row(column, index) for name, column in columns.items()}
    )


def shuffle(dataset, seed):
    """All examples, held in memory, in another order each epoch; the same orders for the same seed.

    TensorFlow mixes its global seed in, where one is set.
    """
    count = int(dataset.cardinality())
    if count < 1:
        raise ValueError(f"Expected a dataset that knows how many examples it has. Received: cardinality={count}")
    return dataset.shuffle(count, seed=seed, reshuffle_each_iteration=True)


def shapes(lengths, num_buckets, smallest=1):
    """At most `num_buckets` shapes that together hold all examples with little padding.

    Begins with the one shape that holds everything and makes, one after the other, the cut along one feature's
    length that saves most padding.

    Args:
        lengths: dict of name -> lengths of that feature, one an example.
        smallest: the fewest examples a shape may be made for.

    Returns:
        list of dicts of name -> length, the smallest first.
    """
    table = np.stack([np.asarray(one, np.int64) for one in lengths.values()], axis=1)  # [N, features]
    parts = [table]
    cuts = [_best_cut(table, smallest)]
    while len(parts) < num_buckets and max(saved for saved, _, _ in cuts) > 0:
        index = int(np.argmax([saved for saved, _, _ in cuts]))
        _, feature, length = cuts[index]
        part = parts[index]
        short = part[:, feature] <= length
        parts[index : index + 1] = [part[short], part[~short]]
        cuts[index : index + 1] = [_best_cut(part[short], smallest), _best_cut(part[~short], smallest)]
    limits = {tuple(part.max(axis=0).tolist()) for part in parts}
    return [dict(zip(lengths, limit, strict=True)) for limit in sorted(limits, key=lambda limit: (sum(limit), limit))]


def bucket(lengths, shapes):
    """The index of the first shape that holds each example.

    Args:
        lengths: dict of name -> lengths of that feature, one an example.
    """
    fits = [np.all([lengths[name] <= limit for name, limit in shape.items()], axis=0) for shape in shapes]
    if not np.all(np.any(fits, axis=0)):
        raise ValueError(f"Expected examples that fit one of {shapes}. Received: longer ones")
    return np.argmax(fits, axis=0)


def batch_sizes(shapes, batch_size=None, tokens_per_batch=None):
    """How many examples of each shape make a batch: a number of them, or as many as a budget of tokens holds.

    Args:
        tokens_per_batch: padding and all features counted.
    """
    if (batch_size is None) == (tokens_per_batch is None):
        raise ValueError(
            "Expected either batch_size or tokens_per_batch. "
            f"Received: batch_size={batch_size}, tokens_per_batch={tokens_per_batch}"
        )
    if batch_size is not None:
        return [batch_size for _ in shapes]
    largest = max(sum(shape.values()) for shape in shapes)
    if largest > tokens_per_batch:
        raise ValueError(
            f"Expected a budget for the longest example, {largest} tokens with padding. "
            f"Received: tokens_per_batch={tokens_per_batch}; raise it or set max_length"
        )
    return [tokens_per_batch // sum(shape.values()) for shape in shapes]


def buckets(dataset, shapes, sizes, drop_remainder=False):
    """Batches of examples of like length, padded to a shape: `sizes[k]` of those that fit `shapes[k]` first.

    Args:
        drop_remainder: leaves out, each time, the last batch of a shape where it is not full.
    """
    rest = {name: spec.shape[1:] for name, spec in dataset.element_spec.items()}
    if len(shapes) == 1:  # static shapes, in the order of the dataset
        padded = {name: [shapes[0][name], *rest[name]] if name in shapes[0] else [] for name in rest}
        return dataset.padded_batch(sizes[0], padded, drop_remainder=drop_remainder)
    names = list(shapes[0])
    limits = tf.constant([[shape[name] for name in names] for shape in shapes], tf.int64)  # [K, features]
    sizes = tf.constant(sizes, tf.int64)

    def first_that_fits(example):
        lengths = tf.stack([tf.shape(example[name], tf.int64)[0] for name in names])
        fits = tf.reduce_all(lengths <= limits, axis=1)
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_any(fits), ["longer than all shapes", lengths])]):
            return tf.argmax(tf.cast(fits, tf.int32))

    def batch(key, window):
        padded = {name: [limits[key, names.index(name)], *rest[name]] if name in names else [] for name in rest}
        return window.padded_batch(sizes[key], padded, drop_remainder=drop_remainder)

    return dataset.group_by_window(first_that_fits, batch, window_size_func=lambda key: sizes[key])


def count_batches(lengths, shapes, sizes, drop_remainder=False):
    """How many batches of each shape `buckets` makes of examples of these lengths: int [K]."""
    counts = np.bincount(bucket(lengths, shapes), minlength=len(shapes))
    return counts // sizes if drop_remainder else -(-counts // sizes)


def padding_share(lengths, shapes):
    """The share of padding among all tokens of the batches, from 0 to 1."""
    padded = np.array([sum(shape.values()) for shape in shapes])[bucket(lengths, shapes)]  # tokens of each example
    return float(1 - np.sum(list(lengths.values())) / np.sum(padded))


def _tensor(column):
    return column if isinstance(column, tf.RaggedTensor) else tf.convert_to_tensor(column)


def _best_cut(part, smallest):
    """(tokens saved, feature, length): the best way to cut a set of examples [N, features] in two by a length."""
    best = (0, 0, 0)
    whole = len(part) * int(part.max(axis=0).sum())
    for feature in range(part.shape[1]):
        ordered = part[np.argsort(part[:, feature], kind="stable")]
        below = np.maximum.accumulate(ordered, axis=0).sum(axis=1)  # shape of the first n + 1
        above = np.maximum.accumulate(ordered[::-1], axis=0)[::-1].sum(axis=1)  # shape of all from n on
        ends = np.flatnonzero(np.diff(ordered[:, feature]))  # the last example of each length but the greatest
        ends = ends[(ends + 1 >= smallest) & (len(part) - ends - 1 >= smallest)]
        if len(ends):
            cost = (ends + 1) * below[ends] + (len(part) - ends - 1) * above[ends + 1]
            n = int(np.argmin(cost))
            best = max(best, (whole - int(cost[n]), feature, int(ordered[ends[n], feature])))
    return best
