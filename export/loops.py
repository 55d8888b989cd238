"""The loop over time as a device runs it: one sequence, fixed shapes, few and cheap operators per step.

The contract is that of `seqkeras.rnn.loops`; with a pooling the outputs are not collected. A masked step does nothing,
so those are taken out beforehand: the real ones come first, in the order in which they are run, and the loop ends after
them. A batch of another size than 1 goes through `batches`.
"""

import functools

import tensorflow as tf
from keras import ops

from seqkeras.cells import StepOps
from seqkeras.rnn.loops import masked_outputs, masked_step, project, run_to_the_longest, time_loop

STEP_OPS = StepOps(merge=False)  # a device runs each operator by itself


@time_loop
def batches(cell, inputs, mask, state, reverse, noise):
    """The loop of inference over more than one sequence."""
    return run_to_the_longest(cell, project(cell, inputs, noise), mask, state, reverse, STEP_OPS)


def _alone(run):
    """The contract around run(cell, projected [T, 1, P], mask [T, 1] or None, state, reverse, pooling)."""

    def loop(cell, inputs, mask, state, *, reverse=False, noise=None, pooling=None):
        if inputs.shape[0] != 1:
            return batches(cell, inputs, mask, state, reverse=reverse, noise=noise, pooling=pooling)
        projected = project(cell, tf.transpose(inputs, (1, 0, 2)), noise)
        time_mask = None if mask is None else tf.transpose(mask)
        made, state = run(cell, projected, time_mask, tuple(state), reverse, pooling)
        return (tf.transpose(made, (1, 0, 2)) if pooling is None else made), state

    return loop


def rounds(steps):
    """A WHILE loop of so many steps a round: fewer rounds, and a copy of the weights for each step of one."""

    @_alone
    def loop(cell, projected, mask, state, reverse, pooling):
        step, T = masked_step(cell, STEP_OPS), projected.shape[0]
        full = min(steps, T)
        projected, end, back = in_order(projected, mask, reverse)
        kept = tf.zeros((T, 1, cell.units), projected.dtype) if pooling is None else pooling.start(state[0])

        def run(size, t, state, kept):
            rows = projected if size == 1 else tf.reshape(projected, (T, -1))

            def body(t, state, kept):
                made = []
                for row in [tf.gather(rows, t)] if size == 1 else tf.split(tf.gather(rows, t + tf.range(size)), size):
                    state = step(row, None, state)
                    made.append(state[0])
                if pooling is None:
                    return t + size, state, ops.slice_update(kept, (t, 0, 0), tf.stack(made))
                return t + size, state, functools.reduce(pooling.add, made, kept)

            last = end - size
            return tf.while_loop(lambda t, *_: t <= last, body, (t, state, kept))

        t, state, kept = run(full, 0, tuple(state), kept)
        if full > 1 and (mask is not None or T % full):
            t, state, kept = run(1, t, state, kept)
        return (back(kept) if pooling is None else pooling.end(kept, end, state[0])), state

    return loop


@_alone
def unrolled(cell, projected, mask, state, reverse, pooling):
    """A copy of the step for each time step; all are run, whatever the sequence's length."""
    step, T = masked_step(cell, STEP_OPS), projected.shape[0]
    projected, end, back = in_order(projected, mask, reverse)
    states = [tuple(state)]
    for row in tf.split(tf.reshape(projected, (T, -1)), T):
        states.append(step(row, None, states[-1]))
    outputs = tf.stack([state[0] for state in states[1:]])
    final = states[-1] if mask is None else tuple(tf.gather(tf.stack(one), end) for one in zip(*states, strict=True))
    if pooling is None:
        return back(outputs), final
    return pooling.over(tf.transpose(outputs, (1, 0, 2)), tf.range(T)[None] < end, final[0]), final


def in_order(projected, mask, reverse):
    """(projected [T, 1, P] with the real steps first, as they are run; their number; outputs -> as the input was)."""
    T = projected.shape[0]
    if mask is None:
        in_order_of_input = functools.partial(tf.reverse, axis=[0]) if reverse else tf.identity
        return in_order_of_input(projected), T, in_order_of_input
    urgency = tf.range(1, T + 1) if reverse else tf.range(T, 0, -1)
    count = tf.cast(tf.reshape(mask, (T,)), tf.int32)
    order = tf.math.top_k(count * urgency, T).indices
    place = tf.maximum(tf.cumsum(count, reverse=reverse) - 1, 0)
    return (
        tf.gather(projected, order),
        tf.reduce_sum(count),
        lambda outputs: masked_outputs(tf.gather(outputs, place), mask),
    )


STRATEGIES = {"loop": rounds(1), "partly_unrolled": rounds(4), "unrolled": unrolled}
