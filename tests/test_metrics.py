import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqkeras
from seqkeras import CrossEntropy, ExactMatch, MacroF1, Perplexity, SpanF1, TokenAccuracy
from seqkeras.tokens import UNKNOWN, UNKNOWN_LABEL
from seqkeras.training import metrics, scores

B, T, V = 4, 5, 6


def setting(seed):
    """Batches of (next, logits, weight): rows with every real token right, rows with one wrong, an empty row."""
    rng = np.random.default_rng(seed)
    for _ in range(3):
        labels = rng.integers(0, V, (B, T))
        logits = rng.normal(size=(B, T, V)).astype("float32") + 5 * np.eye(V, dtype="float32")[labels]
        for row in (1, 2):
            logits[row, rng.integers(2), labels[row]] -= 20
        weight = (np.arange(T) < np.array([[5], [3], [2], [0]])).astype("float32")
        logits[0] += 20 * np.eye(V)[labels[0]]
        yield labels, logits, weight


def measured(metric, batches):
    metric.reset_state()
    for batch in batches:
        metric.update_state(*batch)
    return float(metric.result())


def test_token_accuracy_exact_match_and_perplexity_in_numpy(seed):
    batches = list(setting(seed))
    labels, logits, weight = (np.concatenate(x) for x in zip(*batches, strict=True))
    right = logits.argmax(-1) == labels
    real = weight > 0
    assert measured(TokenAccuracy(), batches) == pytest.approx(right[real].mean(), rel=1e-5)
    rows = real.any(1)
    assert measured(ExactMatch(), batches) == pytest.approx((right | ~real).all(1)[rows].mean(), rel=1e-5)
    shifted = logits - logits.max(-1, keepdims=True)
    nll = np.log(np.exp(shifted).sum(-1)) - np.take_along_axis(shifted, labels[..., None], -1)[..., 0]
    assert measured(Perplexity(), batches) == pytest.approx(np.exp(nll[real].mean()), rel=1e-4)


def test_without_a_weight_every_token_counts(seed):
    labels, logits, _ = next(setting(seed))
    right = logits.argmax(-1) == labels
    assert measured(TokenAccuracy(), [(labels, logits)]) == pytest.approx(right.mean(), rel=1e-5)
    assert measured(ExactMatch(), [(labels, logits)]) == pytest.approx(right.all(1).mean(), rel=1e-5)


NAMES = ["I-b", "O", "B-a", "I-a", "B-b", "I-c"]  # V of them


def spans(tags):
    """{(first, last, type)} of one sentence, as conlleval has them."""
    found, begun = set(), None
    for place, tag in enumerate([*tags, "O"]):
        kind, _, type_ = tag.partition("-")
        if begun and (kind != "I" or type_ != begun[1]):
            found.add((begun[0], place - 1, begun[1]))
            begun = None
        if kind != "O" and not begun:
            begun = place, type_
    return found


def test_span_f1_is_that_of_the_spans_one_by_one(seed):
    rng = np.random.default_rng(seed)
    batches, correct, predicted, true = [], 0, 0, 0
    for _ in range(3):
        labels, length = rng.integers(0, V, (8, T)), rng.integers(0, T + 1, (8, 1))
        logits = rng.normal(size=(8, T, V)).astype("float32") + 1.5 * np.eye(V, dtype="float32")[labels]
        batches.append((labels, logits, (np.arange(T) < length).astype("float32")))
        for row, (end,) in enumerate(length):
            want, got = (spans([NAMES[i] for i in x[row, :end]]) for x in (labels, logits.argmax(-1)))
            correct, predicted, true = correct + len(want & got), predicted + len(got), true + len(want)
    assert 0 < correct < predicted
    assert measured(SpanF1(NAMES), batches) == pytest.approx(2 * correct / (predicted + true))


@pytest.mark.parametrize(
    ("true", "said", "f1"),
    [
        ("B-a I-a O B-a", "B-a I-a O B-a", 1),
        ("B-a I-a O B-a", "B-a O O B-a", 0.5),  # one that ends too soon
        ("B-a I-a", "B-a B-a", 0),  # one that is two
        ("B-a I-a", "I-a I-a", 1),  # an I begins one too
        ("B-a I-a", "B-a I-b", 0),  # of another type
        ("B-a B-a", "B-a I-a", 0),  # two that are one
        ("O O", "O O", 0),
    ],
)
def test_span_f1_of_what_can_go_wrong(true, said, f1):
    true, said = ([NAMES.index(tag) for tag in tags.split()] for tags in (true, said))
    assert measured(SpanF1(NAMES), [(np.array([true]), np.eye(V, dtype="float32")[[said]])]) == f1


