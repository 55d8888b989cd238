"""What counts in training and evaluation: padding never, with a weight or without, in `metrics` as in the loss."""

import keras
import numpy as np
import pytest

import seqkeras
from seqkeras.tokens import END, START

V, T, N = 9, 6, 10


def drawn(seed):
    """(ids [N, T], lengths [N]), padded with zeros."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, T, N)
    return np.where(np.arange(T) < lengths[:, None], rng.integers(4, V, (N, T)), 0).astype("int32"), lengths


def families(seed):
    """name -> (model, inputs, targets, the weight of each target that pipelines would give)."""
    ids, lengths = drawn(seed)
    before = np.concatenate([np.full((N, 1), START), ids[:, :-1]], axis=1).astype("int32")
    text = np.where(np.arange(T) == lengths[:, None], END, ids).astype("int32")
    written, real = (text != 0).astype("float32"), (ids != 0).astype("float32")
    values = np.random.default_rng(seed).normal(size=(N, T, 3)).astype("float32")
    series, label = {"values": values, "length": lengths.astype("int32")}, np.arange(N) % 2
    tags = ids % 3
    return {
        "tagger": (seqkeras.SequenceTagger(V, 3, units=4), ids, tags, real),
        "tagger of series": (seqkeras.SequenceTagger(None, 3, units=4, input_units=3), series, tags, real),
        "joint tagger": (
            seqkeras.JointTagger(V, 3, 2, units=4),
            ids,
            {"tags": tags, "label": label},
            {"tags": real, "label": np.ones(N, "float32")},
        ),
        "attention": (
            seqkeras.AttentionSeq2Seq(V, V, units=4),
            {"source": ids, "target": before},
            text,
            written,
        ),
        "generator": (seqkeras.SequenceGenerator(V, 2, units=4), {"label": label, "target": before}, text, written),
        "language model": (seqkeras.LanguageModel(V, units=4), before, text, written),
    }


NAMES = list(families(0))


def compiled(model, **measures):
    several = isinstance(model, seqkeras.JointTagger)
    loss = {"tags": seqkeras.CrossEntropy(), "label": seqkeras.CrossEntropy()} if several else seqkeras.CrossEntropy()
    model.compile("sgd", loss, **measures)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_padding_weighs_nothing_without_a_weight_and_with_one_for_each_row(name, seed):
    model, x, y, weight = families(seed)[name]
    several = isinstance(y, dict)
    by_row = np.random.default_rng(seed).uniform(0.5, 2, N).astype("float32")
    rows = keras.tree.map_structure(lambda one: one * (by_row[:, None] if one.ndim == 2 else by_row), weight)
    given = {"tags": by_row, "label": by_row} if several else by_row
    for kind in ("metrics", "weighted_metrics"):
        measures = [seqkeras.TokenAccuracy(), seqkeras.Perplexity()]
        compiled(model, **{kind: {"tags": measures, "label": ["accuracy"]} if several else measures})
        for one, other in ((None, weight), (given, rows)):
            found = [
                model.evaluate(x, y, sample_weight=w, verbose=0, return_dict=True, batch_size=3) for w in (one, other)
            ]
            assert found[0] == pytest.approx(found[1], rel=1e-5) and len(found[0]) >= 3
            if kind == "metrics":
                before = found[0]
        assert found[0] == pytest.approx(before, rel=1e-5)


def test_metrics_of_both_kinds_are_put_together(seed):
    model, x, y, weight = families(seed)["joint tagger"]
    compiled(
        model,
        metrics={"tags": [seqkeras.TokenAccuracy()]},
        weighted_metrics={"tags": "accuracy", "label": ["accuracy"]},
    )
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    assert {"tags_token_accuracy", "tags_accuracy", "label_accuracy"} <= set(found)
    assert found["tags_token_accuracy"] == pytest.approx(found["tags_accuracy"], rel=1e-5)
    with pytest.raises(ValueError, match="Expected both metrics as lists or both as dicts"):
        compiled(model, metrics=["accuracy"], weighted_metrics={"tags": "accuracy"})


@pytest.mark.parametrize("name", NAMES)
def test_padding_is_not_learnt_without_a_weight(name, seed):
    learnt = []
    for weighted in (False, True):
        keras.utils.set_random_seed(seed % 2**31)
        model, x, y, weight = families(seed)[name]
        compiled(model).fit(x, y, sample_weight=weight if weighted else None, shuffle=False, verbose=0)
        learnt.append(model.get_weights())
    for one, other in zip(*learnt, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        *("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "binary_crossentropy", "kl_divergence"),
        *(keras.losses.SparseCategoricalCrossentropy(), keras.losses.categorical_crossentropy),
    ],
)
def test_a_loss_or_metric_of_probabilities_is_refused_by_a_model_of_logits(loss):
    model = seqkeras.SequenceClassifier(V, 2, units=4)
    with pytest.raises(ValueError, match="Expected a loss or metric of logits.*take seqkeras.CrossEntropy"):
        model.compile("sgd", loss)
    with pytest.raises(ValueError, match="Expected a loss or metric of logits.*seqkeras.Perplexity"):
        model.compile("sgd", seqkeras.CrossEntropy(), metrics=[keras.metrics.SparseCategoricalCrossentropy()])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    seqkeras.Forecaster(2, 4, 2).compile("sgd", "poisson")  # which gives values


def test_labels_and_ids_with_a_fraction_are_refused(seed):
    ids, _ = drawn(seed)
    model = compiled(seqkeras.SequenceClassifier(V, 2, units=4))
    with pytest.raises(ValueError, match="Expected whole numbers as labels. Received: 0.5"):
        model.fit(ids, np.full(N, 0.5), verbose=0)
    with pytest.raises(ValueError, match="Expected whole numbers as ids"):
        model.predict(ids / 12, verbose=0)
    with pytest.raises(ValueError, match="Expected whole numbers as ids"):
        model(ids / 12)
    model.fit(ids.astype("float32"), np.arange(N) % 2.0, verbose=0)


@pytest.mark.parametrize("wrong", [{"spam": 2.0}, {"1": 2.0}, {0: 1.0, 7: 2.0}])
def test_weights_of_classes_that_are_none_are_refused(wrong, seed):
    ids, _ = drawn(seed)
    model = compiled(seqkeras.SequenceClassifier(V, 2, units=4))
    with pytest.raises(ValueError, match="Expected class_weight of classes from 0 to 1. Received: ('spam'|'1'|7)"):
        model.fit(ids, np.arange(N) % 2, class_weight=wrong, verbose=0)
    model.fit(ids, np.arange(N) % 2, class_weight={1: 2.0}, verbose=0)


def test_a_frozen_output_layer_keeps_its_bias(seed):
    ids, _ = drawn(seed)
    model = seqkeras.SequenceClassifier(V, 2, units=4)
    model.logits.trainable = False
    compiled(model).fit(ids, (np.arange(N) > 7).astype("int32"), verbose=0)
    np.testing.assert_array_equal(model.logits.bias.numpy(), 0)
