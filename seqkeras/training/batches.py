"""Checks of ids, lengths and labels before a batch enters a model.

Inside a compiled graph they are not possible: XLA drops assertions. So arrays are checked before they are batched, and
a tf.data.Dataset, a generator or a PyDataset checks each batch as it gives it.
"""

import contextlib
import dataclasses
import re
import sys

import keras
import numpy as np

from seqkeras import arguments
from seqkeras.tokens import UNKNOWN_LABEL


@dataclasses.dataclass
class Limits:
    """The ids, lengths and labels that a model can take.

    Args:
        inputs: dict of name -> (number of ids, greatest length or None). A model with one input also takes it without
            its name.
        targets: dict of output name, or None where there is one output -> number of classes.
    """

    inputs: dict
    targets: dict = dataclasses.field(default_factory=dict)

    def check(self, x, y=None, sample_weight=None):
        """Checks the values of a batch. Arrays of an unexpected form are left for the model to refuse.

        Raises:
            ValueError: ids out of range; sequences too long; labels with a weight that are neither a class nor -1
                (`tokens.UNKNOWN_LABEL`); ids or labels with a fraction.
        """
        for name, (count, longest) in self.inputs.items():
            if (ids := _numbers(x, name, len(self.inputs) == 1)) is None:
                continue
            if longest is not None and ids.ndim > 1 and ids.shape[1] > longest:
                raise ValueError(
                    f"Expected at most max_length={longest} positions. Received: {name} of length {ids.shape[1]}; "
                    "build the model with a larger max_length or shorten the sequences"
                )
            arguments.between(0, count - 1, **{name: ids})
            arguments.without_fraction(**{name: ids})
        for name, count in self.targets.items():
            labels, weight = _numbers(y, name, name is None), _numbers(sample_weight, name, True)
            if labels is not None:
                labels = _weighted(labels, weight)
                arguments.between(UNKNOWN_LABEL, count - 1, labels=labels)
                arguments.without_fraction(labels=labels)

    def watch(self, x, y=None, sample_weight=None):
        """x as a data set that checks each of its batches; arrays are checked at once and returned."""
        if hasattr(x, "element_spec") and hasattr(x, "map"):
            tf = sys.modules["tensorflow"]
            return x.map(tf.autograph.experimental.do_not_convert(self._watched)).prefetch(1)
        if isinstance(x, keras.utils.PyDataset):
            return _Watched(x, self)
        if hasattr(x, "__next__"):
            return (self.passed(batch) for batch in x)
        self.check(x, y, sample_weight)
        return x

    def passed(self, batch):
        """A batch, once it is checked."""
        self.check(*keras.utils.unpack_x_y_sample_weight(batch))
        return batch

    def _watched(self, *batch):
        """A batch of a tf.data.Dataset with a check that runs when the batch is read."""
        tf = sys.modules["tensorflow"]  # there is a tf.data.Dataset, so there is TensorFlow
        tensors = keras.tree.flatten(batch)
        if not all(isinstance(tensor, tf.Tensor) for tensor in tensors):  # ragged ones and the like
            return batch if len(batch) > 1 else batch[0]

        def fault(*arrays):
            try:
                self.check(*keras.tree.pack_sequence_as(batch, arrays))
            except ValueError as error:
                return str(error)
            return ""

        told = tf.numpy_function(fault, tensors, tf.string)
        with tf.control_dependencies([tf.debugging.Assert(told == "", [told])]):
            batch = keras.tree.map_structure(tf.identity, batch)
        return batch if len(batch) > 1 else batch[0]


class _Watched(keras.utils.PyDataset):
    def __init__(self, dataset, limits):
        super().__init__(dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size)
        self.dataset, self.limits = dataset, limits

    def __getitem__(self, index):
        return self.limits.passed(self.dataset[index])

    @property
    def num_batches(self):
        return self.dataset.num_batches

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()


@contextlib.contextmanager
def refusals():
    """Turns the error of a checked tf.data.Dataset into the ValueError that arrays give."""
    try:
        yield
    except _refused() as error:
        found = re.search(r"assertion failed: \[(Expected .*)\]", str(error))
        if found is None:
            raise
        raise ValueError(found[1]) from None


def _refused():
    """The errors that a failed check in a tf.data.Dataset raises; none without TensorFlow."""
    return (sys.modules["tensorflow"].errors.InvalidArgumentError,) if "tensorflow" in sys.modules else ()


def _numbers(tensors, name, alone):
    """The tensor called `name`, or with `alone` a single one, as an array; None if absent or without known numbers."""
    one = tensors.get(name) if isinstance(tensors, dict) else tensors if alone else None
    if one is None or not hasattr(one, "shape"):
        return None
    values = arguments.values_of(one)
    return values if values is not None and values.dtype.kind in "iuf" else None


def _weighted(labels, weight):
    """The labels whose weight is not 0, flat."""
    if weight is None or weight.shape != labels.shape[: weight.ndim]:
        return labels.reshape(-1)
    weight = weight.reshape((*weight.shape, *[1] * (labels.ndim - weight.ndim)))
    return labels[np.broadcast_to(weight != 0, labels.shape)]
