"""From files to records, `.gz` read through. A record without text, or with a blank one, is skipped and counted."""

import csv
import json
import re
from contextlib import contextmanager
from fnmatch import fnmatch
from itertools import chain
from numbers import Integral
from pathlib import Path

import numpy as np

from seqkeras.pipelines.arguments import listed, whole
from seqkeras.pipelines.records import Places, Records, column_number, gathered, lists, parsed
from seqkeras.pipelines.text_files import empty, ended_lines, lines_of, unzipped

__all__ = [
    "conll",
    "file_per_class",
    "folder_per_class",
    "json_lines",
    "lines",
    "lists",
    "parallel_lines",
    "pattern",
    "table",
    "text",
    "tfds",
    "time_series",
]


def lines(path, encoding="utf-8"):
    """One record a line: (text,)."""
    return gathered(path, ((number, (line,)) for number, line in enumerate(lines_of(path, encoding), 1)), ("text",))


def text(path, encoding="utf-8"):
    """The whole file as one record: (text,); a line of it ends with "\\n" whatever the file has."""
    whole = "".join(ended_lines(path, encoding))
    if not whole.strip():
        raise empty(path)
    return Records([(whole if whole.endswith("\n") else whole + "\n",)], Places([f"{path}:"], [1]), ("text",))


def parallel_lines(source_path, target_path, encoding="utf-8"):
    """Two files, line by line: (source, target). A pair with a blank side is skipped and counted.

    Raises:
        ValueError: where the last line with text is not the same in both; blank lines after it do not count.
    """
    paths = (source_path, target_path)
    files = [list(lines_of(path, encoding)) for path in paths]
    ends = [max(number for number, line in enumerate(file, 1) if line.strip()) for file in files]
    if ends[0] != ends[1]:
        shorter = paths[int(np.argmin(ends))]
        raise ValueError(
            f"Expected files whose text ends on the same line. Received: {source_path} with {ends[0]} lines and "
            f"{target_path} with {ends[1]}; the first line missing is {shorter}:{min(ends) + 1}"
        )
    pairs = zip(files[0][: ends[0]], files[1][: ends[1]], strict=True)
    return gathered(source_path, enumerate(pairs, 1), ("source", "target"))


def table(path, columns=None, delimiter=None, header=None, encoding="utf-8"):
    """Rows of a TSV or CSV file.

    Args:
        columns: names from the header, or numbers from 0, in the order wanted; None takes all.
        delimiter: one character; None takes a comma for `.csv` and a tab otherwise. With a tab, quotes mean nothing.
        header: whether the first line names the columns; None takes it so when `columns` holds a name.

    Raises:
        ValueError: file and line of a row with another number of columns, or of a quote that does not close; a row of
            several lines is named by its first.
    """
    columns = [columns] if isinstance(columns, (Integral, str)) else columns
    if columns is not None:
        listed("names or numbers of columns", columns=columns)
    named = any(isinstance(column, str) for column in columns or ())
    if delimiter is None:
        delimiter = "," if unzipped(path).suffix.lower() == ".csv" else "\t"
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\r\n"':
        raise ValueError(f"Expected one character between columns. Received: delimiter={delimiter!r}")
    with _fields_of_any_length():
        rows = _rows(path, delimiter, encoding)
        head = _head(rows, 2 if named or header else 1)
        first = next((index for index, (_, row) in enumerate(head) if row), 0)
        line = head[first][0] if head else 1
        names = tuple(name.strip() for name in head.pop(first)[1]) if named or header else ()
        width = len(names) if named else next((len(row) for _, row in head if row), 0)
        where = f"{path}:{line}, which {delimiter!r} divides into {width}"
        numbers = range(width) if columns is None else [column_number(one, names, width, where) for one in columns]

        def chosen(line, row):
            if len(row) not in (0, width):
                raise ValueError(
                    f"Expected {width} columns with {delimiter!r} between them. Received: {len(row)} in {path}:{line}"
                )
            return tuple(row[number] for number in numbers if row)

        names = tuple(names[number] for number in numbers) if len(names) == width else ()
        return gathered(path, ((line, chosen(line, row)) for line, row in chain(head, rows)), names)


