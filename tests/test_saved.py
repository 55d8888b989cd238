"""Files that version 0.1 wrote, in tests/saved, load and answer as they did, as known.json has it, or are refused."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import seqkeras
from seqkeras import export

SAVED = Path(__file__).parent / "saved"
KNOWN = json.loads((SAVED / "known.json").read_text(encoding="utf-8"))


def outputs(model, inputs):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(inputs))


def test_saved_attention_model():
    model = keras.models.load_model(SAVED / "attention.keras").model
    inputs = {
        "source": np.array([[4, 5, 6, 2], [7, 8, 2, 0]], "int32"),
        "target": np.array([[1, 5, 6, 4], [1, 8, 0, 0]], "int32"),
    }
    np.testing.assert_allclose(outputs(model, inputs), KNOWN["attention"], atol=1e-5)


def test_saved_models_whose_weights_have_moved_are_refused():
    with pytest.raises(ValueError, match=r"Expected a LanguageModel that was saved by seqkeras 0.2 or later"):
        keras.models.load_model(SAVED / "language_model.keras")


def test_saved_joint_tagger():
    model = keras.models.load_model(SAVED / "joint_tagger.keras")
    known = KNOWN["joint_tagger"]
    got = outputs(model, {name: np.array(x, "int32") for name, x in known["inputs"].items()})
    assert got.keys() == known["outputs"].keys()
    for name, expected in known["outputs"].items():
        np.testing.assert_allclose(got[name], expected, atol=1e-5)


def test_saved_classifier_with_arguments_that_have_no_use():
    model = keras.models.load_model(SAVED / "classifier.keras")
    ids = np.array([[4, 5, 6], [7, 8, 0]], "int32")
    np.testing.assert_allclose(outputs(model, ids), KNOWN["classifier_model"], atol=1e-5)


def test_saved_arguments_of_spelling_without_characters_are_dropped():
    config = seqkeras.SequenceClassifier(9, 2, units=4).get_config()
    old = {**{key: one for key, one in config.items() if key != "layout"}, "word_length": 20, "window": 7}
    assert seqkeras.SequenceClassifier.from_config(old).get_config() == config
    with pytest.raises(ValueError, match="Expected no window, word_length with encoder='recurrent', character_vocab"):
        seqkeras.SequenceClassifier.from_config({**config, "word_length": 20, "window": 7})


def test_saved_cell_of_a_recurrent_spelling_stays():
    spelt = {"character_vocab_size": 9, "character_encoder": "recurrent", "cell": "lstm", "encoder": "convolution"}
    config = seqkeras.SequenceTagger(9, 2, units=4, **spelt).get_config()
    old = {key: one for key, one in config.items() if key != "layout"}
    assert seqkeras.SequenceTagger.from_config(old).get_config() == config


def test_saved_bundle():
    bundle = export.load_bundle(SAVED / "classifier")
    for text, expected in KNOWN["classifier"].items():
        answer = bundle(text)
        assert list(answer) == list(expected)
        np.testing.assert_allclose(list(answer.values()), list(expected.values()), atol=1e-5)
