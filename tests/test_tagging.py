"""The taggers: their kinds of output, their masks, what they read of a word, and what they learn."""

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


SPELT = {"character_vocab_size": 12, "character_units": 8, "word_length": 4}
KINDS = pytest.mark.parametrize("kind", ["recurrent", "convolution"])


def spelt(rng, rows=4, length=6):
    """Words of one to four characters, the rows of several lengths."""
    ids = rng.integers(4, 9, (rows, length)).astype("int32")
    ids[1, 2:] = 0
    characters = rng.integers(4, 12, (rows, length, 4)).astype("int32")
    characters *= (np.arange(4) < rng.integers(1, 5, (rows, length, 1))) & (ids != 0)[..., None]
    return {"ids": ids, "characters": characters}


@KINDS
def test_a_word_is_its_vector_and_what_its_characters_say(kind, seed):
    model = seqkeras.SequenceTagger(9, 3, 8, character_encoder=kind, **SPELT)
    inputs = spelt(np.random.default_rng(seed))
    x = [model.embedding(inputs["ids"])]
    each = [model.spelling(model.character_embedding(row), mask=row != 0)[1] for row in inputs["characters"]]
    memory, _ = model.body(np.concatenate([*x, each], axis=-1), mask=inputs["ids"] != 0)
    np.testing.assert_allclose(model(inputs), model.logits(memory), atol=1e-5)


@KINDS
def test_neither_padding_of_words_nor_of_sentences_changes_anything(kind, seed):
    model = seqkeras.SequenceTagger(9, 3, 8, character_encoder=kind, **SPELT)
    inputs = spelt(np.random.default_rng(seed))
    said = model.tag(inputs)["probabilities"]
    row = {name: x[1:2, :2] for name, x in inputs.items()}
    np.testing.assert_allclose(model.tag(row)["probabilities"][0], said[1, :2], atol=1e-5)
    more = seqkeras.SequenceTagger(9, 3, 8, character_encoder=kind, **{**SPELT, "word_length": 7})
    more.set_weights(model.get_weights())
    wider = {**inputs, "characters": np.pad(inputs["characters"], ((0, 0), (0, 0), (0, 3)))}
    np.testing.assert_allclose(more.tag(wider)["probabilities"], said, atol=1e-5)
    with pytest.raises(ValueError, match="Expected characters for each of ids"):
        model.tag({**inputs, "ids": inputs["ids"][:, 1:]})


def test_dropped_words_are_unknown_ones_in_training_only(seed):
    model = seqkeras.SequenceTagger(9, 3, 8, word_dropout=0.5)
    ids = np.random.default_rng(seed).integers(4, 9, (50, 8))
    ids[:, 6:] = 0
    kept = keras.ops.convert_to_numpy(model._some_unknown(ids, ids != 0, True))
    assert set(kept[kept != ids]) == {3} and 0.3 < (kept != ids)[:, :6].mean() < 0.7
    assert not kept[:, 6:].any()
    np.testing.assert_array_equal(model(ids), model(ids))


@KINDS
def test_words_never_seen_are_known_by_their_endings(kind, seed):
    """The tag is the last character's; half of the words are known by no id when it is asked for."""
    rng = np.random.default_rng(seed)

    def sentences(n, unknown):
        inputs = spelt(rng, n)
        last = np.take_along_axis(
            inputs["characters"], np.maximum((inputs["characters"] != 0).sum(-1, keepdims=True) - 1, 0), -1
        )[..., 0]
        inputs["ids"] = np.where(inputs["ids"] == 0, 0, np.where(rng.random(last.shape) < unknown, 3, inputs["ids"]))
        return inputs, np.maximum(last - 4, 0), (inputs["ids"] != 0).astype("float32")

    model = seqkeras.SequenceTagger(
        9, 8, 16, word_dropout=0.3, character_encoder=kind, **{**SPELT, "character_units": 24}
    )
    model.compile(keras.optimizers.Adam(0.02), seqkeras.CrossEntropy(), weighted_metrics=[seqkeras.TokenAccuracy()])
    inputs, tags, weight = sentences(512, 0)
    model.fit(inputs, tags, sample_weight=weight, epochs=12, batch_size=32, verbose=0)
    inputs, tags, weight = sentences(128, 1)
    said = model.evaluate(inputs, tags, sample_weight=weight, verbose=0, return_dict=True)
    assert said["token_accuracy"] > 0.9


