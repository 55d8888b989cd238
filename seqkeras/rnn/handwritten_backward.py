"""The loop of training under TensorFlow: its backward pass written by hand, compiled by XLA where lengths are fixed.

`plan_of` looks once at the graph of one step: which products h U it has, U a whole weight of the cell, which of their
operands h are states, and which results enter only in a sum with what is projected. By that plan

    forward     keeps each step's state and products. Of a product that is summed with what is projected, p + h U is
                kept in the place of both.
    backward    replays only the element-wise part of each step, takes its vector-Jacobian product on the spot and
                multiplies by U transposed: what is sequential. It keeps the gradient dz of each product, one for all
                that enter the same sum, and the operands that are no states.
    afterwards  the gradient of U, sum_t h_t^T dz_t, is one matrix product over all time steps.

A weight that is used otherwise, not whole in a product, has its gradient summed up in the loop.
"""

import dataclasses
import functools
import weakref

import tensorflow as tf
from keras import ops

from seqkeras.cells.cell import STEP_OPS
from seqkeras.rnn import chunking, second_derivatives
from seqkeras.rnn.loops import mask_at, masked_outputs, masked_step, project, time_loop
from seqkeras.rnn.weights import index_of, product, reading
from seqkeras.rnn.xla import blocked_matmul, column_blocks, compiled, shared
from seqkeras.saving import has_whole_config


@time_loop
def loop(cell, inputs, mask, state, reverse, noise):
    """The whole loop, over a few chunks of time where there is much to keep."""
    one = shared(one_chunk, cell, reverse)
    weights = [tf.identity(v.value) for v in cell.weights]

    def run(inputs, mask, noise, state):
        return one(project(cell, inputs, noise), mask, state, weights)

    return chunking.in_chunks(run, chunking.count(cell, inputs.shape[:2]), inputs, mask, noise, state, reverse)


def one_chunk(cell, reverse):
    """The loop over a chunk, run(projected, mask, state, weights), the weights in the order of the cell's."""
    passes_by_plan = functools.cache(lambda plan: Passes(cell, reverse, plan))

    def run(projected, mask, state, weights):
        passes = passes_by_plan(plan_of(cell, projected, state, weights))
        n, shape = len(state), tuple(projected.shape[:2])

        @tf.custom_gradient
        def differentiable(*given):
            final, kept = passes.forward(shape, given[0], mask, given[1 : 1 + n], given[1 + n :])
            by_hand = functools.partial(passes.gradients, shape, mask, given[1 : 1 + n], given, kept)
            automatic = functools.partial(passes.automatic_gradients, shape, n)
            return (kept[0], *final), second_derivatives.differentiable(by_hand, automatic, mask, given)

        outputs, *final = differentiable(projected, *state, *weights)
        outputs = tf.ensure_shape(outputs, (*shape, cell.units))
        return masked_outputs(outputs, mask), tuple(final)

    return run


@dataclasses.dataclass(frozen=True)
class Product:
    """A product h U of a step.

    Attributes:
        weight: which of the cell's weights U is.
        state: which vector of the state h is; None for another operand.
        summed: whether it enters the step only in a sum with what is projected, so that both have the same gradient.
    """

    weight: int
    state: int | None
    summed: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    """The products of a cell's step, in the order in which the step computes them."""

    products: tuple[Product, ...]

    @property
    def summed(self):
        """The product whose sum with what is projected is kept; None if no product is summed with it."""
        return next((i for i, one in enumerate(self.products) if one.summed), None)

    @property
    def own_slopes(self):
        """The products whose gradient is not that of what is projected."""
        return [i for i, one in enumerate(self.products) if not one.summed]

    @property
    def operands(self):
        """The products whose operand is no state and has to be kept."""
        return [i for i, one in enumerate(self.products) if one.state is None]


_plans = weakref.WeakKeyDictionary()  # cell -> {shapes and dtypes: plan}


def plan_of(cell, projected, state, weights):
    """The `Plan` of a cell's step, read from the graph of one step."""
    specs = (
        [tf.TensorSpec((2, x.shape[-1]), x.dtype) for x in (projected, *state)],
        [tf.TensorSpec(w.shape, w.dtype) for w in weights],
    )
    known, key = _plans.setdefault(cell, {}), str(specs)
    if key not in known or not has_whole_config(cell):  # a cell that may change is read anew
        with tf.init_scope():
            known[key] = _read_plan(cell, *specs)
    return known[key]


