"""Losses over real tokens only, and over quantiles."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.saving import saveable
from seqkeras.tokens import UNKNOWN_LABEL
from seqkeras.training import distribution


class MeanLoss(keras.losses.Loss):
    """The mean of what `call` gives for each token, over real tokens.

        loss = sum_n w_n l_n / sum_n w_n

    A token of weight 0 changes neither loss nor gradient. Under several replicas the mean is over the global batch.

    This is the mean over one batch. A `SequenceModel` reports the mean over all data, see `objective.Objective`. A
    plain `keras.Model` that is compiled with this loss reports Keras's own figure: the mean of the batches' means,
    each weighted by its rows, which depends on the batch size where rows differ in their tokens.
    """

    def __init__(self, reduction="sum_over_batch_size", **kwargs):
        super().__init__(reduction=reduction, **kwargs)
        if reduction != "sum_over_batch_size":
            raise ValueError(
                f"Expected no other reduction than the mean over tokens. Received: reduction={reduction!r}"
            )

    def __call__(self, y_true, y_pred, sample_weight=None):
        return distribution.mean(*self.items(y_true, y_pred, sample_weight))

    def items(self, y_true, y_pred, sample_weight=None):
        """(l_n, w_n) of every token, two tensors of one shape; w_n is 0 where the true label is not known."""
        values = self.call(y_true, y_pred)
        return values, weight_of_each(values, sample_weight)


@saveable
class CrossEntropy(MeanLoss):
    """Cross-entropy of integer labels and logits, averaged over real tokens.

        l_n = -sum_v q_v log p_v,   q = (1 - e) onehot(y_n) + e / V

    A label of -1 (`tokens.UNKNOWN_LABEL`) is one that the model has no output for: such a token has no weight.

    Args:
        label_smoothing: e, in [0, 1). Szegedy et al. 2016, section 7. Of training only: a `SequenceModel` is
            evaluated without it.

    Call arguments: next [B, T] (or label [B] or [B, 1]), logits [B, T, V] (or [B, C]), weight [B, T] or None.

    Raises:
        ValueError: logits of one class, whose softmax is 1 whatever the input; labels of another shape; and outside
            of graphs, where values are known: labels below -1 or from V on.
    """

    def __init__(self, label_smoothing=0.0, name="cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        arguments.share(label_smoothing=label_smoothing)

    def call(self, y_true, y_pred):
        """The loss of each token, [B, T]."""
        if y_pred.shape[-1] == 1:
            raise ValueError(
                "Expected logits of two classes or more: the softmax of one is 1 for every input. Received: logits "
                f"{list(y_pred.shape)}; take two classes, or BinaryCrossEntropy for a yes or no of each output"
            )
        return cross_entropy(y_true, y_pred, self.label_smoothing)

    def items(self, y_true, y_pred, sample_weight=None):
        labels = label_of_each(y_true, y_pred)
        weights = weight_of_each(ops.ones_like(labels, dtype="float32"), sample_weight)
        labels = ops.where(weights != 0, labels, UNKNOWN_LABEL)  # what has no weight need not be a label
        arguments.between(UNKNOWN_LABEL, y_pred.shape[-1] - 1, labels=labels)
        return self.call(labels, y_pred), ops.where(labels == UNKNOWN_LABEL, 0.0, weights)


@saveable
class BinaryCrossEntropy(MeanLoss):
    """Cross-entropy of any number of labels at a position, summed over labels, averaged over real positions.

        l_n = -sum_c (y_c log p_c + (1 - y_c) log(1 - p_c)),   p = sigmoid(logits)

    An entry of -1 (`tokens.UNKNOWN_LABEL`) adds nothing to its position's sum; a position of nothing else has no
    weight.

    Call arguments: tags [B, T, C] of 0 and 1, logits [B, T, C], weight [B, T] or None.
    """

    def __init__(self, name="binary_cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        """The loss of each position, [B, T]."""
        y, z = ops.cast(of_each(y_true, y_pred), "float32"), ops.cast(y_pred, "float32")
        return ops.sum(ops.where(y == UNKNOWN_LABEL, 0.0, ops.softplus(z) - y * z), axis=-1)

    def items(self, y_true, y_pred, sample_weight=None):
        values, weights = super().items(y_true, y_pred, sample_weight)
        known = ops.any(ops.cast(of_each(y_true, y_pred), "float32") != UNKNOWN_LABEL, axis=-1)
        return values, ops.where(known, weights, 0.0)


@saveable
class QuantileLoss(MeanLoss):
    """The loss whose minimum is a quantile, for each quantile q of `quantiles`.

        l = sum_q max(q (y - y_q), (q - 1) (y - y_q)) / Q

    Reference: Koenker & Bassett, Regression quantiles, Econometrica 46 (1978).

    Args:
        quantiles: Q numbers between 0 and 1.

    Call arguments: next [B, T, D], outputs [B, T, D, Q], weight [B, T, D] or None.
    """

    def __init__(self, quantiles=(0.1, 0.5, 0.9), name="quantile", **kwargs):
        super().__init__(name=name, **kwargs)
        self.quantiles = arguments.quantiles(quantiles)

    def call(self, y_true, y_pred):
        y_true = of_each(y_true, y_pred, -1)
        if y_pred.shape[-1] != len(self.quantiles):
            raise ValueError(
                f"Expected outputs for the quantiles {self.quantiles}. Received: outputs {list(y_pred.shape)}"
            )
        error = ops.cast(y_true, "float32")[..., None] - ops.cast(y_pred, "float32")
        q = ops.convert_to_tensor(self.quantiles, "float32")
        return ops.mean(ops.maximum(q * error, (q - 1) * error), axis=-1)


def of_each(targets, outputs, end=None):
    """`targets` as a tensor of shape `outputs.shape[:end]`: broadcast, they would be others than were meant."""
    targets, shape = ops.convert_to_tensor(targets), outputs.shape[:end]
    if not arguments.fits(targets.shape, shape) or "string" in keras.backend.standardize_dtype(targets.dtype):
        raise ValueError(
            f"Expected targets {list(shape)}, numbers, for outputs {list(outputs.shape)}. "
            f"Received: targets {list(targets.shape)} of {keras.backend.standardize_dtype(targets.dtype)}"
        )
    return ops.reshape(targets, ops.shape(outputs)[:end])  # an error at run time, where it was not known before


def label_of_each(labels, logits):
    """labels [...], or [..., 1] as Keras's losses take them too, for logits [..., V] -> int32 [...]."""
    labels = ops.convert_to_tensor(labels)
    if arguments.fits(labels.shape, (*logits.shape[:-1], 1)):
        labels = ops.reshape(labels, ops.shape(logits)[:-1])
    return ops.cast(of_each(labels, logits, -1), "int32")


def weight_of_each(values, weight):
    """weight [B, T], or [B] for whole sequences, or None for all alike -> one for each of values [B, T]."""
    if weight is None:
        return ops.ones_like(values)
    weight = ops.cast(weight, values.dtype)
    if len(weight.shape) > len(values.shape):
        raise ValueError(f"Expected weight {list(values.shape)}. Received: weight {list(weight.shape)}")
    while len(weight.shape) < len(values.shape):
        weight = weight[..., None]
    return ops.broadcast_to(weight, ops.shape(values))


def cross_entropy(labels, logits, label_smoothing=0.0):
    """-log p(label), float32, 0 for an unknown label: labels [...] int, logits [..., V] -> [...]."""
    logits, labels = ops.cast(logits, "float32"), label_of_each(labels, logits)
    known = labels != UNKNOWN_LABEL
    loss = ops.sparse_categorical_crossentropy(ops.where(known, labels, 0), logits, from_logits=True)
    if label_smoothing:
        uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    return ops.where(known, loss, 0.0)
