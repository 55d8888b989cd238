"""The loop over time, once for all cells.

Loops with the same arguments and the same results, `fastest` the one that runs where no other is asked for:

    scan        the backend's own; differentiated by the backend
    kernel      TensorFlow only; the backward pass written by hand: see its docstring
    in_place    to run, not to differentiate: writes into one buffer and stops behind the longest row's end
    forward     TensorFlow only: `in_place`, with the gradient of `kernel`
    unrolled    T copies of the step

Arguments: cell; projected [T, B, P], time first; mask bool [T, B] or None; state, a tuple of [B, H]; reverse.
Returns: (outputs [T, B, H] in the order of the input, final state). A masked step keeps the state and outputs zeros.
"""

import contextlib
import contextvars
import functools

import keras
from keras import ops

from seqkeras import cells, cells_discovered, cells_regularized, masks  # noqa: F401 - wherever a cell runs, all are known
from seqkeras.masks import Masked
from seqkeras.saving import saveable

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def scan(cell, projected, mask, state, reverse=False):
    advance = _advance(cell)

    def body(state, xs):
        state = advance(xs[0], xs[1] if len(xs) > 1 else None, state)
        return state, state

    state, states = ops.scan(body, state, (projected,) if mask is None else (projected, mask), reverse=reverse)
    return _real(states[0], mask), state


def in_place(cell, projected, mask, state, reverse=False):
    T, B = ops.shape(projected)[:2]
    advance = _advance(cell)
    end = ops.convert_to_tensor(T, "int32") if mask is None else ops.max(masks.last(ops.transpose(mask)))
    outputs = ops.zeros((T, B, cell.units), dtype=projected.dtype)

    def body(t, state, outputs):
        now = end - 1 - t if reverse else t
        state = advance(ops.take(projected, now, axis=0), _at(mask, now), state)
        return t + 1, state, ops.slice_update(outputs, (now, 0, 0), state[0][None])

    start = ops.convert_to_tensor(0, "int32")
    _, state, outputs = ops.while_loop(lambda t, *_: t < end, body, (start, state, outputs))
    return _real(outputs, mask), state


def unrolled(cell, projected, mask, state, reverse=False):
    advance = _advance(cell)
    outputs = [None] * projected.shape[0]
    for t in sorted(range(len(outputs)), reverse=reverse):
        state = advance(projected[t], None if mask is None else mask[t], state)
        outputs[t] = state[0]
    return _real(ops.stack(outputs), mask), state


