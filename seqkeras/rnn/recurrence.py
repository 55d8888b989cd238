"""The layer: any cell over all time steps, by the fastest of the loops."""

import contextlib
import contextvars
import dataclasses
import inspect
from collections.abc import Callable

import keras
from keras import ops

from seqkeras.cells import STEP_OPS, Noise, StepOps
from seqkeras.layers.masking import Masked
from seqkeras.rnn.loops import pooled, scan, teacher_forced
from seqkeras.saving import saveable

if keras.backend.backend() == "tensorflow":
    from seqkeras.rnn import cudnn, handwritten_backward, inference
    from seqkeras.rnn.xla import compiles


def fastest(length, training):
    """The loop for a sequence of this length, None where it is known only when it runs."""
    if keras.backend.backend() != "tensorflow":
        return scan
    return handwritten_backward.loop if training or not compiles(length) else inference.loop


@dataclasses.dataclass(frozen=True)
class Looping:
    """Which loop runs, None for the fastest, and what single steps outside it compute with."""

    loop: Callable | None = None
    step_ops: StepOps = STEP_OPS


_looping = contextvars.ContextVar("looping", default=Looping())  # noqa: B039 - which is frozen


@contextlib.contextmanager
def looping(loop=None, step_ops=STEP_OPS):
    """Inside, every recurrence runs through `loop`, see `rnn.loops`, and takes single steps with `step_ops`."""
    token = _looping.set(Looping(loop, step_ops))
    try:
        yield
    finally:
        _looping.reset(token)


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
        targets: the true outputs [B, T, H], to train a network that recurs from its output alone; see
            `loops.teacher_forced`.
        pooling: one of `layers.pooling`, to make one vector of the outputs.

    Returns:
        (outputs [B, T, H], or with a pooling its vector [B, H]; final state).
    """

    def __init__(self, cell, reverse=False, **kwargs):
        super().__init__(**kwargs)
        parameters = list(inspect.signature(cell.step).parameters)
        if len(parameters) != 3:
            raise ValueError(
                f"Expected {type(cell).__name__}.step(projected, state, ops). Received: step({', '.join(parameters)})"
            )
        self.by_cudnn = keras.backend.backend() == "tensorflow" and cudnn.permits(cell)
        self.supports_jit = not self.by_cudnn  # XLA compiles no cuDNN
        if self.by_cudnn:
            cudnn.layer_for(cell, reverse)

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)

    def call(self, inputs, mask=None, initial_state=None, training=False, targets=None, pooling=None):
        batch, length = ops.shape(inputs)[:2]
        state = tuple(self.cell.initial_state(batch) if initial_state is None else initial_state)
        if inputs.shape[1] == 0:  # nothing to run over
            return pooled(ops.zeros((batch, 0, self.cell.units), dtype=inputs.dtype), mask, state, pooling)
        noise = self.cell.draw(length, batch, inputs.shape[2]) if training and isinstance(self.cell, Noise) else None
        if targets is not None:
            if self.cell.num_states != 1:
                raise ValueError(
                    f"Expected a cell whose state is its output, with targets. Received: {self.cell.num_states} states"
                )
            outputs, state = teacher_forced(self.cell, inputs, mask, state, targets, reverse=self.reverse, noise=noise)
            return pooled(outputs, mask, state, pooling)
        loop = _looping.get().loop or (cudnn.loop if self.by_cudnn else fastest(inputs.shape[1], training))
        return loop(self.cell, inputs, mask, state, reverse=self.reverse, noise=noise, pooling=pooling)

    def step(self, inputs, state):
        """One time step: inputs [B, D], state -> state; state[0] is the output."""
        return self.cell(inputs, state, ops=_looping.get().step_ops)
