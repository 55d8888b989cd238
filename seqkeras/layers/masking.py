"""Masks, made once and handed down. True = a real token; shapes in the comments."""

import keras
import numpy as np
from keras import ops

from seqkeras import arguments
from seqkeras.tokens import PAD


class Masked(keras.layers.Layer):
    """A layer that is handed its mask as `mask=` and attaches none to what it returns."""

    def compute_mask(self, *args, **kwargs):
        return None


def padding(ids):
    """ids [B, T] -> bool [B, T], True where the id is not PAD."""
    return ops.not_equal(ids, PAD)


def lengths(length, max_length):
    """length [B] -> bool [B, max_length], True before each row's length."""
    return ops.arange(max_length, dtype="int32")[None] < ops.cast(length, "int32")[:, None]


def everywhere(x):
    """x [B, T, ...] -> bool [B, T], all real."""
    return ops.ones(ops.shape(x)[:2], dtype="bool")


def causal(length):
    """bool [1, T, T]: row t may look at columns 0..t."""
    steps = ops.arange(length, dtype="int32")
    return (steps[None] <= steps[:, None])[None]


def lowest(dtype):
    """A number far below any that is computed with, and finite in `dtype`."""
    return -6e4 if keras.backend.standardize_dtype(dtype) == "float16" else -1e30


def order(mask):
    """mask [B, T] -> int32 [B, T]: the place of each real position among those of its row, from 0; else any."""
    return ops.maximum(ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1, 0)


def to_front(x, mask):
    """x [B, T, ...] with the real positions of each row first, in their order; `back` undoes it."""
    T = x.shape[1]
    urgency = ops.cast(mask, "int32") * ops.arange(ops.shape(x)[1], 0, -1, dtype="int32")
    index = ops.argsort(-urgency, axis=1) if T is None else ops.top_k(urgency, T)[1]
    return gather(x, index)


def back(x, mask):
    """x [B, T, ...] with the real positions of each row first -> with each at its place in `mask`, zeros elsewhere."""
    real = ops.reshape(mask, (*ops.shape(mask), *[1] * (len(x.shape) - 2)))
    return ops.where(real, gather(x, order(mask)), 0)


def in_order(read, ids):
    """read(ids [B, T]) -> [B, T, ...] as if the real positions of each row came first; zeros at the others.

    Ids whose rows have them first, as pipelines make them, are read as they are, outputs at padding included.
    """
    mask = padding(ids)
    moved = ops.any(ops.logical_and(mask[:, 1:], ops.logical_not(mask[:, :-1])))
    y = read(ops.cond(moved, lambda: to_front(ids, mask), lambda: ids))
    return ops.cond(moved, lambda: back(y, mask), lambda: y)


def gather(x, index):
    """Of each row, the positions named by index: x [B, T, ...], index int [B, T'] -> [B, T', ...]."""
    index = ops.reshape(index, (*ops.shape(index), *[1] * (len(x.shape) - 2)))
    return ops.take_along_axis(x, index, axis=1)


def check_in_front(mask):
    """Checks that the real positions come first in each row of mask [B, T]; in a graph it checks nothing.

    Raises:
        ValueError: outside of graphs, padding in front of or between real positions.
    """
    values = arguments.values_of(mask)
    if values is not None and np.any(values[:, 1:] > values[:, :-1]):
        raise ValueError(
            "Expected a mask with all real positions of a row first. Received: padding in front of a real position; "
            "move the real positions to the front with `masking.to_front`"
        )


def last(mask):
    """mask [B, T] -> int32 [B]: one past each row's last real position, 0 for a row without any."""
    steps = ops.arange(1, ops.shape(mask)[1] + 1, dtype="int32")
    return ops.max(ops.where(mask, steps[None], 0), axis=1, initial=0)
