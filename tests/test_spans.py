"""Spans of BIO tags, as conlleval finds them."""

import pytest

from seqkeras.training.spans import in_bio, spans


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("", []),
        ("O O", []),
        ("B-a I-a O", [("a", 0, 2)]),
        ("B-a B-a", [("a", 0, 1), ("a", 1, 2)]),
        ("I-a I-a", [("a", 0, 2)]),
        ("B-x B-x I-y I-y", [("x", 0, 1), ("x", 1, 2), ("y", 2, 4)]),
        ("B-a I-b I-b", [("a", 0, 1), ("b", 1, 3)]),
        ("O I-a O I-a", [("a", 1, 2), ("a", 3, 4)]),
        ("B-a-b I-a-b", [("a-b", 0, 2)]),
    ],
)
def test_spans_are_those_of_conlleval(tags, found):
    assert spans(tags.split()) == found


def test_in_bio_knows_tags_of_spans_from_others():
    assert in_bio(["O", "B-a", "I-a"]) and in_bio(["B-a"])
    assert not in_bio(["O"]) and not in_bio(["NOUN", "VERB"]) and not in_bio(["O", "B-a", "S-a"])
    assert in_bio(["O", "I-a"]) and not in_bio(["O", "B-", "B-a"])
