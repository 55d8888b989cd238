"""What constructor arguments may be, checked where they enter, with a message that says what was expected."""

from numbers import Integral, Real


def positive(**counts):
    """Each a positive integer."""
    for name, count in counts.items():
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
            raise ValueError(f"Expected {name} to be a positive integer. Received: {name}={count!r}")


def positive_or_none(**counts):
    """Each a positive integer, or None for the default that the class names."""
    positive(**{name: count for name, count in counts.items() if count is not None})


def share(**rates):
    """Each a number in [0, 1)."""
    for name, rate in rates.items():
        if not isinstance(rate, Real) or not 0 <= rate < 1:
            raise ValueError(f"Expected {name} to be a number in [0, 1). Received: {name}={rate!r}")


def choice(*allowed, **chosen):
    """Each one of `allowed`."""
    for name, value in chosen.items():
        if value not in allowed:
            raise ValueError(f"Expected {name} to be one of {', '.join(map(str, allowed))}. Received: {name}={value!r}")


def quantiles(values):
    """A list of ascending numbers in (0, 1), as it was given."""
    values = list(values)
    numbers = all(isinstance(q, Real) and 0 < q < 1 for q in values)
    if not values or not numbers or values != sorted(set(values)):
        raise ValueError(f"Expected ascending numbers between 0 and 1. Received: quantiles={values}")
    return values