def kernel(cell, projected, mask, state, reverse=False):
    """The loop with its backward pass written by hand.

    Forward keeps each step's state and matrix products. Backward replays only the element-wise part of each step,
    takes its vector-Jacobian product on the spot, and multiplies by U transposed: what is sequential. The gradient
    of U, sum_t h_t^T dz_t, is one matrix product over all time steps afterwards. What two arrays would hold alike is
    kept once: h_t is a state, and where z enters as a sum with the projected input, their gradients are one.
    """
    variables = cell.weights  # frozen ones too: the step reads them
    advance, compiled = _advance(cell), _compiled(projected.shape[0])
    T, n = tf.shape(projected)[0], len(state)
    order = (lambda t: T - 1 - t) if reverse else (lambda t: t)

    def index(u):
        return next((i for i, v in enumerate(variables) if v is u), None)

    def replay(p, m, state, weights, matmul):
        with _reading(variables, weights), cells.products(matmul):
            return advance(p, m, state)

    @tf.custom_gradient
    def run(projected, *rest):
        state, weights = rest[:n], rest[n:]

        def forward_step(t, state):
            zs = []

            def matmul(h, u):
                z = ops.matmul(h, u)
                zs.extend([z] * (index(u) is not None))
                return z

            now = order(t)
            state = replay(tf.gather(projected, now), _at(mask, now), state, weights, matmul)
            return (*state, *zs), state

        def forward(t, state, arrays):
            kept, state = forward_step(t, state)
            return t + 1, state, [a.write(order(t), x) for a, x in zip(arrays, kept, strict=True)]

        @compiled
        def all_forward():
            arrays = [_array(T, x) for x in forward_step(0, state)[0]]
            _, final, arrays = tf.while_loop(lambda t, *_: t < T, forward, (0, state, arrays), maximum_iterations=T)
            return final, [a.stack() for a in arrays]

        final, kept = all_forward()
        states_kept, z_kept = kept[:n], kept[n:]

        def grad(d_outputs, *d_state):
            def backward_step(t, d_state):
                """(what is kept of a step, where in it the parts are, d_state before the step, gradients of weights)"""
                now = order(T - 1 - t)
                p, m = tf.gather(projected, now), _at(mask, now)
                earlier = order(tf.maximum(T - 2 - t, 0))
                before = tuple(
                    tf.where(t < T - 1, tf.gather(x, earlier), s) for x, s in zip(states_kept, state, strict=True)
                )
                zs = [tf.gather(z, now) for z in z_kept]
                taps, factors = [tf.zeros_like(z) for z in zs], []

                def matmul(h, u):
                    if index(u) is None:  # not a whole weight: replayed, its gradient summed up in the loop
                        return ops.matmul(h, u)
                    i = len(factors)
                    factors.append((h, index(u)))
                    return _kept_product(h, taps[i], zs[i], turned[index(u)])

                with tf.GradientTape() as tape:
                    tape.watch([p, before, taps, weights])
                    new = replay(p, m, before, weights, matmul)
                d_new = (d_state[0] + tf.gather(d_outputs, now), *d_state[1:])
                dp, d_before, dz, dw = tape.gradient(new, [p, before, taps, list(weights)], d_new)
                d_before = tuple(tf.zeros_like(s) if d is None else d for d, s in zip(d_before, before, strict=True))
                kept, places = [], []
                for x in (dp, *dz, *(h for h, _ in factors if not _among(h, before))):
                    if not _among(x, kept):
                        kept.append(x)
                    places.append(next(i for i, one in enumerate(kept) if one is x))
                states = [next((i for i, s in enumerate(before) if s is h), None) for h, _ in factors]
                return kept, (places, states, [u for _, u in factors]), d_before, dw

            def backward(t, d_state, d_weights, arrays):
                kept, _, d_state, dw = backward_step(t, d_state)
                d_weights = [a if b is None else a + b for a, b in zip(d_weights, dw, strict=True)]
                now = order(T - 1 - t)
                return t + 1, d_state, d_weights, [a.write(now, x) for a, x in zip(arrays, kept, strict=True)]

            places = states = kernels = turned = None

            @compiled
            def all_backward():
                nonlocal places, states, kernels, turned
                turned = [tf.cast(tf.transpose(w), projected.dtype) for w in weights]
                kept, (places, states, kernels), _, _ = backward_step(0, d_state)
                nothing = [tf.zeros_like(w) for w in weights]
                start = 0, d_state, nothing, [_array(T, x) for x in kept]
                _, first, summed, arrays = tf.while_loop(lambda t, *_: t < T, backward, start, maximum_iterations=T)
                return first, summed, [a.stack() for a in arrays]

            d_first, d_weights, stacked = all_backward()
            dp, *rest = (stacked[place] for place in places)
            others = iter(rest[len(z_kept) :])
            for i, u, dz in zip(states, kernels, rest[: len(z_kept)], strict=True):
                if i is None:
                    d_u = _summed_products(next(others), dz)
                elif reverse:  # what each step began with: the states kept, shifted by one, and the initial one
                    d_u = _summed_products(states_kept[i][1:], dz[:-1]) + _summed_products(state[i], dz[-1])
                else:
                    d_u = _summed_products(states_kept[i][:-1], dz[1:]) + _summed_products(state[i], dz[0])
                d_weights[u] += tf.cast(d_u, d_weights[u].dtype)
            return (dp, *d_first, *d_weights)

        return (kept[0], *final), grad

    outputs, *final = run(projected, *state, *(tf.identity(v.value) for v in variables))
    outputs = tf.ensure_shape(outputs, (*projected.shape[:2], cell.units))
    return _real(outputs, mask), tuple(final)


def forward(cell, projected, mask, state, reverse=False):
    """The loop of evaluation: `in_place`. A gradient asked for nevertheless is that of `kernel`, which then runs."""
    variables, n = cell.weights, len(state)

    @tf.custom_gradient
    def run(projected, *rest):
        state, weights = rest[:n], rest[n:]

        @_compiled(projected.shape[0])
        def outputs_alone():
            with _reading(variables, weights):
                outputs, final = in_place(cell, projected, mask, state, reverse)
            return outputs, *final

        def grad(*slopes):
            with tf.GradientTape() as tape:
                tape.watch([projected, *rest])
                with _reading(variables, weights):
                    outputs, final = kernel(cell, projected, mask, state, reverse)
            return tape.gradient([outputs, *final], [projected, *rest], slopes, unconnected_gradients="zero")

        return outputs_alone(), grad

    outputs, *final = run(projected, *state, *(tf.identity(v.value) for v in variables))
    return outputs, tuple(final)


def taught(cell, projected, mask, state, teacher, reverse=False):
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
        last = ops.max(ops.where(masks.causal(T)[0][..., None], steps[None], 0), axis=1)
        known = ops.concatenate([first[None], ops.take_along_axis(known, last[..., None], axis=0)], axis=0)
    output, _ = cell.step(projected, (turned(known[:-1]),))
    return _real(output, mask), (known[-1],)


