"""The tagger: its three kinds of output, its masks, and what it learns."""

import keras
import numpy as np
import pytest

import seqkeras
from seqkeras import export


def test_a_class_at_each_position_zeros_at_padding(seed):
    model = seqkeras.SequenceTagger(9, 4, 8, cell="lstm")
    ids = np.random.default_rng(seed).integers(4, 9, (3, 6))
    ids[1, 2:] = 0
    probabilities = model.tag({"ids": ids})["probabilities"].numpy()
    memory = model.body(model.embedding(ids), mask=ids != 0)[0].numpy()
    z = np.exp(memory @ model.logits.kernel.numpy() + model.logits.bias.numpy())
    np.testing.assert_allclose(probabilities, (z / z.sum(-1, keepdims=True)) * (ids != 0)[..., None], atol=1e-5)


@pytest.mark.parametrize("kind", ["recurrent", "transformer", "convolution"])
def test_padding_changes_nothing(kind, seed):
    model = seqkeras.SequenceTagger(9, 4, 8, encoder=kind)
    ids = np.random.default_rng(seed).integers(4, 9, (2, 5))
    np.testing.assert_allclose(model(np.pad(ids, ((0, 0), (0, 3))))[:, :5], model(ids), atol=1e-5)


def test_in_one_direction_nothing_is_known_of_what_follows(seed):
    model = seqkeras.SequenceTagger(None, 4, 8, bidirectional=False, input_units=2)
    values = np.random.default_rng(seed).normal(size=(2, 6, 2)).astype("float32")
    changed = values.copy()
    changed[:, 4:] += 1
    one, other = (model({"values": v, "length": np.array([6, 6])}) for v in (values, changed))
    np.testing.assert_array_equal(one[:, :4], other[:, :4])
    assert np.abs(one - other)[:, 4:].max() > 1e-3


def test_binary_cross_entropy_is_that_of_independent_labels(seed):
    rng = np.random.default_rng(seed)
    y, z = rng.integers(0, 2, (2, 3, 5)), rng.normal(size=(2, 3, 5)).astype("float32") * 4
    weight = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    p = 1 / (1 + np.exp(-z.astype("float64")))
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(-1)
    loss = seqkeras.BinaryCrossEntropy()
    np.testing.assert_allclose(loss(y, z, weight), (expected * weight).sum() / weight.sum(), rtol=1e-5)
    assert np.isfinite(loss(y, z * 1e4))


def batch(rng, n=256):
    ids = rng.integers(4, 9, (n, 8))
    ids[: n // 2, 6:] = 0
    return ids, (ids != 0).astype("float32")


def test_it_learns_to_say_the_token_before_and_the_token_behind(seed):
    """One class that needs each direction."""
    ids, weight = batch(np.random.default_rng(seed))
    before, behind = np.roll(ids, 1, 1), np.roll(ids, -1, 1)
    before[:, 0] = behind[:, -1] = 0
    tags = np.maximum(before - 3, 0) * 6 + np.maximum(behind - 3, 0)
    model = seqkeras.SequenceTagger(9, 36, 32, cell="lstm")
    model.compile(keras.optimizers.Adam(0.02), seqkeras.CrossEntropy(), weighted_metrics=[seqkeras.TokenAccuracy()])
    history = model.fit(ids, tags, sample_weight=weight, epochs=25, batch_size=32, verbose=0).history
    assert history["token_accuracy"][-1] > 0.97


def test_it_learns_labels_and_real_values_from_real_values(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(256, 8, 3)).astype("float32")
    inputs = {"values": values, "length": rng.integers(4, 9, 256).astype("int32")}
    weight = (np.arange(8) < inputs["length"][:, None]).astype("float32")
    before = np.pad(values, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    labels = seqkeras.SequenceTagger(None, 3, 24, input_units=3, outputs="labels")
    labels.compile(keras.optimizers.Adam(0.02), seqkeras.BinaryCrossEntropy())
    loss = labels.fit(inputs, before > 0, sample_weight=weight, epochs=15, verbose=0).history["loss"]
    assert loss[-1] < 0.4 * loss[0]
    real = seqkeras.SequenceTagger(None, 3, 24, input_units=3, outputs="values")
    real.compile(keras.optimizers.Adam(0.02), keras.losses.MeanSquaredError("mean_with_sample_weight"))
    loss = real.fit(inputs, before, sample_weight=weight, epochs=15, verbose=0).history["loss"]
    assert loss[-1] < 0.4 * loss[0]


@pytest.mark.parametrize("kind", ["recurrent", "transformer", "convolution"])
def test_the_file_says_what_the_model_says(kind, tmp_path, seed):
    model = seqkeras.SequenceTagger(9, 4, 8, encoder=kind, outputs="labels")
    ids = np.random.default_rng(seed).integers(4, 9, (4, 6)).astype("int32")
    ids[1, 2:] = 0
    path = tmp_path / "model.tflite"
    export.to_tflite(model, path, 6)
    export.audit(path)
    assert export.parity(model, path, {"ids": ids})["compiled"]["equal"] == 4


def test_a_file_on_real_values(tmp_path, seed):
    model = seqkeras.SequenceTagger(None, 2, 8, cell="lstm", input_units=3, outputs="values")
    rng = np.random.default_rng(seed)
    inputs = {"values": rng.normal(size=(3, 5, 3)).astype("float32"), "length": np.array([5, 2, 1], "int32")}
    export.to_tflite(model, tmp_path / "model.tflite", 5)
    assert export.parity(model, tmp_path / "model.tflite", inputs)["interpreter"]["difference"] < 1e-5


def test_wrong_outputs_are_refused():
    with pytest.raises(
        ValueError, match="Expected outputs to be one of class, labels, values. Received: outputs='tag'"
    ):
        seqkeras.SequenceTagger(9, 4, outputs="tag")
    with pytest.raises(ValueError, match="Expected encoder to be one of recurrent, transformer, convolution. "):
        seqkeras.SequenceTagger(9, 4, encoder="bag")
