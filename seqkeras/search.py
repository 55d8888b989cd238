"""Output one position at a time: the loop over `start` and `step`, once for all decoders.

A search over fixed shapes is itself a model: called, compiled, batched, saved and exported like any other.
"""

import keras
from keras import ops

from seqkeras import arguments, masks
from seqkeras.batches import Limits, refusals
from seqkeras.keras_model import KerasModel
from seqkeras.reading import Reader
from seqkeras.saving import saveable
from seqkeras.tokens import END, PAD, START

BELOW_1 = 1 - 2**-24  # the largest number below 1 of float32
HOTTEST = 1e9  # of temperatures: above it all tokens are equally likely but for rounding
LEAST_P = 1e-12  # of `top_p`: below it the likeliest token alone is left
COLDEST = 1e-6  # of temperatures above 0 that logits are divided by


class Search(KerasModel):
    """The loop: a row at a time ends with END, all stop when every row has ended or after `max_length` positions.

    A prompt of more than `max_length` ids is refused; where its length is known at run time only, what comes out is its
    first `max_length` ids.

    A subclass says what comes next: `choose(logits [B, V], t, inputs) -> ids [B]`, in `extra_inputs(batch)` what it
    needs for that beside the model's own inputs, and in `drawn(rows, random)` values for those. Names of inputs that a
    call need not bring are `optional`.
    """

    optional = ()

    def __init__(self, model, max_length, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(max_length=max_length)
        writes = hasattr(model, "start") and hasattr(model, "step") and not isinstance(model, Reader)
        if isinstance(model, type) or not writes:
            raise ValueError(f"Expected a model that writes: an object with start and step. Received: model={model}")
        limit = getattr(model, "max_length", None)
        if limit is not None and max_length > limit:
            raise ValueError(f"Expected max_length of at most the model's {limit}. Received: max_length={max_length}")
        self.built = True

    def call(self, inputs):
        return self.scored(inputs)["ids"]

    def scored(self, inputs):
        """As a call, with the log-probability of the ids: `{"ids": [B, T], "log_probability": [B]}`.

        log p(y_1 .. y_T | inputs) = sum_t log p(y_t | y_1 .. y_{t-1}, inputs)

        END is one of the tokens, those of a prompt are certain. It is the model's own probability, however a token was
        chosen: no temperature.
        """
        T = self.max_length
        extra = self.extra_inputs(None).items()
        arguments.tensors(inputs, {name: one for name, one in extra if name in inputs or name not in self.optional})
        state = self.model.start(inputs)
        if "prompt" in inputs and (inputs["prompt"].shape[1] or 0) > T:
            raise ValueError(f"Expected a prompt of at most max_length={T}. Received: {inputs['prompt'].shape[1]} ids")
        batch = ops.shape(next(iter(inputs.values())))[0]

        def going(t, ids, *_):
            return ops.logical_and(t < T, ops.any(ops.logical_and(ids != END, ids != PAD)))

        def body(t, ids, out, total, state):
            logits, state = self.model.step(ids, state)
            ended = ops.logical_or(ids == END, ids == PAD)
            ids = ops.where(ended, PAD, self.choose(logits, t, inputs))
            total = total + ops.where(ended, 0.0, log_probability(logits, ids))
            return t + 1, ids, ops.slice_update(out, (0, t), ids[:, None]), total, state

        t = ops.convert_to_tensor(0, "int32")
        ids = ops.full((batch,), START, dtype="int32")
        out = ops.full((batch, T), PAD, dtype="int32")
        total = ops.zeros((batch,), dtype="float32")
        _, _, out, total, _ = ops.while_loop(going, body, (t, ids, out, total, state))
        return {"ids": out, "log_probability": total}

    @refusals()
    def predict(self, x, *args, **kwargs):
        """As of `keras.Model`; ids and lengths that the model cannot read are refused."""
        limits = Limits(self.model.inputs_read()) if hasattr(self.model, "inputs_read") else Limits({})
        return super().predict(limits.watch(x), *args, **kwargs)

    def extra_inputs(self, batch):
        return {}

    def drawn(self, rows, random):
        """Values of `extra_inputs` for so many rows.

        Args:
            random: a function of a shape that gives numbers in [0, 1).
        """
        return {}

    def signatures(self, batch, length):
        """The whole task beside the model's own `encode` and `step`."""
        signatures = self.model.signatures(batch, length)
        inputs = {**signatures["encode"][1], **self.extra_inputs(batch)}
        return {self.model.task: (self.scored, inputs), **signatures}


@saveable
class Greedy(Search):
    """The likeliest token at each position.

        y_t = argmax_v p(v | y_1 .. y_{t-1}, inputs)

    Args:
        model: anything with `start(inputs) -> state` and `step(ids, state) -> (logits, state)`.
        max_length: T, the longest output, a prompt and END counted, START not; static.

    Call arguments: what `model.start` takes: `{"source": ids [B, S]}`, `{"label": [B]}`, `{"prompt": ids [B, P]}`.

    Returns: ids [B, T], END after the last token, PAD behind it.
    """

    def __init__(self, model, max_length, **kwargs):
        super().__init__(model, max_length, **kwargs)

    def choose(self, logits, t, inputs):
        return best(logits)


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

    Returns: ids [B, T], END after the last token, PAD behind it.
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
        excluded = logits < masks.lowest(logits.dtype) / 2  # by a prompt: hot as it may be
        z = ops.where(
            excluded, masks.lowest("float32"), ops.cast(logits, "float32") / ops.maximum(temperature, COLDEST)
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


def log_probability(logits, ids):
    """log softmax(logits)[id] of each row: [B, V], int32 [B] -> float32 [B]."""
    of_all = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    return ops.take_along_axis(of_all, ids[:, None], axis=-1)[:, 0]


def best(logits):
    """Index of the largest logit, the lowest of equals: [B, V] -> int32 [B].

    By top_k, because `ops.argmax` traces an operator that LiteRT does not have.
    """
    return ops.cast(ops.top_k(logits, 1)[1][:, 0], "int32")
