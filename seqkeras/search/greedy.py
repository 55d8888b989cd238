"""The likeliest token at each position."""

from keras import ops

from seqkeras.saving import saveable
from seqkeras.search.loop import Search


@saveable
class Greedy(Search):
    """The likeliest token at each position.

        y_t = argmax_v p(v | y_1 .. y_{t-1}, inputs)

    Args:
        model: anything with `start(inputs) -> state` and `step(ids, state) -> (logits, state)`.
        max_length: T, the longest output, a prompt and END counted, START not; static.

    Call arguments: what `model.start` takes: `{"source": ids [B, S]}`, `{"label": [B]}`, `{"prompt": ids [B, P]}`.

    Returns: ids [B, T], END after the last token, PAD after it.
    """

    def __init__(self, model, max_length, **kwargs):
        super().__init__(model, max_length, **kwargs)

    def choose(self, logits, t, inputs):
        return best(logits)


def best(logits):
    """Index of the largest logit, the lowest of equals: [B, V] -> int32 [B].

    By top_k, because `ops.argmax` traces an operator that LiteRT does not have.
    """
    return ops.cast(ops.top_k(logits, 1)[1][:, 0], "int32")
