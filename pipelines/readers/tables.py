"""Tables: fields between tabs, or between commas or other characters, with or without quotes."""

import csv
import os
import re
from collections.abc import Sequence
from contextlib import contextmanager
from itertools import chain
from numbers import Integral

from seqkeras.arguments import listed, switch
from seqkeras.pipelines.records import Records, column_number, gathered
from seqkeras.pipelines.text_files import lines_of, unzipped

DELIMITERS = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar"}


def table(
    path: str | os.PathLike[str],
    columns: Sequence[int | str] | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
    quotes: bool | None = None,
) -> Records:
    """Rows of a TSV or CSV file.

    Args:
        columns: names from the header, or numbers from 0, in the order wanted, none of them twice; None takes all.
        delimiter: one character; None takes a tab, and for `.csv` a comma, or where the first line has none, the
            semicolon, tab or bar that it has.
        header: whether the first line names the columns; None takes it so when `columns` holds a name.
        quotes: whether a field in double quotes may hold the delimiter and line ends (RFC 4180); None takes it so
            unless a tab is the delimiter.

    Raises:
        ValueError: file and line of a row with another number of columns, or of a quote that does not close; a row of
            several lines is named by its first. A file that another delimiter divides.
    """
    columns = chosen_columns(columns)
    named = any(isinstance(column, str) for column in columns or ())
    if header is not None:
        switch(header=header)
        if named and not header:
            raise ValueError(f"Expected numbers of columns with header=False. Received: columns={columns}")
    lines, seen, divider = divided(path, delimiter, encoding)
    with _fields_of_any_length():
        rows = ((line, row if any(map(str.strip, row)) else []) for line, row in rows_of(path, lines, divider, quotes))
        head = _head(rows, 2 if named or header else 1)
        first = next((index for index, (_, row) in enumerate(head) if row), 0)
        line = head[first][0] if head else 1
        names = tuple(name.strip() for name in head.pop(first)[1]) if named or header else ()
        width = len(names) if named else next((len(row) for _, row in head if row), 0)
        if (
            width == 1
            and columns is None
            and delimiter is None
            and len(seen) > 1
            and (advice := _advice(seen, divider))
        ):
            raise ValueError(
                f"Expected columns with {divider!r} between them. Received: one column in {path}:{line}{advice}, or "
                f"delimiter={divider!r} where it is a table of one column"
            )
        where = f"{path}:{line}, which {divider!r} divides into {width}{_advice(seen, divider) if width == 1 else ''}"
        numbers = range(width) if columns is None else column_numbers(columns, names, width, where)

        def chosen(line, row):
            if row:
                check_width(path, line, row, width, divider)
            return tuple(row[number] for number in numbers if row)

        names = tuple(names[number] for number in numbers) if len(names) == width else ()
        found = gathered(path, ((line, chosen(line, row)) for line, row in chain(head, rows)), names)
        found.header = f"{path}:{line}" if header and not named else ""
        return found


def divided(path, delimiter, encoding):
    """The lines of a table, the first of them that are not blank, and what divides them."""
    lines = lines_of(path, encoding)
    head, seen = [], []
    for line in lines:
        head.append(line)
        seen += [line] if line.strip() else []
        if len(seen) == 10:
            break
    if delimiter is None:
        usual = "," if unzipped(path).suffix.lower() == ".csv" else "\t"
        first = re.sub('"[^"]*"', "", seen[0])
        others = ";\t|" if usual == "," and not set(',"') & set(first) else ""
        delimiter = next((one for one in others if one in first), usual)
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\r\n"':
        raise ValueError(f"Expected one character between columns. Received: delimiter={delimiter!r}")
    return chain(head, lines), seen, delimiter


def rows_of(path, lines, delimiter, quotes=None):
    """(line it begins on, row) of each row of a table."""
    if quotes is not None:
        switch(quotes=quotes)
    if delimiter != "\t" if quotes is None else quotes:
        return _quoted(path, lines, delimiter)
    return enumerate((line.split(delimiter) for line in lines), 1)


def check_width(path, line, row, width, delimiter):
    """Raises ValueError for a row with another number of columns than the table has."""
    if len(row) != width:
        more = f"; put a field that holds {delimiter!r} between double quotes" if len(row) > width else ""
        raise ValueError(
            f"Expected {width} columns with {delimiter!r} between them. Received: {len(row)} in {path}:{line}{more}"
        )


def chosen_columns(columns):
    """The columns chosen, as a tuple, or None."""
    if columns is None:
        return None
    columns = (columns,) if isinstance(columns, (Integral, str)) else columns
    listed("names or numbers of columns", columns=columns)
    columns = tuple(columns)
    if not columns:
        raise ValueError("Expected at least one column, or None for all. Received: columns=()")
    return columns


def column_numbers(columns, names, width, where):
    """The numbers of the columns chosen, none of them twice."""
    numbers = [column_number(one, names, width, where) for one in columns]
    if len(set(numbers)) < len(numbers):
        raise ValueError(
            f"Expected different columns. Received: columns={columns} of {where}; `select` of the records can give "
            "one column twice"
        )
    return numbers


def _advice(seen, delimiter):
    """What to say of lines in which another delimiter stands equally often; empty where none does."""
    for one, name in DELIMITERS.items():
        if one != delimiter and len({line.count(one) for line in seen}) == 1 and one in seen[0]:
            return f", whose lines have {name} each: give delimiter={one!r}"
    return ""


def _quoted(path, lines, delimiter):
    """Rows of a file with quotes as RFC 4180 has them."""
    reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter, strict=True)
    number = 1
    try:
        for row in reader:
            yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            "Expected a table whose quotes close, and double ones inside them (`quotes=False` reads quotes as they "
            f"are). Received: {error} in {path}:{number}"
        ) from None


@contextmanager
def _fields_of_any_length():
    """Lifts, while it lasts, the limit of 131,072 characters that `csv` has for a field."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _head(rows, count):
    """The first rows, `count` of them not blank, as a list."""
    head = []
    for number, row in rows:
        head.append((number, row))
        count -= bool(row)
        if not count:
            break
    return head
