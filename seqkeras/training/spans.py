"""Spans in BIO tags: "O" outside of every span, "B-type" where one begins, "I-type" inside."""

import re


def in_bio(names):
    """Whether the names of tags are all "O", "B-type" or "I-type", and not "O" alone."""
    return any(name != "O" for name in names) and all(re.fullmatch("O|[BI]-.+", name, re.DOTALL) for name in names)


def spans(tags):
    """The spans in the tags of one sequence: [(type, start, end)], `end` the index after the last.

    As in conlleval, an I begins a span too where the tag before it is O or of another type.

    Reference: Tjong Kim Sang & De Meulder, Introduction to the CoNLL-2003 shared task, 2003, section 2.
    """
    found, before = [], None
    for position, tag in enumerate(tags):
        kind = None if tag == "O" else tag[2:]
        if kind is not None and (tag[0] == "B" or kind != before):
            found.append((kind, position, position + 1))
        elif kind is not None:
            found[-1] = (kind, found[-1][1], position + 1)
        before = kind
    return found
