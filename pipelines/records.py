"""Records: rows held in memory, where each came from, what was left out and why."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Records:
    """Rows of equal width.

    Args:
        rows: list of tuples, one a record.
        places: where each row came from, "file:line".
        names: names of the columns, or () when they have none.
        skipped: Counter, why rows were left out and how often.
    """

    rows: list = field(repr=False)
    places: list = field(repr=False)
    names: tuple = ()
    skipped: Counter = field(default_factory=Counter)

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
        """Both sources, one after the other; the columns keep the names of the first."""
        rows, places = self.rows + other.rows, self.places + other.places
        return Records(rows, places, self.names, self.skipped + other.skipped)

    def column(self, number):
        """One column as a list."""
        return [row[number] for row in self.rows]

    def select(self, *columns):
        """The same rows with these columns, by name or by number from 0, in this order."""
        width = len(self.rows[0]) if self.rows else len(self.names)
        numbers = [column_number(column, self.names, width, "the records") for column in columns]
        names = tuple(self.names[number] for number in numbers) if self.names else ()
        rows = [tuple(row[number] for number in numbers) for row in self.rows]
        return Records(rows, self.places, names, self.skipped)

    def take(self, indices, skipped=()):
        """The rows at these indices; `skipped` counts why rows are gone, from the source and from here."""
        rows, places = ([kept[index] for index in indices] for kept in (self.rows, self.places))
        return Records(rows, places, self.names, Counter(skipped))


def lists(*columns):
    """Records from Python lists, one list a column."""
    columns = [list(column) for column in columns]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) != 1:
        raise ValueError(f"Expected columns of one length. Received: lengths={lengths}")
    return Records(list(zip(*columns, strict=True)), [f"record {number}" for number in range(1, lengths[0] + 1)])


def column_number(column, names, width, where):
    """A column's number from 0, given its name or its number."""
    if isinstance(column, str):
        if list(names).count(column) != 1:
            raise ValueError(f"Expected a column once among {list(names)}. Received: column={column!r} of {where}")
        return list(names).index(column)
    if not 0 <= column < width:
        raise ValueError(f"Expected a column from 0 to {width - 1}. Received: column={column} of {where}")
    return column
