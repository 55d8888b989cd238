"""Output one position at a time: the loop over `start` and `step`, once for all decoders.

A search over fixed shapes is itself a model: called, compiled, batched, saved and exported like any other.
"""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.batches import Limits, refusals
from seqkeras.keras_model import KerasModel
from seqkeras.saving import saveable
from seqkeras.tokens import END, PAD, START


class Search(KerasModel):
    """The loop: a row at a time ends with END, all stop when every row has ended or after `max_length` positions.

    A prompt of more than `max_length` ids is refused; where its length is known at run time only, what comes out is its
    first `max_length` ids.

    A subclass says what comes next: `choose(logits [B, V], t, inputs) -> ids [B]`, and in `extra_inputs(batch)` what
    it needs for that beside the model's own inputs.
    """

    def __init__(self, model, max_length, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(max_length=max_length)
        if isinstance(model, type) or not (hasattr(model, "start") and hasattr(model, "step")):
            raise ValueError(f"Expected a model that writes: an object with start and step. Received: model={model}")
        limit = getattr(model, "max_length", None)
        if limit is not None and max_length > limit:
            raise ValueError(f"Expected max_length of at most the model's {limit}. Received: max_length={max_length}")
        self.built = True

    def call(self, inputs):
        T = self.max_length
        arguments.tensors(inputs, self.extra_inputs(None))
        state = self.model.start(inputs)
        if "prompt" in inputs and (inputs["prompt"].shape[1] or 0) > T:
            raise ValueError(f"Expected a prompt of at most max_length={T}. Received: {inputs['prompt'].shape[1]} ids")
        batch = ops.shape(next(iter(inputs.values())))[0]

        def going(t, ids, *_):
            return ops.logical_and(t < T, ops.any(ops.logical_and(ids != END, ids != PAD)))

        def body(t, ids, out, state):
            logits, state = self.model.step(ids, state)
            ended = ops.logical_or(ids == END, ids == PAD)
            ids = ops.where(ended, PAD, self.choose(logits, t, inputs))
            return t + 1, ids, ops.slice_update(out, (0, t), ids[:, None]), state

        t = ops.convert_to_tensor(0, "int32")
        ids = ops.full((batch,), START, dtype="int32")
        out = ops.full((batch, T), PAD, dtype="int32")
        return ops.while_loop(going, body, (t, ids, out, state))[2]

    @refusals()
    def predict(self, x, *args, **kwargs):
        """As of `keras.Model`; ids and lengths that the model cannot read are refused."""
        limits = Limits(self.model.inputs_read()) if hasattr(self.model, "inputs_read") else Limits({})
        return super().predict(limits.watch(x), *args, **kwargs)

    def extra_inputs(self, batch):
        return {}

    def signatures(self, batch, length):
        """The whole task beside the model's own `encode` and `step`."""
        signatures = self.model.signatures(batch, length)
        inputs = {**signatures["encode"][1], **self.extra_inputs(batch)}
        return {self.model.task: (lambda inputs: {"ids": self(inputs)}, inputs), **signatures}


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

    Args:
        model, max_length: as for `Greedy`.
        temperature: below 1 favours likely tokens; above 0.

    Call arguments: as for `Greedy`, and `"uniform"`: float [B, T] in [0, 1).

    Returns: ids [B, T], END after the last token, PAD behind it.
    """

    def __init__(self, model, max_length, temperature=1.0, **kwargs):
        super().__init__(model, max_length, **kwargs)
        arguments.above_zero(temperature=temperature)

    def choose(self, logits, t, inputs):
        p = ops.cumsum(ops.softmax(ops.cast(logits, "float32") / self.temperature), axis=-1)
        u = ops.take(inputs["uniform"], t, axis=1)[:, None] * p[:, -1:]
        return ops.minimum(ops.sum(ops.cast(p <= u, "int32"), axis=-1), logits.shape[-1] - 1)

    def extra_inputs(self, batch):
        return {"uniform": keras.KerasTensor((batch, self.max_length), dtype="float32")}


def best(logits):
    """Index of the largest logit, the lowest of equals: [B, V] -> int32 [B].

    By top_k, because `ops.argmax` traces an operator that LiteRT does not have.
    """
    return ops.cast(ops.top_k(logits, 1)[1][:, 0], "int32")