def pattern(path, regex, encoding="utf-8"):
    r"""One record a line, its columns the groups of a regular expression that must match the whole line.

    `pattern(path, r"(?P<label>\S+) (?P<text>.+)").select("text", "label")` reads lines of a label and a text.
    """
    try:
        compiled = re.compile(regex)
    except (re.error, TypeError) as error:
        raise ValueError(f"Expected a regular expression. Received: regex={regex!r} ({error})") from None
    if not compiled.groups:
        raise ValueError(f"Expected at least one group. Received: regex={regex!r}")

    def groups(line):
        match = compiled.fullmatch(line)
        if not match:
            raise ValueError(f"Expected a line like {regex!r}. Received: {line[:80]!r}")
        return match.groups("")

    names = tuple(compiled.groupindex) if len(compiled.groupindex) == compiled.groups else ()
    return parsed(path, groups, enumerate(lines_of(path, encoding), 1), names)


def conll(path, columns=(1, 3), encoding="utf-8"):
    """A CoNLL file, a word a line, columns between tabs or spaces, blank lines behind sentences: (words, tags), lists.

    Args:
        columns: of word and tag, from 0; if the word's is 0, lines that begin with -DOCSTART- are no words, else
            those that begin with "#", 8-9 or 8.1. A word or tag with a space in it is refused: it would be two.
    """
    if not isinstance(columns, (list, tuple)) or len(columns) != 2:
        raise ValueError(f"Expected the columns of word and tag. Received: {columns=}")
    word, tag = columns
    whole(0, word=word, tag=tag)

    def sentences():
        found = []
        for number, line in enumerate(chain(lines_of(path, encoding), [""]), 1):
            line = line.strip(" \t") and line
            row = re.split(r"\t" if "\t" in line else " +", line.strip(" ")) if line else []
            if re.match(r"#|\d+[-.]\d+\s" if word else r"-DOCSTART-", line):
                continue
            if 0 < len(row) <= max(columns):
                raise ValueError(f"Expected {max(columns) + 1} columns. Received: {len(row)} in {path}:{number}")
            if row:
                for one in (row[word], row[tag]):
                    if len(one.split()) != 1:
                        raise ValueError(f"Expected no space in a word or tag. Received: {one!r} in {path}:{number}")
                found.append((number, row[word], row[tag]))
            elif found:
                numbers, *sides = zip(*found, strict=True)
                yield numbers[0], tuple(map(list, sides))
                found = []

    return gathered(path, sentences(), ("words", "tags"))


def json_lines(path, fields, encoding="utf-8"):
    """One JSON object a line; `fields` are the keys wanted, in order. A value stays as JSON has it."""
    fields = _fields(fields)

    def values(line):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"Expected one JSON object a line. Received: {error}") from None
        if not isinstance(value, dict) or not value.keys() >= set(fields):
            received = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise ValueError(f"Expected an object with {list(fields)}. Received: {received}")
        return tuple(value[name] for name in fields)

    return parsed(path, values, enumerate(lines_of(path, encoding), 1), fields)


def time_series(path, encoding="utf-8"):
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


def folder_per_class(folder, encoding="utf-8"):
    """A folder a class, a file a text: (text, label). What is neither is counted; hidden files are not looked at."""
    folders = [path for path in _entries(folder) if path.is_dir()]
    records = _classes(folder, folders, _texts, encoding)
    records.skipped["not in a folder of a class"] += len(_entries(folder)) - len(folders)
    return records


def file_per_class(folder, glob="*.txt", encoding="utf-8"):
    """A file a class, a line a text: (text, label), the label being the file's name without its suffix.

    Args:
        glob: which files are classes, in small or capital letters; a file's `.gz` is not part of its name here.
    """
    files = [path for path in _entries(folder) if path.is_file() and fnmatch(unzipped(path).name.lower(), glob.lower())]
    return _classes(folder, files, lines, encoding)


