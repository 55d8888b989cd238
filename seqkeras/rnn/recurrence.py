"""Any cell over all time steps, by the fastest of the loops that serve them all."""

import contextlib
import contextvars
import functools

import keras
from keras import ops

from seqkeras import cells  # noqa: F401 - wherever a cell runs, all are known
from seqkeras.layers.masking import Masked
from seqkeras.rnn.loops import scan, taught
from seqkeras.saving import saveable

if keras.backend.backend() == "tensorflow":
    from seqkeras.rnn import cudnn
    from seqkeras.rnn.handwritten_backward import forward, kernel
    from seqkeras.rnn.xla import compiles


def fastest(length, training):
    """The loop for a sequence of this length, None where it is known only when it runs."""
    if keras.backend.backend() != "tensorflow":
        return scan
    return kernel if training or not compiles(length) else forward


_loops = contextvars.ContextVar("loops", default=(None, None, None))


@contextlib.contextmanager
def looping(loop=None, pooling_loop=None, layer=None):
    """Inside, every recurrence runs through `loop`: one of `loops` or `kernel`, which differ in speed alone.

    `pooling_loop` has one argument more, a pooling, and makes its vector in place of the outputs; without one the
    outputs are made and pooled. `layer` makes of a cell and `reverse` what runs the whole layer: see `cudnn.made`.
    """
    token = _loops.set((loop, pooling_loop, layer))
    try:
        yield
    finally:
        _loops.reset(token)


@saveable
class Recurrence(Masked):
    """A cell over all time steps, by the fastest of the loops, or by `cudnn` where a GPU and the cell permit it.

    Args:
        cell: a `cells.Cell`, as it is or wrapped in noise by `cells.noise`.
        reverse: run from the last real position to the first; outputs stay in the order of the input.

    Call arguments:
        inputs: [B, T, D].
        mask: bool [B, T], True = real, or None. A masked step keeps the state and outputs zeros.
        initial_state: tuple of [B, H], or None for zeros.
        teacher: the true outputs [B, T, H], to train a network that recurs from its output alone; see `taught`.
        pooling: one of `pooling`, to make one vector of the outputs.

    Returns:
        (outputs [B, T, H], or with a pooling its vector [B, H]; final state).
    """

    def __init__(self, cell, reverse=False, **kwargs):
        super().__init__(**kwargs)
        by_cudnn = keras.backend.backend() == "tensorflow" and cudnn.permits(cell)
        self.by_cudnn = cudnn.made(cell, reverse) if by_cudnn else None
        self.supports_jit = not by_cudnn  # XLA compiles no cuDNN

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)

    def call(self, inputs, mask=None, initial_state=None, training=False, teacher=None, pooling=None):
        if teacher is not None and self.cell.num_states != 1:
            raise ValueError(
                f"Expected a cell whose state is its output, with a teacher. Received: {self.cell.num_states} states"
            )
        loop, pooling_loop, made = _loops.get()
        whole = self.by_cudnn if loop is None else None
        if made is not None:
            whole = made(self.cell, self.reverse)
        if initial_state is None:
            initial_state = self.cell.initial_state(ops.shape(inputs)[0])
        if inputs.shape[1] == 0:  # nothing to run over
            outputs = ops.zeros((ops.shape(inputs)[0], 0, self.cell.units), dtype=inputs.dtype)
            return self._pooled(outputs, mask, tuple(initial_state), pooling)

        def by(loop, *more):
            project = functools.partial(self.cell.project, training=training)
            time_mask = None if mask is None else ops.transpose(mask)
            return loop(self.cell, project, ops.transpose(inputs, (1, 0, 2)), time_mask, tuple(initial_state), *more)

        fast = functools.partial(by, loop or fastest(inputs.shape[1], training), self.reverse)
        if teacher is not None:
            outputs, state = by(taught, ops.transpose(teacher, (1, 0, 2)), self.reverse)
        elif pooling is not None and pooling_loop is not None:
            return by(pooling_loop, self.reverse, pooling)
        elif whole is not None:
            outputs, state = whole(self.cell, inputs, mask, tuple(initial_state), otherwise=fast)
        else:
            outputs, state = fast()
        return self._pooled(ops.transpose(outputs, (1, 0, 2)), mask, state, pooling)

    def _pooled(self, outputs, mask, state, pooling):
        return (outputs if pooling is None else pooling.over(outputs, mask, state[0])), state
