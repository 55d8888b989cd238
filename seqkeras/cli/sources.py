"""Data named on the command line: files in any of the readers' formats, and the embedded samples."""

import re
from pathlib import Path

from seqkeras.cli.preconditions import expect_file
from seqkeras.cli.settings import SHARE, SHARES
from seqkeras.pipelines import readers, samples
from seqkeras.pipelines.splits import checked
from seqkeras.pipelines.text_files import unzipped
from seqkeras.tasks import COMMANDS


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
    wanted = COMMANDS[task].embedded
    if wanted is None:
        raise ValueError(f"Expected a file, as no samples are embedded to {task}. Received: {name!r}")
    match = re.fullmatch(rf"samples:{wanted}(?::(\d+))?", name)
    if not match:
        raise ValueError(f"Expected samples:{wanted} or samples:{wanted}:SIZE to {task}. Received: {name!r}")
    drawn = getattr(samples, wanted)(*([int(match[1])] if match[1] else []))
    return {split: readers.lists(*zip(*rows, strict=True)) for split, rows in drawn._asdict().items()}


def read(paths, settings):
    """The records of one split: their columns in the order of the task.

    Several paths are files that say the same line by line: source and target; words, tags and, of a joint task, label.
    One path is a folder (a folder a class, or a file a class; with words and tags `seq.in`, `seq.out` and `label`), a
    `.jsonl` file, `tfds:NAME/SPLIT`, or a table; of words and tags a CoNLL file; of texts alone a text per line,
    unless it is a .tsv or .csv or there are `--columns`. A list of words becomes a text.
    """
    names = COMMANDS[settings["task"]].columns
    return checked(_read(paths, settings), names, "the data")


def _read(paths, settings):
    task, encoding, columns = settings["task"], settings["encoding"], settings["columns"]
    names, path = COMMANDS[task].columns, paths[0]
    if settings["delimiter"] is not None and not _is_table(paths, task, columns):
        raise ValueError(f"Expected a table, which --delimiter is for. Received: {' '.join(paths)}")
    if len(paths) == len(names) and task in BY_LINE:
        for one in paths:
            expect_file(one)
        return BY_LINE[task](*paths, encoding=encoding)
    if len(paths) != 1:
        count = ("one", "two", "three")[len(names) - 1]
        several = f", or {count} of the same number of lines: {', '.join(names)}" if task in BY_LINE else ""
        raise ValueError(f"Expected one file{several}. Received: {' '.join(paths)}")
    if path.startswith("tfds:"):
        name, _, split = path.rpartition("/")
        if not name:
            raise ValueError(f"Expected tfds:NAME/SPLIT. Received: {path!r}")
        return readers.tfds(name, split, columns or names)
    expect_file(path, folders=COMMANDS[task].folder is not None)
    if Path(path).is_dir():
        if task in BY_LINE:
            return BY_LINE[task](path, encoding=encoding).select(*names)
        nested = any(entry.is_dir() for entry in Path(path).iterdir())
        found = (readers.folder_per_class if nested else readers.file_per_class)(path, encoding=encoding)
        return found.select(*names)
    suffix = unzipped(path).suffix.lower()
    if suffix == ".jsonl":
        return readers.json_lines(path, columns or names, encoding=encoding)
    if task == "tag" and suffix != ".csv":
        return readers.conll(path, columns, encoding=encoding)
    if task == "language" and not _is_table(paths, task, columns):
        return readers.lines(path, encoding=encoding)
    found = readers.table(path, columns, settings["delimiter"], settings["header"] or None, encoding)
    found = chosen(found, path, names) if columns is None else found
    if not settings["header"]:
        expect_no_header(found, SIDES if task == "translate" else HEADERS)
    return found


def _is_table(paths, task, columns):
    """Whether what is named is read as a table; of texts alone by its name, or where columns are chosen."""
    suffix = unzipped(paths[0]).suffix.lower()
    read_otherwise = paths[0].startswith("tfds:") or Path(paths[0]).is_dir() or suffix == ".jsonl"
    lines = task == "language" and columns is None and suffix not in (".tsv", ".csv")
    return len(paths) == 1 and not read_otherwise and not lines and (task != "tag" or suffix == ".csv")


def chosen(records, path, names):
    """The columns of a table where none are chosen: those that its header calls by these names, or all in their order.

    Raises:
        ValueError: it has not as many columns.
    """
    if set(names) <= set(records.names):
        return records.select(*names)
    if len(records[0]) != len(names):
        row = " | ".join(str(value)[:40] for value in records[0])
        wanted = f"{len(names)} columns" if len(names) > 1 else "1 column"
        numbers = ",".join(str(i) for i in range(len(names)))
        few = f"; put tabs between the columns, or commas in a .csv file: {row}"
        raise ValueError(
            f"Expected {wanted}, {', '.join(names)}. Received: {len(records[0])} in {path}"
            + (f"; choose with --columns, such as --columns {numbers}: {row}" if len(records[0]) > len(names) else few)
        )
    return records


def expect_no_header(records, names):
    """Raises ValueError where the first record holds nothing but usual names of columns."""
    first = [str(value).strip().lower() for value in records[0]]
    if set(first) <= names and len(set(first)) == len(first):
        raise ValueError(
            f"Expected data in {records.places[0]}. Received: {' | '.join(first)}, which looks like a header; "
            "say --header, or leave that line out"
        )


SIDES = {"source", "target", "src", "tgt", "input", "output"}
HEADERS = SIDES | {  # names that columns of tables often have
    *("text", "sentence", "sentences", "utterance", "utterances", "message", "review", "question", "title", "body"),
    *("label", "labels", "class", "category", "intent", "sentiment", "tag", "tags", "words", "tokens", "id"),
    *("word", "name", "language", "label_text", "content", "document"),
}
BY_LINE = {"translate": readers.parallel_lines, "tag": readers.slots, "joint": readers.slots}
