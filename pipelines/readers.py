"""From files to records, `.gz` read through. A record without text, or with a blank one, is skipped and counted."""

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

from seqkeras.pipelines.records import Records, column_number, lists

__all__ = [
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
    return _records(path, ((place, (line,)) for place, line in _placed(path, encoding)), ("text",))


def text(path, encoding="utf-8"):
    """The whole file as one record: (text,); a line of it ends with "\\n" whatever the file has."""
    return Records([("\n".join(_lines(path, encoding)) + "\n",)], [f"{path}:1"], ("text",))


def parallel_lines(source_path, target_path, encoding="utf-8"):
    """Two files, line by line: (source, target). A pair with a blank side is skipped and counted.

    Raises:
        ValueError: where one file has more lines than the other; blank lines at the end do not count.
    """
    source, target = _lines(source_path, encoding), _lines(target_path, encoding)
    ends = [max(number for number, line in enumerate(file, 1) if line.strip()) for file in (source, target)]
    length = max(ends)
    if min(len(source), len(target)) < length:
        longer = source_path if len(source) > len(target) else target_path
        raise ValueError(
            f"Expected files with the same number of lines. Received: {source_path} with {ends[0]} and {target_path} "
            f"with {ends[1]}; the first line without a partner is {longer}:{min(len(source), len(target)) + 1}"
        )
    pairs = enumerate(zip(source[:length], target[:length], strict=True), 1)
    return _records(source_path, ((f"{source_path}:{number}", pair) for number, pair in pairs), ("source", "target"))


def table(path, columns=None, delimiter=None, header=None, encoding="utf-8"):
    """Rows of a TSV or CSV file.

    Args:
        columns: names from the header, or numbers from 0, in the order wanted; None takes all.
        delimiter: None takes a comma for `.csv` and a tab otherwise. With a tab, quotes mean nothing.
        header: whether the first line names the columns; None takes it so when `columns` holds a name.

    Raises:
        ValueError: file and line of a row with another number of columns, or of a quote that does not close.
    """
    columns = [columns] if isinstance(columns, (int, str)) else columns
    named = any(isinstance(column, str) for column in columns or ())
    if delimiter is None:
        delimiter = "," if Path(str(path).removesuffix(".gz")).suffix == ".csv" else "\t"
    rows = list(_rows(path, delimiter, encoding))
    first = next((index for index, (_, row) in enumerate(rows) if row), 0)
    names = tuple(name.strip() for name in rows.pop(first)[1]) if named or header else ()
    width = len(names) if named else next((len(row) for _, row in rows if row), 0)
    numbers = range(width) if columns is None else [column_number(one, names, width, path) for one in columns]
    for place, row in rows:
        if len(row) not in (0, width):
            raise ValueError(f"Expected {width} columns. Received: {len(row)} in {place}")
    names = tuple(names[number] for number in numbers) if len(names) == width else ()
    return _records(path, ((place, tuple(row[number] for number in numbers if row)) for place, row in rows), names)


def pattern(path, regex, encoding="utf-8"):
    r"""One record a line, its columns the groups of a regular expression that must match the whole line.

    `pattern(path, r"(?P<label>\S+) (?P<text>.+)").select("text", "label")` reads lines of a label and a text.
    """
    try:
        compiled = re.compile(regex)
    except re.error as error:
        raise ValueError(f"Expected a regular expression. Received: regex={regex!r} ({error})") from None
    if not compiled.groups:
        raise ValueError(f"Expected at least one group. Received: regex={regex!r}")

    def groups(place, line):
        match = compiled.fullmatch(line)
        if not match:
            raise ValueError(f"Expected a line like {regex!r}. Received: {line[:80]!r} in {place}")
        return match.groups("")

    names = tuple(compiled.groupindex) if len(compiled.groupindex) == compiled.groups else ()
    return _parsed(path, groups, _placed(path, encoding), names)


def json_lines(path, fields, encoding="utf-8"):
    """One JSON object a line; `fields` are the keys wanted, in order. A value stays as JSON has it."""
    fields = (fields,) if isinstance(fields, str) else tuple(fields)

    def values(place, line):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"Expected one JSON object a line. Received: {error} in {place}") from None
        if not isinstance(value, dict) or not value.keys() >= set(fields):
            received = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise ValueError(f"Expected an object with {list(fields)}. Received: {received} in {place}")
        return tuple(value[name] for name in fields)

    return _parsed(path, values, _placed(path, encoding), fields)


def time_series(path, encoding="utf-8"):
    """A `.ts` file: (values, label), values a list of T rows of D numbers.

    After the line "@data" each line is a record: commas between the numbers of a dimension, colons between the
    dimensions and before the label.
    """
    placed = _placed(path, encoding)
    if not any(line.strip().lower() == "@data" for _, line in placed):  # which also skips what is before it
        raise ValueError(f"Expected a line @data before the records. Received: path={str(path)!r} without one")

    def series(place, line):
        *dimensions, label = line.split(":")
        try:
            rows = [[float(value) for value in dimension.split(",")] for dimension in dimensions]
            return [list(step) for step in zip(*rows, strict=True)], label.strip()
        except ValueError as error:
            raise ValueError(f"Expected numbers, as many a dimension. Received: {error} in {place}") from None

    return _parsed(path, series, placed, ("values", "label"))