def tfds(name, split, fields, data_dir=None):
    """A split of a TensorFlow Datasets data set that is on this machine; text becomes str, class numbers their names.

    Nothing is downloaded: `tfds build NAME`, or `tensorflow_datasets.load(NAME)`, fetches and prepares a data set.

    Args:
        name: as `tensorflow_datasets.load` knows it, "tfds:" before it or not.
        split: such as "train" or "train[:80%]".
        fields: the features wanted, in order.
        data_dir: where it was prepared; None takes the usual place.

    Raises:
        ValueError: fields that the data set does not have; a data set that is not prepared.
    """
    import tensorflow_datasets  # takes a while, and only this reader needs it

    fields, name = _fields(fields), name.removeprefix("tfds:")
    source = f"tfds:{name}/{split}"
    builder = tensorflow_datasets.builder(name, data_dir=data_dir)
    features = builder.info.features
    if not set(fields) <= set(features):
        raise ValueError(f"Expected fields among {sorted(features)}. Received: {list(fields)} of {source}")
    try:
        dataset = builder.as_dataset(split=split)
    except AssertionError:  # what it raises where there is no folder of that data set
        raise ValueError(
            f"Expected a data set prepared before, by `tfds build {name}` or `tensorflow_datasets.load({name!r})`. "
            f"Received: {source}, which is not in {builder.data_path}"
        ) from None

    def plain(field, value, number):
        names = getattr(getattr(features[field], "feature", features[field]), "names", None)
        try:
            if getattr(value, "ndim", 0):  # a sequence: of words, of tags, of numbers
                return [plain(field, one, number) for one in value] if names or value.dtype == object else value
            if names and int(value) < 0:
                raise ValueError("a record without a class")
            return names[int(value)] if names else value.decode("utf-8") if isinstance(value, bytes) else value
        except ValueError as error:
            place = f"{source}:{number}"
            raise ValueError(f"Expected text or a class in {field!r}. Received: {error} in {place}") from None

    rows = enumerate(tensorflow_datasets.as_numpy(dataset), 1)
    rows = ((number, tuple(plain(field, row[field], number) for field in fields)) for number, row in rows)
    return gathered(source, rows, fields)


def _fields(fields):
    """A name or several as a tuple."""
    if isinstance(fields, str):
        return (fields,)
    listed("names of fields", fields=fields)
    return tuple(fields)


def _rows(path, delimiter, encoding):
    """(line it begins on, row) of a delimited file; a blank row is an empty list."""
    if delimiter == "\t":
        numbered = enumerate((line.split("\t") for line in lines_of(path, encoding)), 1)
    else:
        numbered = _quoted(path, delimiter, encoding)
    return ((number, row if any(map(str.strip, row)) else []) for number, row in numbered)


def _quoted(path, delimiter, encoding):
    """(line it begins on, row) of a file with quotes as RFC 4180 has them."""
    reader = csv.reader((line + "\n" for line in lines_of(path, encoding)), delimiter=delimiter, strict=True)
    number = 1
    try:
        for row in reader:
            yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"Expected a table. Received: {error} in {path}:{number}") from None


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


def _entries(folder):
    return [path for path in sorted(Path(folder).iterdir()) if not path.name.startswith(".")]


def _texts(folder, encoding):
    """The files of a folder, each one text."""
    files = [path for path in _entries(folder) if path.is_file()]
    records = gathered(folder, enumerate(("".join(ended_lines(path, encoding)),) for path in files), ("text",))
    which = records.places.numbers
    records.places = Places([f"{path}:" for path in files], np.ones(len(which)), which)
    records.skipped["not a file"] += len(_entries(folder)) - len(files)
    return records


def _classes(folder, paths, read, encoding):
    if not paths:
        raise ValueError(f"Expected an entry a class. Received: folder={str(folder)!r} with none")
    total = Records([], Places([], []), ("text", "label"))
    for path in paths:
        label = path.name if path.is_dir() else unzipped(path).stem
        found = read(path, encoding)
        total += Records([(content, label) for (content,) in found], found.places, total.names, found.skipped)
    return total
