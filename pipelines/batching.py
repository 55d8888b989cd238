"""From examples to batches: shapes, and functions of a tf.data.Dataset that return another.

Examples are rows of columns held in memory, and go through the datasets as their numbers until a batch is gathered. A
column of rank two or more is ragged: each example has a length there, and is padded with zeros. A shape is a dict
that gives each ragged column the length it is padded to. A bounded number of shapes is a bounded number of graphs for
XLA to compile.
"""

import numpy as np
import tensorflow as tf

FEWEST_BATCHES = 4  # a bucket with fewer would give much the same batches every epoch
TAIL = 0.1  # a shape for so small a share of examples must save padding of so large a share of the real tokens


def order(count, seed=None):
    """The numbers from 0 to count - 1; with a seed in another order each epoch, the same orders for the same seed.

    TensorFlow mixes its global seed in, where one is set.
    """
    if seed is None:
        return tf.data.Dataset.range(count)
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2).take(1)
    numbers = tf.range(count, dtype=tf.int64)
    return seeds.map(lambda pair: tf.random.experimental.stateless_shuffle(numbers, pair)).unbatch()


def shapes(lengths, num_buckets, batch_size=None, tokens_per_batch=None, padding=0.0):
    """At most `num_buckets` shapes that together hold all examples with little padding.

    Begins with the one shape that holds everything and makes, one after the other, the cut along one feature's
    length that saves most padding. There are a few batches on either side of a cut, or at least a batch of shorter
    examples where setting a few longer ones apart saves much (`TAIL`), be it a single one. In the end a shape with less
    than a batch to itself, because smaller shapes hold the rest, is made one with the shape where that adds least
    padding.

    Args:
        lengths: dict of name -> lengths of that feature, one per example.
        batch_size, tokens_per_batch: as of `batch_sizes`.
        padding: a share of padding that is little enough to make no more cuts.

    Returns:
        list of dicts of name -> length, the smallest first.
    """
    table = np.stack([np.asarray(one, np.int64) for one in lengths.values()], axis=1)  # [N, features]
    real, much = table.sum(), TAIL * table.sum()

    def enough(count, tokens, batches=1):
        """Whether so many examples of so many tokens each are so many batches."""
        return (count >= batches * (batch_size or 1)) & (count * tokens >= batches * (tokens_per_batch or 0))

    parts = [table]
    cuts = [_best_cut(table, enough, much)]
    while len(parts) < num_buckets and max(saved for saved, _, _ in cuts) > 0:
        if real >= (1 - padding) * sum(len(part) * part.max(axis=0).sum() for part in parts):
            break
        index = int(np.argmax([saved for saved, _, _ in cuts]))
        _, feature, length = cuts[index]
        part = parts[index]
        short = part[:, feature] <= length
        parts[index : index + 1] = [part[short], part[~short]]
        cuts[index : index + 1] = [_best_cut(part[short], enough, much), _best_cut(part[~short], enough, much)]
    limits = [(tuple(part.max(axis=0).tolist()), not enough(len(part), part.max(axis=0).sum())) for part in parts]
    return _merged(table, dict(limits), list(lengths), enough)


def _merged(table, limits, names, enough):
    """The shapes of which each is the first that holds a batch of examples, unless it was made for fewer.

    Args:
        table: lengths [N, features].
        limits: dict of a shape's lengths -> whether it was made for less than a batch.
        names: of the features.
        enough: (count, tokens of each) -> whether they are a batch.
    """
    lengths = dict(zip(names, table.T, strict=True))
    while True:
        ordered = np.array(sorted(limits, key=lambda limit: (sum(limit), limit)))  # [K, features]
        found = [dict(zip(names, limit, strict=True)) for limit in ordered.tolist()]
        counts = np.bincount(bucket(lengths, found), minlength=len(found))
        tail = np.array([limits[tuple(limit)] for limit in ordered.tolist()])
        few = np.flatnonzero(~enough(counts, ordered.sum(axis=1)) & ~(tail & (counts > 0)))
        if not len(few) or len(found) == 1:
            return found
        one = few[0]
        limits = {limit: limits[limit] for limit in map(tuple, np.delete(ordered, one, axis=0).tolist())}
        if counts[one]:
            merged = np.maximum(ordered, ordered[one])
            added = counts * (merged - ordered).sum(axis=1) + counts[one] * (merged - ordered[one]).sum(axis=1)
            added[one] = np.iinfo(np.int64).max
            other = np.argmin(added)
            limits[tuple(merged[other].tolist())] = limits.pop(tuple(ordered[other].tolist()))


