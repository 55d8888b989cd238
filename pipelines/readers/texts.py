"""Plain text: a record a line, a file a record, two files side by side, a folder or a file a class."""

import os
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from seqkeras.pipelines.records import Places, Records, gathered
from seqkeras.pipelines.text_files import empty, ended_lines, lines_of, unzipped


def lines(path: str | os.PathLike[str], encoding: str = "utf-8") -> Records:
    """One record a line: (text,)."""
    return gathered(path, ((number, (line,)) for number, line in enumerate(lines_of(path, encoding), 1)), ("text",))


def text(path: str | os.PathLike[str], encoding: str = "utf-8") -> Records:
    """The whole file as one record: (text,); a line of it ends with "\\n" whatever the file has."""
    whole = "".join(ended_lines(path, encoding))
    if not whole.strip():
        raise empty(path)
    return Records([(whole if whole.endswith("\n") else whole + "\n",)], Places([f"{path}:"], [1]), ("text",))


def parallel_lines(
    source_path: str | os.PathLike[str], target_path: str | os.PathLike[str], encoding: str = "utf-8"
) -> Records:
    """Two files, line by line: (source, target). A pair with a blank side is skipped and counted.

    Raises:
        ValueError: where the last line with text is not the same in both; blank lines after it do not count.
    """
    pairs = side_by_side((source_path, target_path), encoding)
    return gathered(source_path, enumerate(pairs, 1), ("source", "target"))


def side_by_side(paths, encoding):
    """The lines of several files, a tuple for each line, up to the last one with text.

    Raises:
        ValueError: where that is not the same line in all of them.
    """
    files = [list(lines_of(path, encoding)) for path in paths]
    ends = [max(number for number, line in enumerate(file, 1) if line.strip()) for file in files]
    if len(set(ends)) > 1:
        shortest = paths[int(np.argmin(ends))]
        received = " and ".join(f"{path} with {end} lines" for path, end in zip(paths, ends, strict=True))
        raise ValueError(
            f"Expected files whose text ends on the same line. Received: {received}; "
            f"the first line missing is {shortest}:{min(ends) + 1}"
        )
    return list(zip(*(file[: ends[0]] for file in files), strict=True))


def folder_per_class(folder: str | os.PathLike[str], encoding: str = "utf-8") -> Records:
    """A folder a class, a file a text: (text, label). What is neither is counted; hidden files are not looked at."""
    folders = [path for path in _entries(folder) if path.is_dir()]
    records = _classes(folder, "folder", folders, _texts, encoding)
    records.skipped["not in a folder of a class"] += len(_entries(folder)) - len(folders)
    return records


def file_per_class(folder: str | os.PathLike[str], glob: str = "*.txt", encoding: str = "utf-8") -> Records:
    """A file a class, a line a text: (text, label), the label being the file's name without its suffix.

    Args:
        glob: which files are classes, in small or capital letters; a file's `.gz` is not part of its name here.
    """
    if not isinstance(glob, str):
        raise ValueError(f'Expected a pattern of names, such as "*.txt". Received: glob={glob!r}')
    files = [path for path in _entries(folder) if path.is_file() and fnmatch(unzipped(path).name.lower(), glob.lower())]
    return _classes(folder, f"file {glob}", files, lines, encoding)


def _entries(folder):
    """The entries of a folder in order, without the hidden ones."""
    try:
        return [path for path in sorted(Path(folder).iterdir()) if not path.name.startswith(".")]
    except (OSError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"Expected a folder. Received: folder={str(folder)!r} ({reason})") from None


def _texts(folder, encoding):
    """The files of a folder, each one text."""
    files = [path for path in _entries(folder) if path.is_file()]
    records = gathered(folder, enumerate(("".join(ended_lines(path, encoding)),) for path in files), ("text",))
    which = records.places.numbers
    records.places = Places([f"{path}:" for path in files], np.ones(len(which)), which)
    records.skipped["not a file"] += len(_entries(folder)) - len(files)
    return records


def _classes(folder, entry, paths, read, encoding):
    if not paths:
        raise ValueError(f"Expected an entry a class, each a {entry}. Received: folder={str(folder)!r} with none")
    total = Records([], Places([], []), ("text", "label"))
    for path in paths:
        label = path.name if path.is_dir() else unzipped(path).stem
        found = read(path, encoding)
        total += Records([(content, label) for (content,) in found], found.places, total.names, found.skipped)
    return total
