"""A sequence of vectors as one: of all of them at once, or one after the other as a loop makes them.

    over(memory, mask, summary)         memory [B, T, W], mask [B, T] or None, summary [B, W]: the vector made last
    start(like)                         what a loop begins with,
    add(so_far, x)                      does with each real vector x [B, W],
    end(so_far, count, summary)         and makes of it after count of them [B, 1]

`over` and `end` give one vector [B, W], zeros for a row without a real one.
"""

from keras import ops

from seqkeras.layers import masking


class Last:
    """The vector made last."""

    @staticmethod
    def over(memory, mask, summary):
        return summary

    @staticmethod
    def start(like):
        return ()

    @staticmethod
    def add(so_far, x):
        return ()

    @staticmethod
    def end(so_far, count, summary):
        return summary


class Maximum:
    """The largest of each number."""

    @staticmethod
    def over(memory, mask, summary):
        return maximum(memory, mask)

    @staticmethod
    def start(like):
        return ops.full_like(like, masking.lowest(like.dtype))

    add = staticmethod(ops.maximum)

    @staticmethod
    def end(so_far, count, summary):
        return ops.where(count > 0, so_far, 0)


class Mean:
    """The mean of each number."""

    @staticmethod
    def over(memory, mask, summary):
        return mean(memory, mask)

    start = staticmethod(ops.zeros_like)
    add = staticmethod(ops.add)

    @staticmethod
    def end(so_far, count, summary):
        return so_far / ops.cast(ops.maximum(count, 1), so_far.dtype)


POOLINGS = {"last": Last, "max": Maximum, "mean": Mean}


def mean(memory, mask=None):
    """Mean over real positions: memory [B, S, W], mask [B, S] -> [B, W]; zeros for a row without any."""
    mask = masking.everywhere(memory) if mask is None else mask
    real = ops.cast(mask, memory.dtype)[..., None]
    return ops.sum(memory * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1)


def maximum(memory, mask=None):
    """Maximum over real positions: memory [B, S, W], mask [B, S] -> [B, W]; zeros for a row without any."""
    mask = masking.everywhere(memory) if mask is None else mask
    lowest = masking.lowest(memory.dtype)
    highest = ops.max(ops.where(mask[..., None], memory, lowest), axis=1, initial=lowest)
    return ops.where(masking.last(mask)[:, None] > 0, highest, 0)