def folder_per_class(folder, encoding="utf-8"):
    """A folder a class, a file a text: (text, label). What is neither is counted; hidden files are not looked at."""
    folders = [path for path in _entries(folder) if path.is_dir()]
    records = _classes(folder, folders, _texts, encoding)
    records.skipped["not in a folder of a class"] += len(_entries(folder)) - len(folders)
    return records


def file_per_class(folder, glob="*.txt", encoding="utf-8"):
    """A file a class, a line a text: (text, label), the label being the file's name without its suffix.

    Args:
        glob: which files are classes; a file's `.gz` is not part of its name here.
    """
    files = [path for path in _entries(folder) if path.is_file() and fnmatch(path.name.removesuffix(".gz"), glob)]
    return _classes(folder, files, lines, encoding)


def tfds(name, split, fields, data_dir=None):
    """A split of a TensorFlow Datasets data set; text becomes str, class numbers become their names.

    Args:
        name: as `tensorflow_datasets.load` knows it, "tfds:" before it or not.
        split: such as "train" or "train[:80%]".
        fields: the features wanted, in order.
    """
    import tensorflow_datasets  # takes a while, and only this reader needs it

    fields, name = (fields,) if isinstance(fields, str) else tuple(fields), name.removeprefix("tfds:")
    dataset, info = tensorflow_datasets.load(name, split=split, data_dir=data_dir, with_info=True)
    source = f"tfds:{name}/{split}"
    if not set(fields) <= set(info.features):
        raise ValueError(f"Expected fields among {sorted(info.features)}. Received: {list(fields)} of {source}")

    def plain(field, value, place):
        names = getattr(getattr(info.features[field], "feature", info.features[field]), "names", None)
        try:
            if getattr(value, "ndim", 0):  # a sequence: of words, of tags, of numbers
                return [plain(field, one, place) for one in value] if names or value.dtype == object else value
            if names and int(value) < 0:
                raise ValueError("a record without a class")
            return names[int(value)] if names else value.decode("utf-8") if isinstance(value, bytes) else value
        except ValueError as error:
            raise ValueError(f"Expected text or a class in {field!r}. Received: {error} in {place}") from None

    placed = ((f"{source}:{number}", row) for number, row in enumerate(tensorflow_datasets.as_numpy(dataset), 1))
    return _records(
        source, ((place, tuple(plain(field, row[field], place) for field in fields)) for place, row in placed), fields
    )


def _records(source, placed, names):
    """Records of (place, row) pairs; a row with a blank text, or none at all, is counted instead."""
    rows, places, skipped = [], [], Counter()
    for place, row in placed:
        if not row or any(isinstance(value, str) and not value.strip() for value in row):
            skipped["blank"] += 1
        else:
            rows.append(row)
            places.append(place)
    if not rows:
        raise ValueError(f"Expected a record with text. Received: {source} with {skipped['blank']} blank ones")
    return Records(rows, places, names, skipped)


def _parsed(path, parse, placed, names):
    """A record a line, by `parse(place, line)`; blank lines are counted."""
    return _records(path, ((place, parse(place, line) if line.strip() else ()) for place, line in placed), names)


def _read(path, encoding):
    """The text of a file, gzip or not, without its byte order mark."""
    data = Path(path).read_bytes()
    if Path(path).suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"Expected a gzip file. Received: path={str(path)!r} ({error})") from None
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise ValueError(f"Expected the name of an encoding. Received: encoding={encoding!r}") from None
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"Expected text in {encoding}. Received: byte 0x{data[error.start]:02x} in {path}:{number}; "
            "give the file's encoding, or mend that line"
        ) from None


def _lines(path, encoding):
    """Lines without their ends. Only "\\n" and "\\r\\n" end a line: str.splitlines knows eight more."""
    content = _read(path, encoding).replace("\r\n", "\n")
    if not content.strip():
        raise ValueError(f"Expected text. Received: path={str(path)!r}, which is empty")
    return content.removesuffix("\n").split("\n")


def _placed(path, encoding):
    return ((f"{path}:{number}", line) for number, line in enumerate(_lines(path, encoding), 1))


def _rows(path, delimiter, encoding):
    """(place, row) of a delimited file; a blank row is an empty list."""
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    ended = (line + "\n" for line in _lines(path, encoding))
    reader = csv.reader(ended, delimiter=delimiter, quoting=quoting, strict=True)
    try:
        for row in reader:
            yield f"{path}:{reader.line_num}", row if any(value.strip() for value in row) else []
    except csv.Error as error:
        raise ValueError(f"Expected a table. Received: {error} in {path}:{reader.line_num}") from None


def _entries(folder):
    return [path for path in sorted(Path(folder).iterdir()) if not path.name.startswith(".")]


def _texts(folder, encoding):
    """The files of a folder, each one text."""
    files = [path for path in _entries(folder) if path.is_file()]
    read = ((f"{path}:1", (_read(path, encoding).replace("\r\n", "\n"),)) for path in files)
    records = _records(folder, read, ("text",))
    records.skipped["not a file"] += len(_entries(folder)) - len(files)
    return records


def _classes(folder, paths, read, encoding):
    if not paths:
        raise ValueError(f"Expected an entry a class. Received: folder={str(folder)!r} with none")
    total = Records([], [], ("text", "label"))
    for path in paths:
        label = path.name if path.is_dir() else Path(path.name.removesuffix(".gz")).stem
        found = read(path, encoding)
        total += Records([(content, label) for (content,) in found], found.places, total.names, found.skipped)
    return total
