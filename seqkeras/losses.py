"""Losses over real tokens only."""

import keras
from keras import ops

from seqkeras import arguments, distribution
from seqkeras.saving import saveable


@saveable
class CrossEntropy(keras.losses.Loss):
    """Cross-entropy of integer labels and logits, averaged over real tokens.

        loss = sum_n w_n l_n / sum_n w_n       l_n = -sum_v q_v log p_v,   q = (1 - e) onehot(y_n) + e / V

    A token of weight 0 changes neither loss nor gradient. Under several replicas the mean is over the global batch.

    Args:
        label_smoothing: e, in [0, 1). Szegedy et al. 2016, section 7.

    Call arguments: next [B, T] (or label [B]), logits [B, T, V] (or [B, C]), weight [B, T] or None.
    """

    def __init__(self, label_smoothing=0.0, name="cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        arguments.share(label_smoothing=label_smoothing)

    def call(self, y_true, y_pred):
        """The loss of each token, [B, T]."""
        return cross_entropy(y_true, y_pred, self.label_smoothing)

    def __call__(self, y_true, y_pred, sample_weight=None):
        return distribution.mean(self.call(y_true, y_pred), sample_weight)


def cross_entropy(labels, logits, label_smoothing=0.0):
    """-log p(label), float32: labels [...] int, logits [..., V] -> [...]."""
    logits = ops.cast(logits, "float32")
    loss = ops.sparse_categorical_crossentropy(ops.cast(labels, "int32"), logits, from_logits=True)
    if label_smoothing:
        uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    return loss