def bucket(lengths, shapes):
    """The index of the first shape that holds each example.

    Args:
        lengths: dict of name -> lengths of that feature, one per example.
    """
    fits = holds(lengths, shapes)
    _check_held(fits, shapes)
    return np.argmax(fits, axis=0)


def _check_held(fits, shapes):
    if not np.all(np.any(fits, axis=0)):
        raise ValueError(f"Expected examples that fit one of {shapes}. Received: longer ones")


def holds(lengths, shapes):
    """Whether each shape holds each example: bool [K, N]."""
    return np.array(
        [np.all([np.asarray(lengths[name]) <= limit for name, limit in shape.items()], axis=0) for shape in shapes]
    )


def longest(lengths, size):
    """The greatest lengths in each run of `size` consecutive examples: dict of name -> int [runs]."""
    return {name: np.maximum.reduceat(one, np.arange(0, len(one), size)) for name, one in lengths.items()}


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


def consecutive(lengths, shapes, batch_size=None, tokens_per_batch=None):
    """Batches of examples that follow each other, each padded to the smallest shape that holds all its examples.

    Args:
        lengths: dict of name -> lengths of that feature, one per example.
        shapes: as `shapes` returns them, the smallest first.
        batch_size, tokens_per_batch: as of `batch_sizes`; a budget also ends a batch where no shape holds one more.

    Returns:
        (ends, which): the number after each batch's last example, int [batches], and the shape of each example's
        batch, int [N].

    Raises:
        ValueError: examples that no shape holds; with `batch_size`, batches that none holds.
    """
    sizes = batch_sizes(shapes, batch_size, tokens_per_batch)
    fits = holds(lengths, shapes)
    _check_held(fits, shapes)
    count = fits.shape[1]
    if tokens_per_batch is None:
        starts = np.arange(0, count, batch_size)
        fits = np.logical_and.reduceat(fits, starts, axis=1)
        _check_held(fits, shapes)
        ends = np.append(starts[1:], count)
    else:
        ends = _within_budget(fits, sizes)
        fits = np.logical_and.reduceat(fits, np.append(0, ends[:-1]), axis=1)
    return ends, np.repeat(np.argmax(fits, axis=0), np.diff(ends, prepend=0))


def _within_budget(fits, sizes):
    """The ends of the longest batches of consecutive examples that a shape holds as many of: int [batches]."""
    packed = np.packbits(fits, axis=0, bitorder="little").T
    masks = [int.from_bytes(row.tobytes(), "little") for row in packed]  # of each example, a bit a shape that holds it
    ends, common, begin = [], masks[0], 0
    for index, mask in enumerate(masks):
        both = common & mask
        smallest = (both & -both).bit_length() - 1  # -1 where no shape holds both
        if both and index - begin < sizes[smallest]:
            common = both
        else:
            ends.append(index)
            common, begin = mask, index
    return np.array([*ends, len(masks)])


def runs(ends):
    """Dataset of batches of consecutive numbers, from the ends that `consecutive` returns."""
    ends = np.asarray(ends, np.int64)
    pairs = tf.data.Dataset.from_tensor_slices((np.append(0, ends[:-1]), ends))
    return pairs.map(tf.range)


