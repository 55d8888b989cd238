"""The loop over time, once for all cells. Every loop has the same contract and gives equal numbers:

    loop(cell, inputs, mask, state, *, reverse=False, noise=None, pooling=None) -> (outputs, final state)

    inputs      [B, T, D]
    mask        bool [B, T], True = real, or None; a masked step keeps the state and outputs zeros
    state       the initial state, a tuple of [B, H]
    reverse     from the last position to the first; outputs stay in the order of the input
    noise       what the cell's `draw` gave for these sequences, or None
    pooling     one of `layers.pooling`, to have its vector [B, H] in place of the outputs [B, T, H]

Here are the loops that run on every backend: `scan`, the backend's own, which the backend differentiates, and
`inference_loop`, which is not differentiable. TensorFlow has `handwritten_backward` for training, `inference` for
evaluation and `cudnn`; `export` has its own for a device.
"""

import functools

from keras import ops

from seqkeras.cells.cell import STEP_OPS
from seqkeras.layers import masking


def time_loop(run):
    """The contract around a loop that has time first and makes all outputs:

    run(cell, inputs [T, B, D], mask [T, B] or None, state, reverse, noise) -> (outputs [T, B, H], state)
    """

    def loop(cell, inputs, mask, state, *, reverse=False, noise=None, pooling=None):
        time_mask = None if mask is None else ops.transpose(mask)
        outputs, state = run(cell, ops.transpose(inputs, (1, 0, 2)), time_mask, tuple(state), reverse, noise)
        return pooled(ops.transpose(outputs, (1, 0, 2)), mask, state, pooling)

    loop.__name__, loop.__doc__ = run.__name__, run.__doc__  # not by `wraps`: AutoGraph would call `run` instead
    return loop


def pooled(outputs, mask, state, pooling):
    """What a loop returns that has made all outputs [B, T, H]."""
    return (outputs if pooling is None else pooling.over(outputs, mask, state[0])), state


@time_loop
def scan(cell, inputs, mask, state, reverse, noise):
    projected, step = project(cell, inputs, noise), masked_step(cell)

    def body(state, xs):
        state = step(xs[0], xs[1] if len(xs) > 1 else None, state)
        return state, state

    state, states = ops.scan(body, state, (projected,) if mask is None else (projected, mask), reverse=reverse)
    return masked_outputs(states[0], mask), state


@time_loop
def inference_loop(cell, inputs, mask, state, reverse, noise):
    """Writes into one buffer and ends with the longest row."""
    return run_to_the_longest(cell, project(cell, inputs, noise), mask, state, reverse)


def run_to_the_longest(cell, projected, mask, state, reverse, step_ops=STEP_OPS):
    """The loop of inference over what is projected [T, B, P] -> (outputs [T, B, H], final state)."""
    T, B = ops.shape(projected)[:2]
    step = masked_step(cell, step_ops)
    end = ops.convert_to_tensor(T, "int32") if mask is None else ops.max(masking.last(ops.transpose(mask)))
    outputs = ops.zeros((T, B, cell.units), dtype=projected.dtype)

    def body(t, state, outputs):
        now = end - 1 - t if reverse else t
        state = step(ops.take(projected, now, axis=0), mask_at(mask, now), state)
        return t + 1, state, ops.slice_update(outputs, (now, 0, 0), state[0][None])

    start = ops.convert_to_tensor(0, "int32")
    _, state, outputs = ops.while_loop(lambda t, *_: t < end, body, (start, state, outputs))
    return masked_outputs(outputs, mask), state


def teacher_forced(cell, inputs, mask, state, targets, *, reverse=False, noise=None):
    """Each step begins from the true output before it, so that no loop is left:

        y_t = step(x_t, y*_{t-1})       y* the true outputs, y*_0 the initial state

    Arguments and results as of the loops, and targets [B, T, H], y*. For cells whose state is their output.

    Reference: Goodfellow, Bengio & Courville 2016, section 10.2.1.
    """
    (first,) = state
    in_order = functools.partial(ops.flip, axis=1) if reverse else lambda x: x
    known = ops.concatenate([first[:, None], in_order(targets)], axis=1)  # [B, T + 1, H]
    if mask is not None:  # after a masked step the last known output is that of before
        T = ops.shape(mask)[1]
        steps = ops.where(in_order(mask), ops.arange(1, T + 1, dtype="int32")[None], 0)
        last = ops.max(ops.where(masking.causal(T), steps[:, None], 0), axis=2)
        known = ops.concatenate([first[:, None], ops.take_along_axis(known, last[..., None], axis=1)], axis=1)
    before = ops.transpose(in_order(known[:, :-1]), (1, 0, 2))
    projected = project(cell, ops.transpose(inputs, (1, 0, 2)), noise)
    output, *_ = cell.step(projected, (before,), STEP_OPS)
    output = ops.transpose(output, (1, 0, 2))
    return masked_outputs(output, mask), (known[:, -1],)


def project(cell, inputs, noise):
    """What the cell projects, with its noise if there is any: inputs [T, B, D] -> [T, B, P]."""
    return cell.project(inputs, noise) if noise else cell.project(inputs)


def mask_at(mask, t):
    return None if mask is None else ops.take(mask, t, axis=0)


def masked_step(cell, step_ops=STEP_OPS):
    """The cell's step(projected, mask [B] or None, state) -> state; a masked step keeps the state."""

    def step(projected, mask, state):
        new = cell.step(projected, state, step_ops)
        if not isinstance(new, (tuple, list)) or len(new) != len(state):
            received = f"{len(new)} tensors" if isinstance(new, (tuple, list)) else type(new).__name__
            name = f"{type(cell).__name__}.step"
            raise ValueError(f"Expected {name} to return the state, a tuple of {len(state)}. Received: {received}")
        if mask is None:
            return tuple(new)
        return tuple(ops.where(mask[:, None], n, s) for n, s in zip(new, state, strict=True))

    return step


def masked_outputs(outputs, mask):
    """Zeros where a step is masked: outputs [..., H], mask of its other axes or None."""
    return outputs if mask is None else ops.where(mask[..., None], outputs, 0)
