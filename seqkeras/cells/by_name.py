"""Cells by their names, as `cell=` takes them."""

from seqkeras.cells.cell import Cell
from seqkeras.cells.simple import SimpleRNN


def names():
    """The names `cell=` accepts, lower-case, and their classes: every subclass of `Cell`, yours included."""
    return {name: classes[-1] for name, classes in _classes().items()}


def _classes():
    """Name -> the classes of that name, one per module, the newest, as when a notebook's cell is run again."""
    known = {}
    for cls in _subclasses(Cell):
        known.setdefault(cls.__name__.lower(), {})[cls.__module__] = cls
    return {name: list(by_module.values()) for name, by_module in known.items()}


def make(name, units):
    """The cell called `name` with `units` units.

    Args:
        name: a class name in any case; after a colon the activation of a cell that has one: "lstm", "jordan:relu".
        units: width H.

    Raises:
        ValueError: no cell has that name, or several have, or not that activation; the message lists those that exist.
    """
    known = names()
    kind, _, activation = str(name).lower().partition(":")
    if kind not in known:
        by_name = "" if isinstance(name, str) else ", by its name"
        raise ValueError(f"Expected cell to be one of {', '.join(sorted(known))}{by_name}. Received: cell={name!r}")
    if len(same := _classes()[kind]) > 1:
        places = " and in ".join(cls.__module__ for cls in same)
        raise ValueError(f"Expected one cell of a name; call yours otherwise. Received: {kind} in {places}")
    if not activation:
        return known[kind](units)
    if not issubclass(known[kind], SimpleRNN):
        raise ValueError(f"Expected no activation: that of {kind} is fixed. Received: cell={name!r}")
    return known[kind](units, activation)


def _subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)
