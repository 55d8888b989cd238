import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import tuning
from tests.catalog import LABEL, NEXT, SEQUENCES, SOURCE, TARGET, WEIGHT, C, V

SMALL = {"units": 8, "num_layers": 1}
FAMILIES = {
    "SequenceClassifier": ({"num_classes": C}, SOURCE, LABEL, None),
    "SequenceTagger": ({"num_classes": V}, SOURCE, SOURCE, (SOURCE != 0).astype("float32")),
    "SequenceGenerator": ({"num_classes": C}, {"label": LABEL, "target": TARGET}, NEXT, WEIGHT),
    "Seq2Seq": ({}, SEQUENCES, NEXT, WEIGHT),
    "AttentionSeq2Seq": ({"cell": "gru"}, SEQUENCES, NEXT, WEIGHT),
    "TransformerSeq2Seq": ({"num_heads": 2, "max_length": 9}, SEQUENCES, NEXT, WEIGHT),
}


@pytest.fixture
def eagerly():
    """No graphs: one step of each trial does not repay them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_choice_makes_a_model(family):
    """Each value of each argument once, by the smallest of the others."""
    hyper = getattr(tuning, family)(
        vocab_size=V, **{k: v for k, v in FAMILIES[family][0].items() if k == "num_classes"}
    )
    first = {name: values[0] for name, values in hyper.choices.items()}
    for name, values in hyper.choices.items():
        for value in values:
            hp = keras_tuner.HyperParameters()
            hp.values = {**first, name: value}
            model = hyper.build(hp)
            assert type(model) is getattr(seqkeras, family)
            assert getattr(model, name) == value
    assert {"learning_rate", "label_smoothing", *hyper.choices} == {p.name for p in hp.space}


def test_what_is_given_is_not_searched():
    hyper = tuning.Seq2Seq(vocab_size=V, units=8, dropout=0.5)
    hp = keras_tuner.HyperParameters()
    model = hyper.build(hp)
    assert (model.units, model.dropout) == (8, 0.5)
    assert not {"units", "dropout"} & {p.name for p in hp.space}
    assert model.optimizer.learning_rate.numpy() == pytest.approx(hp.get("learning_rate"))


@pytest.mark.parametrize("family", FAMILIES)
def test_three_trials_of_a_search(family, seed, tmp_path, eagerly):
    arguments, inputs, labels, weight = FAMILIES[family]
    hyper = getattr(tuning, family)(vocab_size=V, **SMALL, **arguments)
    tuner = keras_tuner.RandomSearch(hyper, "val_loss", max_trials=3, seed=seed, directory=tmp_path)
    data = (inputs, labels) if weight is None else (inputs, labels, weight)
    tuner.search(inputs, labels, sample_weight=weight, validation_data=data, epochs=1, verbose=0)
    trials = tuner.oracle.get_best_trials(3)
    assert len({str(trial.hyperparameters.values) for trial in trials}) == 3
    scores = [trial.score for trial in trials]
    assert np.all(np.isfinite(scores)) and scores == sorted(scores)
    best = tuner.get_best_models()[0]
    result = best.evaluate(inputs, labels, sample_weight=weight, verbose=0, return_dict=True)
    assert result["loss"] == pytest.approx(scores[0], rel=1e-4)
    assert best.units == 8


def test_choices_without_a_use_are_not_searched():
    space = tuning.SequenceClassifier(vocab_size=9, num_classes=2, encoder="transformer", units=8, num_heads=2)
    trial = keras_tuner.HyperParameters()
    assert space.build(trial).encoder == "transformer"
    assert {"cell", "bidirectional"} & set(trial.values) == set() and "pooling" in trial.values
