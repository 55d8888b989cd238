"""The loop over time, once for all cells: what runs on every backend.

Loops with the same arguments and the same results; `kernel` has two more, for TensorFlow:

    scan        the backend's own; differentiated by the backend
    in_place    to run, not to differentiate: writes into one buffer and stops behind the longest row's end
    unrolled    T copies of the step

Arguments: cell; project, the cell's with all but the inputs given; inputs [T, B, D], time first; mask bool [T, B] or
None; state, a tuple of [B, H]; reverse.
Returns: (outputs [T, B, H] in the order of the input, final state). A masked step keeps the state and outputs zeros.
"""

import functools

from keras import ops

from seqkeras.layers import masking


def scan(cell, project, inputs, mask, state, reverse=False):
    projected, forth = project(inputs), advance(cell)

    def body(state, xs):
        state = forth(xs[0], xs[1] if len(xs) > 1 else None, state)
        return state, state

    state, states = ops.scan(body, state, (projected,) if mask is None else (projected, mask), reverse=reverse)
    return real(states[0], mask), state


def in_place(cell, project, inputs, mask, state, reverse=False):
    T, B = ops.shape(inputs)[:2]
    projected, forth = project(inputs), advance(cell)
    end = ops.convert_to_tensor(T, "int32") if mask is None else ops.max(masking.last(ops.transpose(mask)))
    outputs = ops.zeros((T, B, cell.units), dtype=projected.dtype)

    def body(t, state, outputs):
        now = end - 1 - t if reverse else t
        state = forth(ops.take(projected, now, axis=0), at(mask, now), state)
        return t + 1, state, ops.slice_update(outputs, (now, 0, 0), state[0][None])

    start = ops.convert_to_tensor(0, "int32")
    _, state, outputs = ops.while_loop(lambda t, *_: t < end, body, (start, state, outputs))
    return real(outputs, mask), state


def unrolled(cell, project, inputs, mask, state, reverse=False):
    projected, forth = project(inputs), advance(cell)
    outputs = [None] * inputs.shape[0]
    for t in sorted(range(len(outputs)), reverse=reverse):
        state = forth(projected[t], None if mask is None else mask[t], state)
        outputs[t] = state[0]
    return real(ops.stack(outputs), mask), state


def taught(cell, project, inputs, mask, state, teacher, reverse=False):
    """Teacher forcing: each step begins from the true output before it, so that all of them are taken at once.

        y_t = step(x_t, y*_{t-1})       y* the true outputs, y*_0 the initial state

    Arguments and results as of the loops, and teacher [T, B, H], y*. For cells whose state is their output; what
    recurs is then known beforehand, and no loop is left.

    Reference: Goodfellow, Bengio & Courville 2016, section 10.2.1.
    """
    (first,) = state
    turned = functools.partial(ops.flip, axis=0) if reverse else lambda x: x
    known = ops.concatenate([first[None], turned(teacher)], axis=0)
    if mask is not None:  # what is known behind a masked step is what was known before it
        T = ops.shape(mask)[0]
        steps = ops.where(turned(mask), ops.arange(1, T + 1, dtype="int32")[:, None], 0)
        last = ops.max(ops.where(masking.causal(T)[0][..., None], steps[None], 0), axis=1)
        known = ops.concatenate([first[None], ops.take_along_axis(known, last[..., None], axis=0)], axis=0)
    output, _ = cell.step(project(inputs), (turned(known[:-1]),))
    return real(output, mask), (known[-1],)


def at(mask, t):
    return None if mask is None else ops.take(mask, t, axis=0)


def advance(cell):
    """The cell's step from state to state, which begins with the output; a masked step keeps the state."""

    def forth(projected, mask, state):
        _, new = cell.step(projected, state)
        if mask is None:
            return tuple(new)
        return tuple(ops.where(mask[:, None], n, s) for n, s in zip(new, state, strict=True))

    return forth


def real(outputs, mask):
    """Zeros where a step is masked: outputs [T, B, H]."""
    return outputs if mask is None else ops.where(mask[..., None], outputs, 0)
