"""What arguments may be, checked where they enter, with a message that says what was expected."""

import inspect
import math
from collections.abc import Iterable
from numbers import Integral, Real

import keras
import numpy as np

LARGEST = 2**31 - 1  # what an int32 holds


def whole(least=1, **values):
    """Each a whole number, `least` or more."""
    for name, value in values.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or not least <= value <= LARGEST:
            raise ValueError(f"Expected a whole number from {least} to {LARGEST}. Received: {name}={value!r}")


def whole_or_none(least=1, **values):
    """Each a whole number, `least` or more, or None for the default that the function names."""
    whole(least, **{name: value for name, value in values.items() if value is not None})


def switch(**values):
    """Each True or False; a word would be taken for True."""
    for name, value in values.items():
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"Expected True or False. Received: {name}={value!r}")


def listed(expected, **values):
    """Each many things in an order: a list, a tuple, an array, a generator; not a text, whose letters they would be.

    Args:
        expected: what the message says was.
    """
    for name, value in values.items():
        if not np.iterable(value) or isinstance(value, (str, bytes, set, frozenset, dict)):
            raise ValueError(f"Expected {expected}. Received: {name}={value!r:.80}")


def shown(names, most=10):
    """Names for a message: of many the first, of long ones the beginning."""
    names = [f"{name!r:.60}" for name in names]
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


def positive(**counts):
    """Each a positive integer."""
    for name, count in counts.items():
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
            raise ValueError(f"Expected {name} to be a positive integer. Received: {name}={count!r}")


def positive_or_none(**counts):
    """Each a positive integer, or None for the default that the class names."""
    positive(**{name: count for name, count in counts.items() if count is not None})


def classes(**counts):
    """Each two or more: the softmax over one class is 1 for every input."""
    positive(**counts)
    for name, count in counts.items():
        if count == 1:
            raise ValueError(
                f"Expected {name} of 2 or more: with one class the answer is 1.0 for every input. Received: {name}=1; "
                "for yes or no take two classes; for a real number at each position take SequenceTagger with "
                "outputs='values' (there is no model for one real number per sequence)"
            )


def share(**rates):
    """Each a number in [0, 1)."""
    for name, rate in rates.items():
        if not isinstance(rate, Real) or not 0 <= rate < 1:
            raise ValueError(f"Expected {name} to be a number in [0, 1). Received: {name}={rate!r}")


def at_least(least, **numbers):
    """Each a finite number, `least` or above."""
    for name, number in numbers.items():
        if not isinstance(number, Real) or isinstance(number, bool) or not least <= number < math.inf:
            raise ValueError(f"Expected {name} to be a number from {least}. Received: {name}={number!r}")


def above_zero(**numbers):
    """Each a finite number above 0."""
    for name, number in numbers.items():
        if not isinstance(number, Real) or isinstance(number, bool) or not 0 < number < math.inf:
            raise ValueError(f"Expected {name} above 0. Received: {name}={number!r}")


def choice(*allowed, **chosen):
    """Each one of `allowed`."""
    for name, value in chosen.items():
        if value not in allowed:
            raise ValueError(f"Expected {name} to be one of {', '.join(map(str, allowed))}. Received: {name}={value!r}")


def used(model):
    """The constructor arguments of a model that others leave without a use, its `idle` ones, keep their defaults."""
    defaults = {one.name: one.default for one in inspect.signature(type(model).__init__).parameters.values()}
    config = {name: getattr(model, name) for name in model.constructor_arguments}
    given = sorted(name for name in model.idle(config) if config[name] != defaults[name])
    if given:
        deciding = [name for name, table in model.uses.items() if set().union(*table.values()) & set(given)]
        choices = ", ".join(f"{name}={config[name]!r}" for name in deciding)
        received = ", ".join(f"{name}={config[name]!r}" for name in given)
        raise ValueError(f"Expected no {', '.join(given)} with {choices}. Received: {received}")


def between(lowest, highest, **numbers):
    """Each tensor's numbers from `lowest` to `highest`. Checked outside of graphs only, where values are known."""
    for name, tensor in numbers.items():
        values = values_of(tensor)
        outside = values[~((values >= lowest) & (values <= highest))] if values is not None else ()
        if len(outside):
            raise ValueError(f"Expected {name} from {lowest} to {highest}. Received: {outside[0]} among {name}")


def without_fraction(**numbers):
    """Each tensor's numbers without a fraction. Checked outside of graphs only."""
    for name, tensor in numbers.items():
        values = values_of(tensor)
        if values is not None and values.dtype.kind == "f" and np.any(broken := values != np.floor(values)):
            raise ValueError(f"Expected whole numbers as {name}. Received: {values[broken].flat[0]} among {name}")


def values_of(tensor):
    """A tensor's numbers as a NumPy array; None where they are not known before a graph runs."""
    if isinstance(tensor, keras.KerasTensor):
        return None
    try:
        return np.asarray(tensor)
    except (NotImplementedError, TypeError):  # what TensorFlow and JAX raise for a tensor of a graph
        return None


def quantiles(values):
    """A list of ascending numbers in (0, 1), as it was given."""
    listed = list(values) if isinstance(values, Iterable) else []
    numbers = all(isinstance(q, Real) and 0 < q < 1 for q in listed)
    if not listed or not numbers or listed != sorted(set(listed)):
        raise ValueError(
            f"Expected quantiles to be a list of ascending numbers between 0 and 1. Received: quantiles={values!r}"
        )
    return [float(q) for q in listed]


def fits(shape, expected):
    """Whether a tensor's shape is the expected one, as far as both are known; None is a size that is not."""
    if getattr(shape, "rank", 0) is None:  # TensorFlow's, where a function has been called with several ranks
        return True
    sizes = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(a is None or b is None or a == b for a, b in sizes)


def tensors(inputs, expected):
    """`inputs`, a dict, holds numbers in the shape of each of `expected`, name -> KerasTensor; others may be there too.

    All are of one batch. Integers may come as floats: so they do from Keras itself, where it builds a model under
    several replicas.
    """
    given = inputs if isinstance(inputs, dict) else {}
    if not all(name in given and _fits(given[name], one) for name, one in expected.items()):
        raise ValueError(f"Expected {_said(expected)}. Received: {_said(inputs)}")
    shapes = [x.shape for x in given.values() if hasattr(x, "shape")]
    known = [shape for shape in shapes if getattr(shape, "rank", 0) is not None]  # TensorFlow's may be unknown
    if len({shape[0] for shape in known if len(shape)} - {None}) > 1:
        raise ValueError(f"Expected inputs of one batch. Received: {_said(inputs)}")


def _fits(x, expected):
    return hasattr(x, "shape") and fits(x.shape, expected.shape) and "str" not in str(x.dtype)


def _said(inputs):
    """What inputs there are, by name, shape and dtype."""
    if isinstance(inputs, dict):
        return f"inputs {', '.join(f'{name} {_said(x)}' for name, x in inputs.items()) or '{}'}"
    if hasattr(inputs, "shape") and hasattr(inputs, "dtype"):
        return f"{list(inputs.shape)} {keras.backend.standardize_dtype(inputs.dtype)}"
    return repr(inputs)
