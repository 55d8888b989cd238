"""What batches may hold, checked on their way into a model, where an error can still be told.

In a graph nothing can be refused: XLA drops assertions. So arrays are looked at before they are batched, and a
tf.data.Dataset, a generator or a PyDataset checks each batch that it gives.
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
    """What a model can read, and what it can be taught.

    Args:
        inputs: name -> (number of ids, most positions or None). A model with one input takes it without its name too.
        targets: name of an output, None of an only one -> number of classes.
    """

    inputs: dict
    targets: dict = dataclasses.field(default_factory=dict)

    def check(self, x, y=None, sample_weight=None):
        """Looks at arrays, where they are of the expected form: what is of another form the model refuses.

        Raises:
            ValueError: ids that are none of the model's; more positions than it has; labels with a weight that are
                none of its classes and not -1 (`tokens.UNKNOWN_LABEL`).
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
        for name, count in self.targets.items():
            labels, weight = _numbers(y, name, name is None), _numbers(sample_weight, name, True)
            if labels is not None:
                arguments.between(UNKNOWN_LABEL, count - 1, labels=_weighted(labels, weight))

    def watch(self, x, y=None, sample_weight=None):
        """x, as a data set that checks its batches; arrays, once they are checked."""
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
        """A batch of a tf.data.Dataset, which checks it when it comes to it."""
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
    """Inside, what a watched tf.data.Dataset refuses is a ValueError, as elsewhere."""
    try:
        yield
    except _refused() as error:
        found = re.search(r"assertion failed: \[(Expected .*)\]", str(error))
        if found is None:
            raise
        raise ValueError(found[1]) from None


def _refused():
    """What TensorFlow makes of a ValueError inside of a tf.data.Dataset, where there is TensorFlow."""
    return (sys.modules["tensorflow"].errors.InvalidArgumentError,) if "tensorflow" in sys.modules else ()


def _numbers(tensors, name, alone):
    """The tensor called `name`, or an only one, as an array of numbers; None where there is none of known values."""
    one = tensors.get(name) if isinstance(tensors, dict) else tensors if alone else None
    if one is None or not hasattr(one, "shape"):
        return None
    values = arguments.values_of(one)
    return values if values is not None and values.dtype.kind in "iuf" else None


def _weighted(labels, weight):
    """The labels with a weight, in any order."""
    if weight is None or weight.shape != labels.shape[: weight.ndim]:
        return labels.reshape(-1)
    weight = weight.reshape((*weight.shape, *[1] * (labels.ndim - weight.ndim)))
    return labels[np.broadcast_to(weight != 0, labels.shape)]
