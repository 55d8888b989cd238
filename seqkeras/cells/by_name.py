"""Cells by their names, as `cell=` takes them."""

from seqkeras.cells.cell import Cell
from seqkeras.cells.simple import SimpleRNN


def names():
    """The names `cell=` accepts, lower-case, and their classes: every subclass of `Cell`, yours included."""
    known = {}
    for cls in _subclasses(Cell):
        name = cls.__name__.lower()
        if name in known and known[name].__module__ != cls.__module__:
            raise ValueError(
                f"Expected one cell of a name. Received: {name} in {known[name].__module__} and in {cls.__module__}"
            )
        known[name] = cls  # of one module the newest, as when a notebook's cell is run again
    return known


def make(name, units):
    """The cell called `name` with `units` units.

    Args:
        name: a class name in any case; after a colon the activation of a cell that has one: "lstm", "jordan:relu".
        units: width H.

    Raises:
        ValueError: no cell has that name, or not that activation; the message lists those that exist.
    """
    known = names()
    kind, _, activation = str(name).lower().partition(":")
    if kind not in known:
        raise ValueError(f"Expected cell to be one of {', '.join(sorted(known))}. Received: cell={name!r}")
    if not activation:
        return known[kind](units)
    if not issubclass(known[kind], SimpleRNN):
        raise ValueError(f"Expected no activation: that of {kind} is fixed. Received: cell={name!r}")
    return known[kind](units, activation)


def _subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)
