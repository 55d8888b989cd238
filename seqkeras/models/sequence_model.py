"""What every model family shares in training and evaluation."""

import contextlib
import inspect
import warnings

import keras
import numpy as np
from keras import ops

from seqkeras import arguments
from seqkeras.layers import masking
from seqkeras.models.keras_model import KerasModel
from seqkeras.training import distribution, output_bias, report
from seqkeras.training.batches import Limits, refusals
from seqkeras.training.losses import CrossEntropy
from seqkeras.training.metrics import of_text
from seqkeras.training.objective import Objective, by_output

MOST_BATCHES = 500  # that `fit` reads before training, for the bias
FEWEST_STEPS = 100  # of training, from which on `fit` checks that answers depend on the input


class SequenceModel(KerasModel):
    """The base of every model that is trained with `fit`.

    `loss`, in progress, history, validation and `evaluate`, is the mean over all real tokens (or rows) seen, whatever
    the batches and replicas; in training it is what is minimised, with label smoothing and penalties, in validation
    and evaluation it is without both. See `objective.Objective`.

    A family whose output layers have a bias takes `output_bias`, "frequencies" or "zeros", as an argument, and names
    the biases in `output_biases`.
    """

    output_bias = "zeros"
    target_kind = "class"  # what the targets are: "class", "labels" or "values", see `output_bias.Targets`
    outputs_by_name = (None,)  # a family with several outputs has their names here
    unknown_target = None  # UNKNOWN where targets are the ids of a text
    objective = None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        arguments.choice("frequencies", "zeros", output_bias=self.output_bias)

    def inputs_read(self):
        """What `batches.Limits` holds the inputs to: name -> (number of ids, most positions or None)."""
        return {}

    def output_biases(self):
        """The bias of the output layer, a dict of them by the names of the outputs, empty where there is none."""
        return {}

    def adapt(self, x, y=None, sample_weight=None, steps=None):
        """Sets the bias of the output layer from training targets, as `keras.layers.Normalization` adapts to its data.

        The model then begins with how frequent each class, label or token is (`output_bias.Targets` has the equations),
        and learns from its inputs at once. `fit` does so by itself; for a training loop of your own, call it before.

        Args:
            x, y, sample_weight: data as `fit` takes it: batches (a tf.data.Dataset, a PyDataset) or arrays. Of arrays
                `x` is looked at for padding only, where there is no weight, and may be None.
            steps: at most so many batches are read; None for all.

        Raises:
            ValueError: no targets; a generator, which can be read only once; endless data without `steps`.
        """
        if y is None and not output_bias.rereadable(x):
            raise ValueError(f"Expected arrays, a tf.data.Dataset or a PyDataset. Received: {type(x).__name__}")
        if y is None and steps is None and output_bias.endless(x):
            raise ValueError("Expected steps, how many batches to read, with endless data. Received: steps=None")
        if not self._adapt(output_bias.batches(x, steps) if y is None else [(x, y, sample_weight)]):
            raise ValueError("Expected targets of a weight above 0. Received: none")

    @refusals()
    def fit(self, *args, **kwargs):
        """As of `keras.Model`; before it, `adapt`, where `output_bias` is "frequencies" and the bias is still zero.

        For that at most 500 batches are read. A generator, which can be read only once, is left alone: call `adapt`
        yourself. After 100 steps or more, a model that gives the same answer for every input is warned of.
        """
        given = inspect.signature(super().fit).bind(*args, **kwargs).arguments
        given = self._watched(given)
        self._check_class_weight(given.get("class_weight"))
        variables = keras.tree.flatten(self.output_biases())
        if (
            self.output_bias == "frequencies"
            and variables
            and all(variable.trainable for variable in variables)
            and not any(np.any(ops.convert_to_numpy(v)) for v in variables)
        ):
            self._adapt(self._first_batches(**given), given.get("class_weight"))
        history = super().fit(**given)
        if int(ops.convert_to_numpy(self.optimizer.iterations)) >= FEWEST_STEPS:
            self._warn_of_constant_answers(**given)
        return history

    def _check_class_weight(self, class_weight):
        """That its keys are classes of the one output: others would be ignored."""
        count = self._classes().get(None)
        known = range(count or 0)
        if count and (strange := [label for label in class_weight or () if label not in known]):
            raise ValueError(
                f"Expected class_weight of classes from 0 to {count - 1}. Received: {strange[0]!r}; "
                "`data.labels.index(name)` is the number of a name"
            )

    def _warn_of_constant_answers(self, x=None, y=None, sample_weight=None, **_):
        batch = report.first_batch(x, y, sample_weight)
        if advice := batch and report.constant_answers(self, batch):
            warnings.warn(advice, stacklevel=4)

    def evaluate(self, *args, **kwargs):
        """As of `keras.Model`."""
        return self._run(super().evaluate, *args, **kwargs)

    def predict(self, *args, **kwargs):
        """As of `keras.Model`."""
        return self._run(super().predict, *args, **kwargs)

    def train_on_batch(self, *args, **kwargs):
        """As of `keras.Model`."""
        return self._run(super().train_on_batch, *args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """As of `keras.Model`."""
        return self._run(super().test_on_batch, *args, **kwargs)

    def predict_on_batch(self, *args, **kwargs):
        """As of `keras.Model`."""
        return self._run(super().predict_on_batch, *args, **kwargs)

    @refusals()
    def _run(self, method, *args, **kwargs):
        """Calls a method of Keras with its data checked, so that wrong ids and labels are refused."""
        given = inspect.signature(method).bind(*args, **kwargs)
        given.arguments.update(self._watched(given.arguments))
        return method(*given.args, **given.kwargs)

    def _watched(self, given):
        """Arguments of a method that takes data, with the data checked, or checking themselves."""
        limits = Limits(self.inputs_read(), self._classes())
        data = {name: given.get(name) for name in ("x", "y", "sample_weight")}
        watched = {"x": limits.watch(**data)} if data["x"] is not None else {}
        validation = given.get("validation_data")
        if isinstance(validation, (tuple, list)):
            limits.check(*keras.utils.unpack_x_y_sample_weight(tuple(validation)))
        elif validation is not None:
            watched["validation_data"] = limits.watch(validation)
        return {**given, **watched}

    def _classes(self):
        """The number of classes of each output whose loss is a `CrossEntropy`: there a label is one of them."""
        biases = self.output_biases()
        biases = biases if isinstance(biases, dict) else {None: biases}
        losses = {} if self.objective is None else self.objective.losses
        return {
            name: biases[name].shape[0]
            for name, one in losses.items()
            if isinstance(one, CrossEntropy) and name in biases
        }

    def _first_batches(self, x=None, y=None, sample_weight=None, validation_split=0.0, steps_per_epoch=None, **_):
        """(x, targets, weight) of what `fit` trains on, as far as it is looked at beforehand."""
        if y is not None:
            rows = int(len(keras.tree.flatten(y)[0]) * (1 - validation_split))
            return [keras.tree.map_structure(lambda one: None if one is None else one[:rows], (x, y, sample_weight))]
        if not output_bias.rereadable(x):
            return []
        return output_bias.batches(x, min(steps_per_epoch or MOST_BATCHES, MOST_BATCHES))

    def _adapt(self, batches, class_weight=None):
        """Sets the biases; whether there was a target for each."""
        variables = self.output_biases()
        sizes = keras.tree.map_structure(lambda variable: variable.shape[0], variables)
        weighed = ((y, self.weigh(x, y, weight)) for x, y, weight in batches)
        found = output_bias.biases(sizes, self.target_kind, weighed, class_weight)
        for variable, bias in zip(keras.tree.flatten(variables), keras.tree.flatten(found), strict=True):
            if bias is not None:
                variable.assign(ops.cast(bias, variable.dtype))
        return all(bias is not None for bias in keras.tree.flatten(found))

    def compile(
        self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None, **options
    ):
        """As `keras.Model.compile`, but all `metrics` are weighted ones: padding has no part in them.

        What a model of text is measured by never counts UNKNOWN as right.

        Raises:
            ValueError: a loss or metric that takes probabilities, where the model gives logits; a metric called "loss".
        """
        if self.unknown_target is not None:
            metrics, weighted_metrics = keras.tree.map_structure(
                lambda metric: of_text(metric, self.unknown_target), (metrics, weighted_metrics)
            )
        for metric in keras.tree.flatten((metrics, weighted_metrics)):
            if "loss" in (metric, getattr(metric, "name", None), getattr(metric, "__name__", None)):
                raise ValueError(
                    "Expected metrics of another name than 'loss', which is the mean of the loss over all data. "
                    f"Received: {metric!r}"
                )
        if self.target_kind != "values":
            _check_takes_logits(keras.tree.flatten((loss, metrics, weighted_metrics)))
        super().compile(optimizer, weighted_metrics=_together(metrics, weighted_metrics), **options)
        names = self.outputs_by_name
        losses = {name: one for name, one in by_output(loss, names).items() if one is not None}
        objective = Objective(losses, by_output(loss_weights, names, 1.0)) if losses else None
        # Not as Keras sets attributes: a second `compile` would leave the first one's metric among `metrics`.
        for name, value in (("objective", objective), ("loss", loss), ("loss_weights", loss_weights)):
            object.__setattr__(self, name, value)

    def get_compile_config(self):
        config = super().get_compile_config()
        own = {"loss": self.loss, "loss_weights": self.loss_weights} if config else {}
        return {**config, **{name: keras.saving.serialize_keras_object(value) for name, value in own.items()}}

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self):
        """`loss` first, the mean over all data in the place of Keras's, then what `compile` was given."""
        rest = [metric for metric in super().metrics if metric.name != "loss"]
        return rest if self.objective is None else [self.objective, *rest]

    def real_targets(self, x, y):
        """Where the targets `y` to the inputs `x` are real: a mask [B, T], of several outputs a dict; None for all."""
        return None if self.unknown_target is None else masking.padding(y)

    def weigh(self, x, y, sample_weight):
        """The weight of each target: as it is given, but where none is, or one for each row, padding weighs nothing."""
        real = None if y is None else self.real_targets(x, y)
        if isinstance(real, dict):
            named = isinstance(sample_weight, dict)
            return {
                name: _of_real(one, sample_weight.get(name) if named else sample_weight) for name, one in real.items()
            }
        return sample_weight if real is None else _of_real(real, sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """As of `keras.Model`, by the weights of `weigh`."""
        return super().compute_metrics(x, y, y_pred, self.weigh(x, y, sample_weight))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of a batch: in training what is minimised, in evaluation what is reported of it."""
        if self.objective is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        sample_weight = self.weigh(x, y, sample_weight)
        loss = self.objective.measure(y, y_pred, sample_weight, training)
        if training and self.losses:
            penalties = super().compute_loss(x, y, y_pred, sample_weight, training)  # all that Keras knows a loss of
            self.objective.add("penalties", penalties, 1 / distribution.replicas())
            loss += penalties
        return loss


def _of_real(real, weight):
    """The weight [B, T] of each target, from the mask [B, T] of real ones and a weight: None, [B] or [B, T]."""
    if weight is None:
        return ops.cast(real, "float32")
    shape = weight.shape
    rank = shape.rank if hasattr(shape, "rank") else len(shape)  # TensorFlow's is None after calls with several ranks
    if rank is not None and rank >= len(real.shape):
        return weight
    weight, real = ops.cast(ops.reshape(weight, (ops.shape(real)[0], -1)), "float32"), ops.cast(real, "float32")
    return weight * real if rank == 1 else ops.where(ops.shape(weight)[1] == 1, weight * real, weight)


def _together(metrics, weighted):
    """All metrics of `compile`, a list, or a dict of output -> list or one."""
    if metrics is None or weighted is None:
        return weighted if metrics is None else metrics
    if not isinstance(metrics, dict) and not isinstance(weighted, dict):
        return [*metrics, *weighted]
    if not isinstance(metrics, dict) or not isinstance(weighted, dict):
        raise ValueError(f"Expected both metrics as lists or both as dicts. Received: {metrics!r} and {weighted!r}")
    parts = {name: [one.get(name) for one in (metrics, weighted)] for name in {**metrics, **weighted}}
    return {
        name: [metric for metric in keras.tree.flatten(of_both) if metric is not None]
        for name, of_both in parts.items()
    }


PROBABILITIES = {  # losses and metrics of Keras that take probabilities where they are named without more
    *("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy", "crossentropy", "ce"),
    *("categorical_focal_crossentropy", "binary_focal_crossentropy", "kl_divergence"),
}


def _check_takes_logits(chosen):
    """Raises ValueError for a loss or metric of probabilities."""
    for one in chosen:
        named = one
        if isinstance(one, str) and one not in PROBABILITIES:
            with contextlib.suppress(ValueError):
                named = keras.losses.get(one)
        config = named.get_config() if isinstance(named, (keras.losses.Loss, keras.metrics.Metric)) else {}
        if config.get("from_logits") is False or getattr(named, "__name__", named) in PROBABILITIES:
            raise ValueError(
                f"Expected a loss or metric of logits, which the model gives. Received: {one!r}, which takes "
                "probabilities; take seqkeras.CrossEntropy() (BinaryCrossEntropy() for outputs='labels'; as a metric "
                "seqkeras.Perplexity()), or give it from_logits=True"
            )
