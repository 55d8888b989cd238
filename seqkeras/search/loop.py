"""The loop over output positions."""

from keras import ops

from seqkeras import arguments
from seqkeras.models.keras_model import KerasModel
from seqkeras.models.reader import Reader
from seqkeras.tokens import END, PAD, START
from seqkeras.training.batches import Limits, refusals


class Search(KerasModel):
    """The loop: a row at a time ends with END, all stop when every row has ended or after `max_length` positions.

    A prompt of more than `max_length` ids is refused; where its length is known at run time only, what comes out is its
    first `max_length` ids.

    A subclass says what comes next: `choose(logits [B, V], t, inputs) -> ids [B]`, in `extra_inputs(batch)` what it
    needs for that besides the model's own inputs, and in `drawn(rows, random)` values for those. Names of inputs that a
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

    @property
    def task(self):
        return self.model.task

    def extra_inputs(self, batch):
        return {}

    def drawn(self, rows, random):
        """Values of `extra_inputs` for so many rows.

        Args:
            random: a function of a shape that gives numbers in [0, 1).
        """
        return {}

    def signatures(self, batch, length):
        """The whole task, besides the model's own `encode` and `step`."""
        signatures = self.model.signatures(batch, length)
        inputs = {**signatures["encode"][1], **self.extra_inputs(batch)}
        return {self.task: (self.scored, inputs), **signatures}


def log_probability(logits, ids):
    """log softmax(logits)[id] of each row: [B, V], int32 [B] -> float32 [B]."""
    of_all = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    return ops.take_along_axis(of_all, ids[:, None], axis=-1)[:, 0]
