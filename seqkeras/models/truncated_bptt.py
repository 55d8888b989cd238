"""Truncated backpropagation through time."""

from keras import ops

from seqkeras import arguments
from seqkeras.models.sequence_model import SequenceModel
from seqkeras.saving import saveable
from seqkeras.tokens import START, UNKNOWN


@saveable
class TruncatedBPTT(SequenceModel):
    """Truncated backpropagation through time: long texts in chunks, the state carried from each to the next.

    Row b of a batch continues row b of the batch before. A row whose chunk begins with START begins anew, from zeros.
    The gradient ends at the chunk's first position, so that a text of any length trains in the memory of one chunk.
    Keep batches in order: `fit(..., shuffle=False)`.

    Reference: Williams & Peng, An efficient gradient-based algorithm for on-line training of recurrent network
    trajectories, 1990; as here, chunk by chunk: Mikolov et al. 2010.

    Args:
        model: a recurrent `LanguageModel`, whose weights are trained.
        batch_size: rows of every batch.

    Call arguments: ids [batch_size, T]. Returns: logits [batch_size, T, V].
    """

    unknown_target = UNKNOWN

    def __init__(self, model, batch_size, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(batch_size=batch_size)
        if getattr(model, "decoder", None) != "recurrent":
            raise ValueError(f"Expected a LanguageModel with decoder='recurrent'. Received: model={model}")
        self.carried = [
            self.add_weight(name=f"state_{i}", shape=x.shape, dtype=x.dtype, initializer="zeros", trainable=False)
            for i, x in enumerate(model.predictor.start(batch=batch_size))
        ]
        self.built = True

    @property
    def output_bias(self):
        return self.model.output_bias

    def inputs_read(self):
        return self.model.inputs_read()

    def output_biases(self):
        return self.model.output_biases()

    def call(self, ids, training=False):
        if ids.shape[0] not in (None, self.batch_size):
            raise ValueError(f"Expected {self.batch_size} rows in every batch. Received: ids of shape {ids.shape}")
        goes_on = ids[:, :1] != START
        state = tuple(ops.where(goes_on, ops.convert_to_tensor(v), 0) for v in self.carried)
        logits, state = self.model.predictor.continue_from(ids, state, training)
        for variable, value in zip(self.carried, state, strict=True):
            variable.assign(ops.stop_gradient(value))
        return logits
