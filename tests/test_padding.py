"""Padding in front of a row or inside it is the same to a model as padding behind it."""

import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import encoders

V, T = 9, 7
ROWS = [[4, 5, 6, 7], [8, 4], [5, 5, 8, 6, 4]]
READERS = [
    {"encoder": "recurrent"},
    {"encoder": "transformer"},
    {"encoder": "convolution", "window": 3},
    {"encoder": "window", "window": 3},
    {"encoder": "bag"},
    {"encoder": "recurrent", "bidirectional": False, "cell": "lstm", "num_layers": 2, "residual": True},
    {"encoder": "convolution", "window": 3, "num_layers": 2},
]
WRITERS = [
    seqkeras.Seq2Seq,
    seqkeras.AttentionSeq2Seq,
    lambda *sizes: seqkeras.TransformerSeq2Seq(*sizes, num_heads=2, num_layers=1, max_length=T),
]


def padded(seed, where):
    """(ROWS with PAD among their ids, mask)."""
    rng, mask = np.random.default_rng(seed), np.zeros((len(ROWS), T), bool)
    for row, real in zip(ROWS, mask, strict=True):
        places = {"front": range(T - len(row), T), "inside": sorted(rng.choice(T, len(row), replace=False))}[where]
        real[list(places)] = True
    ids = np.zeros(mask.shape, "int32")
    ids[mask] = np.concatenate(ROWS)
    return ids, mask


BEHIND = np.array([row + [0] * (T - len(row)) for row in ROWS], "int32")


def by_graph(model):
    return tf.function(model, reduce_retracing=True)


@pytest.mark.parametrize("where", ["front", "inside"])
@pytest.mark.parametrize("which", range(len(READERS)))
def test_padding_anywhere_is_no_matter_to_a_classifier(which, where, seed):
    ids, _ = padded(seed, where)
    for pooling in ("last", "max", "mean"):
        model = seqkeras.SequenceClassifier(V, 3, 8, pooling=pooling, **READERS[which])
        for call in (model, by_graph(model)):
            np.testing.assert_allclose(call(ids), call(BEHIND), atol=1e-5)


@pytest.mark.parametrize("where", ["front", "inside"])
@pytest.mark.parametrize("which", [0, 1, 2, 5, 6])
def test_padding_anywhere_is_no_matter_to_a_tagger_at_the_real_positions(which, where, seed):
    ids, mask = padded(seed, where)
    model = seqkeras.SequenceTagger(V, 3, 8, **READERS[which])
    for call in (model, by_graph(model), lambda x: model.tag({"ids": x})["probabilities"]):
        np.testing.assert_allclose(call(ids).numpy()[mask], call(BEHIND).numpy()[BEHIND != 0], atol=1e-5)
    assert not np.any(model.tag({"ids": ids})["probabilities"].numpy()[~mask])


@pytest.mark.parametrize("which", range(len(WRITERS)))
def test_padding_anywhere_is_no_matter_to_what_is_written(which, seed):
    model = WRITERS[which](V, V, 8)
    target = np.array([[1, 4, 5]] * len(ROWS))
    expected = model({"source": BEHIND, "target": target})
    for where in ("front", "inside"):
        np.testing.assert_allclose(model({"source": padded(seed, where)[0], "target": target}), expected, atol=1e-5)


def writers():
    """name -> (model, what it reads beside its own output)."""
    label = np.arange(len(ROWS), dtype="int32")
    yield from ((f"sources {i}", (make(V, V, 8), {"source": BEHIND})) for i, make in enumerate(WRITERS))
    for context in ("state", "input"):
        yield f"generator {context}", (seqkeras.SequenceGenerator(V, 3, 8, context=context), {"label": label})
    yield "language model", (seqkeras.LanguageModel(V, 8, num_layers=2, residual=True), {})
    shape = {"decoder": "transformer", "num_heads": 2, "max_length": T}
    yield "language model transformer", (seqkeras.LanguageModel(V, 8, **shape), {})


@pytest.mark.parametrize("where", ["front", "inside"])
@pytest.mark.parametrize("name", [name for name, _ in writers()])
def test_padding_anywhere_in_an_output_that_is_given_is_no_matter_at_the_real_positions(name, where, seed):
    (model, inputs), (ids, mask) = dict(writers())[name], padded(seed, where)

    def read(output):
        return model({**inputs, "target": output} if inputs else output)

    def slopes(output, real):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(read(output)) * tf.cast(real, "float32")[..., None])
        return [tf.convert_to_tensor(one) for one in tape.gradient(loss, model.trainable_variables)]

    for call in (read, by_graph(read)):
        np.testing.assert_allclose(call(ids).numpy()[mask], call(BEHIND).numpy()[BEHIND != 0], atol=1e-5)
    compiled = where == "front" and name in ("sources 1", "language model transformer")  # which takes its time
    for by in (slopes, tf.function(slopes), *[tf.function(slopes, jit_compile=True)] * compiled):
        for one, other in zip(by(ids, mask), by(BEHIND, BEHIND != 0), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("spelling", ["convolution", "recurrent"])
def test_padding_anywhere_is_no_matter_among_characters(spelling, seed):
    model = seqkeras.SequenceTagger(V, 3, 8, character_vocab_size=V, character_encoder=spelling, word_length=T)
    words = np.array([[4, 5, 6]])
    said = [model({"ids": words, "characters": x[None]}) for x in (BEHIND, padded(seed, "inside")[0])]
    np.testing.assert_allclose(*said, atol=1e-5)


def test_an_encoder_by_itself_refuses_padding_before_real_positions_where_places_matter():
    x, mask = np.ones((1, 3, 4), "float32"), np.array([[True, False, True]])
    for encoder in (encoders.ConvolutionEncoder(4), encoders.WindowEncoder(4)):
        with pytest.raises(ValueError, match="Expected a mask with all real positions of a row first"):
            encoder(x, mask=mask)


def test_an_id_that_is_none_of_the_vocabulary_is_refused(seed):
    model = seqkeras.SequenceClassifier(V, 3, 8, encoder="bag")
    for wrong in (-1, V):
        ids = np.array([[4, wrong]])
        for call in (model, model.predict, lambda x: model.predict(tf.data.Dataset.from_tensors(x), verbose=0)):
            with pytest.raises(ValueError, match=f"Expected ids from 0 to {V - 1}. Received: {wrong} among ids"):
                call(ids)
    graph = tf.function(model)
    np.testing.assert_allclose(graph(tf.constant([[4, -1]])), model(np.array([[4, 3]])), atol=1e-6)  # UNKNOWN
