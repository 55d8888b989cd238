"""Output layers begin with how frequent their outputs are: by `adapt`, and by the first `fit` itself."""

import io
import os
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras.tokens import UNKNOWN_LABEL

SOURCE = np.array([[4, 5, 6, 0], [5, 5, 0, 0], [7, 4, 4, 6], [4, 0, 0, 0]], "int32")
NEXT = np.array([[5, 4, 2], [5, 2, 0], [4, 4, 2], [2, 0, 0]], "int32")
WEIGHT = (NEXT != 0).astype("float32")
TARGET = np.array([[1, 5, 4], [1, 5, 0], [1, 4, 4], [1, 0, 0]], "int32")
LABEL = np.array([0, 2, 0, 0], "int32")
FREQUENT = np.log(np.array([1, 1, 5, 1, 4, 3, 1, 1, 1]) / (9 + 9))  # of the nine real tokens of NEXT, one added to each
CLASSES = np.log(np.array([4, 1, 2]) / (4 + 3))


def logits_bias(model):
    return keras.ops.convert_to_numpy(model.output_biases())


def families():
    translated = {"source": SOURCE, "target": TARGET}
    return {
        "generator": (seqkeras.SequenceGenerator(9, 3, units=4), {"label": LABEL, "target": TARGET}),
        "seq2seq": (seqkeras.Seq2Seq(9, units=4), translated),
        "attention": (seqkeras.AttentionSeq2Seq(9, units=4), translated),
        "transformer": (seqkeras.TransformerSeq2Seq(9, units=4, num_heads=2, num_layers=1), translated),
        "tied": (
            seqkeras.TransformerSeq2Seq(9, units=4, num_heads=2, num_layers=1, tied_embeddings=True),
            translated,
        ),
        "language model": (seqkeras.LanguageModel(9, units=4), TARGET),
        "tied language model": (
            seqkeras.LanguageModel(9, units=4, num_heads=2, decoder="transformer", max_length=8, tied_embeddings=True),
            TARGET,
        ),
        "truncated": (seqkeras.TruncatedBPTT(seqkeras.LanguageModel(9, units=4), batch_size=4), TARGET),
    }


@pytest.mark.parametrize("name", families())
def test_adapt_sets_the_log_frequencies_of_real_tokens(name):
    model, inputs = families()[name]
    model.adapt(inputs, NEXT, WEIGHT)
    np.testing.assert_allclose(logits_bias(model), FREQUENT, atol=1e-6)


@pytest.mark.parametrize("name", families())
def test_fit_adapts_what_is_untouched(name):
    model, inputs = families()[name]
    model.compile(keras.optimizers.SGD(0.0), seqkeras.CrossEntropy(), run_eagerly=True)
    model.fit(inputs, NEXT, sample_weight=WEIGHT, batch_size=4, verbose=0)
    np.testing.assert_allclose(logits_bias(model), FREQUENT, atol=1e-6)


def test_adapt_of_a_classifier_with_labels_that_are_none_of_its_own():
    model = seqkeras.SequenceClassifier(9, 3, units=4)
    model.adapt(None, np.append(LABEL, [UNKNOWN_LABEL, UNKNOWN_LABEL]))
    np.testing.assert_allclose(logits_bias(model), CLASSES, atol=1e-6)
    model.adapt(None, np.eye(3, dtype="float32")[LABEL])
    np.testing.assert_allclose(logits_bias(model), CLASSES, atol=1e-6)
    model.adapt(None, LABEL[:, None])
    np.testing.assert_allclose(logits_bias(model), CLASSES, atol=1e-6)


def test_adapt_of_a_joint_tagger_sets_both_of_its_layers():
    model = seqkeras.JointTagger(9, 9, 3, units=4)
    model.adapt(SOURCE, {"tags": NEXT, "label": LABEL}, {"tags": WEIGHT, "label": np.ones(4)})
    np.testing.assert_allclose(model.tags.bias, FREQUENT, atol=1e-6)
    np.testing.assert_allclose(model.label.bias, CLASSES, atol=1e-6)


def test_adapt_of_taggers_of_labels_and_of_values():
    tags = np.array([[[0, 1, 1], [0, 1, 0], [1, 1, 1]]], "float32")
    weight = np.array([[1.0, 1.0, 0.0]], "float32")
    model = seqkeras.SequenceTagger(9, 3, units=4, outputs="labels")
    model.adapt(None, tags, weight)
    np.testing.assert_allclose(logits_bias(model), np.log([1 / 3, 3 / 1, 2 / 2]), atol=1e-6)
    model = seqkeras.SequenceTagger(9, 3, units=4, outputs="values")
    model.adapt(None, 10 * tags, weight)
    np.testing.assert_allclose(logits_bias(model), [0, 10, 5], atol=1e-6)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = slice(2 * index, 2 * index + 2)
        return {"source": SOURCE[rows], "target": TARGET[rows]}, NEXT[rows], WEIGHT[rows]


def dataset():
    return tf.data.Dataset.from_tensor_slices(({"source": SOURCE, "target": TARGET}, NEXT, WEIGHT)).batch(2)


