"""The loop over time as T copies of the step: slow, and plain enough to compare the others with."""

from keras import ops

from seqkeras.rnn.loops import masked_outputs, masked_step, project, time_loop


@time_loop
def unrolled(cell, inputs, mask, state, reverse, noise):
    projected, step = project(cell, inputs, noise), masked_step(cell)
    outputs = [None] * inputs.shape[0]
    for t in sorted(range(len(outputs)), reverse=reverse):
        state = step(projected[t], None if mask is None else mask[t], state)
        outputs[t] = state[0]
    return masked_outputs(ops.stack(outputs), mask), state
