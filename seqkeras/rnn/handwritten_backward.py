"""The loop over time under TensorFlow: the backward pass by hand, and XLA where lengths are fixed.

Arguments and results as of `loops`.
"""

import contextlib
import functools
import math
import os

import keras
import tensorflow as tf
from keras import ops

from seqkeras import cells
from seqkeras.rnn.loops import advance, at, in_place, real
from seqkeras.rnn.xla import compiled, compiles, shared

LEAST = 2**12, 2**21  # of a chunk of time: its rows [T * B], and the numbers that need not be kept because of it


def kernel(cell, project, inputs, mask, state, reverse=False):
    """The loop with its backward pass written by hand, over a few chunks of time where there is much to keep.

    A chunk is projected when its turn comes; in the backward pass, too, the gradients that are as large, and what was
    kept to make them, are in memory for a chunk or two.
    """
    count, run = _chunks(cell, inputs.shape[:2]), shared(_by_hand, cell, reverse)
    weights = [tf.identity(v.value) for v in cell.weights]
    chunks, masks = tf.split(inputs, count), [None] * count if mask is None else tf.split(mask, count)
    outputs, before = [None] * count, []
    with cells.one_sequence():
        for i in sorted(range(count), reverse=reverse):
            with tf.control_dependencies(before):  # or all would be projected beforehand
                chunk = tf.identity(chunks[i])
            outputs[i], state = run(project(chunk), masks[i], state, weights)
            before = state
    return tf.concat(outputs, axis=0), state


