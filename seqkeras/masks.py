"""Masks, made once and handed down. True = a real token; shapes in the comments."""

import keras
from keras import ops

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


def last(mask):
    """mask [B, T] -> int32 [B]: one past each row's last real position, 0 for a row without any."""
    steps = ops.arange(1, ops.shape(mask)[1] + 1, dtype="int32")
    return ops.max(ops.where(mask, steps[None], 0), axis=1, initial=0)
