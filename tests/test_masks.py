import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from seqkeras.layers import masking

shapes = st.tuples(st.integers(1, 5), st.integers(1, 7))


@settings(max_examples=25, deadline=None)
@given(arrays("int32", shapes, elements=st.integers(0, 3)))
def test_padding_is_where_the_id_is_zero(ids):
    np.testing.assert_array_equal(masking.padding(ops.convert_to_tensor(ids)), ids != 0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=5), st.integers(1, 7))
def test_lengths_are_true_before_the_length(length, longest):
    expected = [[t < n for t in range(longest)] for n in length]
    np.testing.assert_array_equal(masking.lengths(np.array(length), longest), expected)


def test_causal_lets_each_row_see_itself_and_what_came_before():
    np.testing.assert_array_equal(masking.causal(5), np.tril(np.ones((1, 5, 5), bool)))


@settings(max_examples=25, deadline=None)
@given(arrays(bool, shapes))
def test_last_is_one_past_the_last_real_position_holes_or_not(mask):
    expected = [max((t + 1 for t in range(len(row)) if row[t]), default=0) for row in mask]
    np.testing.assert_array_equal(masking.last(ops.convert_to_tensor(mask)), expected)


def test_last_of_no_positions_at_all_is_zero():
    np.testing.assert_array_equal(masking.last(ops.zeros((3, 0), dtype="bool")), [0, 0, 0])


@settings(max_examples=25, deadline=None)
@given(arrays(bool, shapes))
def test_to_front_puts_the_real_positions_first_and_back_undoes_it(mask):
    x = np.arange(1.0, mask.size + 1, dtype="float32").reshape(mask.shape)
    front = masking.to_front(ops.convert_to_tensor(x), mask)
    for row, real, got in zip(x, mask, np.asarray(front), strict=True):
        np.testing.assert_array_equal(got[: real.sum()], row[real])
    for shaped in (x, np.stack([x, -x], -1)):
        again = masking.back(masking.to_front(ops.convert_to_tensor(shaped), mask), mask)
        np.testing.assert_array_equal(again, np.where(mask.reshape((*mask.shape, *[1] * (shaped.ndim - 2))), shaped, 0))


def test_to_front_where_the_length_is_known_at_run_time_only():
    function = tf.function(
        lambda x: masking.to_front(x, x != 0), input_signature=[tf.TensorSpec([None, None], "int32")]
    )
    np.testing.assert_array_equal(function(np.array([[0, 5, 0, 6], [7, 0, 8, 9]])), [[5, 6, 0, 0], [7, 8, 9, 0]])
