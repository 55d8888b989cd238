"""Spans in BIO tags: "O" outside of every span, "B-type" where one begins, "I-type" inside."""


def in_bio(names):
    """Whether names of tags are BIO, with a type at least."""
    return any(name != "O" for name in names) and all(name == "O" or name[:2] in ("B-", "I-") for name in names)


def spans(tags):
    """[tag, …] of one sequence -> [(type, start, end)], `end` being the position behind the last.

    As in conlleval, an I begins a span where none of its type goes on.

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