@pytest.mark.parametrize(
    ("true", "said", "f1"),
    [
        ("B-a ? O B-a", "B-a O O B-a", 0.8),  # of three true spans, two are found and all that was said is right
        ("? ? O ?", "B-a I-a O B-a", 0),  # two runs, two spans
        ("? ? O B-a", "O O O B-a", 2 / 3),
        ("B-a ?", "B-a I-a", 0),
    ],
)
def test_span_f1_counts_a_run_of_unknown_tags_as_a_span_that_nobody_finds(true, said, f1):
    true = [UNKNOWN_LABEL if tag == "?" else NAMES.index(tag) for tag in true.split()]
    said = [NAMES.index(tag) for tag in said.split()]
    batch = np.array([true + [-7]]), np.eye(V, dtype="float32")[[[*said, 0]]], np.array([[1] * len(true) + [0]])
    assert measured(SpanF1(NAMES), [batch]) == pytest.approx(f1)
    with pytest.raises(ValueError, match="Expected tags from -1 to 5. Received: -7"):
        SpanF1(NAMES).update_state(*batch[:2])


def test_an_unknown_label_is_wrong_and_has_no_perplexity(seed):
    labels, logits, weight = next(setting(seed))
    unknown, right = labels.copy(), logits.argmax(-1) == labels
    unknown[:, 1], right[:, 1] = UNKNOWN_LABEL, False
    real = weight > 0
    assert measured(TokenAccuracy(), [(unknown, logits, weight)]) == pytest.approx(right[real].mean())
    assert measured(ExactMatch(), [(unknown, logits, weight)]) == 0
    without = weight * (unknown != UNKNOWN_LABEL)
    said = measured(Perplexity(), [(unknown, logits, weight)])
    assert said == pytest.approx(measured(Perplexity(), [(labels, logits, without)]))


def test_unknown_is_never_right_in_text_and_a_class_like_others_in_tags(seed):
    """By what the model writes, without the user's doing; perplexity is of UNKNOWN too."""
    text = np.array([[4, UNKNOWN, 4], [4, 4, 4]])

    def evaluated(model, inputs):
        model.set_weights([0 * w for w in model.get_weights()])
        measures = [ExactMatch(), TokenAccuracy(), Perplexity()]
        model.compile("sgd", CrossEntropy(), metrics=["accuracy"], weighted_metrics=measures)
        bias = np.zeros(V)
        bias[UNKNOWN] = 9  # UNKNOWN, or the class 3, is all that it says
        model.output_biases().assign(bias)
        said = [
            model.evaluate(inputs, np.full((2, 3), UNKNOWN), verbose=0, return_dict=True),
            model.evaluate(inputs, text, verbose=0, return_dict=True),
        ]
        assert said[0]["perplexity"] == pytest.approx(1, abs=1e-2)
        return [[one[name] for name in ("accuracy", "token_accuracy", "exact_match")] for one in said]

    third = [pytest.approx(1 / 6), pytest.approx(1 / 6), 0]
    assert evaluated(seqkeras.SequenceTagger(V, V, 4), text) == [[1, 1, 1], third]
    for model, inputs in (
        (seqkeras.LanguageModel(V, 4), text),
        (seqkeras.Seq2Seq(V, V, 4), {"source": text, "target": text}),
        (seqkeras.SequenceGenerator(V, 2, 4), {"label": np.zeros(2, "int32"), "target": text}),
    ):
        assert evaluated(model, inputs) == [[0, 0, 0]] * 2
    assert measured(TokenAccuracy(UNKNOWN), [(text, np.eye(V)[text])]) == pytest.approx(5 / 6)


def test_macro_f1_is_that_of_the_scores_of_names(seed):
    rng, metric = np.random.default_rng(seed), MacroF1(V)
    true, said = [], []
    for _ in range(3):
        labels, logits = rng.integers(UNKNOWN_LABEL, V - 2, (B, T)), rng.normal(size=(B, T, V)).astype("float32")
        weight = (rng.random((B, T)) < 0.5).astype("float32")
        metric.update_state(labels, logits, weight)
        true, said = [*true, *labels[weight > 0]], [*said, *logits.argmax(-1)[weight > 0]]
    assert float(metric.result()) == pytest.approx(scores.macro_f1(true, said), rel=1e-5)
    assert measured(MacroF1(3), [(np.array([0, 0, 1]), np.eye(3)[[0, 1, 1]])]) == pytest.approx(2 / 3)
    assert measured(MacroF1(3), []) == 0
    with pytest.raises(ValueError, match=r"Expected logits \[..., 3\]. Received: logits \[2, 4\]"):
        MacroF1(3).update_state(np.zeros(2), np.zeros((2, 4)))


def test_names_that_are_no_tags_of_spans_are_refused():
    for names in (["O", "NOUN"], ["B-"], ["O", "E-a"], ["OB"]):
        with pytest.raises(ValueError, match="Expected names of tags: O, B-type, I-type. Received: "):
            SpanF1(names)
    with pytest.raises(ValueError, match=r"logits \[B, T, 6\], one for each name. Received: logits \[2, 3, 5\]"):
        SpanF1(NAMES).update_state(np.zeros((2, 3)), np.zeros((2, 3, 5)))


def test_a_row_of_padding_is_no_sequence(seed):
    labels, logits, weight = next(setting(seed))
    everywhere = [(labels, logits, weight), (labels, logits, 0 * weight)]
    for metric in (TokenAccuracy(), ExactMatch(), Perplexity()):
        assert measured(metric, everywhere) == measured(metric, everywhere[:1])


