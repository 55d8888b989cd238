"""Incremental gradient descent: each step by hand, when it stops, and the five sentences in both directions."""

import keras
import numpy as np
import pytest

import seqkeras
from seqkeras import pipelines
from seqkeras.tokens import END, START

CATS = pipelines.samples.cats()
WORDS = pipelines.Words.train([sentence for sentence, _ in CATS])
IDS = [WORDS.encode(sentence) for sentence, _ in CATS]
LABELS = [int(label == "⊕") for _, label in CATS]


def test_a_step_is_the_gradient_of_loss_and_penalty_at_one_example(seed):
    """Logistic regression, its gradient by hand: (p - y) x + penalty / n * w."""
    rng = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False, activation="sigmoid")])
    x, y = rng.normal(size=(4, 1, 3)).astype("float32"), rng.integers(0, 2, (4, 1, 1)).astype("float32")
    options = {"loss": "binary_crossentropy", "rate": 0.3, "penalty": 0.8, "small": 0.2, "max_passes": 2}
    made = seqkeras.incremental_gradient_descent(model, zip(x, y, strict=True), seed=seed, **options)
    random = np.random.default_rng(seed)
    w = random.uniform(-0.2, 0.2, (3, 1))
    assert np.abs(w).max() < 0.2
    risks = []
    for _ in range(2):
        losses = []
        for i in random.permutation(4):
            p = 1 / (1 + np.exp(-x[i] @ w))
            losses.append(-np.log(np.where(y[i], p, 1 - p)))
            w = w - 0.3 * (x[i].T @ (p - y[i]) + 0.8 / 4 * w)
        risks.append(np.mean(losses) + 0.8 / 4 * np.sum(w**2) / 2)
    np.testing.assert_allclose(model.get_weights()[0], w, atol=1e-5)
    np.testing.assert_allclose(made.risks, risks, rtol=1e-4)
    assert not made.converged


def test_it_stops_when_the_risk_stands_still(seed):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    x, y = np.eye(2, dtype="float32"), np.array([[0.5], [-1.0]], "float32")
    examples = [(x[i : i + 1], y[i : i + 1]) for i in range(2)]
    made = seqkeras.incremental_gradient_descent(model, examples, loss="mse", tolerance=1e-3, seed=seed)
    changes = np.abs(np.diff(made.risks))
    assert made.converged and changes[-1] < 1e-3 and np.all(changes[:-1] >= 1e-3)


def test_it_learns_from_a_sentence_to_its_class(seed):
    model = seqkeras.SequenceClassifier(WORDS.vocab_size, 2, 16, cell="gru")
    examples = [(np.array([ids]), np.array([label])) for ids, label in zip(IDS, LABELS, strict=True)]
    made = seqkeras.incremental_gradient_descent(model, examples, rate=0.3, small=0.3, penalty=1e-4, seed=seed)
    assert made.converged
    assert [int(np.argmax(model(ids))) for ids, _ in examples] == LABELS


def test_it_learns_from_a_class_to_its_sentences(seed):
    model = seqkeras.SequenceGenerator(WORDS.vocab_size, 2, 24, cell="gru")
    examples = [
        ({"label": np.array([label]), "target": np.array([[START, *ids]])}, np.array([[*ids, END]]))
        for ids, label in zip(IDS, LABELS, strict=True)
    ]
    options = {"rate": 0.3, "small": 0.3, "max_passes": 300}
    seqkeras.incremental_gradient_descent(model, examples, seed=seed, **options)
    said = seqkeras.Greedy(model, 12)({"label": np.array([0, 1])}).numpy()
    for label in (0, 1):
        sentence = [int(one) for one in said[label] if one not in (0, END)]
        assert sentence in [ids for ids, is_of in zip(IDS, LABELS, strict=True) if is_of == label]


def test_a_model_that_is_not_built_yet_descends_as_one_that_is():
    x, y = np.eye(4, dtype="float32")[:, None], np.array([[0], [1], [1], [0]])
    descents = []
    for built in (False, True):
        model = keras.Sequential([keras.layers.Dense(2)])
        if built:
            model.build((None, 4))
        examples = list(zip(x, y, strict=True))
        descents.append(seqkeras.incremental_gradient_descent(model, examples, max_passes=3, seed=5).risks)
    assert descents[0] == descents[1]


def test_what_cannot_be_is_refused():
    model = seqkeras.SequenceClassifier(9, 2, 4)
    one = [(np.array([[5, 6]]), np.array([1]))]
    for wrong, message in (
        ({"rate": 0}, "rate above 0. Received: rate=0"),
        ({"penalty": -1}, "penalty of 0 or more. Received: penalty=-1"),
        ({"rate": "fast"}, "rate above 0. Received: rate='fast'"),
        ({"penalty": "l2"}, "penalty of 0 or more. Received: penalty="),
        ({"tolerance": 0.0}, "tolerance above 0"),
        ({"max_passes": 0}, "max_passes to be a positive integer"),
    ):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            seqkeras.incremental_gradient_descent(model, one, **wrong)
    with pytest.raises(ValueError, match="Expected one example or more. Received: none"):
        seqkeras.incremental_gradient_descent(model, [])
