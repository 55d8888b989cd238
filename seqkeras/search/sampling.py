"""Tokens drawn from the model's distribution."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.layers import masking
from seqkeras.saving import saveable
from seqkeras.search.greedy import best
from seqkeras.search.loop import Search

BELOW_1 = 1 - 2**-24  # the largest number below 1 of float32


HOTTEST = 1e9  # of temperatures: above it all tokens are equally likely but for rounding


LEAST_P = 1e-12  # of `top_p`: below it the likeliest token alone is left


COLDEST = 1e-6  # of temperatures above 0 that logits are divided by


@saveable
class Sample(Search):
    """A token drawn at each position, from random numbers that the caller brings, so that a run can be repeated.

        y_t = min { v : sum_{w <= v} p(w) > u_t },     p = softmax(logits / temperature)

    Top-k sampling (Fan, Lewis & Dauphin 2018, section 5.4) draws from the k likeliest tokens alone; nucleus sampling,
    `top_p` (Holtzman et al. 2020, section 3.1), from the fewest likeliest whose probabilities make up p, of those that
    `top_k` leaves. Ties with the last kept token are kept.

    Args:
        model, max_length: as for `Greedy`.
        temperature: below 1 favours likely tokens; above 0.
        top_k: number k of tokens, or None.
        top_p: p above 0, at most 1, or None.

    Call arguments: as for `Greedy`, `"uniform"`: float [B, T] in [0, 1), and if wished `"temperature"`: float [B] in
    the place of the argument; at 0 the likeliest token is taken. An exported file takes both.

    Returns: ids [B, T], END after the last token, PAD after it.
    """

    optional = ("temperature",)

    def __init__(self, model, max_length, temperature=1.0, top_k=None, top_p=None, **kwargs):
        super().__init__(model, max_length, **kwargs)
        arguments.above_zero(temperature=temperature)
        if temperature > HOTTEST:
            raise ValueError(f"Expected temperature of at most {HOTTEST:g}. Received: temperature={temperature}")
        arguments.positive_or_none(top_k=top_k)
        if top_p is not None:
            arguments.above_zero(top_p=top_p)
            if top_p > 1:
                raise ValueError(f"Expected top_p above 0 and at most 1. Received: top_p={top_p}")

    def scored(self, inputs):
        arguments.tensors(inputs, {"uniform": self.extra_inputs(None)["uniform"]})
        self._check(inputs)
        return super().scored(inputs)

    def predict(self, x, *args, **kwargs):
        """As of `Search`; of arrays, what is drawn with is checked too."""
        if isinstance(x, dict):
            self._check(x)
        return super().predict(x, *args, **kwargs)

    def _check(self, inputs):
        if "uniform" in inputs:
            arguments.between(0, BELOW_1, uniform=ops.cast(inputs["uniform"], "float32"))
        arguments.between(0, HOTTEST, temperature=inputs.get("temperature", self.temperature))

    def choose(self, logits, t, inputs):
        temperature = ops.cast(inputs.get("temperature", self.temperature), "float32")
        temperature = ops.minimum(ops.reshape(temperature, (-1, 1)), HOTTEST)
        excluded = logits < masking.lowest(logits.dtype) / 2  # by a prompt: hot as it may be
        z = ops.where(
            excluded, masking.lowest("float32"), ops.cast(logits, "float32") / ops.maximum(temperature, COLDEST)
        )
        p = ops.cumsum(likeliest(ops.softmax(z), self.top_k, self.top_p), axis=-1)
        u = ops.minimum(ops.take(inputs["uniform"], t, axis=1), BELOW_1)[:, None] * p[:, -1:]
        drawn = ops.minimum(ops.sum(ops.cast(p <= u, "int32"), axis=-1), logits.shape[-1] - 1)
        return ops.where(temperature[:, 0] > 0, drawn, best(logits))

    def extra_inputs(self, batch):
        return {
            "uniform": keras.KerasTensor((batch, self.max_length), dtype="float32"),
            "temperature": keras.KerasTensor((batch,), dtype="float32"),
        }

    def drawn(self, rows, random):
        return {"uniform": random((rows, self.max_length)), "temperature": ops.full((rows,), self.temperature)}


def likeliest(p, top_k=None, top_p=None):
    """Probabilities [B, V], zeros for all but the `top_k` largest, and of those the fewest that make up `top_p`."""
    if top_k is None and top_p is None:
        return p
    ranked = ops.top_k(p, min(top_k or p.shape[-1], p.shape[-1]))[0]  # the largest first
    least = ranked[:, -1:]
    if top_p is not None:
        before = ops.cumsum(ranked, axis=-1) - ranked
        enough = max(top_p, LEAST_P) * ops.sum(ranked, axis=-1, keepdims=True)
        least = ops.min(ops.where(before < enough, ranked, 1.0), axis=-1, keepdims=True)
    return ops.where(p >= least, p, 0.0)
