"""Checks that answers depend on the input: where they do not, comparing them proves nothing."""

from itertools import pairwise

import numpy as np

from seqkeras.tokens import PAD

CHOOSING = ("uniform", "temperature")  # inputs that say how a search chooses, not what the model reads
ROUNDING = 1e-6  # relative: numbers nearer to each other are the same but for rounding


def check(who, inputs, answers, task):
    """Raises ValueError where an answer is the same whatever the input.

    Args:
        who: whose answers they are, for the message.
        inputs: dict of arrays [n, ...].
        answers: dict of name -> function of a row's number, which gives the row's array, or None for a row that does
            not count. An answer at each position, of a tagger, is compared over the steps that both inputs have.
        task: the signature's name.
    """
    for name, answer in answers.items():
        same = _shared(inputs, answer, positions=task == "tag" or name == "tags")
        if same is not None:
            raise ValueError(
                f"Expected answers that depend on the input. Received: the same {name} from {who} for inputs that "
                f"differ, {_shown(same)}, so a comparison would prove nothing. A softmax over one class is always 1: "
                "take num_classes of 2 or more. Otherwise train the model until its answers differ, or give `inputs` "
                "that differ in what it reads"
            )


def _shared(inputs, answer, positions):
    """The answer that all inputs which differ get; None where answers differ, or no inputs do."""
    inputs = {name: array for name, array in inputs.items() if name not in CHOOSING}
    lengths, shared = _lengths(inputs), None
    kept = ((row, said) for row, said in ((row, answer(row)) for row in range(len(lengths))) if said is not None)
    for (one, first), (other, second) in pairwise(kept):
        end = min(lengths[one], lengths[other]) if positions else None
        if _differ(inputs, one, other, end):
            if not np.allclose(first[:end], second[:end], rtol=ROUNDING, atol=0):
                return None
            shared = first[0] if positions else first
    return shared


def _lengths(inputs):
    """How many steps each row has."""
    if "length" in inputs:
        return inputs["length"]
    array = min(inputs.values(), key=np.ndim)  # of words and their characters, the words
    return (array != PAD).sum(axis=1) if array.ndim == 2 else np.full(len(array), array[0].shape[:1] or 0)


def _differ(inputs, one, other, end):
    """Whether two rows differ, in their first `end` steps where that is given."""
    arrays = [array for array in inputs.values() if end is None or array.ndim > 1]
    return any(not np.array_equal(array[one][:end], array[other][:end]) for array in map(_rows, arrays))


def _rows(array):
    return array if array.ndim > 1 else array[:, None]


def _shown(answer):
    return np.array2string(np.ravel(answer)[:5], precision=4) + (", …" if np.size(answer) > 5 else "")
