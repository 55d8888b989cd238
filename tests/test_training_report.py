"""A model that says the same for every input is found out after its training."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras.models import sequence_model
from seqkeras.training import report

IDS = np.array([[4, 5, 6], [5, 5, 0], [7, 4, 4], [4, 8, 0]], "int32")
LABEL = np.array([0, 1, 1, 0], "int32")


def classifier(scale, **options):
    """A classifier whose output layer has weights of this size, learning nothing; the same each time."""
    keras.utils.set_random_seed(1)
    model = seqkeras.SequenceClassifier(9, 2, units=16, **options)
    model.logits.kernel.assign(scale * np.random.choice([-1.0, 1.0], model.logits.kernel.shape))
    model.compile(keras.optimizers.SGD(0.0), seqkeras.CrossEntropy(), run_eagerly=True)
    return model


def test_spread_is_zero_for_equal_answers_and_nears_one_where_each_has_its_own():
    assert report.spread(np.tile([3.0, 1.0, -2.0], (5, 1)) + np.arange(5)[:, None]) == pytest.approx(0)
    assert report.spread(1000 * np.eye(4)) == pytest.approx(3 / 4)
    assert report.spread(np.log([[0.5, 0.5], [0.7, 0.3]])) == pytest.approx(0.1)


def test_constant_answers_name_what_to_try():
    advice = report.constant_answers(classifier(0.0), (IDS, LABEL))
    assert "Received: SequenceClassifier gives the same answer for every input" in advice
    assert "learning rate" in advice and "output_bias" not in advice
    advice = report.constant_answers(classifier(0.0, output_bias="zeros"), (IDS, LABEL))
    assert "output_bias='frequencies' or model.adapt(data)" in advice


def test_constant_answers_are_none_where_there_is_nothing_to_tell():
    assert report.constant_answers(classifier(30.0), (IDS, LABEL)) is None
    assert report.constant_answers(classifier(0.0), (IDS, np.zeros_like(LABEL))) is None  # no two to tell apart
    values = seqkeras.SequenceTagger(9, 2, units=4, outputs="values")
    assert report.constant_answers(values, (IDS, np.zeros((4, 3, 2)))) is None
    series = seqkeras.Forecaster(2, 3, 1, units=4)
    assert report.constant_answers(series, (np.zeros((4, 3, 2)), np.zeros((4, 1, 2)))) is None


def test_constant_answers_look_at_real_positions_of_each_output():
    model = seqkeras.JointTagger(9, 9, 2, units=4)
    model.tags.kernel.assign(np.zeros(model.tags.kernel.shape))
    batch = IDS, {"tags": IDS, "label": LABEL}, {"tags": (IDS != 0).astype("float32"), "label": np.ones(4, "float32")}
    assert "JointTagger gives the same tags for every input" in report.constant_answers(model, batch)


def test_constant_answers_of_a_search_are_those_of_its_model():
    model = seqkeras.LanguageModel(9, units=4)
    model.predictor.logits.kernel.assign(np.zeros((4, 9)))
    batch = IDS, IDS, (IDS != 0).astype("float32")
    assert "LanguageModel" in report.constant_answers(seqkeras.Greedy(model, 4), batch)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return IDS, LABEL


def datasets():
    return tf.data.Dataset.from_tensor_slices((IDS, LABEL)).batch(4)


@pytest.mark.parametrize("given", [lambda: (IDS, LABEL), lambda: (datasets(),), lambda: (Batches(),)])
def test_fit_warns_of_constant_answers(given, monkeypatch):
    monkeypatch.setattr(sequence_model, "FEWEST_STEPS", 1)
    with pytest.warns(UserWarning, match="Expected answers that depend on the input"):
        classifier(0.0).fit(*given(), verbose=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Expected answers")
        classifier(30.0).fit(*given(), verbose=0)
        classifier(0.0).fit(((IDS, LABEL) for _ in range(1)), steps_per_epoch=1, verbose=0)


def test_fit_says_nothing_after_a_few_steps():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Expected answers")
        classifier(0.0).fit(IDS, LABEL, verbose=0)