def _kept_product(h, tap, z, turned):
    """z = h U as kept by the forward pass; its gradient reaches h through U transposed, and `tap` as it is."""

    @tf.custom_gradient
    def product(h, tap):
        return tf.identity(z), lambda dz: (tf.matmul(dz, turned), dz)

    return product(h, tap)


@contextlib.contextmanager
def _reading(variables, weights):
    """Inside, the variables are read as these weights."""
    with keras.StatelessScope() as scope:
        for update in zip(variables, weights, strict=True):
            scope.add_update(update)  # in the precision of the forward pass; a state_mapping would turn it back
        yield


def _compiled(length):
    """XLA for a loop that `_compiles`, nothing for others."""
    return tf.function(jit_compile=True, autograph=False) if _compiles(length) else lambda function: function


def _compiles(length):
    """Whether a loop is compiled by XLA: in a graph, where its length is fixed; each other would be compiled anew.

    On CPUs only: where there is another device, Keras has XLA compile the whole of `fit`'s step.
    """
    return (
        length is not None
        and tf.inside_function()
        and all(device.device_type == "CPU" for device in tf.config.list_physical_devices())
    )


def _array(size, x):
    return tf.TensorArray(x.dtype, size=size, element_shape=x.shape)


def _summed_products(h, dz):
    """sum_t h_t^T dz_t as one product: [..., H], [..., K] -> [H, K]."""
    rows = (tf.reshape(x, (-1, x.shape[-1])) for x in (h, dz))
    return tf.matmul(*rows, transpose_a=True)


def _among(x, tensors):
    return any(x is one for one in tensors)


def _at(mask, t):
    return None if mask is None else ops.take(mask, t, axis=0)


def _advance(cell):
    """The cell's step from state to state, which begins with the output; a masked step keeps the state."""

    def advance(projected, mask, state):
        _, new = cell.step(projected, state)
        if mask is None:
            return tuple(new)
        return tuple(ops.where(mask[:, None], n, s) for n, s in zip(new, state, strict=True))

    return advance


def _real(outputs, mask):
    """Zeros where a step is masked: outputs [T, B, H]."""
    return outputs if mask is None else ops.where(mask[..., None], outputs, 0)


def fastest(length, training):
    """The loop for a sequence of this length, None where it is known only when it runs."""
    if keras.backend.backend() != "tensorflow":
        return scan
    return kernel if training or not _compiles(length) else forward


_loop = contextvars.ContextVar("loop", default=None)


@contextlib.contextmanager
def looping(loop):
    """Inside, every recurrence runs through `loop`: one of this module's, which differ in speed alone."""
    token = _loop.set(loop)
    try:
        yield
    finally:
        _loop.reset(token)


@saveable
class Recurrence(Masked):
    """A cell over all time steps.

    Args:
        cell: a `cells.Cell`, as it is or wrapped in noise by `cells_regularized`.
        reverse: run from the last real position to the first; outputs stay in the order of the input.

    Call arguments:
        inputs: [B, T, D].
        mask: bool [B, T], True = real, or None. A masked step keeps the state and outputs zeros.
        initial_state: tuple of [B, H], or None for zeros.
        teacher: the true outputs [B, T, H], to train a network that recurs from its output alone; see `taught`.

    Returns:
        (outputs [B, T, H], final state).
    """

    def __init__(self, cell, reverse=False, **kwargs):
        super().__init__(**kwargs)

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)

    def call(self, inputs, mask=None, initial_state=None, training=False, teacher=None):
        if teacher is not None and self.cell.num_states != 1:
            raise ValueError(
                f"Expected a cell whose state is its output, with a teacher. Received: {self.cell.num_states} states"
            )
        if initial_state is None:
            initial_state = self.cell.initial_state(ops.shape(inputs)[0])
        if inputs.shape[1] == 0:  # nothing to run over
            return ops.zeros((ops.shape(inputs)[0], 0, self.cell.units), dtype=inputs.dtype), tuple(initial_state)
        projected = self.cell.project(ops.transpose(inputs, (1, 0, 2)), training)
        time_mask = None if mask is None else ops.transpose(mask)
        arguments = self.cell, projected, time_mask, tuple(initial_state)
        if teacher is None:
            loop = _loop.get() or fastest(inputs.shape[1], training)
            outputs, state = loop(*arguments, self.reverse)
        else:
            outputs, state = taught(*arguments, ops.transpose(teacher, (1, 0, 2)), self.reverse)
        return ops.transpose(outputs, (1, 0, 2)), state
