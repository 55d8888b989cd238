"""What a model cannot take is refused on its way in, however it comes, with the weights as they were."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import CrossEntropy
from seqkeras.tokens import UNKNOWN_LABEL

V, C, LONGEST = 9, 3, 4


def tokens(length, value=4):
    return np.full((2, length), value, "int32")


TRANSFORMER = {"num_layers": 1, "num_heads": 2, "max_length": LONGEST, "dropout": 0.0}
FAMILIES = {
    "classifier": (
        lambda: seqkeras.SequenceClassifier(V, C, 8, encoder="transformer", num_heads=2, max_length=LONGEST),
        tokens,
        lambda length: np.zeros(2, "int32"),
    ),
    "tagger": (
        lambda: seqkeras.SequenceTagger(V, C, 8, encoder="transformer", num_heads=2, max_length=LONGEST),
        tokens,
        lambda length: tokens(length, 1),
    ),
    "joint": (
        lambda: seqkeras.JointTagger(V, C, 2, 8, encoder="transformer", num_heads=2, max_length=LONGEST),
        tokens,
        lambda length: {"tags": tokens(length, 1), "label": np.zeros(2, "int32")},
    ),
    "source": (
        lambda: seqkeras.TransformerSeq2Seq(V, V, 8, **TRANSFORMER),
        lambda length: {"source": tokens(length), "target": tokens(3)},
        lambda length: tokens(3),
    ),
    "target": (
        lambda: seqkeras.TransformerSeq2Seq(V, V, 8, **TRANSFORMER),
        lambda length: {"source": tokens(3), "target": tokens(length)},
        tokens,
    ),
    "language": (
        lambda: seqkeras.LanguageModel(V, 8, decoder="transformer", num_heads=2, max_length=LONGEST),
        tokens,
        tokens,
    ),
}


def dataset(*lengths, inputs, labels):
    """Batches of those lengths, which are not known beforehand."""
    specs = keras.tree.map_structure(
        lambda x: tf.TensorSpec([None] * x.ndim, tf.as_dtype(x.dtype)), (inputs(2), labels(2))
    )
    return tf.data.Dataset.from_generator(lambda: ((inputs(n), labels(n)) for n in lengths), output_signature=specs)


@pytest.mark.parametrize("family", FAMILIES)
def test_more_positions_than_max_length_are_refused_and_weights_untouched(family):
    make, inputs, labels = FAMILIES[family]
    model = make()
    model.compile("adam", CrossEntropy())
    before = model.get_weights()
    batches = dataset(LONGEST + 2, inputs=inputs, labels=labels)
    long = inputs(LONGEST + 2), labels(LONGEST + 2)
    named = f"Expected at most max_length={LONGEST} positions. Received: .* of length {LONGEST + 2}; build the model"
    for call in (
        lambda: model(long[0]),
        lambda: model.fit(*long, verbose=0),
        lambda: model.fit((one for one in [long]), verbose=0),
        lambda: model.fit(inputs(2), labels(2), validation_data=long, verbose=0),
        lambda: model.train_on_batch(*long),
        lambda: model.evaluate(batches, verbose=0),
        lambda: model.predict(batches, verbose=0),
    ):
        with pytest.raises(ValueError, match=named):
            call()
    for weight, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(now, weight)
    with pytest.raises(ValueError, match=named):
        model.fit(batches, verbose=0)  # the frequencies of its targets are known by then
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights())


def test_more_positions_are_an_error_in_a_graph_of_ones_own_too():
    model = FAMILIES["classifier"][0]()
    function = tf.function(model, input_signature=[tf.TensorSpec([None, None], "int32")])
    function(tokens(LONGEST))
    with pytest.raises(tf.errors.InvalidArgumentError):
        function(tokens(LONGEST + 1))


class Rows(keras.utils.PyDataset):
    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def tagger(**options):
    model = seqkeras.SequenceTagger(V, C, 4, encoder="convolution", window=1)
    model.compile("sgd", CrossEntropy(), run_eagerly=True, **options)
    return model


@pytest.mark.parametrize("label", [-2, C])
def test_labels_that_are_no_classes_are_refused_where_they_have_weight(label):
    model, ids = tagger(), tokens(3)
    tags, weight = np.array([[0, label, 1], [0, 1, UNKNOWN_LABEL]]), np.ones((2, 3), "float32")
    for data in ((ids, tags), (ids, tags, weight)):
        for call in (
            lambda data: model.fit(*data[:2], sample_weight=data[2] if data[2:] else None, verbose=0),
            lambda data: model.evaluate(tf.data.Dataset.from_tensors(data), verbose=0),
            lambda data: model.fit(Rows(data), verbose=0),
        ):
            with pytest.raises(ValueError, match=f"Expected (labels|targets) from .* Received: .*{label}"):
                call(data)
    weight[0, 1] = 0
    for call in (
        lambda: model.fit(ids, tags, sample_weight=weight, verbose=0),
        lambda: model.fit(Rows((ids, tags, weight)), verbose=0),
        lambda: model.evaluate(tf.data.Dataset.from_tensors((ids, tags, weight)), verbose=0),
    ):
        call()
    assert np.isfinite(model.evaluate(ids, tags, sample_weight=weight, verbose=0))


def test_what_is_right_passes_unchanged():
    model, ids, tags = tagger(), tokens(3), tokens(3, 1)
    told = [
        model.evaluate(data, verbose=0)
        for data in (tf.data.Dataset.from_tensors((ids, tags)).repeat(2), Rows((ids, tags), (ids, tags)))
    ]
    assert told == [pytest.approx(model.evaluate(ids, tags, verbose=0))] * 2
    labelled = tf.data.Dataset.from_tensors(({"ids": ids}, tags, np.ones((2, 3), "float32")))
    assert model.fit(labelled, validation_data=labelled, epochs=2, verbose=0).history["val_loss"]
    assert model.predict(tf.data.Dataset.from_tensors(ids), verbose=0).shape == (2, 3, C)


def test_ids_of_every_input_are_those_of_its_vocabulary():
    model = seqkeras.SequenceGenerator(V, C, 4)
    model.compile("sgd", CrossEntropy(), run_eagerly=True)
    target = tokens(3)
    for inputs, name, most in (
        ({"label": np.array([0, C]), "target": target}, "label", C - 1),
        ({"label": np.array([0, 1]), "target": target + V}, "target", V - 1),
    ):
        with pytest.raises(ValueError, match=f"Expected {name} from 0 to {most}. Received: "):
            model.fit(inputs, target, verbose=0)


def test_a_search_refuses_what_its_model_cannot_read():
    search = seqkeras.Greedy(seqkeras.TransformerSeq2Seq(V, V, 8, **TRANSFORMER), 3)
    for source, message in ((tokens(LONGEST + 1), "at most max_length=4"), (tokens(2, -1), "source from 0 to 8")):
        for x in ({"source": source}, tf.data.Dataset.from_tensors({"source": source})):
            with pytest.raises(ValueError, match=f"Expected {message}"):
                search.predict(x, verbose=0)
