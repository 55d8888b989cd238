"""From files to records: rows of columns, where each came from, and what was left out and why."""

import csv
import gzip
import itertools
import json
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Records:
    """Rows of equal width, held in memory.

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
        """Both sources, one after the other."""
        return Records(self.rows + other.rows, self.places + other.places, self.names, self.skipped + other.skipped)

    def column(self, index):
        """One column as a list."""
        return [row[index] for row in self.rows]

    def select(self, *columns):
        """The same rows with these columns, by name or by number from 0, in this order."""
        numbers = [_number(column, self.names, "records") for column in columns]
        names = tuple(self.names[number] for number in numbers) if self.names else ()
        return Records(
            [tuple(row[number] for number in numbers) for row in self.rows], self.places, names, self.skipped
        )

    def take(self, indices, skipped=()):
        """The rows at these indices; `skipped` counts why rows are gone, from the source and from here."""
        return Records(
            [self.rows[i] for i in indices],
            [self.places[i] for i in indices],
            self.names,
            Counter(skipped),
        )


def lists(*columns):
    """Records from Python lists, one list a column."""
    columns = [list(column) for column in columns]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) != 1:
        raise ValueError(f"Expected columns of one length. Received: lengths={lengths}")
    rows = list(zip(*columns, strict=True))
    return Records(rows, [f"record {number}" for number in range(1, len(rows) + 1)])


def lines(path, encoding="utf-8"):
    """One record a line: (text,). Blank lines are skipped and counted."""
    return _records(path, ((number, (line,)) for number, line in _numbered(path, encoding)), ("text",))


def text(path, encoding="utf-8"):
    """The whole file as one record: (text,), its line ends made "\\n"."""
    return Records([("\n".join(_lines(path, encoding)),)], [f"{path}:1"], ("text",))


def parallel_lines(source_path, target_path, encoding="utf-8"):
    """Two files, line by line: (source, target). A pair with a blank side is skipped and counted.

    Raises:
        ValueError: where one file has more lines than the other (blank lines at the end do not count).
    """
    source, target = _lines(source_path, encoding), _lines(target_path, encoding)
    length = max(_last(source), _last(target))
    if min(len(source), len(target)) < length:
        raise ValueError(
            f"Expected files with the same number of lines. Received: {source_path} with {_last(source)} "
            f"and {target_path} with {_last(target)}; the first line without a partner is "
            f"{source_path if len(source) > len(target) else target_path}:{min(len(source), len(target)) + 1}"
        )
    pairs = zip(range(1, length + 1), source[:length], target[:length], strict=True)
    return _records(source_path, ((number, (a, b)) for number, a, b in pairs), ("source", "target"))


def table(path, columns=None, delimiter=None, header=None, encoding="utf-8"):
    """Rows of a TSV or CSV file.

    Args:
        path: the file; `.gz` is read through.
        columns: names from the header, or numbers from 0, in the order wanted; None takes all.
        delimiter: None takes a comma for `.csv` and a tab otherwise. With a tab, quotes mean nothing.
        header: whether the first line names the columns; None takes it so when `columns` holds a name.

    Raises:
        ValueError: file and line of a row with another number of columns, or of a quote that does not close.
    """
    columns = None if columns is None else [columns] if isinstance(columns, (int, str)) else list(columns)
    if header is None:
        header = any(isinstance(column, str) for column in columns or ())
    if delimiter is None:
        delimiter = "," if ".csv" in Path(path).suffixes else "\t"
    rows = _rows(path, delimiter, encoding)
    names = ()
    if header:
        names = tuple(name.strip() for name in next(rows, (0, ()))[1])
    first = next(rows, None)
    if first is None:
        raise ValueError(f"Expected rows of text after the header. Received: path={str(path)!r}")
    rows = itertools.chain([first], rows)
    by_name = any(isinstance(column, str) for column in columns or ())
    width = len(names) if by_name else len(first[1])
    numbers = range(width) if columns is None else [_number(column, names, path, width) for column in columns]

    def chosen():
        for line, row in rows:
            if row and len(row) != width:
                raise ValueError(f"Expected {width} columns. Received: {len(row)} in {path}:{line}")
            yield line, tuple(row[number] for number in numbers) if row else ()

    return _records(path, chosen(), tuple(names[number] for number in numbers) if len(names) == width else ())


def pattern(path, regex, encoding="utf-8"):
    r"""One record a line, its columns the groups of a regular expression that must match the whole line.

    `pattern(path, r"(?P<label>\S+) (?P<text>.+)").select("text", "label")` reads lines of a label and a text.
    """
    compiled = re.compile(regex)
    if not compiled.groups:
        raise ValueError(f"Expected at least one group. Received: regex={regex!r}")
    names = tuple(compiled.groupindex) if len(compiled.groupindex) == compiled.groups else ()

    def matched():
        for number, line in _numbered(path, encoding):
            match = compiled.fullmatch(line)
            if line.strip() and not match:
                raise ValueError(f"Expected a line like {regex!r}. Received: {line[:80]!r} in {path}:{number}")
            yield number, tuple(group or "" for group in match.groups()) if match else ()

    return _records(path, matched(), names)


def json_lines(path, fields, encoding="utf-8"):
    """One JSON object a line; `fields` are the keys wanted, in order. A value is kept as JSON has it."""
    fields = (fields,) if isinstance(fields, str) else tuple(fields)

    def chosen():
        for number, line in _numbered(path, encoding):
            if not line.strip():
                yield number, ()
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"Expected one JSON object a line. Received: {error} in {path}:{number}") from None
            if not isinstance(value, dict) or not value.keys() >= set(fields):
                received = sorted(value) if isinstance(value, dict) else type(value).__name__
                raise ValueError(
                    f"Expected an object with fields {list(fields)}. Received: {received} in {path}:{number}"
                )
            yield number, tuple(value[name] for name in fields)

    return _records(path, chosen(), fields)


def folder_per_class(folder, encoding="utf-8"):
    """A folder a class, a file a text: (text, label)."""
    return _classes(folder, [path for path in _entries(folder) if path.is_dir()], _texts, encoding)


def file_per_class(folder, glob="*.txt*", encoding="utf-8"):
    """A file a class, a line a text: (text, label), the label being the file's name without its suffixes."""
    return _classes(folder, [path for path in _entries(folder) if path.match(glob)], lines, encoding)