def _by_hand(cell, reverse):
    """The loop over a chunk, run(projected, mask, state, weights), the weights in the order of the cell's.

    Forward keeps each step's state and matrix products. Backward replays only the element-wise part of each step,
    takes its vector-Jacobian product on the spot, and multiplies by U transposed: what is sequential. The gradient
    of U, sum_t h_t^T dz_t, is one matrix product over all time steps afterwards. What two arrays would hold alike is
    kept once: h_t is a state, and where z enters as a sum with the projected input, the sum is kept in the place of
    both, and their gradients are one.
    """
    variables = cell.weights  # frozen ones too: the step reads them
    forth, index = advance(cell), functools.partial(_index, variables)
    added = places = states = kernels = None  # known when the step has been run or traced

    def now_at(t, T):
        return T - 1 - t if reverse else t

    def replay(p, m, state, weights, matmul):
        with _reading(variables, weights), cells.products(matmul):
            return forth(p, m, state)

    def find_added(projected, state, weights):
        """Which of a step's products enters it as a sum with what is projected: their gradients are one; or None."""
        zs = []
        p, *state = (tf.zeros((2, x.shape[-1]), x.dtype) for x in (projected, *state))  # a batch of known size

        def matmul(h, u):
            z = _product(h, u)
            if index(u) is not None:
                tape.watch(z)
                zs.append(z)
            return z

        with tf.GradientTape() as tape:
            tape.watch(p)
            new = replay(p, None, tuple(state), weights, matmul)
        dp, *dz = tape.gradient(new, [p, *zs])
        # the gradient of a sum of equal shapes is handed on as it is, one tensor to both
        return next((i for i, d in enumerate(dz) if d is dp is not None), None)

    @compiled
    def all_forward(shape, projected, mask, state, weights):
        """(final state, arrays [T, B, ...] of what is kept: each step's state, then its products)"""
        nonlocal added
        T, blocks = tf.shape(projected)[0], _blocks(weights, shape)
        added = find_added(projected, state, weights)

        def step(t, state):
            zs = []

            def matmul(h, u):
                if index(u) is None:
                    return _product(h, u)
                zs.append(_by_blocks(h, blocks[index(u)]))
                return zs[-1]

            now = now_at(t, T)
            p = tf.gather(projected, now)
            state = replay(p, at(mask, now), state, weights, matmul)
            return (*state, *(p + z if i == added else z for i, z in enumerate(zs))), state

        def body(t, state, arrays):
            kept, state = step(t, state)
            return t + 1, state, [a.write(now_at(t, T), x) for a, x in zip(arrays, kept, strict=True)]

        arrays = [_array(T, x) for x in step(0, state)[0]]
        _, final, arrays = tf.while_loop(lambda t, *_: t < T, body, (0, state, arrays), maximum_iterations=T)
        return final, [a.stack() for a in arrays]

    @compiled
    def all_backward(shape, projected, mask, state, weights, states_kept, z_kept, d_outputs, d_state):
        """(d_state at the start, gradients of weights summed up in the loop, arrays of what `places` names)"""
        nonlocal places, states, kernels
        T = tf.shape(d_outputs)[0]
        turned = _blocks([tf.cast(tf.transpose(w), d_outputs.dtype) for w in weights], shape)

        def step(t, d_state):
            """(what is kept of a step, where in it the parts are, d_state before the step, gradients of weights)"""
            now = now_at(T - 1 - t, T)
            m = at(mask, now)
            earlier = now_at(tf.maximum(T - 2 - t, 0), T)
            before = tuple(
                tf.where(t < T - 1, tf.gather(x, earlier), s) for x, s in zip(states_kept, state, strict=True)
            )
            zs = [tf.gather(z, now) for z in z_kept]
            p = tf.gather(projected, now) if added is None else zs[added]
            zs = [tf.zeros_like(z) if i == added else z for i, z in enumerate(zs)]
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
            dp = dp if added is None else dz[added]
            d_before = tuple(tf.zeros_like(s) if d is None else d for d, s in zip(d_before, before, strict=True))
            kept, places = [], []
            for x in (dp, *dz, *(h for h, _ in factors if not _among(h, before))):
                if not _among(x, kept):
                    kept.append(x)
                places.append(next(i for i, one in enumerate(kept) if one is x))
            states = [next((i for i, s in enumerate(before) if s is h), None) for h, _ in factors]
            return kept, (places, states, [u for _, u in factors]), d_before, dw

        def body(t, d_state, d_weights, arrays):
            kept, _, d_state, dw = step(t, d_state)
            d_weights = [a if b is None else a + b for a, b in zip(d_weights, dw, strict=True)]
            now = now_at(T - 1 - t, T)
            return t + 1, d_state, d_weights, [a.write(now, x) for a, x in zip(arrays, kept, strict=True)]

        kept, (places, states, kernels), _, _ = step(0, d_state)
        start = 0, d_state, [tf.zeros_like(w) for w in weights], [_array(T, x) for x in kept]
        _, first, d_weights, arrays = tf.while_loop(lambda t, *_: t < T, body, start, maximum_iterations=T)
        return first, d_weights, [a.stack() for a in arrays]

    def run(projected, mask, state, weights):
        n, shape = len(state), tuple(projected.shape[:2])

        def plain(mask, given, slopes):
            """The same gradients as TensorFlow makes them, which it can differentiate again."""
            with tf.GradientTape() as tape:
                tape.watch(given)
                final, kept = all_forward.__wrapped__(shape, given[0], mask, given[1 : 1 + n], given[1 + n :])
            found = tape.gradient([kept[0], *final], given, slopes, unconnected_gradients="zero")
            return [tf.convert_to_tensor(d) for d in found]  # outside a graph, that of `gather` is IndexedSlices

        @tf.custom_gradient
        def differentiable(*given):
            projected, state, weights = given[0], given[1 : 1 + n], given[1 + n :]
            final, kept = all_forward(shape, projected, mask, state, weights)
            states_kept, z_kept = kept[:n], kept[n:]

            def by_hand(d_outputs, *d_state):
                p = projected if added is None else None
                first, d_weights, stacked = all_backward(
                    shape, p, mask, state, weights, states_kept, z_kept, d_outputs, d_state
                )
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
                return (dp, *first, *d_weights)

            def slopes_of_given(*slopes):
                # The graph of the second derivative reaches this one, and not the one that `given` is from.
                mask_here, *here = (x if x is None else tf.identity(x) for x in (mask, *given))

                @tf.custom_gradient
                def gradients(*both):  # of `given` and the slopes; what is not read, the optimiser of a graph drops
                    def again(*d_gradients):
                        with tf.GradientTape() as tape:
                            tape.watch(both)
                            found = plain(mask_here, both[: len(given)], both[len(given) :])
                        return tape.gradient(found, both, d_gradients, unconnected_gradients="zero")

                    return by_hand(*both[len(given) :]), again

                return gradients(*here, *slopes)

            return (kept[0], *final), slopes_of_given

        outputs, *final = differentiable(projected, *state, *weights)
        outputs = tf.ensure_shape(outputs, (*shape, cell.units))
        return real(outputs, mask), tuple(final)

    return run


def forward(cell, project, inputs, mask, state, reverse=False):
    """The loop of evaluation: `in_place`. A gradient asked for nevertheless is made by hand, all steps in one chunk."""
    return shared(_forward, cell, reverse)(project(inputs), mask, state, [tf.identity(v.value) for v in cell.weights])