def _read_plan(cell, specs, weight_specs):
    variables, found = cell.weights, []

    @functools.partial(tf.function, autograph=False)
    def one_step(projected, *rest):
        state, weights = rest[: len(specs) - 1], rest[len(specs) - 1 :]

        def matmul(h, u):
            z = product(h, u)
            if index_of(u, variables) is not None:
                found.append((z, index_of(u, variables), index_of(h, state)))
            return z

        with reading(variables, weights):
            return masked_step(cell, dataclasses.replace(STEP_OPS, matmul=matmul))(projected, None, tuple(state))

    graph = one_step.get_concrete_function(*specs, *weight_specs).graph
    sums = _summed_with(graph.inputs[0])
    products = [
        Product(weight, state, any(z is one for one in sums) and len(z.consumers()) == 1) for z, weight, state in found
    ]
    return Plan(tuple(products))


def _summed_with(tensor):
    """The tensors of its own shape that a tensor of a graph is added to before anything else is done with it."""
    found = []
    while len(users := tensor.consumers()) == 1 and users[0].type == "AddV2":
        a, b = users[0].inputs
        other = b if a is tensor else a
        if other.shape != tensor.shape:
            break
        found.append(other)
        tensor = users[0].outputs[0]
    return found


class Passes:
    """Both passes over a chunk, of one cell in one direction by one plan.

    `forward` and `backward` take the static shape (T, B) first: by it `compiled` decides.
    """

    def __init__(self, cell, reverse, plan):
        self.cell, self.reverse, self.plan = cell, reverse, plan
        self.variables = cell.weights  # frozen ones too: the step reads them
        self.forward, self.backward = compiled(self._forward), compiled(self._backward)

    def _now(self, t, T):
        return T - 1 - t if self.reverse else t

    def _step(self, projected, mask, state, weights, matmul):
        with reading(self.variables, weights):
            return masked_step(self.cell, dataclasses.replace(STEP_OPS, matmul=matmul))(projected, mask, state)

    def _forward(self, shape, projected, mask, state, weights):
        """(final state, what is kept, arrays [T, B, ...]: each step's state, then its products)"""
        T, blocks = tf.shape(projected)[0], column_blocks(weights, shape)

        def step(t, state):
            products = []

            def matmul(h, u):
                i = index_of(u, self.variables)
                if i is None:
                    return product(h, u)
                products.append(blocked_matmul(h, blocks[i]))
                return products[-1]

            now = self._now(t, T)
            p = tf.gather(projected, now)
            state = self._step(p, mask_at(mask, now), state, weights, matmul)
            return (*state, *(p + z if i == self.plan.summed else z for i, z in enumerate(products))), state

        def body(t, state, arrays):
            kept, state = step(t, state)
            return t + 1, state, [a.write(self._now(t, T), x) for a, x in zip(arrays, kept, strict=True)]

        arrays = [_array(T, x) for x in step(0, state)[0]]
        _, final, arrays = tf.while_loop(lambda t, *_: t < T, body, (0, state, arrays), maximum_iterations=T)
        return final, [a.stack() for a in arrays]

    def _backward(self, shape, projected, mask, state, weights, kept, d_outputs, d_state):
        """(d_state at the start, gradients of weights summed up in the loop, arrays [T, B, ...] as of `_slopes`)"""
        T = tf.shape(d_outputs)[0]
        states_kept, products_kept = kept[: len(state)], kept[len(state) :]
        transposed = column_blocks([tf.cast(tf.transpose(w), d_outputs.dtype) for w in weights], shape)

        def step(t, d_state):
            now, earlier = self._now(T - 1 - t, T), self._now(tf.maximum(T - 2 - t, 0), T)
            before = tuple(
                tf.where(t < T - 1, tf.gather(x, earlier), s) for x, s in zip(states_kept, state, strict=True)
            )
            products = [tf.gather(z, now) for z in products_kept]
            p = None if projected is None else tf.gather(projected, now)
            d_new = (d_state[0] + tf.gather(d_outputs, now), *d_state[1:])
            return self._slopes(p, products, mask_at(mask, now), before, weights, transposed, d_new)

        def body(t, d_state, d_weights, arrays):
            slopes, d_state, dw = step(t, d_state)
            d_weights = [a if b is None else a + b for a, b in zip(d_weights, dw, strict=True)]
            now = self._now(T - 1 - t, T)
            return t + 1, d_state, d_weights, [a.write(now, x) for a, x in zip(arrays, slopes, strict=True)]

        arrays = [_array(T, x) for x in step(0, d_state)[0]]
        start = 0, d_state, [tf.zeros_like(w) for w in weights], arrays
        _, first, d_weights, arrays = tf.while_loop(lambda t, *_: t < T, body, start, maximum_iterations=T)
        return first, d_weights, [a.stack() for a in arrays]

    def _slopes(self, p, products, mask, before, weights, transposed, d_new):
        """One step back: (what is kept, d_state before the step, gradients of weights that are used otherwise).

        Kept are the gradient of what is projected, those of the products in `own_slopes`, and the `operands`.
        """
        summed = self.plan.summed
        if summed is not None:  # p + h U was kept in the place of both
            p = products[summed]
            products = [tf.zeros_like(z) if i == summed else z for i, z in enumerate(products)]
        taps, operands = [tf.zeros_like(z) for z in products], []

        def matmul(h, u):
            weight = index_of(u, self.variables)
            if weight is None:  # not a whole weight: replayed, its gradient summed up in the loop
                return ops.matmul(h, u)
            operands.append(h)
            i = len(operands) - 1
            return _kept_product(h, taps[i], products[i], transposed[weight])

        with tf.GradientTape() as tape:
            tape.watch([p, before, taps, weights])
            new = self._step(p, mask, before, weights, matmul)
        dp, d_before, dz, dw = tape.gradient(new, [p, before, taps, list(weights)], d_new)
        dp = dp if summed is None else dz[summed]
        d_before = tuple(tf.zeros_like(s) if d is None else d for d, s in zip(d_before, before, strict=True))
        kept = [dp, *(dz[i] for i in self.plan.own_slopes), *(operands[i] for i in self.plan.operands)]
        return kept, d_before, dw

    def gradients(self, shape, mask, state, given, kept, d_outputs, *d_state):
        """The gradients of (projected, *state, *weights)."""
        projected = given[0] if self.plan.summed is None else None
        weights = given[1 + len(state) :]
        first, d_weights, stacked = self.backward(shape, projected, mask, state, weights, kept, d_outputs, d_state)
        own, others = self.plan.own_slopes, self.plan.operands
        dp, slopes, operands = stacked[0], stacked[1 : 1 + len(own)], stacked[1 + len(own) :]
        slopes, operands = dict(zip(own, slopes, strict=True)), dict(zip(others, operands, strict=True))
        for i, one in enumerate(self.plan.products):
            dz = slopes.get(i, dp)
            if one.state is None:
                d_u = _summed_products(operands[i], dz)
            elif self.reverse:  # what each step began with: the states kept, shifted by one, and the initial one
                d_u = _summed_products(kept[one.state][1:], dz[:-1]) + _summed_products(state[one.state], dz[-1])
            else:
                d_u = _summed_products(kept[one.state][:-1], dz[1:]) + _summed_products(state[one.state], dz[0])
            d_weights[one.weight] += tf.cast(d_u, d_weights[one.weight].dtype)
        return (dp, *first, *d_weights)

    def automatic_gradients(self, shape, num_states, mask, given, slopes):
        """The same gradients as TensorFlow makes them, which it can differentiate again."""
        with tf.GradientTape() as tape:
            tape.watch(given)
            state, weights = given[1 : 1 + num_states], given[1 + num_states :]
            final, kept = self._forward(shape, given[0], mask, state, weights)
        found = tape.gradient([kept[0], *final], given, slopes, unconnected_gradients="zero")
        return [tf.convert_to_tensor(d) for d in found]  # outside a graph, that of `gather` is IndexedSlices


def _kept_product(h, tap, z, transposed):
    """z = h U as kept by the forward pass; its gradient reaches h through U transposed, and `tap` as it is."""

    @tf.custom_gradient
    def of(h, tap):
        return tf.identity(z), lambda dz: (blocked_matmul(dz, transposed), dz)

    return of(h, tap)


def _array(size, x):
    return tf.TensorArray(x.dtype, size=size, element_shape=x.shape)


def _summed_products(h, dz):
    """sum_t h_t^T dz_t as one product: [..., H], [..., K] -> [H, K]."""
    rows = (tf.reshape(x, (-1, x.shape[-1])) for x in (h, dz))
    return tf.matmul(*rows, transpose_a=True)
