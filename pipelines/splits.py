"""Training, validation and test records: checked, split without the same text on both sides, compared."""

import warnings
from collections import Counter

import numpy as np

from seqkeras.arguments import listed, shown, whole
from seqkeras.pipelines import mistakes
from seqkeras.pipelines.classes import names
from seqkeras.pipelines.columns import texts
from seqkeras.pipelines.records import Places, Records
from seqkeras.pipelines.words import join

NAMES = ("train", "validation", "test")


def splits(train, validation, test, columns, key, label=None, seed=0):
    """dict of split -> checked Records, of the splits that are there.

    Args:
        validation, test: records, or the share of the records in `train` to split off.
        columns: what stands in each column.
        key: record -> what may not be on both sides of a split.
        label: record -> its label; the first record of each stays in training. None where records have none.
        seed: of the choice of what is split off.
    """
    whole(0, seed=seed)
    given = dict(zip(NAMES, (train, validation, test), strict=True))
    shares = {split: given.pop(split) for split in NAMES[1:] if isinstance(given[split], (float, np.floating))}
    records = {split: checked(data, columns, split) for split, data in given.items() if data is not None}
    if not records or (shares and "train" not in records):
        raise ValueError(
            f"Expected records. Received: train={train}, validation={validation}, test={test}; "
            "a share is split off from train"
        )
    if not all(share > 0 for share in shares.values()) or sum(shares.values()) >= 1:
        raise ValueError(f"Expected shares above 0, together below 1. Received: validation={validation}, test={test}")
    if shares:  # a wrong value gets its own message before records are split by it
        for column, name in enumerate(columns):
            if name not in ("values", "tags"):
                (names if name == "label" else texts)(records["train"], column)
    wanted = {split: round(share * len(records["train"])) for split, share in shares.items()}
    for split in reversed(wanted):  # test first: what it holds does not depend on the share of validation
        records["train"], records[split] = split_off(records["train"], split, wanted[split], key, label, seed)
    return {split: records[split] for split in NAMES if split in records}


def checked(data, columns, split):
    """Records with these columns; a list of words becomes a text with spaces between them, as `words.join` has it.

    Args:
        data: Records, or a list of tuples.
        columns: what stands in each column.

    Raises:
        ValueError: no records, or a row of another width; names the row's place.
    """
    share = "" if split == "train" else ", or a share above 0 and below 1"
    listed(f"Records of a reader, or a list of tuples{share}", **{split: data})
    if isinstance(data, Records):
        rows, places, skipped = data.rows, data.places, data.skipped
    else:
        rows = [row if isinstance(row, (tuple, list, np.ndarray)) else (row,) for row in data]
        places, skipped = Places([f"{split} record "], range(1, len(rows) + 1)), Counter()
    if not len(rows):
        raise ValueError(f"Expected records for {split}. Received: none")
    for index, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(
                f"Expected rows of ({', '.join(columns)}). Received: {len(row)} columns in {places[index]}, "
                f"{row!r:.80}; choose columns with `select`, or read a table with its own `delimiter`"
            )
    found = Records([_plain(row, columns, places, index) for index, row in enumerate(rows)], places, columns, skipped)
    of_source = (data.names, data.header) if isinstance(data, Records) else ()
    mistakes.check(found, columns, *of_source)
    return found


def split_off(records, split, wanted, key, label, seed):
    """Two sets of records, the second with about as many as wanted, as `splits` says."""
    groups = {}
    for index, row in enumerate(records):
        groups.setdefault(key(row), []).append(index)
    groups = list(groups.values())
    kept, off, seen = [], [], set()
    for number in np.random.default_rng(seed).permutation(len(groups)):
        labels = {label(records[index]) for index in groups[number]} if label else set()
        if labels <= seen and len(off) < wanted:
            off += groups[number]
        else:
            kept += groups[number]
            seen |= labels
    if not off or not kept:
        raise ValueError(
            f"Expected different records enough for train and {split}. Received: {len(groups)} different records, "
            f"{wanted} wanted for {split}; give more of them (a file is one to `readers.text`, a line is one to "
            f"`readers.lines`), a greater share, or records as {split}"
        )
    if label:
        _warn_of_missing({label(records[index]) for index in off}, seen, len(off), split)
    return records.take(sorted(kept), records.skipped), records.take(sorted(off))


def _warn_of_missing(labels, of_train, count, split):
    """Warns of labels that none of `count` records which were split off has: their figures say nothing of them."""
    missing = sorted(map(str, of_train - labels))
    if missing and count >= mistakes.ENOUGH:
        warnings.warn(
            f"{split} has no example of {len(missing)} of {len(of_train)} labels: {shown(missing)}. Its figures say "
            f"nothing of them; give a greater share, or records as {split}",
            stacklevel=5,
        )


def shared(records, train, key):
    """How many records have a text that is in the training records too."""
    known = {key(row) for row in train}
    return sum(key(row) in known for row in records)


def _plain(row, columns, places, index):
    """A row as a tuple; one that is a tuple already, without lists, is not copied."""
    if type(row) is tuple and not any(isinstance(value, (list, tuple)) for value in row):
        return row
    try:
        return tuple(map(_text, row, columns))
    except ValueError as error:
        raise ValueError(f"{error} in {places[index]}") from None


def _text(value, column):
    words = isinstance(value, (list, tuple)) and value and all(isinstance(word, str) for word in value)
    if not words or column == "label":  # several labels are not joined into one
        return value
    if column == "tags" and (split := [tag for tag in value if len(tag.split()) != 1]):
        raise ValueError(f"Expected tags without white space. Received: {split[0]!r}")
    return join(value) if column == "words" else " ".join(value)
