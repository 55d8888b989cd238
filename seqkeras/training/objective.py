"""What `fit` minimises, and its mean over all data, which `fit` and `evaluate` report."""

import keras
from keras import ops

from seqkeras.training import distribution
from seqkeras.training.losses import MeanLoss, weight_of_each


class Objective(keras.metrics.Metric):
    """The loss of every output: its mean over a batch to minimise, its mean over all data to report.

        minimised    sum_o c_o sum_n w_n l_n / sum_n w_n      over the items n of the batch that all replicas hold
        reported     the same over the items of all batches since the last reset

    An item is what the loss gives one number for: a token, a row, a step of a series. So what is reported depends
    neither on the size of batches, nor on how rows are put together, nor on the number of replicas, and a batch
    without weight adds nothing. This holds for the losses of Keras too, of any reduction but "sum" and None: those two
    are minimised as the sum of w_n l_n, and reported as the mean. A function that returns one number for a batch is
    taken as the mean of its items.

    In training the penalties of the layers (`add_loss`, regularizers) are added, both to what is minimised and, as
    their mean over batches, to what is reported. In evaluation neither they nor label smoothing count.

    Args:
        losses: dict of output name -> loss: a `keras.losses.Loss`, a function of targets and outputs, or a name that
            `keras.losses.get` knows. A model with one output has the name None.
        factors: dict of output name -> c_o.
    """

    def __init__(self, losses, factors, name="loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.losses = {output: keras.losses.get(loss) for output, loss in losses.items()}
        self.evaluated = {output: without_smoothing(loss) for output, loss in self.losses.items()}
        self.factors = factors
        self.sums = {output: self._sum(output) for output in (*losses, "penalties")}

    def _sum(self, output):
        return tuple(self.add_weight(name=f"{output}_{part}", initializer="zeros") for part in ("total", "weight"))

    def measure(self, targets, outputs, sample_weight, training):
        """The loss of a batch, to be minimised: a number. Its sums are added to what `result` reports."""
        loss = 0.0
        for name, one in (self.losses if training else self.evaluated).items():
            targets_of, outputs_of, weight_of = (_part(x, name) for x in (targets, outputs, sample_weight))
            values, weights = items(one, targets_of, outputs_of, weight_of)
            self.add(name, ops.sum(values * weights), ops.sum(weights))
            whole = getattr(one, "reduction", "mean") in ("sum", "none", None)
            loss += self.factors[name] * (ops.sum(values * weights) if whole else distribution.mean(values, weights))
        return loss

    def add(self, name, total, weight):
        """A replica's share of a batch."""
        for variable, value in zip(self.sums[name], (total, weight), strict=True):
            variable.assign_add(ops.cast(ops.stop_gradient(value), variable.dtype))

    def result(self):
        """`loss`, and `NAME_loss` of each output where there are several."""
        means = {name: ops.divide_no_nan(*map(distribution.total, pair)) for name, pair in self.sums.items()}
        loss = sum(factor * means[name] for name, factor in self.factors.items()) + means["penalties"]
        several = {f"{name}_loss": means[name] for name in self.losses} if len(self.losses) > 1 else {}
        return {"loss": loss, **several}


def items(loss, targets, outputs, sample_weight):
    """(the loss of each item, its weight), two float tensors of one shape."""
    if isinstance(loss, MeanLoss):
        return loss.items(targets, outputs, sample_weight)
    dtype = getattr(loss, "dtype", None) or keras.config.floatx()
    targets, outputs_of = (ops.convert_to_tensor(x, dtype=dtype) for x in (targets, outputs))
    own = isinstance(loss, keras.losses.Loss) and type(loss).__call__ is not keras.losses.Loss.__call__
    call = loss.call if isinstance(loss, keras.losses.Loss) and not own else loss
    values = ops.convert_to_tensor(call(targets, outputs_of, sample_weight) if own else call(targets, outputs_of))
    if not len(values.shape):  # one number for the batch: of as many items as have weight
        weight = ops.shape(outputs)[0] if sample_weight is None else ops.sum(ops.cast(sample_weight, values.dtype))
        return values, ops.cast(weight, values.dtype)
    if sample_weight is not None and len(sample_weight.shape) == len(values.shape) + 1 and sample_weight.shape[-1] == 1:
        sample_weight = ops.squeeze(sample_weight, axis=-1)
    weights = weight_of_each(values, sample_weight)
    for tensor in (outputs, values):  # what Keras's layers mask, and what a loss with `ignore_class` leaves out
        mask = getattr(tensor, "_keras_mask", None)
        weights = weights if mask is None else weights * ops.cast(mask, weights.dtype)
    return values, weights


def without_smoothing(loss):
    """The loss as validation has it: smoothed labels are for training only."""
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    return type(loss).from_config({**config, "label_smoothing": 0.0}) if config.get("label_smoothing") else loss


def by_output(given, names, default=None):
    """What `compile` takes for the outputs called `names`, one for all, a list or a dict, as a dict by name."""
    if isinstance(given, dict):
        if unknown := set(given) - set(names):
            raise ValueError(f"Expected outputs {list(names)}. Received: {sorted(map(str, unknown))}")
        return {name: given.get(name, default) for name in names}
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(f"Expected one for each of {len(names)} outputs. Received: {len(given)}")
        return dict(zip(names, given, strict=True))
    return dict.fromkeys(names, default if given is None else given)


def _part(tensors, name):
    """Of one output: targets, outputs or weights, a dict by name or the same for all."""
    return tensors.get(name) if isinstance(tensors, dict) and name is not None else tensors