def test_perplexity_of_a_uniform_model_is_the_size_of_the_vocabulary():
    assert measured(Perplexity(), [(np.zeros((2, 3)), np.zeros((2, 3, V)))]) == pytest.approx(V, rel=1e-5)


def test_metrics_of_one_batch_agree_with_the_loss_keras_reports(seed):
    model = keras.Sequential([keras.layers.Embedding(V, V)])
    model.compile("sgd", CrossEntropy(), weighted_metrics=[Perplexity(), TokenAccuracy()])
    labels, _, weight = next(setting(seed))
    result = model.evaluate(labels, labels, sample_weight=weight, verbose=0, return_dict=True)
    assert result["perplexity"] == pytest.approx(np.exp(result["loss"]), rel=1e-4)


def edit_distance_by_definition(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(
        edit_distance_by_definition(a[1:], b) + 1,
        edit_distance_by_definition(a, b[1:]) + 1,
        edit_distance_by_definition(a[1:], b[1:]) + (a[0] != b[0]),
    )


@settings(max_examples=60, deadline=None)
@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_edit_distance_is_its_definition(a, b):
    assert metrics.edit_distance(a, b) == edit_distance_by_definition(a, b)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), max_size=8), min_size=3, max_size=3))
def test_edit_distance_is_a_distance(three):
    for a, b, c in itertools.permutations(three):
        d = metrics.edit_distance
        assert (d(a, b) == 0) == (a == b)
        assert d(a, b) == d(b, a) <= d(a, c) + d(c, b)


def test_rates_over_a_corpus():
    references = ["kitten", "abc", ""]
    assert metrics.edit_rate(["sitting", "abc", ""], references) == pytest.approx(3 / 9)
    assert metrics.edit_rate([["the", "cat"]], [["the", "dog", "sat"]]) == pytest.approx(2 / 3)
    assert metrics.error_rate(["sitting", "abc", ""], references) == pytest.approx(1 / 3)
    assert metrics.edit_rate([""], [""]) == 0


def test_bleu_and_chrf_with_their_signatures():
    references = ["the cat is on the mat", "there is a cat on the mat"]
    for measure in (metrics.bleu, metrics.chrf):
        score, signature = measure(references, references)
        assert score == pytest.approx(100) and "version:" in signature
        assert measure(["nothing of it", "zzz qqq xxx"], references)[0] < 20
    # Four unigrams of five, two bigrams of four, no trigram of three and no 4-gram of two right (both smoothed).
    expected = 100 * (4 / 5 * 2 / 4 * 0.5 / 3 * 0.25 / 2) ** 0.25
    assert metrics.bleu(["a b x c d"], ["a b c d e"])[0] == pytest.approx(expected, rel=1e-6)
    assert metrics.bleu(["The Cat sat on it"], ["the cat sat on it"], lowercase=True)[0] == pytest.approx(100)


@pytest.mark.parametrize("measure", [metrics.bleu, metrics.chrf, metrics.edit_rate, metrics.error_rate])
def test_outputs_without_their_references_are_refused(measure):
    with pytest.raises(ValueError, match="Expected as many outputs as references.* Received: 2 outputs, 1 references"):
        measure(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="one or more. Received: 0 outputs, 0 references"):
        measure([], [])
    for outputs, references in (("abc", ["abc"]), (["abc"], "abc")):
        with pytest.raises(ValueError, match="Expected a list of .*='abc'; put it into a list"):
            measure(outputs, references)
    assert measure(iter(["a b c d"]), iter(["a b c d"])) == measure(["a b c d"], ["a b c d"])


@pytest.mark.parametrize("metric", [TokenAccuracy, Perplexity])
def test_labels_in_a_column_are_those_labels_and_one_hot_rows_are_refused(metric, seed):
    labels, logits, _ = (x[:, 0] for x in next(setting(seed)))
    assert measured(metric(), [(labels[:, None], logits)]) == measured(metric(), [(labels, logits)])
    with pytest.raises(ValueError, match=r"Expected targets \[4\].* Received: targets \[4, 6\]"):
        metric().update_state(np.eye(V)[labels], logits)


def test_one_label_a_sequence_is_no_matter_for_exact_match(seed):
    labels, logits, _ = next(setting(seed))
    with pytest.raises(ValueError, match=r"Expected logits \[B, T, V\]. Received: logits \[4, 6\]; take TokenAccuracy"):
        ExactMatch().update_state(labels[:, 0], logits[:, 0])


def test_what_has_no_weight_need_not_be_a_tag():
    metric, logits = SpanF1(["O", "B-a", "I-a"]), np.eye(3, dtype="float32")[[[1, 0, 0]]]
    metric.update_state(np.array([[1, -100, 7]]), logits, np.array([[1.0, 0.0, 0.0]]))
    assert float(metric.result()) == 1.0


@pytest.mark.parametrize("names", [None, 5, "O", [], ["O", "O"], {"O", "B-a"}])
def test_names_of_tags_are_a_list_of_distinct_ones(names):
    with pytest.raises(ValueError, match="Expected a list of distinct names of tags"):
        SpanF1(names)