def test_slots_and_intent_are_learnt_together(seed):
    """The tag of a place is what its token is, the label which of two tokens is there more often."""
    rng = np.random.default_rng(seed)
    ids, weight = batch(rng)
    label = ((ids == 5).sum(1) > (ids == 6).sum(1)).astype("int32")
    names = ["O", "B-a", "B-b", "I-b", "B-c"]
    model = seqkeras.JointTagger(9, 5, 2, 32, pooling="mean")
    model.compile(
        keras.optimizers.Adam(0.02),
        {"tags": seqkeras.CrossEntropy(), "label": seqkeras.CrossEntropy()},
        weighted_metrics={"tags": [seqkeras.SpanF1(names)], "label": ["accuracy"]},
    )
    answers = {"tags": np.maximum(ids - 4, 0), "label": label}
    weights = {"tags": weight, "label": np.ones(len(ids))}
    history = model.fit(ids, answers, sample_weight=weights, epochs=25, batch_size=32, verbose=0).history
    assert history["tags_span_f1"][-1] > 0.97 and history["label_accuracy"][-1] > 0.9


def test_what_is_understood_are_probabilities_zeros_at_padding(seed):
    model = seqkeras.JointTagger(9, 4, 3, 8, pooling="last")
    inputs = {"ids": spelt(np.random.default_rng(seed))["ids"]}
    said, logits = model.understand(inputs), model(inputs["ids"])
    real = inputs["ids"] != 0
    np.testing.assert_allclose(said["tags"], keras.ops.softmax(logits["tags"]) * real[..., None], atol=1e-6)
    np.testing.assert_allclose(said["label"], keras.ops.softmax(logits["label"]), atol=1e-6)


@KINDS
def test_a_file_on_words_and_characters(kind, tmp_path, seed):
    model = seqkeras.JointTagger(9, 4, 3, 8, character_encoder=kind, **SPELT)
    export.to_tflite(model, tmp_path / "model.tflite", 6)
    export.audit(tmp_path / "model.tflite")
    inputs = spelt(np.random.default_rng(seed))
    assert export.parity(model, tmp_path / "model.tflite", inputs)["compiled"]["equal"] == 4


def test_what_cannot_be_read_is_refused():
    for model, answer in (
        (seqkeras.SequenceTagger(9, 4, 8), "tag"),
        (seqkeras.SequenceClassifier(9, 4, 8), "classify"),
        (seqkeras.JointTagger(9, 4, 3, 8), "understand"),
    ):
        for wrong in (None, 5, "words", [[4, 5]], {"text": np.ones((1, 2))}, {}):
            with pytest.raises(ValueError):
                getattr(model, answer)(wrong)
        ids = np.array([[4, 5]])
        for said in zip(*(keras.tree.flatten(getattr(model, answer)(x)) for x in (ids, {"ids": ids})), strict=True):
            np.testing.assert_array_equal(*said)
    wrong = [
        ({"character_vocab_size": 0}, "character_vocab_size to be a positive integer"),
        ({"character_vocab_size": 9, "word_length": 0}, "word_length to be a positive integer"),
        ({"character_encoder": "bag"}, "character_encoder to be one of recurrent, convolution"),
        ({"word_dropout": 1}, "word_dropout to be a number"),
        ({"character_vocab_size": 9, "encoder": "transformer"}, "no character_vocab_size"),
        ({"vocab_size": None, "input_units": 3, "word_dropout": 0.5}, "vocab_size with character_vocab_size or"),
        ({"vocab_size": None, "input_units": 3, "character_vocab_size": 9}, "vocab_size with character_vocab_size or"),
    ]
    for changed, match in wrong:
        with pytest.raises(ValueError, match=match):
            seqkeras.SequenceTagger(**{"vocab_size": 9, "num_classes": 4, **changed})


def test_wrong_outputs_are_refused():
    with pytest.raises(
        ValueError, match="Expected outputs to be one of class, labels, values. Received: outputs='tag'"
    ):
        seqkeras.SequenceTagger(9, 4, outputs="tag")
    with pytest.raises(ValueError, match="Expected encoder to be one of recurrent, transformer, convolution. "):
        seqkeras.SequenceTagger(9, 4, encoder="bag")


def test_one_class_is_refused_where_its_probability_would_be_1_for_everything():
    """One entry that is yes or no, one real number and one label to write from have their sense."""
    for make in (
        lambda: seqkeras.SequenceClassifier(9, 1, 4),
        lambda: seqkeras.SequenceTagger(9, 1, 4),
        lambda: seqkeras.JointTagger(9, 1, 3, 4),
        lambda: seqkeras.JointTagger(9, 3, 1, 4),
    ):
        with pytest.raises(
            ValueError, match="Expected num_(classes|tags) of 2 or more.* Received: .*=1; for yes or no take two"
        ):
            make()
    seqkeras.SequenceTagger(9, 1, 4, outputs="labels"), seqkeras.SequenceTagger(9, 1, 4, outputs="values")
    seqkeras.SequenceGenerator(9, 1, 4)
