"""What `fit` warns of after training."""

import keras
import numpy as np
from keras import ops

from seqkeras.rnn import loops, recurrence
from seqkeras.training import output_bias

ROWS = 8  # of a batch that are looked at
LEAST_SPREAD = 0.02


def spread(logits):
    """How much answers differ: 0 where they are the same for every input, near 1 where each is different.

    The mean over items of the total variation distance between softmax(logits) and its mean over items.

    Args:
        logits: [N, C].
    """
    logits = np.asarray(logits, "float64")
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return float(np.abs(shares - shares.mean(axis=0)).sum(axis=-1).mean() / 2)


def constant_answers(model, batch):
    """A message of what to try where a model gives the same answer for every input; None where it does not.

    It takes one pass over at most eight rows. Rows whose targets are all the same are no evidence.

    Args:
        model: a trained model of classes, tags or tokens, or a search around one.
        batch: (inputs, targets) or (inputs, targets, weight), as `fit` takes it.
    """
    model = getattr(model, "model", model)
    if model.target_kind != "class" or not keras.tree.flatten(model.output_biases()):
        return None
    inputs, targets, weight = keras.utils.unpack_x_y_sample_weight(rows(batch))
    with recurrence.looping(loops.scan):  # nothing is compiled for a few rows
        outputs = model(inputs, training=False)
    for name, logits in outputs.items() if isinstance(outputs, dict) else [(None, outputs)]:
        y, w = (one[name] if isinstance(one, dict) else one for one in (targets, weight))
        if y.shape != tuple(logits.shape[:-1]):
            continue  # no indices of classes
        real = np.ones(y.shape, bool) if w is None or w.shape != y.shape else w > 0
        found = spread(ops.convert_to_numpy(ops.cast(logits, "float32"))[real])
        if len(np.unique(y[real])) > 1 and found < LEAST_SPREAD:
            return _advice(model, name, found)
    return None


def rows(batch):
    """The first rows of a batch, as arrays."""
    return keras.tree.map_structure(lambda x: None if x is None else np.asarray(x[:ROWS]), tuple(batch))


def first_batch(x, y=None, sample_weight=None):
    """The first batch of what `fit` takes, or None where it cannot be read again."""
    if y is not None:
        return x, y, sample_weight
    if not output_bias.rereadable(x):
        return None
    batch = x[0] if isinstance(x, keras.utils.PyDataset) else next(iter(x), None)
    return batch if isinstance(batch, (tuple, list)) and len(batch) > 1 else None


def _advice(model, name, found):
    tries = "a lower learning rate, fewer layers"
    if model.output_bias == "zeros":
        tries = f"output_bias='frequencies' or model.adapt(data) before training, {tries}"
    return (
        f"Expected answers that depend on the input. Received: {type(model).__name__} gives the same "
        f"{'answer' if name is None else name} for every input (their spread is {found:.4f}, of 1). "
        f"Try {tries}, and see that inputs and targets belong together"
    )
