"""The bias of an output layer at the start of training, from the targets of the training data.

    "class"     b_v = log((n_v + 1) / (n + V))            one of V: softmax(b) is how frequent each is
    "labels"    b_c = log((n_c + 1) / (n - n_c + 1))      any of C: sigmoid(b) is how frequent each is
    "values"    b_d = mean of y_d                         real numbers

n counts the targets with a weight above 0, n_v those that are v; where weights differ, each target counts as its
weight over their mean. Adding one (Laplace's rule) leaves a class that never occurs a probability above 0. From a bias
of zero, a network first learns the frequencies through the layers below the output layer, which may saturate.

Reference: Lin, Goyal, Girshick, He & Dollar, Focal loss for dense object detection, 2017, section 3.3: the prior of a
rare class.
"""

import itertools
import math

import keras
import numpy as np

from seqkeras.tokens import UNKNOWN_LABEL


class Targets:
    """Sums over targets, from which the bias of an output layer of `size` units follows.

    Args:
        kind: "class", "labels" or "values".
        size: width of the output layer.
        class_weight: as of `fit`, for classes.
    """

    def __init__(self, kind, size, class_weight=None):
        self.kind, self.size = kind, size
        self.class_weight = np.array([(class_weight or {}).get(label, 1.0) for label in range(size)])
        self.sums, self.weight, self.count = np.zeros(size), 0.0, 0

    def add(self, targets, weight=None):
        """Counts a batch: targets [...] of class indices, or [..., size]; weight as of `fit`."""
        targets = np.asarray(targets)
        if self.kind == "class" and not self._one_hot(targets):
            targets, weight = self._known(targets.reshape(-1).astype("int64"), _of_each(weight, targets.shape))
            self.sums += np.bincount(targets, weight, minlength=self.size)
        else:
            if targets.shape[-1:] != (self.size,):
                raise ValueError(f"Expected targets [..., {self.size}]. Received: targets {list(targets.shape)}")
            weight = _of_each(weight, targets.shape[:-1])
            targets, weight = targets.reshape(-1, self.size)[weight > 0].astype("float64"), weight[weight > 0]
            self.sums += weight @ targets
        self.weight += weight.sum()
        self.count += len(weight)

    def _one_hot(self, targets):
        shares = targets.dtype.kind == "f" and targets.shape[-1:] == (self.size,)
        return shares and np.allclose(targets.sum(axis=-1), 1.0, atol=1e-3)

    def _known(self, labels, weight):
        """The labels that count, and their weights."""
        real = (weight > 0) & (labels != UNKNOWN_LABEL)
        labels, weight = labels[real], weight[real]
        if labels.size and not 0 <= labels.min() <= labels.max() < self.size:
            raise ValueError(
                f"Expected targets from 0 to {self.size - 1}. Received: targets from {labels.min()} to {labels.max()}"
            )
        return labels, weight * self.class_weight[labels]

    def bias(self):
        """The bias [size]; None where nothing was counted."""
        if not self.weight > 0:
            return None
        if self.kind == "values":
            return self.sums / self.weight
        counts = self.sums * (self.count / self.weight)
        if self.kind == "class":
            return np.log(counts + 1) - math.log(self.count + self.size)
        return np.log(counts + 1) - np.log(np.maximum(self.count - counts, 0) + 1)


def _of_each(weight, shape):
    """A weight a target, flat: from None, or from weights [B], [B, T] … of targets of that shape."""
    weight = np.ones(1) if weight is None else np.asarray(weight, "float64")
    weight = weight.reshape((*weight.shape[: len(shape)], *[1] * (len(shape) - weight.ndim)))
    return np.broadcast_to(weight, shape).reshape(-1)


def rereadable(x):
    """Whether data can be read a second time: a tf.data.Dataset, a PyDataset or a DataLoader, not a generator."""
    return isinstance(x, keras.utils.PyDataset) or hasattr(x, "as_numpy_iterator") or hasattr(x, "dataset")


def endless(x):
    """Whether a tf.data.Dataset or a PyDataset says that it has no end."""
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches is None
    return hasattr(x, "cardinality") and int(x.cardinality()) == -1


def batches(x, steps=None):
    """(x, targets, weight) of each batch of data that is `rereadable`; at most `steps` batches."""
    if isinstance(x, keras.utils.PyDataset):
        numbers = itertools.count() if x.num_batches is None else range(x.num_batches)
        x = map(x.__getitem__, numbers)
    for batch in itertools.islice(x, steps):
        batch = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
        yield keras.utils.unpack_x_y_sample_weight(batch)


def biases(sizes, kind, batches, class_weight=None):
    """The bias of each output layer.

    Args:
        sizes: dict of name -> width of the layer, or a number where there is one layer only.
        kind: as of `Targets`.
        batches: pairs of targets and weight, each a dict of the same names where `sizes` is one.
        class_weight: as of `fit`.

    Returns: a bias where `sizes` has a number; None for a layer without targets.
    """
    named = isinstance(sizes, dict)
    found = {name: Targets(kind, size, class_weight) for name, size in (sizes if named else {None: sizes}).items()}
    for targets, weight in batches:
        if targets is None:
            continue
        if named and (not isinstance(targets, dict) or found.keys() - targets.keys()):
            raise ValueError(f"Expected targets {{{', '.join(found)}}}. Received: {type(targets).__name__}")
        for name, one in found.items():
            if named:
                one.add(targets[name], weight.get(name) if isinstance(weight, dict) else weight)
            else:
                one.add(targets, weight)
    return {name: one.bias() for name, one in found.items()} if named else found[None].bias()
