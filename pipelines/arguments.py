"""What options may be, checked where they enter, with a message that says what was expected."""

from numbers import Integral

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
