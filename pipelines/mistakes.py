"""Mistakes that the columns of records give away: a header read as a record, columns that are swapped or the same."""

import re
import unicodedata
import warnings

HEADER = re.compile(
    r"(text|sentence|message|review|comment|tweet|title|query|question|utterance|words?|label|class|category|target|"
    r"sentiment|intent|tags?|topic|language|name|source|input|output|content|body)s?|(v|x|y|col|column|field)_?\d*",
    re.IGNORECASE,
)
TEXTS = ("text", "words", "source", "target")
WORDS, LETTERS = 5, 40  # in a name of a column at most
ENOUGH = 20  # records before what they have in common says something


def check(records, columns, names=(), header=""):
    """Refuses what can only be a mistake, and warns of what is most likely one.

    Args:
        records: Records.
        columns: what stands in each column.
        names: of the columns in their source, or none.
        header: as of `Records`: the line with these names.

    Raises:
        ValueError: a first record that is a header; texts and labels that are swapped, or one column taken for both.
    """
    _check_header(records, columns, names, header)
    if len(columns) != 2 or columns[0] == "values":
        return
    first, second = records.column(0), records.column(1)
    same = len(records) >= ENOUGH and first == second
    if "label" not in columns:
        if same:
            warnings.warn(_same(records, columns), stacklevel=2)
        return
    texts, labels = (first, second) if columns[1] == "label" else (second, first)
    if not all(isinstance(value, str) for value in [*texts, *labels]):
        return
    if same:
        raise ValueError(_same(records, columns))
    head = (texts[0].strip(), labels[0].strip())
    if all(map(HEADER.fullmatch, head)) and head[0] != head[1] and labels.count(labels[0]) == 1 < len(records) - 1:
        raise ValueError(
            f"Expected a record. Received: {records[0]} in {records.places[0]}, which reads like a header: declare it "
            "(`header=True`, on the command line --header), or leave the line out"
        )
    kinds, different = len(set(labels)), len(set(texts))
    if len(records) >= ENOUGH and kinds > len(records) / 2 and different < len(records) / 5:
        raise ValueError(
            f"Expected rows of ({', '.join(columns)}). Received: {kinds} different labels and {different} different "
            f"texts in {len(records)} records from {records.places[0]} on: the columns look swapped; choose them in "
            "the other order (`columns`, `select`, on the command line --columns)"
        )


def _check_header(records, columns, names, place):
    """Warns of a first line that was said to be a header and reads like a record."""
    if not place or len(names) != len(columns):
        return
    for number, (name, column) in enumerate(zip(names, columns, strict=True)):
        as_label = column == "label" and name in records.column(number)
        if as_label or (column in TEXTS and (len(name.split()) > WORDS or len(name) > LETTERS)):
            what = "is the label of other records" if as_label else "is long for a name"
            warnings.warn(
                f"Expected a header that names the columns. Received: {name!r:.80}, which {what}, in {place}: where "
                "that line is a record, leave out `header=True` (on the command line --header)",
                stacklevel=2,
            )
            return


def check_names(names):
    """Warns of names of classes that differ only in case, in signs that are not seen or in how a letter is encoded."""
    seen = {}
    for name in sorted(names):
        plain = unicodedata.normalize("NFKC", "".join(c for c in name if unicodedata.category(c) != "Cf")).casefold()
        if plain in seen:
            warnings.warn(
                f"Expected names of classes that do not look alike. Received: {seen[plain]!a} and {name!a}, which are "
                "two classes here; write them in one way if they are one",
                stacklevel=2,
            )
            return
        seen[plain] = name


def _same(records, columns):
    return (
        f"Expected a column of {columns[0]} and one of {columns[1]}. Received: the same value in both columns of all "
        f"{len(records)} records from {records.places[0]} on; choose two columns (`columns`, `select`, on the command "
        "line --columns)"
    )