def buckets(numbers, which, sizes, drop_remainder=False):
    """Batches of the numbers of examples of one bucket.

    Args:
        numbers: dataset of the examples' numbers.
        which: the bucket of each example.
        sizes: how many examples of each bucket make a batch.
        drop_remainder: leaves out, each time, the last batch of a bucket where it is not full.
    """
    if len(sizes) == 1:  # static shapes, in the order of the dataset
        return numbers.batch(sizes[0], drop_remainder)
    which, sizes = tf.constant(which, tf.int64), tf.constant(sizes, tf.int64)
    return numbers.group_by_window(
        lambda number: which[number],
        lambda key, window: window.batch(sizes[key], drop_remainder),
        window_size_func=lambda key: sizes[key],
    )


def gather(batches, columns, shapes, which):
    """Batches of examples, dicts of tensors, from batches of their numbers.

    Args:
        columns: dict of name -> tf.RaggedTensor or array, a row per example.
        shapes: what each bucket is padded to.
        which: the bucket of each example.
    """
    columns = {name: _tensor(column) for name, column in columns.items()}
    which = tf.constant(which, tf.int32)
    limits = {name: tf.constant([shape[name] for shape in shapes], tf.int64) for name in shapes[0]}

    def rows(numbers, column, limit):
        found = tf.gather(column, numbers)
        if limit is None:
            return found
        rest = found.shape[2:]
        dense = found.to_tensor(shape=tf.stack([tf.constant(-1, tf.int64), limit, *rest]))
        return tf.ensure_shape(dense, [numbers.shape[0], tf.get_static_value(limit), *rest])

    def padded(numbers):
        key = which[numbers[0]] if len(shapes) > 1 else 0
        limit = {name: of_all[key] for name, of_all in limits.items()}
        return {name: rows(numbers, column, limit.get(name)) for name, column in columns.items()}

    return batches.map(padded, num_parallel_calls=tf.data.AUTOTUNE)


def count_batches(which, sizes, drop_remainder=False):
    """How many batches of each bucket `buckets` makes: int [K]."""
    counts = np.bincount(which, minlength=len(sizes))
    return counts // sizes if drop_remainder else -(-counts // sizes)


def padding_share(lengths, shapes, which=None):
    """The share of padding among all tokens of the batches, from 0 to 1.

    Args:
        which: the shape that each example is padded to; None takes the first that holds it.
    """
    which = bucket(lengths, shapes) if which is None else which
    padded = np.array([sum(shape.values()) for shape in shapes])[which]  # tokens of each example
    return float(1 - np.sum(list(lengths.values())) / np.sum(padded))


def _tensor(column):
    return column if isinstance(column, tf.RaggedTensor) else tf.convert_to_tensor(column)


def _best_cut(part, enough, much):
    """(tokens saved, feature, length): the best way to cut a set of examples [N, features] in two by a length.

    Args:
        enough: (count, tokens of each, batches) -> whether they are so many batches.
        much: tokens saved for which the longer examples may be fewer than `FEWEST_BATCHES`.
    """
    best = (0, 0, 0)
    whole = len(part) * int(part.max(axis=0).sum())
    for feature in range(part.shape[1]):
        ordered = part[np.argsort(part[:, feature], kind="stable")]
        below = np.maximum.accumulate(ordered, axis=0).sum(axis=1)  # shape of the first n + 1
        above = np.maximum.accumulate(ordered[::-1], axis=0)[::-1].sum(axis=1)  # shape of all from n on
        ends = np.flatnonzero(np.diff(ordered[:, feature]))  # the last example of each length but the greatest
        short, long = ends + 1, len(part) - ends - 1
        saved = whole - short * below[ends] - long * above[ends + 1]
        few = enough(short, below[ends], FEWEST_BATCHES) & enough(long, above[ends + 1], FEWEST_BATCHES)
        tail = enough(short, below[ends]) & (long <= TAIL * len(part)) & (saved >= much)
        saved = np.where(few | tail, saved, 0)
        if len(ends):
            n = int(np.argmax(saved))
            best = max(best, (int(saved[n]), feature, int(ordered[ends[n], feature])))
    return best
