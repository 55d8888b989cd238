"""Incremental gradient descent, as it is written on a blackboard."""

from numbers import Real
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from seqkeras import arguments
from seqkeras.training.losses import CrossEntropy


class Descent(NamedTuple):
    """What became of it: the risk after each pass over the examples, and whether it stood still in the end."""

    risks: list
    converged: bool


def incremental_gradient_descent(
    model, examples, loss=None, rate=0.1, penalty=0.0, small=0.1, tolerance=1e-4, max_passes=1000, seed=0
):
    """One example at a time, from small random weights, until the risk stands still.

        w ~ U(-small, small)
        repeat: for each example i in random order:  w <- w - rate * gradient of (l_i(w) + penalty / n * R(w))
        until the risk  1/n sum_i l_i(w) + penalty / n * R(w)  changes by less than `tolerance` over a pass

    R(w) = |w|^2 / 2. The losses of a pass are those met on the way, each before its own step.

    Args:
        model: any model; its weights are made anew, and its optimizer replaced.
        examples: n batches of one example: (inputs, label), or (inputs, next, weight).
        loss: l, `CrossEntropy` if None.
        rate: the length of a step.
        penalty: lambda, how much large weights cost.
        small: the largest initial weight.
        tolerance, max_passes: when to stop.
        seed: a number, of the weights and the order: the same one gives the same descent.

    Returns: `Descent`.

    Reference: Bottou 1998; Rosenblatt 1958 for the perceptron it began with.
    """
    arguments.positive(max_passes=max_passes)
    arguments.above_zero(rate=rate, small=small, tolerance=tolerance)
    if not (isinstance(penalty, Real) and penalty >= 0):
        raise ValueError(f"Expected penalty of 0 or more. Received: penalty={penalty}")
    examples = list(examples)
    n = len(examples)
    if not n:
        raise ValueError("Expected one example or more. Received: none")
    if not model.built:
        model(examples[0][0])
    random = np.random.default_rng(seed)
    for w in model.trainable_variables:
        w.assign(random.uniform(-small, small, w.shape))
    # The gradient of penalty / n * |w|^2 / 2 is penalty / n * w: what an optimizer calls weight decay.
    step = keras.optimizers.SGD(rate, weight_decay=penalty / n or None)
    model.compile(step, CrossEntropy() if loss is None else loss)

    risks = []
    while len(risks) < max_passes:
        losses = [float(model.train_on_batch(*examples[i])) for i in random.permutation(n)]
        risks.append(np.mean(losses) + penalty / n * _size(model))
        if not np.isfinite(risks[-1]):
            raise ValueError(f"Expected a finite risk. Received: {risks[-1]} in pass {len(risks)}; take a smaller rate")
        if len(risks) > 1 and abs(risks[-2] - risks[-1]) < tolerance:
            return Descent(risks, True)
    return Descent(risks, False)


def _size(model):
    """R(w) = |w|^2 / 2."""
    return sum(float(ops.sum(ops.square(w))) for w in model.trainable_variables) / 2