def tfds(name, split, fields, data_dir=None):
    """A split of a TensorFlow Datasets data set; text becomes str, class numbers become their names.

    Args:
        name: as `tensorflow_datasets.load` knows it, "tfds:" before it or not.
        split: such as "train" or "train[:80%]".
        fields: the features wanted, in order.
    """
    import tensorflow_datasets  # half a second, and only this reader needs it

    fields = (fields,) if isinstance(fields, str) else tuple(fields)
    name = name.removeprefix("tfds:")
    dataset, info = tensorflow_datasets.load(name, split=split, data_dir=data_dir, with_info=True)
    missing = [one for one in fields if one not in info.features]
    if missing:
        raise ValueError(f"Expected fields among {sorted(info.features)}. Received: {missing} of tfds:{name}")

    def plain(field, value):
        names = getattr(info.features[field], "names", None)
        if names:
            return names[int(value)]
        return value.decode("utf-8") if isinstance(value, bytes) else value

    rows = (tuple(plain(one, row[one]) for one in fields) for row in tensorflow_datasets.as_numpy(dataset))
    return _records(f"tfds:{name}/{split}", enumerate(rows, 1), fields)


def _records(path, numbered_rows, names):
    """Rows with their places; a row with a blank text, or none at all, is counted instead."""
    rows, places, skipped = [], [], Counter()
    for number, row in numbered_rows:
        if not row or any(isinstance(value, str) and not value.strip() for value in row):
            skipped["blank"] += 1
        else:
            rows.append(row)
            places.append(f"{path}:{number}")
    if not rows:
        raise ValueError(f"Expected at least one record with text. Received: {path} with only blank ones")
    return Records(rows, places, names, skipped)


def _read(path, encoding):
    """The text of a file, gzip or not, without its byte order mark."""
    data = Path(path).read_bytes()
    if Path(path).suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"Expected a gzip file. Received: path={str(path)!r} ({error})") from None
    try:
        content = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"Expected text in {encoding}. Received: byte 0x{data[error.start]:02x} in {path}:{number}; "
            "give the file's encoding, or mend that line"
        ) from None
    if not content.strip():
        raise ValueError(f"Expected text. Received: path={str(path)!r}, which is empty")
    return content


def _lines(path, encoding):
    """Lines without their ends. Only "\\n" and "\\r\\n" end a line: str.splitlines knows eight more."""
    content = _read(path, encoding).replace("\r\n", "\n")
    return content.removesuffix("\n").split("\n")


def _numbered(path, encoding):
    return enumerate(_lines(path, encoding), 1)


def _last(lines):
    """How many lines there are up to the last that is not blank."""
    return max(number for number, line in enumerate(lines, 1) if line.strip())


def _rows(path, delimiter, encoding):
    """(line, row) of a delimited file; a blank line gives an empty row."""
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    content = (line + "\n" for line in _lines(path, encoding))
    reader = csv.reader(content, delimiter=delimiter, quoting=quoting, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row if any(value.strip() for value in row) else []
    except csv.Error as error:
        raise ValueError(f"Expected a table. Received: {error} in {path}:{reader.line_num}") from None


def _number(column, names, where, width=None):
    """A column's number, from its name or its number."""
    if isinstance(column, str):
        if column not in names:
            raise ValueError(f"Expected columns among {list(names)}. Received: column={column!r} of {where}")
        return names.index(column)
    if width is not None and not 0 <= column < width:
        raise ValueError(f"Expected a column from 0 to {width - 1}. Received: column={column} of {where}")
    return column


def _entries(folder):
    return [path for path in sorted(Path(folder).iterdir()) if not path.name.startswith(".")]


def _texts(folder, encoding):
    """The files of a folder, each one text."""
    rows = ((path.name, (_read(path, encoding),)) for path in _entries(folder) if path.is_file())
    return _records(folder, rows, ("text",))


def _classes(folder, paths, read, encoding):
    if not paths:
        raise ValueError(f"Expected an entry a class. Received: folder={str(folder)!r} with none")
    total = Records([], [], ("text", "label"))
    for path in paths:
        label = path.name if path.is_dir() else path.name.split(".")[0]
        found = read(path, encoding)
        rows = [(content, label) for (content,) in found]
        total += Records(rows, found.places, total.names, found.skipped)
    return total
