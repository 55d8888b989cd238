"""What gradients do on their way through layers and time, and which layer it was when a loss turns NaN.

Reference: Bengio, Simard & Frasconi, Learning long-term dependencies with gradient descent is difficult, 1994;
Pascanu, Mikolov & Bengio, On the difficulty of training recurrent neural networks, 2013, section 2.
"""

import keras
import numpy as np
from keras import ops

from seqkeras import cells
from seqkeras.rnn import loops, recurrence


class Recorder(keras.optimizers.Optimizer):
    """An optimizer that keeps the gradients and changes nothing: `gradients` after a step, in the variables' order."""

    def __init__(self):
        super().__init__(learning_rate=0.0)

    def build(self, variables):
        super().build(variables)
        self.gradients = [self.add_variable_from_reference(v, name="gradient") for v in variables]

    def apply(self, grads, trainable_variables=None):
        for kept, gradient in zip(self.gradients, grads, strict=True):
            kept.assign(ops.zeros_like(kept) if gradient is None else ops.cast(gradient, kept.dtype))


class Probed:
    """A cell whose projection is changed on the way to its step."""

    def __init__(self, cell, change):
        self.cell, self.change = cell, change

    def project(self, *given):
        return self.change(self.cell.project(*given))

    def step(self, projected, state, ops):
        return self.cell.step(projected, state, ops)


class Probe(keras.Model):
    """A model with a zero added to what each recurrence is fed at each time step: the gradient that arrives there."""

    def __init__(self, model, inputs):
        super().__init__()
        self.model = model
        shapes = []
        self._run(inputs, lambda projected: shapes.append(projected.shape) or projected)
        self.taps = [self.add_weight(name=f"tap_{i}", shape=s, initializer="zeros") for i, s in enumerate(shapes)]
        self.built = True

    def call(self, inputs):
        taps = iter(self.taps)
        return self._run(inputs, lambda projected: projected + ops.cast(next(taps), projected.dtype))

    def _run(self, inputs, change):
        def loop(cell, *given, **options):
            return loops.scan(Probed(cell, change), *given, **options)

        with recurrence.looping(loop):
            return self.model(inputs)


def gradients(model, inputs, labels, weight=None, loss=None):
    """The gradients of a loss, by layer and by time step.

    Args:
        model: built; compiled, if no `loss` is given.
        inputs, labels, weight: one batch, as `fit` takes it.
        loss: the loss, the model's own if None.

    Returns:
        dict: "loss"; "layers", path of a layer -> norm of its weights' gradient; "times", a list for each recurrence
        in the order they run: norm of the gradient that arrives at the pre-activations of each time step, [T].
    """
    probe = Probe(model, inputs)
    probe.compile(Recorder(), model.loss if loss is None else loss, run_eagerly=True)
    probe.optimizer.build(probe.trainable_variables)
    value = float(probe.train_on_batch(inputs, labels, weight))
    layers, taps = {}, {id(tap) for tap in probe.taps}
    times = []
    for variable, gradient in zip(probe.trainable_variables, probe.optimizer.gradients, strict=True):
        gradient = ops.convert_to_numpy(gradient).astype("float64")
        if id(variable) in taps:
            times.append(np.sqrt((gradient**2).sum((1, 2))))
        else:
            layers.setdefault(variable.path.rpartition("/")[0], []).append((gradient**2).sum())
    return {
        "loss": value,
        "layers": {path: float(np.sqrt(sum(squares))) for path, squares in layers.items()},
        "times": times,
    }


