"""Numbers: a series in a table, a row a time step; files of labelled series."""

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from seqkeras.arguments import switch
from seqkeras.pipelines.readers.tables import check_width, chosen_columns, column_numbers, divided, rows_of
from seqkeras.pipelines.records import Records, parsed
from seqkeras.pipelines.text_files import lines_of

MISSING = {"", "-", "?", ".", "na", "n/a", "nan", "null", "none", "#n/a"}
TIMES = {"date", "time", "datetime", "timestamp", "", "unnamed: 0"}  # columns that say when, or count, by their names
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
# 2016-07-01 00:00:00, 1.7.2016, 2016/07, 17:24:00.5, 2016-07-01T00:00:00+02:00, 1 Jul 2016, 2016Q3
MOMENT = re.compile(
    rf"(?=.*(\d[-/:]\d|\b\d{{1,2}}\.\d{{1,2}}\.\d\d|{_MONTH}|Q\d))"
    rf"(\d|[-/.:, TZ+]|{_MONTH}|(mon|tue|wed|thu|fri|sat|sun)[a-z]*|am|pm|Q)+",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Series:
    """A series of D variables over T time steps, as `pipelines.forecasting` takes it; `series[a:b]` are some steps.

    Args:
        values: float64 [T, D].
        names: names of the variables, or () where the file has none.
        times: tuple of the texts that say when, one a step, or () where the file has none.
        left_out: names, or numbers from 0, of the columns that hold those texts.
    """

    values: np.ndarray
    names: tuple = ()
    times: tuple = ()
    left_out: tuple = ()

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype) if copy else np.asarray(self.values, dtype)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, steps):
        """Some of the steps; `steps` is a slice."""
        if not isinstance(steps, slice):
            raise ValueError(f"Expected a slice, such as [:1000]. Received: {steps!r}; `values` has single numbers")
        return Series(self.values[steps], self.names, self.times[steps], self.left_out)

    @property
    def shape(self):
        """(T, D)."""
        return self.values.shape


def series(
    path: str | os.PathLike[str],
    columns: Sequence[int | str] | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
) -> Series:
    """A series in a TSV or CSV file, a row per time step, a column per variable: `Series`.

    Columns of dates and times are left out, and kept as `times`: those whose first value is a date or a time of day,
    and those named "date", "time", "datetime", "timestamp" or nothing.

    Args:
        columns: of the variables: names from the header or numbers from 0; None takes all but dates and times.
        delimiter: as of `table`.
        header: whether the first line names the columns; None takes it so where no field in it is a number.
        decimal: what stands before the decimals, "." or ",".

    Raises:
        ValueError: file, line and column of what is no finite number, as a missing value is none; of a row with
            another number of columns.
    """
    if decimal not in (".", ","):
        raise ValueError(f'Expected "." or "," before decimals. Received: decimal={decimal!r}')
    if header is not None:
        switch(header=header)
    columns = chosen_columns(columns)
    lines, _, delimiter = divided(path, delimiter, encoding)
    if delimiter == decimal:
        raise ValueError(f"Expected another delimiter than the decimal comma. Received: {delimiter=} of {path}")
    rows = [(line, row) for line, row in rows_of(path, lines, delimiter) if row and row != [""]]
    line, first = rows[0]
    if header is None:
        header = not any(_is_number(cell, decimal) for cell in first)
    names = tuple(name.strip() for name in first) if header else ()
    rows = rows[1:] if header else rows
    if not rows:
        raise ValueError(f"Expected rows of numbers. Received: {path} with a header alone")
    width, where = len(first), f"{path}:{line}, which {delimiter!r} divides into {len(first)}"
    for number, row in rows:
        check_width(path, number, row, width, delimiter)
    of = [names[column] if names else column for column in range(width)]
    moments = _moments(rows[0][1], names, decimal)
    if columns is None:
        numbers = [column for column in range(width) if column not in moments]
    else:
        numbers = column_numbers(columns, names, width, where)
    moments = [column for column in moments if column not in numbers]
    times = tuple(" ".join(row[column].strip() for column in moments) for _, row in rows) if moments else ()
    _warn_of_order(times, path, rows)
    if not numbers:
        raise ValueError(f"Expected a column of numbers. Received: {where}, all of them dates or times")
    return Series(
        _values(path, rows, numbers, of, decimal),
        tuple(names[column] for column in numbers) if names else (),
        times,
        tuple(of[column] for column in moments),
    )