@pytest.mark.parametrize("data", [dataset, Batches])
def test_adapt_reads_batches(data):
    model = seqkeras.Seq2Seq(9, units=4)
    model.adapt(data())
    np.testing.assert_allclose(logits_bias(model), FREQUENT, atol=1e-6)
    model.adapt(data(), steps=1)
    np.testing.assert_allclose(logits_bias(model), np.log(np.array([1, 1, 3, 1, 2, 3, 1, 1, 1]) / (5 + 9)), atol=1e-6)


def test_adapt_refuses_what_it_cannot_read():
    model = seqkeras.Seq2Seq(9, units=4)
    for given, message in (
        ((iter(dataset()),), "Expected arrays, a tf.data.Dataset or a PyDataset. Received: .*Iterator"),
        ((SOURCE,), "Received: ndarray"),
        ((dataset().repeat(),), "Expected steps.*Received: steps=None"),
        ((dataset().map(lambda x, y, w: x),), "Expected targets of a weight above 0. Received: none"),
        ((SOURCE, NEXT, np.zeros_like(WEIGHT)), "Expected targets of a weight above 0. Received: none"),
        ((SOURCE, NEXT + 7, WEIGHT), "Expected targets from 0 to 8. Received: targets from 9 to 12"),
    ):
        with pytest.raises(ValueError, match=message):
            model.adapt(*given)
    with pytest.raises(ValueError, match="Expected output_bias to be one of frequencies, zeros"):
        seqkeras.Seq2Seq(9, output_bias="ones")


def fitted(model, *given, **options):
    """The output bias after an epoch in which nothing is learnt."""
    model.compile(keras.optimizers.SGD(0.0), seqkeras.CrossEntropy(), run_eagerly=True)
    model.fit(*given, verbose=0, **options)
    return logits_bias(model)


def test_fit_leaves_a_bias_that_is_there_and_one_that_is_to_be_zero():
    known = np.linspace(-1, 1, 9).astype("float32")
    model = seqkeras.Seq2Seq(9, units=4)
    model.output_biases().assign(known)
    np.testing.assert_array_equal(fitted(model, dataset()), known)
    assert not fitted(seqkeras.Seq2Seq(9, units=4, output_bias="zeros"), dataset()).any()


def test_fit_adapts_to_endless_data_in_bounds():
    bias = fitted(seqkeras.Seq2Seq(9, units=4), dataset().repeat(), steps_per_epoch=2)
    np.testing.assert_allclose(bias, FREQUENT, atol=1e-6)


def test_fit_takes_nothing_from_a_generator():
    generator = (Batches()[i] for i in range(2))  # both are needed by the training
    assert not fitted(seqkeras.Seq2Seq(9, units=4), generator, steps_per_epoch=2).any()


def test_fit_adapts_to_the_part_that_is_for_training():
    bias = fitted(seqkeras.SequenceClassifier(9, 3, units=4), SOURCE, LABEL, validation_split=0.5)
    np.testing.assert_allclose(bias, np.log(np.array([2, 1, 2]) / 5), atol=1e-6)


def test_fit_adapts_to_weighted_classes():
    bias = fitted(seqkeras.SequenceClassifier(9, 3, units=4), SOURCE, LABEL, class_weight={0: 1.0, 1: 1.0, 2: 3.0})
    np.testing.assert_allclose(bias, np.log(np.array([3, 1, 3]) / 7), atol=1e-6)


def test_a_file_from_before_tied_layers_had_a_bias_loads_and_is_not_adapted(tmp_path):
    model, inputs = families()["tied language model"]
    model.save(tmp_path / "new.keras")
    without(tmp_path / "new.keras", "logits", tmp_path / "old.keras")
    old = keras.models.load_model(tmp_path / "old.keras")
    np.testing.assert_array_equal(old(inputs), model(inputs))
    np.testing.assert_allclose(fitted(old, inputs, NEXT), np.zeros(9), atol=1e-6)
    old.save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras")
    np.testing.assert_allclose(fitted(again, inputs, NEXT), np.zeros(9), atol=1e-6)


def without(path, layer, new):
    """The file at `path`, written anew without the weights of one layer."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w") as file:
        for name in old.namelist():
            content = old.read(name)
            if name == "model.weights.h5":
                weights = io.BytesIO(content)
                with h5py.File(weights, "r+") as kept:
                    del kept[kept.visit(lambda key: key if key.endswith(f"/{layer}") else None)]
                content = weights.getvalue()
            file.writestr(name, content)


IN_JAX = """
import sys

import numpy as np

from seqkeras import CrossEntropy, Seq2Seq

arrays = np.load(sys.argv[1])
inputs = {"source": arrays["source"], "target": arrays["target"]}
model = Seq2Seq(9, units=4)
model.compile("sgd", CrossEntropy())
model.optimizer.learning_rate = 0.0
model.fit(inputs, arrays["next"], sample_weight=arrays["weight"], verbose=0)
np.save(sys.argv[2], np.asarray(model.output_biases()))
assert "tensorflow" not in sys.modules
"""


def test_fit_adapts_in_jax_too(tmp_path):
    pytest.importorskip("jax", reason="jax is not installed")
    given, bias = tmp_path / "given.npz", tmp_path / "bias.npy"
    np.savez(given, source=SOURCE, target=TARGET, next=NEXT, weight=WEIGHT)
    command = [sys.executable, "-c", IN_JAX, str(given), str(bias)]
    done = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    np.testing.assert_allclose(np.load(bias), FREQUENT, atol=1e-6)