def _forward(cell, reverse):
    """The loop of evaluation as run(projected, mask, state, weights)."""
    variables = cell.weights

    @compiled
    def outputs_alone(shape, projected, mask, state, weights):
        blocks = _blocks(weights, shape)

        def matmul(h, u):
            i = _index(variables, u)
            return _product(h, u) if i is None else _by_blocks(h, blocks[i])

        with _reading(variables, weights), cells.products(matmul):
            outputs, final = in_place(cell, tf.identity, projected, mask, state, reverse)
        return outputs, *final

    def run(projected, mask, state, weights):
        n = len(state)

        @tf.custom_gradient
        def differentiable(*given):
            def grad(*slopes):
                with tf.GradientTape() as tape:
                    tape.watch(given)
                    outputs, final = _by_hand(cell, reverse)(given[0], mask, given[1 : 1 + n], given[1 + n :])
                return tape.gradient([outputs, *final], given, slopes, unconnected_gradients="zero")

            return outputs_alone(tuple(projected.shape[:2]), given[0], mask, given[1 : 1 + n], given[1 + n :]), grad

        outputs, *final = differentiable(projected, *state, *weights)
        return outputs, tuple(final)

    return run


def _index(variables, u):
    """Which of the variables u is, or None."""
    return next((i for i, v in enumerate(variables) if v is u), None)


def _product(h, u):
    """h U in the precision of U's value: the dtype of a variable is another one where no layer is being called."""
    return ops.matmul(h, u.value if isinstance(u, keras.Variable) else u)


def _kept_product(h, tap, z, turned):
    """z = h U as kept by the forward pass; its gradient reaches h through U transposed, and `tap` as it is."""

    @tf.custom_gradient
    def product(h, tap):
        return tf.identity(z), lambda dz: (_by_blocks(dz, turned), dz)

    return product(h, tap)


def _chunks(cell, shape):
    """How many chunks of equal length a compiled loop over `shape`, (T, B), takes.

    Smaller ones cost more time than they bring, more of them hardly any memory less. (Measured, `make bench-train` and
    `make bench-memory`; a batch whose size is not known beforehand is taken for one of 64.)
    """
    length, batch = shape
    if not compiles(length):
        return 1
    rows, width = length * (batch or 64), max(((1, *w.shape)[-1] for w in cell.weights), default=0)
    saved = rows * (width - cell.units)  # the gates; the outputs, put together, are in memory once more
    most = min(rows // LEAST[0], saved // LEAST[1])
    return next((n for n in (4, 3, 2) if n <= most and length % n == 0), 1)


def _blocks(weights, shape):
    """Each of the weights whole or in blocks of columns, a list, each block for a product of its own.

    XLA leaves a product of fewer than some four million multiplications to one core and shares a greater one out in
    blocks of a fixed width, mostly unevenly. Products that do not depend on each other it runs side by side: several a
    core keep all cores busy, as long as U fits into a core's cache and there are rows enough. (Measured on two cores,
    `make bench-train`; a batch whose size is not known beforehand is taken for a large one.)
    """
    length, batch = shape
    cores = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1
    pays = cores > 1 and compiles(length) and (batch is None or batch >= 16)

    def parts(u):
        if not pays or u.shape.rank != 2 or not 2**15 <= u.shape.num_elements() <= 2**18:
            return 1
        most = max(1, min(4 * cores, u.shape[1] // 64))  # narrower blocks cost more than they bring
        return math.gcd(2 ** (most.bit_length() - 1), u.shape[1])

    return [[u] if parts(u) == 1 else tf.split(u, parts(u), axis=1) for u in weights]


def _by_blocks(h, blocks):
    """h U, of U's blocks of columns."""
    products = [ops.matmul(h, u) for u in blocks]
    return products[0] if len(products) == 1 else ops.concatenate(products, axis=-1)


@contextlib.contextmanager
def _reading(variables, weights):
    """Inside, the variables are read as these weights."""
    with keras.StatelessScope() as scope:
        for update in zip(variables, weights, strict=True):
            scope.add_update(update)  # in the precision of the forward pass; a state_mapping would turn it back
        yield


def _array(size, x):
    return tf.TensorArray(x.dtype, size=size, element_shape=x.shape)


def _summed_products(h, dz):
    """sum_t h_t^T dz_t as one product: [..., H], [..., K] -> [H, K]."""
    rows = (tf.reshape(x, (-1, x.shape[-1])) for x in (h, dz))
    return tf.matmul(*rows, transpose_a=True)


def _among(x, tensors):
    return any(x is one for one in tensors)
