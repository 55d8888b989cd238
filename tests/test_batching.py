"""Batching: nothing is lost or doubled, shapes and budgets hold, padding is counted as it is."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkeras.pipelines import batching


def columns(lengths):
    """Columns of distinct ids, and a dense column with the number of the example."""
    made = {}
    for offset, (name, counts) in enumerate(lengths.items()):
        values = np.arange(1, sum(counts) + 1, dtype=np.int32) + 10_000 * offset
        made[name] = tf.RaggedTensor.from_row_lengths(values, counts)
    return {**made, "number": np.arange(len(counts), dtype=np.int32)}


def batches_of(lengths, shapes, sizes, drop_remainder=False):
    """The batches of `columns` of these lengths, and the bucket of each example."""
    which = batching.bucket(lengths, shapes)
    numbers = batching.buckets(batching.order(len(which)), which, sizes, drop_remainder)
    return batching.gather(numbers, columns(lengths), shapes, which), which


pairs = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=60)


@settings(max_examples=15, deadline=None)
@given(pairs=pairs, num_buckets=st.integers(1, 6), batch_size=st.integers(1, 7), by_tokens=st.booleans())
def test_batches_hold_each_example_once_padded_with_zeros(pairs, num_buckets, batch_size, by_tokens):
    source, target = (list(one) for one in zip(*pairs, strict=True))
    lengths = {"source": np.array(source), "target": np.array(target)}
    made = columns(lengths)
    shapes = batching.shapes(lengths, num_buckets)
    budget = 60 * batch_size if by_tokens else None
    sizes = batching.batch_sizes(shapes, None if by_tokens else batch_size, budget)
    dataset, which = batches_of(lengths, shapes, sizes)
    batches = list(dataset.as_numpy_iterator())

    rows = {name: [np.array(row) for row in made[name].to_list()] for name in lengths}
    numbers = np.concatenate([batch["number"] for batch in batches])
    assert sorted(numbers) == list(range(len(pairs)))
    for batch in batches:
        for name in lengths:
            for row, number in zip(batch[name], batch["number"], strict=True):
                expected = rows[name][number]
                assert (row[: len(expected)] == expected).all() and (row[len(expected) :] == 0).all()
        assert {"source": batch["source"].shape[1], "target": batch["target"].shape[1]} in shapes
        cells = batch["source"].size + batch["target"].size
        assert cells <= budget if by_tokens else len(batch["number"]) <= batch_size
    assert len(shapes) <= num_buckets
    assert batching.count_batches(which, sizes).sum() == len(batches)
    cells = sum(batch["source"].size + batch["target"].size for batch in batches)
    assert batching.padding_share(lengths, shapes) == pytest.approx(1 - (sum(source) + sum(target)) / cells)


@settings(max_examples=10, deadline=None)
@given(pairs=pairs, num_buckets=st.integers(1, 6), batch_size=st.integers(1, 7))
def test_full_batches_only_where_asked(pairs, num_buckets, batch_size):
    source, target = (list(one) for one in zip(*pairs, strict=True))
    lengths = {"source": np.array(source), "target": np.array(target)}
    shapes = batching.shapes(lengths, num_buckets)
    sizes = batching.batch_sizes(shapes, batch_size)
    dataset, which = batches_of(lengths, shapes, sizes, True)
    batches = list(dataset.as_numpy_iterator())
    assert all(len(batch["number"]) == batch_size for batch in batches)
    assert batching.count_batches(which, sizes, True).sum() == len(batches)


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(st.integers(1, 50), min_size=1, max_size=80), batch_size=st.integers(1, 5))
def test_more_shapes_never_pad_more_and_each_is_a_few_batches_or_saves_much(counts, batch_size):
    lengths = {"ids": np.array(counts)}
    shares, few = [], []
    for num_buckets in range(1, 6):
        shapes = batching.shapes(lengths, num_buckets, batch_size)
        used = np.bincount(batching.bucket(lengths, shapes), minlength=len(shapes))
        assert len(shapes) <= num_buckets and used.min() > 0
        shares.append(batching.padding_share(lengths, shapes))
        few.append(sum(used < min(batching.FEWEST_BATCHES * batch_size, len(counts))))
    assert shares == sorted(shares, reverse=True)
    tokens = 1 / (1 - np.array(shares))  # beside the real ones
    saved = tokens[:-1] - tokens[1:]
    assert (saved[np.diff(few) > 0] >= batching.TAIL - 1e-9).all()


@settings(max_examples=100, deadline=None)
@given(pairs=pairs, batch_size=st.integers(1, 10), tokens=st.integers(60, 500), by_tokens=st.booleans())
def test_each_shape_of_two_features_holds_examples_that_no_smaller_one_does(pairs, batch_size, tokens, by_tokens):
    lengths = dict(zip(("source", "target"), np.array(pairs).T, strict=True))
    budget = (None, tokens) if by_tokens else (batch_size, None)
    shapes = batching.shapes(lengths, 6, *budget)
    used = np.bincount(batching.bucket(lengths, shapes), minlength=len(shapes))
    assert len(shapes) == 1 or used.min() > 0


@settings(max_examples=60, deadline=None)
@given(pairs=pairs, num_buckets=st.integers(1, 6), batch_size=st.integers(1, 7), by_tokens=st.booleans())
def test_consecutive_examples_share_a_batch_padded_to_the_smallest_shape_of_all(
    pairs, num_buckets, batch_size, by_tokens
):
    lengths = dict(zip(("source", "target"), np.array(pairs).T, strict=True))
    shapes = batching.shapes(lengths, num_buckets)
    options = {"tokens_per_batch": 60 * batch_size} if by_tokens else {"batch_size": batch_size}
    if not batching.holds(batching.longest(lengths, 1 if by_tokens else batch_size), shapes).any(axis=0).all():
        shapes.append({name: int(one.max()) for name, one in lengths.items()})
    ends, which = batching.consecutive(lengths, shapes, **options)
    assert [one.tolist() for one in batching.runs(ends).as_numpy_iterator()] == [
        list(range(begin, end)) for begin, end in zip([0, *ends], ends, strict=False)
    ]
    assert ends[-1] == len(pairs)
    for begin, end in zip([0, *ends], ends, strict=False):
        (index,) = set(which[begin:end])
        holding = [
            batching.holds({name: one[begin:end] for name, one in lengths.items()}, [one]).all() for one in shapes
        ]
        assert index == holding.index(True)
        if by_tokens:
            assert (end - begin) * sum(shapes[index].values()) <= options["tokens_per_batch"]
        else:
            assert end - begin == batch_size or end == len(pairs)
    cells = sum(sum(shapes[index].values()) for index in which)
    assert batching.padding_share(lengths, shapes, which) == pytest.approx(1 - np.sum(pairs) / cells)


def test_a_budget_is_filled_before_the_next_batch_begins():
    lengths, shapes = {"ids": np.array([2, 2, 2, 5, 2, 2, 2, 2])}, [{"ids": 2}, {"ids": 5}]
    ends, which = batching.consecutive(lengths, shapes, tokens_per_batch=10)
    assert ends.tolist() == [3, 5, 8] and which.tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    apart = {
        "a": np.array([9, 1]),
        "b": np.array([1, 9]),
    }  # no shape holds both, and one of all would exceed the budget
    ends, which = batching.consecutive(apart, [{"a": 1, "b": 9}, {"a": 9, "b": 1}], tokens_per_batch=12)
    assert ends.tolist() == [1, 2] and which.tolist() == [1, 0]
    many = [{"ids": n} for n in range(1, 101)]  # more shapes than a machine word has bits
    assert batching.consecutive({"ids": np.full(4, 100)}, many, tokens_per_batch=200)[0].tolist() == [2, 4]


def test_a_few_examples_much_longer_than_the_others_have_a_shape_of_their_own(seed):
    rng = np.random.default_rng(seed)
    usual = rng.integers(20, 30, 500)
    for long in ([2000], [2000, 1990, 1980], [400] * 10):
        lengths = {"ids": rng.permutation([*usual, *long])}
        shapes = batching.shapes(lengths, 8, 32, padding=1 / 3)
        assert shapes == [{"ids": int(usual.max())}, {"ids": max(long)}]
        pair = {"a": lengths["ids"], "b": rng.permutation([*usual, 25])} if len(long) == 1 else lengths
        assert batching.padding_share(pair, batching.shapes(pair, 8, 32, padding=1 / 3)) < 1 / 3
    lengths = {"ids": np.append(np.full(500, 25), 27)}  # not so much longer
    assert batching.shapes(lengths, 2, 128) == [{"ids": 27}]
    assert batching.shapes({"ids": np.append(usual[:20], 2000)}, 8, 32) == [{"ids": 2000}]  # no full batch of others


def test_no_more_shapes_are_made_than_leave_little_padding(seed):
    lengths = {"ids": np.random.default_rng(seed).lognormal(2.6, 0.7, 5000).astype(int) + 1}
    few, many = (batching.shapes(lengths, 8, 64, padding=share) for share in (1 / 3, 0.0))
    assert batching.padding_share(lengths, few) < 1 / 3 and 1 < len(few) < len(many) == 8
    assert batching.shapes({"ids": np.arange(20, 40).repeat(300)}, 8, 64, padding=1 / 3) == [{"ids": 39}]


def test_enough_shapes_leave_no_padding():
    lengths = {"ids": np.array([3, 9, 3, 5, 5, 9])}
    lengths = {"ids": np.repeat(lengths["ids"], batching.FEWEST_BATCHES)}
    assert batching.shapes(lengths, 3) == [{"ids": 3}, {"ids": 5}, {"ids": 9}]
    assert batching.shapes(lengths, 30) == batching.shapes(lengths, 3)
    assert batching.padding_share(lengths, batching.shapes(lengths, 3)) == 0


def test_one_shape_with_full_batches_is_static_and_keeps_the_order():
    dataset, _ = batches_of({"ids": [2, 3, 1, 2]}, [{"ids": 3}], [2], drop_remainder=True)
    assert dataset.element_spec["ids"].shape == (2, 3)
    assert [batch["number"].tolist() for batch in dataset.as_numpy_iterator()] == [[0, 1], [2, 3]]


def test_the_order_is_repeatable_and_differs_from_epoch_to_epoch(seed):
    def epochs(seed):
        tf.random.set_seed(1)
        dataset = batching.order(200, seed)
        return [list(dataset.as_numpy_iterator()) for _ in range(3)]

    first = epochs(seed)
    assert all(sorted(one) == list(range(200)) for one in first)
    assert first[0] != first[1] != first[2] != first[0]
    assert epochs(seed) == first
    assert epochs(seed + 1) != first
    assert epochs(None) == [list(range(200))] * 3


def test_an_example_longer_than_every_shape_is_an_error_not_a_loss():
    with pytest.raises(ValueError, match="fit one of"):
        batching.bucket({"ids": np.array([2, 9])}, [{"ids": 2}, {"ids": 4}])


def test_budgets_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="batch_size=None, tokens_per_batch=None"):
        batching.batch_sizes([{"ids": 4}])
    with pytest.raises(ValueError, match="batch_size=2, tokens_per_batch=8"):
        batching.batch_sizes([{"ids": 4}], 2, 8)
    with pytest.raises(ValueError, match="longest example, 4 tokens.*tokens_per_batch=3"):
        batching.batch_sizes([{"ids": 4}], tokens_per_batch=3)


def test_rows_of_vectors_are_padded_along_time_only():
    values = tf.RaggedTensor.from_row_lengths(np.ones([5, 2], np.float32), [2, 3])
    for shapes in ([{"values": 3}], [{"values": 2}, {"values": 3}]):
        which = batching.bucket({"values": np.array([2, 3])}, shapes)
        numbers = batching.buckets(batching.order(2), which, [1] * len(shapes))
        batches = batching.gather(numbers, {"values": values}, shapes, which)
        assert [batch["values"].shape[2] for batch in batches.as_numpy_iterator()] == [2, 2]
        assert sum(batch["values"].sum() for batch in batches.as_numpy_iterator()) == 10
