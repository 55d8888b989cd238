"""Data named on the command line: files in any of the readers' formats, and the embedded samples."""

import re
from pathlib import Path

from seqkeras.pipelines import readers, samples

COLUMNS = {"classify": ("text", "label"), "generate": ("label", "text"), "translate": ("source", "target")}


def splits(settings):
    """dict of split -> Records, `validation` also the share to split off, as the tasks in `pipelines` take them."""
    if settings["data"][0].startswith("samples:"):
        return embedded(*settings["data"])._asdict()
    validation = settings["validation"]
    share = len(validation) == 1 and re.fullmatch(r"0?\.\d+", validation[0])
    given = {"train": read(settings["data"], settings)}
    given["validation"] = float(validation[0]) if share else read(validation, settings)
    if settings["test"]:
        given["test"] = read(settings["test"], settings)
    return given


def held_out(settings):
    """The records of `test`, or those of the embedded data."""
    if settings["data"][0].startswith("samples:") and not settings["test"]:
        return embedded(*settings["data"]).test
    if not settings["test"]:
        raise ValueError("Expected a file to evaluate on. Received: none, and the run was trained without --test")
    return read(settings["test"], settings)


def embedded(name):
    """`samples:languages`, or with the number of examples `samples:languages:20000`."""
    _, kind, *size = name.split(":")
    known = {"languages": samples.languages, "territories": samples.territories, "dates": samples.dates}
    if kind not in known or len(size) > 1 or not all(one.isdigit() for one in size):
        raise ValueError(f"Expected samples:NAME or samples:NAME:SIZE of {', '.join(known)}. Received: {name!r}")
    return known[kind](*map(int, size))


def read(paths, settings):
    """The records of one split: their columns in the order of the task.

    Two paths are two files that say the same line by line. One path is a folder (a folder a class, or a file a
    class), a `.jsonl` file, `tfds:NAME/SPLIT`, or a table.
    """
    task, encoding = settings["task"], settings["encoding"]
    columns = settings["columns"]
    if len(paths) == 2 and task == "translate":
        return readers.parallel_lines(*paths, encoding=encoding)
    if len(paths) != 1:
        two = ", or two of the same number of lines" if task == "translate" else ""
        raise ValueError(f"Expected one file{two}. Received: {' '.join(paths)}")
    path = paths[0]
    if path.startswith("tfds:"):
        name, _, split = path.rpartition("/")
        if not name:
            raise ValueError(f"Expected tfds:NAME/SPLIT. Received: {path!r}")
        return readers.tfds(name, split, columns or COLUMNS[task])
    if not Path(path).exists():
        raise ValueError(f"Expected a file or folder. Received: {path!r}, which does not exist")
    if Path(path).is_dir():
        if task == "translate":
            raise ValueError(f"Expected a file. Received: {path!r}, a folder")
        nested = any(entry.is_dir() for entry in Path(path).iterdir())
        found = (readers.folder_per_class if nested else readers.file_per_class)(path, encoding=encoding)
        return found.select(*COLUMNS[task])
    if ".jsonl" in Path(path).suffixes:
        return readers.json_lines(path, columns or COLUMNS[task], encoding=encoding)
    return readers.table(path, columns or (0, 1), header=settings["header"] or None, encoding=encoding)
