"""The gradients a diagnosis shows, against closed forms and TensorFlow's own; the layer it names."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras.training import gradient_diagnosis


def test_the_gradient_vanishes_below_one_and_explodes_above_as_powers(seed):
    found = gradient_diagnosis.textbook(radii=(0.5, 1.0, 1.5), steps=12, units=5, seed=seed)
    for radius, norms in found.items():
        np.testing.assert_allclose(norms, radius ** np.arange(12.0), rtol=1e-3)


def test_the_plot_has_a_curve_a_network_on_a_logarithmic_scale(tmp_path):
    figure = gradient_diagnosis.plot({0.5: 0.5 ** np.arange(9.0), 1.5: 1.5 ** np.arange(9.0)})
    (axes,) = figure.axes
    assert axes.get_yscale() == "log" and [line.get_label() for line in axes.lines] == ["0.5", "1.5"]
    figure.savefig(tmp_path / "gradient.png")
    assert (tmp_path / "gradient.png").stat().st_size > 5000


def batch(seed):
    return np.random.default_rng(seed).integers(4, 9, (4, 6)), np.array([0, 1, 0, 1])


def test_layers_have_the_norms_of_their_gradients_and_nothing_changes(seed):
    model = seqkeras.SequenceClassifier(9, 2, 8, cell="lstm", num_layers=2)
    model.compile("sgd", seqkeras.CrossEntropy())
    ids, labels = batch(seed)
    before = model.get_weights()
    seen = gradient_diagnosis.gradients(model, ids, labels)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with tf.GradientTape() as tape:
        loss = seqkeras.CrossEntropy()(labels, model(ids))
    squares = {}
    expected = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, expected, strict=True):
        path = variable.path.rpartition("/")[0]
        squares[path] = squares.get(path, 0) + float(tf.reduce_sum(tf.convert_to_tensor(gradient) ** 2))
    np.testing.assert_allclose(seen["loss"], loss, rtol=1e-5)
    assert seen["layers"].keys() == squares.keys()
    for path, norm in seen["layers"].items():
        np.testing.assert_allclose(norm, squares[path] ** 0.5, rtol=1e-4)
    assert [len(times) for times in seen["times"]] == [6] * 4  # two layers of two directions


def test_singular_values_are_those_of_each_gate(seed):
    model = seqkeras.SequenceClassifier(9, 2, 4, cell="lstm", bidirectional=False)
    kernel = model.body.recurrences[0][0].cell.recurrent_kernel
    kernel.assign(np.random.default_rng(seed).normal(size=(4, 16)))
    found = gradient_diagnosis.recurrent_matrices(model)
    expected = [np.linalg.svd(block)[1][0] for block in np.split(kernel.numpy(), 4, axis=1)]
    np.testing.assert_allclose([found[f"{kernel.path}[{i}]"] for i in range(4)], expected, rtol=1e-5)


def test_the_callback_looks_before_training_and_after_each_epoch(seed):
    model = seqkeras.SequenceClassifier(9, 2, 8)
    model.compile("sgd", seqkeras.CrossEntropy())
    callback = seqkeras.Diagnosis(*batch(seed))
    model.fit(*batch(seed), epochs=2, callbacks=[callback], verbose=0)
    assert len(callback.history) == 3
    assert callback.history[-1]["loss"] < callback.history[0]["loss"]
    assert all(len(look["singular"]) == 6 for look in callback.history)


@pytest.mark.parametrize("culprit", ["embedding", "logits"])
def test_the_layer_whose_weights_break_is_named_and_the_others_are_not(culprit, seed):
    model = seqkeras.SequenceClassifier(9, 2, 8)
    model.compile(keras.optimizers.SGD(0.1), seqkeras.CrossEntropy())
    ids, labels = batch(seed)
    broken = getattr(model, culprit).weights[0]

    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            broken.assign(np.full(broken.shape, np.nan))

    path = broken.path.rpartition("/")[0]
    with pytest.raises(ValueError, match=f"Expected finite .*in batch 0; not finite first: {path}\\. "):
        model.fit(ids, labels, callbacks=[Break(), seqkeras.Diagnosis(ids, labels)], verbose=0)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_the_layer_whose_output_makes_the_loss_nan_is_named(seed):
    model = seqkeras.SequenceClassifier(9, 2, 8, cell="simplernn:relu", bidirectional=False)
    model.compile("sgd", seqkeras.CrossEntropy())
    recurrent = model.body.recurrences[0][0]
    recurrent.cell.kernel.assign(np.ones((8, 8)))
    recurrent.cell.recurrent_kernel.assign(1e12 * np.ones((8, 8)))
    model.embedding.embeddings.assign(np.ones((9, 8)))
    ids, labels = batch(seed)
    with pytest.raises(ValueError, match=f"not finite first: {recurrent.path}\\. "):
        model.fit(ids, labels, callbacks=[seqkeras.Diagnosis(ids, labels)], verbose=0)