def recurrent_matrices(model):
    """Path of each square block of each recurrent matrix -> its largest singular value.

    A weight [H, K * H] of a cell is K blocks [H, H], one for a gate, numbered from 0.
    """
    found = {}
    for variable in model.weights:
        shape = variable.shape
        if "kernel" not in variable.name or variable.name == "kernel" or len(shape) != 2 or shape[1] % shape[0]:
            continue
        for i, block in enumerate(np.split(ops.convert_to_numpy(variable.value), shape[1] // shape[0], axis=1)):
            found[f"{variable.path}[{i}]"] = float(np.linalg.norm(block.astype("float64"), 2))
    return found


class Diagnosis(keras.callbacks.Callback):
    """Looks at the gradients of one batch before training and after each epoch; stops where the loss turns NaN.

    `history` holds what `gradients` returns, and "singular", what `recurrent_matrices` returns, for each look. It
    copies all weights after each batch, to know those from before a NaN: meant for looking, not for long trainings.

    Args:
        inputs, labels, weight: the batch.

    Raises:
        ValueError: while training, a loss or a weight that is not finite; the message names the layers whose outputs
            or weights were not finite first. The model keeps the weights from before.
    """

    def __init__(self, inputs, labels, weight=None):
        super().__init__()
        self.batch = inputs, labels, weight
        self.history = []
        self._before = None

    def on_train_begin(self, logs=None):
        self._before = self.model.get_weights()
        self.record()

    def on_epoch_end(self, epoch, logs=None):
        self.record()

    def record(self):
        self.history.append({**gradients(self.model, *self.batch), "singular": recurrent_matrices(self.model)})

    def on_train_batch_end(self, batch, logs=None):
        broken = [v.path for v in self.model.weights if not np.isfinite(ops.convert_to_numpy(v.value)).all()]
        if np.isfinite((logs or {}).get("loss", 0.0)) and not broken:
            self._before = self.model.get_weights()
            return
        self.model.set_weights(self._before)  # all may be NaN by now: the outputs of those before tell the layer
        layers = broken_layers(self.model, self.batch[0]) or sorted({path.rpartition("/")[0] for path in broken})
        raise ValueError(
            f"Expected finite loss and weights. Received: {logs} in batch {batch}; "
            f"not finite first: {', '.join(layers)}. Try a smaller learning rate or clip the gradient"
        )


def broken_layers(model, inputs):
    """Paths of the innermost layers that make something that is not finite out of finite inputs."""
    broken = []

    def watch(layer):
        call = layer.call

        def watched(*args, **kwargs):
            outputs = call(*args, **kwargs)
            if _finite((args, kwargs)) and not _finite(outputs):
                inside = any(path.startswith(layer.path + "/") for path in broken)
                broken.extend([layer.path] * (not inside))
            return outputs

        return call, watched

    layers = list(_sublayers(model, set()))
    calls = [watch(layer) for layer in layers]
    try:
        for layer, (_, watched) in zip(layers, calls, strict=True):
            layer.call = watched
        model(inputs)
    finally:
        for layer in layers:
            del layer.call
    return broken


def _sublayers(layer, seen):
    for value in keras.tree.flatten([x for x in vars(layer).values() if isinstance(x, (keras.layers.Layer, list))]):
        if isinstance(value, keras.layers.Layer) and id(value) not in seen:
            seen.add(id(value))
            yield value
            yield from _sublayers(value, seen)


def _finite(tensors):
    floats = [x for x in keras.tree.flatten(tensors) if hasattr(x, "dtype") and "float" in str(x.dtype)]
    return all(np.isfinite(ops.convert_to_numpy(x)).all() for x in floats)


def textbook(radii=(0.5, 0.9, 1.0, 1.1, 1.5), steps=50, units=16, seed=0):
    """The textbook experiment: a linear Elman network whose recurrent matrix is orthogonal times a number r.

    The gradient that arrives k steps before the end is r^k times that at the end: it vanishes below 1, explodes above.

    Returns: dict of r -> norms of the gradient by distance from the end, [steps], relative to that at the end.
    """
    random = np.random.default_rng(seed)
    values = random.normal(size=(4, steps, 1)).astype("float32")
    orthogonal = np.linalg.qr(random.normal(size=(units, units)))[0]
    found = {}
    for r in radii:
        inputs = keras.Input((steps, 1))
        layer = recurrence.Recurrence(cells.make("simplernn:linear", units))
        model = keras.Model(inputs, layer(inputs)[0][:, -1])
        layer.cell.recurrent_kernel.assign(r * orthogonal)
        seen = gradients(model, values, np.zeros((4, units), "float32"), loss="mse")["times"][0][::-1]
        found[r] = seen / seen[0]
    return found


def plot(distances, title="Gradient by distance in time"):
    """Curves of norms over the distance from the end, on a logarithmic scale: dict of name -> [T] -> a figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, norms in distances.items():
        axes.semilogy(np.arange(len(norms)), norms, label=str(name))
    axes.set(xlabel="steps before the end", ylabel="norm of the gradient", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
