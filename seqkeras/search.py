"""Output one position at a time: the loop over `start` and `step`, once for all decoders.

A search over fixed shapes is itself a model: called, compiled, batched, saved and exported like any other.
"""

import keras
from keras import ops

from seqkeras.saving import saveable
from seqkeras.tokens import END, PAD, START


@saveable
class Greedy(keras.Model):
    """The likeliest token at each position, until every row has ended or `max_length` is reached.

        y_t = argmax_v p(v | y_1 .. y_{t-1}, inputs)

    Args:
        model: anything with `start(inputs) -> state` and `step(ids, state) -> (logits, state)`.
        max_length: T, the longest output; static.

    Call arguments: what `model.start` takes: `{"source": ids [B, S]}`, `{"label": [B]}`.

    Returns: ids [B, T], END after the last token, PAD behind it.
    """

    def __init__(self, model, max_length, **kwargs):
        super().__init__(**kwargs)
        limit = getattr(model, "max_length", None)
        if max_length < 1 or (limit is not None and max_length > limit):
            raise ValueError(
                f"Expected max_length between 1 and the model's {limit or 'any'}. Received: max_length={max_length}"
            )
        self.model = model
        self.max_length = max_length
        self.built = True

    def call(self, inputs):
        T = self.max_length
        state = self.model.start(inputs)
        batch = ops.shape(next(iter(inputs.values())))[0]

        def going(t, ids, *_):
            return ops.logical_and(t < T, ops.any(ops.logical_and(ids != END, ids != PAD)))

        def body(t, ids, out, state):
            logits, state = self.model.step(ids, state)
            ended = ops.logical_or(ids == END, ids == PAD)
            ids = ops.where(ended, PAD, best(logits))
            return t + 1, ids, ops.slice_update(out, (0, t), ids[:, None]), state

        t = ops.convert_to_tensor(0, "int32")
        ids = ops.full((batch,), START, dtype="int32")
        out = ops.full((batch, T), PAD, dtype="int32")
        return ops.while_loop(going, body, (t, ids, out, state))[2]

    def signatures(self, batch, length):
        """The whole task beside the model's own `encode` and `step`."""
        signatures = self.model.signatures(batch, length)
        _, inputs = signatures["encode"]
        return {self.model.task: (lambda inputs: {"ids": self(inputs)}, inputs), **signatures}


def best(logits):
    """Index of the largest logit, the lowest of equals: [B, V] -> int32 [B].

    By top_k, because `ops.argmax` traces an operator that LiteRT does not have.
    """
    return ops.cast(ops.top_k(logits, 1)[1][:, 0], "int32")
