"""Data named on the command line: files in any of the readers' formats, and the embedded samples."""

import re
from pathlib import Path

from seqkeras.cli.preconditions import expect_file
from seqkeras.cli.settings import SHARE, SHARES
from seqkeras.pipelines import readers, samples
from seqkeras.pipelines.text_files import unzipped

COLUMNS = {"classify": ("text", "label"), "generate": ("label", "text"), "translate": ("source", "target")}
EMBEDDED = {"classify": "languages", "generate": "territories", "translate": "dates"}


def splits(settings):
    """dict of split -> Records; of validation and test it may be the share to split off instead."""
    data, validation, test = settings["data"], settings["validation"], settings["test"]
    if data[0].startswith("samples:"):
        if len(data) > 1 or test or validation != [SHARE]:
            raise ValueError(f"Expected {data[0]} alone, which brings all splits. Received: other files beside it")
        return embedded(data[0], settings["task"])
    given = {"train": data, "validation": validation} | ({"test": test} if test else {})
    return {
        split: float(named[0]) if split != "train" and is_share(named) else read(named, settings)
        for split, named in given.items()
    }


def is_share(named):
    """Whether what is named for a split is the share of the training records to split off."""
    return len(named) == 1 and SHARES.fullmatch(named[0]) is not None


def embedded(name, task):
    """`samples:NAME`, or with the number of examples `samples:NAME:SIZE`."""
    wanted = EMBEDDED[task]
    match = re.fullmatch(rf"samples:{wanted}(?::(\d+))?", name)
    if not match:
        raise ValueError(f"Expected samples:{wanted} or samples:{wanted}:SIZE to {task}. Received: {name!r}")
    drawn = getattr(samples, wanted)(*([int(match[1])] if match[1] else []))
    return {split: readers.lists(*zip(*rows, strict=True)) for split, rows in drawn._asdict().items()}


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
    expect_file(path, folders=task != "translate")
    if Path(path).is_dir():
        nested = any(entry.is_dir() for entry in Path(path).iterdir())
        found = (readers.folder_per_class if nested else readers.file_per_class)(path, encoding=encoding)
        return found.select(*COLUMNS[task])
    if unzipped(path).suffix.lower() == ".jsonl":
        return readers.json_lines(path, columns or COLUMNS[task], encoding=encoding)
    return readers.table(path, columns or (0, 1), header=settings["header"] or None, encoding=encoding)
