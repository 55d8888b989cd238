"""The loop of evaluation under TensorFlow: compiled by XLA. A gradient that is wanted nevertheless is made by hand."""

import dataclasses

import tensorflow as tf

from seqkeras.cells.cell import STEP_OPS
from seqkeras.rnn import handwritten_backward
from seqkeras.rnn.loops import project, run_to_the_longest, time_loop
from seqkeras.rnn.weights import index_of, product, reading
from seqkeras.rnn.xla import blocked_matmul, column_blocks, compiled, shared


@time_loop
def loop(cell, inputs, mask, state, reverse, noise):
    weights = [tf.identity(v.value) for v in cell.weights]
    return shared(one_chunk, cell, reverse)(project(cell, inputs, noise), mask, state, weights)


def one_chunk(cell, reverse):
    """The loop as run(projected, mask, state, weights)."""
    variables = cell.weights

    @compiled
    def outputs_alone(shape, projected, mask, state, weights):
        blocks = column_blocks(weights, shape)

        def matmul(h, u):
            i = index_of(u, variables)
            return product(h, u) if i is None else blocked_matmul(h, blocks[i])

        with reading(variables, weights):
            step_ops = dataclasses.replace(STEP_OPS, matmul=matmul)
            outputs, final = run_to_the_longest(cell, projected, mask, state, reverse, step_ops)
        return outputs, *final

    def run(projected, mask, state, weights):
        n = len(state)

        @tf.custom_gradient
        def differentiable(*given):
            def gradients(*slopes):
                with tf.GradientTape() as tape:
                    tape.watch(given)
                    trained = handwritten_backward.one_chunk(cell, reverse)
                    outputs, final = trained(given[0], mask, given[1 : 1 + n], given[1 + n :])
                return tape.gradient([outputs, *final], given, slopes, unconnected_gradients="zero")

            shape = tuple(projected.shape[:2])
            return outputs_alone(shape, given[0], mask, given[1 : 1 + n], given[1 + n :]), gradients

        outputs, *final = differentiable(projected, *state, *weights)
        return outputs, tuple(final)

    return run
