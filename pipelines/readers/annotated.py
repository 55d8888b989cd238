"""Words and their tags: CoNLL files; files of words, of tags and of labels, line by line."""

import os
import re
from collections.abc import Sequence
from itertools import groupby

from seqkeras.arguments import shown, whole
from seqkeras.pipelines.readers.texts import side_by_side
from seqkeras.pipelines.records import Records, gathered
from seqkeras.pipelines.text_files import lines_of

CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
SLOTS = ("seq.in", "seq.out", "label")  # the usual names of three files, a line each record
NUMBERED = re.compile(r"\d+([-.]\d+)?")  # the ID of a word, of a multiword token, of an empty node


def conll(path: str | os.PathLike[str], columns: Sequence[int | str] | None = None, encoding: str = "utf-8") -> Records:
    """A CoNLL file, a word a line, blank lines between sentences: (words, tags), lists of one length.

    Columns stand between tabs, or in a file without tabs between spaces. Lines that begin with -DOCSTART- are left
    out. Where the word is not the first column, so are comments ("#"), multiword tokens (8-9) and empty nodes (8.1);
    where it is, a line that begins with "#" is a comment if its number of columns is not that of the words. A word
    keeps the spaces inside it ("10 000"); `seqkeras.pipelines.words.join` says how it stays one word.

    Args:
        columns: of word and tag: a number from 0, or -1 for the last column; a name among those of CoNLL-U, or among
            those that the file lists itself ("# global.columns = …"). None takes FORM and UPOS where words are
            numbered, and otherwise the first and the last column.

    Raises:
        ValueError: file and line of a row without these columns, or with another number of them than the rest of its
            sentence has; of a blank word; of a tag that is blank or holds white space.
    """
    lines = list(lines_of(path, encoding))
    rows = _rows(lines)
    word, tag = _word_and_tag(columns, lines, rows, path)
    width = next((len(row) for row in rows if row and not row[0].startswith("#")), 0)

    def is_word(row):
        if word == 0:
            return not row[0].startswith("#") or len(row) == width
        return not row[0].startswith("#") and not re.fullmatch(r"\d+[-.]\d+", row[0])

    kept = [(number, row) for number, row in enumerate(rows, 1) if not row or is_word(row)]
    sentences = (list(group) for some, group in groupby(kept, key=lambda pair: bool(pair[1])) if some)
    return gathered(path, (_sentence(one, word, tag, path) for one in sentences), ("words", "tags"))


def slots(
    words_path: str | os.PathLike[str],
    tags_path: str | os.PathLike[str] | None = None,
    label_path: str | os.PathLike[str] | None = None,
    encoding: str = "utf-8",
) -> Records:
    """Files of words, of their tags and of labels, as SNIPS and ATIS have them: (words, tags, label).

    A line of `words_path` holds words with spaces or tabs between them, the same line of `tags_path` as many tags, and
    that of `label_path` the label of the whole. Words and tags are lists. Without `label_path` records are (words,
    tags). A folder alone stands for the files `seq.in`, `seq.out` and `label` in it.

    Raises:
        ValueError: where the files do not end on the same line, or a line has not as many tags as words; names both.
    """
    if tags_path is None and isinstance(words_path, (str, os.PathLike)):
        if label_path is not None or not os.path.isdir(words_path):
            raise ValueError(
                f"Expected files of words and of tags, or a folder with {', '.join(SLOTS)}. Received: {words_path} "
                "without tags_path"
            )
        words_path, tags_path, label_path = (os.path.join(words_path, name) for name in SLOTS)
    paths = (words_path, tags_path) if label_path is None else (words_path, tags_path, label_path)

    def record(number, line):
        words, tags = (re.findall("[^ \t]+", text) for text in line[:2])
        if len(words) != len(tags):
            raise ValueError(
                f"Expected as many tags as words. Received: {len(tags)} tags in {tags_path}:{number} and {len(words)} "
                f"words in {words_path}:{number}"
            )
        return (words, tags, *(label.strip() for label in line[2:])) if words else ()

    numbered = enumerate(side_by_side(paths, encoding), 1)
    records = ((number, record(number, line)) for number, line in numbered)
    return gathered(words_path, records, ("words", "tags", "label")[: len(paths)])


def _rows(lines):
    """The columns of each line; none where it is blank, or is no line of a sentence."""
    tabs = any("\t" in line for line in lines if not line.startswith("#")) or all("\t" in line for line in lines)

    def columns(line):
        if not line.strip() or line.startswith("-DOCSTART-"):
            return []
        return [cell.strip(" ") for cell in line.split("\t")] if tabs else re.split(" +", line.strip(" "))

    return [columns(line) for line in lines]


def _word_and_tag(columns, lines, rows, path):
    """The numbers of the columns of word and tag."""
    first = next((list(group) for some, group in groupby(_uncommented(rows), key=bool) if some), [])
    numbered = bool(first) and all(NUMBERED.fullmatch(row[0]) and len(row) >= 4 for row in first)
    if columns is None:
        columns = ("FORM", "UPOS") if numbered else (0, -1)
    if not isinstance(columns, (list, tuple)) or len(columns) != 2:
        raise ValueError(f"Expected the columns of word and tag, such as columns=(0, -1). Received: {columns=}")
    listed = next(
        (line.partition("=")[2].split() for line in lines if re.match(r"#\s*global\.columns\s*=", line)), None
    )
    names = listed or (CONLLU if numbered else ())
    found = []
    for role, column in zip(("word", "tag"), columns, strict=True):
        if isinstance(column, str):
            if column not in names:
                known = f"the columns {shown(names)}" if names else "a number from 0, as the file names no columns"
                raise ValueError(f"Expected {known}. Received: {role}={column!r} of {path}")
            column = names.index(column)
        if column != -1 or isinstance(column, bool):
            whole(0, **{role: column})
        found.append(column)
    if found[0] == found[1]:
        raise ValueError(f"Expected a column for words and another for tags. Received: {columns=} of {path}")
    return found


def _uncommented(rows):
    return [row for row in rows if not row or not row[0].startswith("#")]


def _sentence(numbered, word, tag, path):
    """The line a sentence begins on, its words and its tags."""
    width = len(numbered[0][1])
    needed = max(word, tag) + (2 if -1 in (word, tag) else 1)  # the last is another than the one before it
    for number, row in numbered:
        if len(row) < needed:
            raise ValueError(f"Expected {needed} columns. Received: {len(row)} in {path}:{number}")
        if len(row) != width:
            raise ValueError(
                f"Expected {width} columns, as in {path}:{numbered[0][0]}. Received: {len(row)} in {path}:{number}; "
                "between sentences there is a blank line, and words with spaces need tabs between the columns"
            )
        if not row[word].strip() or len(row[tag].split()) != 1:
            raise ValueError(
                f"Expected a word, and a tag without spaces. Received: {row[word]!r} and {row[tag]!r} in "
                f"{path}:{number}"
            )
    rows = [row for _, row in numbered]
    return numbered[0][0], ([row[word] for row in rows], [row[tag] for row in rows])
