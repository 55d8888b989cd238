"""Records: rows held in memory, where each came from, what was left out and why."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np

from seqkeras.arguments import listed, shown


class Places(Sequence):
    """Where rows came from, one a row: a number and what stands before it, put together when it is asked for.

    Args:
        sources: list of what stands before the numbers, such as "file:".
        numbers: int [N], such as the line.
        which: int [N], the index of each row's source; None where all have the first.
    """

    def __init__(self, sources, numbers, which=None):
        self.sources, self.numbers = list(sources), np.asarray(numbers, np.int64)
        self.which = np.zeros(len(self.numbers), np.int32) if which is None else np.asarray(which, np.int32)

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        return f"{self.sources[self.which[index]]}{self.numbers[index]}"

    def __eq__(self, other):
        return list(self) == list(other)

    def __add__(self, other):
        which = np.concatenate([self.which, other.which + len(self.sources)])
        return Places(self.sources + other.sources, np.concatenate([self.numbers, other.numbers]), which)

    def take(self, indices):
        """The places at these indices."""
        return Places(self.sources, self.numbers[indices], self.which[indices])


@dataclass
class Records:
    """Rows of equal width.

    Args:
        rows: list of tuples, one per record.
        places: Places, where each row came from, "file:line".
        names: names of the columns, or () when they have none.
        skipped: Counter, why rows were left out and how often.
        header: where a line was taken for a header only because it was said to be one, "file:line"; or "".
    """

    rows: list = field(repr=False)
    places: Places = field(repr=False)
    names: tuple = ()
    skipped: Counter = field(default_factory=Counter)
    header: str = ""

    @property
    def read(self):
        """How many rows the source held: those here and those left out."""
        return len(self.rows) + sum(self.skipped.values())

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        return iter(self.rows)

    def __getitem__(self, index):
        return self.rows[index]

    def __add__(self, other):
        """Both sources, one after the other.

        Raises:
            ValueError: where both have names for their columns, and not the same.
        """
        if not isinstance(other, Records):
            return NotImplemented
        if self.names and other.names and self.names != other.names:
            raise ValueError(
                f"Expected the same columns. Received: names={self.names} and names={other.names}; choose them with "
                "`select`, or set `names`"
            )
        skipped = self.skipped + other.skipped
        return Records(self.rows + other.rows, self.places + other.places, self.names or other.names, skipped)

    def column(self, number):
        """One column as a list."""
        return [row[number] for row in self.rows]

    def select(self, *columns):
        """The same rows with these columns, by name or by number from 0, in this order."""
        width = len(self.rows[0]) if self.rows else len(self.names)
        numbers = [column_number(column, self.names, width, "the records") for column in columns]
        names = tuple(self.names[number] for number in numbers) if self.names else ()
        rows = [tuple(row[number] for number in numbers) for row in self.rows]
        return Records(rows, self.places, names, self.skipped, self.header)

    def take(self, indices, skipped=()):
        """The rows at these indices; `skipped` counts why rows are gone, from the source and from here."""
        indices = np.asarray(indices, np.int64)
        rows = [self.rows[index] for index in indices]
        return Records(rows, self.places.take(indices), self.names, Counter(skipped))


Source: TypeAlias = Records | Iterable[Sequence[Any]] | float | str | None  # of a split: records, or a share


def lists(*columns: Iterable[Any]) -> Records:
    """Records from Python lists, one list per column."""
    for column in columns:
        listed("lists, one a column", column=column)
    whole = [list(column) for column in columns]
    lengths = [len(column) for column in whole]
    if len(set(lengths)) != 1:
        raise ValueError(f"Expected columns of one length. Received: lengths={lengths}")
    return Records(list(zip(*whole, strict=True)), Places(["record "], range(1, lengths[0] + 1)))


def column_number(column, names, width, where):
    """A column's number from 0, given its name or its number."""
    if isinstance(column, str):
        if list(names).count(column) != 1:
            known = f"a column once among {shown(names)}" if names else "a number, as the columns have no names"
            raise ValueError(f"Expected {known}. Received: column={column!r} of {where}")
        return list(names).index(column)
    if not isinstance(column, Integral) or isinstance(column, bool) or not 0 <= column < width:
        raise ValueError(f"Expected a column from 0 to {width - 1}. Received: column={column!r} of {where}")
    return column


def gathered(source, numbered, names):
    """Records of (number, row) pairs; a row with a blank text, or none at all, is counted instead."""
    rows, numbers, blank = [], array("q"), 0
    for number, row in numbered:
        if not row or any(isinstance(value, str) and not value.strip() for value in row):
            blank += 1
        else:
            rows.append(row)
            numbers.append(number)
    if not rows:
        raise ValueError(f"Expected a record with text. Received: {source} with {blank} blank ones")
    return Records(rows, Places([f"{source}:"], numbers), names, Counter({"blank": blank} if blank else {}))


def parsed(path, parse, numbered, names):
    """A record a line, by `parse(line)`, whose errors get their place here; blank lines are counted."""

    def rows():
        for number, line in numbered:
            try:
                yield number, parse(line) if line.strip() else ()
            except ValueError as error:
                raise ValueError(f"{error} in {path}:{number}") from None

    return gathered(path, rows(), names)
