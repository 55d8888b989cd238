"""A cell's weights as arguments of a function, for loops compiled once for all cells that are configured alike."""

import contextlib

import keras
from keras import ops


@contextlib.contextmanager
def reading(variables, weights):
    """Inside, the variables are read as these weights."""
    with keras.StatelessScope() as scope:
        for update in zip(variables, weights, strict=True):
            scope.add_update(update)  # in the precision of the forward pass; a state_mapping would turn it back
        yield


def index_of(one, many):
    """Which of many, variables or a graph's tensors, one is; or None."""
    return next((i for i, other in enumerate(many) if other is one), None)


def product(h, u):
    """h U in the precision of U's value: the dtype of a variable is another one where no layer is being called."""
    return ops.matmul(h, u.value if isinstance(u, keras.Variable) else u)