def _warn_of_order(times, path, rows):
    """Warns of times, as far as they are ISO 8601, that go back or repeat: steps are taken in the order of the file."""
    try:
        moments = [datetime.fromisoformat(time) for time in times]
        wrong = next((i for i in range(1, len(moments)) if moments[i] <= moments[i - 1]), None)
    except (ValueError, TypeError):  # of another form; some with a time zone and some without
        return
    if wrong is not None:
        warnings.warn(
            f"Expected each step later than the one before. Received: {times[wrong]} after {times[wrong - 1]} in "
            f"{path}:{rows[wrong][0]}; steps are taken in the order of the file, so sort it, the oldest first",
            stacklevel=3,
        )


def _moments(row, names, decimal):
    """The numbers of the columns that say when, by their name or their first value."""
    named = {column for column, name in enumerate(names) if name.lower() in TIMES}
    valued = {
        column for column, cell in enumerate(row) if not _is_number(cell, decimal) and MOMENT.fullmatch(cell.strip())
    }
    return sorted(named | valued)


def _values(path, rows, columns, of, decimal):
    """The numbers in some columns, float64 [T, D]."""
    values = np.empty((len(rows), len(columns)))
    for index, (line, row) in enumerate(rows):
        for place, column in enumerate(columns):
            try:
                values[index, place] = _number(row[column], decimal)
            except ValueError as error:
                raise ValueError(f"{error} in {path}:{line}, column {of[column]!r:.60}") from None
    return values


def _number(cell, decimal="."):
    """A finite number.

    Raises:
        ValueError: what it is instead, and what to do.
    """
    cell = cell.strip()
    plain = cell if decimal == "." else cell.replace(".", "x").replace(",", ".")
    try:
        value = float(plain)
    except ValueError:
        value = np.nan
    if np.isfinite(value) and "_" not in cell:
        return value
    if cell.lower() in MISSING:
        raise ValueError(f"Expected a number. Received: {cell!r}, a missing value; fill it or leave its row out,")
    if re.fullmatch(r"[-+]?[\d.]*,[\d.]+", cell) and decimal == ".":
        raise ValueError(f'Expected a number. Received: {cell!r}; give decimal="," where that is a decimal comma,')
    raise ValueError(
        f"Expected a finite number. Received: {cell[:60]!r}; choose the variables with "
        "`columns`, or say `header=True` where the first line names them,"
    )


def _is_number(cell, decimal):
    """Whether a field is a number, or says that one is missing."""
    try:
        _number(cell, decimal)
    except ValueError:
        return bool(cell.strip()) and cell.strip().lower() in MISSING
    return True


def time_series(path: str | os.PathLike[str], encoding: str = "utf-8") -> Records:
    """A `.ts` file: (values, label), values a list of T rows of D numbers.

    After the line "@data" each line is a record: commas between the numbers of a dimension, colons between the
    dimensions and before the label.
    """
    numbered = enumerate(lines_of(path, encoding), 1)
    if not any(line.strip().lower() == "@data" for _, line in numbered):  # which also skips what is before it
        raise ValueError(f"Expected a line @data before the records. Received: path={str(path)!r} without one")

    def series(line):
        *dimensions, label = line.split(":")
        if not dimensions or "," in label:
            raise ValueError(f"Expected a label behind the last colon. Received: {label[:80]!r}")
        try:
            rows = [[float(value) for value in dimension.split(",")] for dimension in dimensions]
            return [list(step) for step in zip(*rows, strict=True)], label.strip()
        except ValueError as error:
            raise ValueError(f"Expected numbers, as many a dimension. Received: {error}") from None

    return parsed(path, series, numbered, ("values", "label"))
