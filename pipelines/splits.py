"""Training, validation and test records: checked, split without the same text on both sides, compared."""

from collections import Counter

import numpy as np

from seqkeras.pipelines.records import Records

NAMES = ("train", "validation", "test")


def splits(train, validation, test, columns, key, label=None, seed=0):
    """dict of split -> checked Records, of the splits that are there.

    Args:
        validation: records, or the share of the training records to split off.
        columns: what stands in each column.
        key: record -> what may not be on both sides of a split.
        label: record -> its label; the first record of each stays in training. None where records have none.
        seed: of the choice of what is split off.
    """
    given = dict(zip(NAMES, (train, validation, test), strict=True))
    share = given.pop("validation") if isinstance(validation, float) else None
    records = {split: checked(data, columns, split) for split, data in given.items() if data is not None}
    if not records or (share is not None and "train" not in records):
        raise ValueError(
            f"Expected records. Received: train={train}, validation={validation}, test={test}; "
            "a share of validation is split off from train"
        )
    if share is not None:
        records["train"], records["validation"] = split_off(records["train"], share, key, label, seed)
    return {split: records[split] for split in NAMES if split in records}


def checked(data, columns, split):
    """Records with these columns; a list of words becomes a text with spaces between them.

    Args:
        data: Records, or a list of tuples.
        columns: what stands in each column.

    Raises:
        ValueError: no records, or a row of another width; names the row's place.
    """
    if isinstance(data, (str, int, float, dict)):
        raise ValueError(f"Expected Records of a reader, or a list of tuples. Received: {split}={data!r}")
    if isinstance(data, Records):
        rows, places, skipped = data.rows, data.places, data.skipped
    else:
        rows = [row if isinstance(row, (tuple, list, np.ndarray)) else (row,) for row in data]
        places, skipped = [f"{split} record {number}" for number in range(1, len(rows) + 1)], Counter()
    if not len(rows):
        raise ValueError(f"Expected records for {split}. Received: none")
    for row, place in zip(rows, places, strict=True):
        if len(row) != len(columns):
            raise ValueError(
                f"Expected rows of ({', '.join(columns)}). Received: {len(row)} columns in {place}; "
                "choose columns with `select`"
            )
    return Records([tuple(map(_text, row)) for row in rows], places, columns, skipped)


def split_off(records, share, key, label, seed):
    """Two sets of records, the second with about `share` of them, as `splits` says."""
    if not 0 < share < 1:
        raise ValueError(f"Expected a share between 0 and 1. Received: validation={share}")
    groups = {}
    for index, row in enumerate(records):
        groups.setdefault(key(row), []).append(index)
    groups = list(groups.values())
    kept, off, seen, wanted = [], [], set(), round(share * len(records))
    for number in np.random.default_rng(seed).permutation(len(groups)):
        labels = {label(records[index]) for index in groups[number]} if label else set()
        if labels <= seen and len(off) < wanted:
            off += groups[number]
        else:
            kept += groups[number]
            seen |= labels
    if not off or not kept:
        raise ValueError(f"Expected enough to split. Received: validation={share} of {len(groups)} different records")
    return records.take(sorted(kept), records.skipped), records.take(sorted(off))


def shared(records, train, key):
    """How many records have a text that is in the training records too."""
    known = {key(row) for row in train}
    return sum(key(row) in known for row in records)


def _text(value):
    words = isinstance(value, list) and value and all(isinstance(word, str) for word in value)
    return " ".join(value) if words else value
