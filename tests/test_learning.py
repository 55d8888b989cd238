"""Every family learns its task to the last example, from a different seed each run."""

import keras
import numpy as np
import pytest

import seqkeras
from seqkeras import Greedy
from seqkeras.tokens import END, PAD, START

SENTENCES = [
    ("I love my cat.", 1),
    ("Cats and dogs lap water.", 1),
    ("It is raining cats and dogs.", 0),
    ("Cats and dogs are not allowed.", 0),
    ("Cats and dogs have always been natural enemies.", 0),
]
WORDS = sorted({word for sentence, _ in SENTENCES for word in sentence.split()})
LABELS = np.array([label for _, label in SENTENCES])


def rows(sequences):
    """Ragged lists of ids -> int array, padded."""
    longest = max(map(len, sequences))
    return np.array([[*s, *[PAD] * (longest - len(s))] for s in sequences], "int32")


SOURCE = rows([[4 + WORDS.index(word) for word in sentence.split()] for sentence, _ in SENTENCES])
V = 4 + len(WORDS)


def teacher(sequences):
    """(target, next, weight) of padded outputs: START before them, END behind."""
    outputs = [[i for i in row if i != PAD] for row in sequences]
    target, following = rows([[START, *s] for s in outputs]), rows([[*s, END] for s in outputs])
    return target, following, (following != PAD).astype("float32")


class Perfect(keras.callbacks.Callback):
    """Stops when the model's own output, not the teacher's, is right for every held-out example."""

    def __init__(self, right, every):
        super().__init__()
        self.right, self.every = right, every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0 and self.right():
            self.model.stop_training = True


def learn(model, inputs, labels, weight, right, epochs, rate=0.01, batch_size=64, every=1):
    steps = epochs * -(-len(labels) // batch_size)
    falling = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.05)
    model.compile(keras.optimizers.Adam(falling, clipnorm=1.0), seqkeras.CrossEntropy(), jit_compile=False)
    options = {"batch_size": batch_size, "epochs": epochs, "verbose": 0, "callbacks": [Perfect(right, every)]}
    history = model.fit(inputs, labels, sample_weight=weight, **options)
    print(f"{len(history.epoch)} epochs")
    assert right()


def says(search, inputs, expected):
    """Whether the search answers `expected`, padded, for every row."""

    def right():
        out = search.predict(inputs, verbose=0, batch_size=256)
        longer = np.pad(expected, ((0, 0), (0, out.shape[1] - expected.shape[1])))
        return bool(np.array_equal(np.where(out == END, PAD, out), longer))

    return right


@pytest.mark.parametrize("cell", ["simplernn", "gru", "lstm"])
def test_five_sentences_to_their_classes(cell, seed):
    model = seqkeras.SequenceClassifier(V, 2, units=16, cell=cell)
    learn(model, SOURCE, LABELS, None, lambda: np.all(np.argmax(model(SOURCE), -1) == LABELS), epochs=100, every=5)


@pytest.mark.parametrize("context", ["state", "input", "both"])
def test_a_class_to_each_of_five_sentences(context, seed):
    target, following, weight = teacher(SOURCE)
    label = np.arange(5)
    model = seqkeras.SequenceGenerator(V, 5, units=32, context=context)
    right = says(Greedy(model, following.shape[1]), {"label": label}, SOURCE)
    learn(model, {"label": label, "target": target}, following, weight, right, epochs=400, every=10)


@pytest.mark.parametrize("family", ["Seq2Seq", "AttentionSeq2Seq", "TransformerSeq2Seq"])
def test_five_sentences_to_themselves_turned_round(family, seed):
    turned = rows([[i for i in row[::-1] if i != PAD] for row in SOURCE])
    target, following, weight = teacher(turned)
    model = getattr(seqkeras, family)(V, units=32)
    right = says(Greedy(model, following.shape[1]), {"source": SOURCE}, turned)
    learn(model, {"source": SOURCE, "target": target}, following, weight, right, epochs=300, rate=0.005, every=10)


def sequences(number, letters, longest):
    length = np.random.randint(1, longest + 1, number)
    ids = np.random.randint(4, 4 + letters, (number, longest))
    return np.where(np.arange(longest) < length[:, None], ids, PAD).astype("int32")


def copied(x):
    return x


def reversed_(x):
    return rows([[i for i in row[::-1] if i != PAD] for row in x])


TASKS = [
    ("Seq2Seq", copied, {"units": 64}),
    ("AttentionSeq2Seq", reversed_, {"units": 48}),
    ("TransformerSeq2Seq", copied, {"units": 32, "num_layers": 1}),
]


@pytest.mark.parametrize("family, task, arguments", TASKS, ids=[f"{f}-{t.__name__.strip('_')}" for f, t, _ in TASKS])
def test_copy_and_reverse_of_sequences_never_seen(family, task, arguments, seed):
    held_out = sequences(200, 6, 4)
    held_out = held_out[held_out[:, 2] != PAD]  # of the shorter ones there are few; they are all for training
    source = np.array([row for row in sequences(4000, 6, 4) if row.tolist() not in held_out.tolist()])
    target, following, weight = teacher(task(source))
    model = getattr(seqkeras, family)(10, **arguments)
    right = says(Greedy(model, 5), {"source": held_out}, task(held_out))
    learn(model, {"source": source, "target": target}, following, weight, right, epochs=40, rate=0.005)


WORD_COUNT = 400


def zipf(number, longest=6):
    """Sentences of words of which a few make up most, as in every language: Zipf 1949."""
    frequency = 1 / np.arange(1, WORD_COUNT + 1)
    lengths = np.random.randint(3, longest + 1, number)
    words = 4 + np.random.choice(WORD_COUNT, (number, longest), p=frequency / frequency.sum())
    return np.where(np.arange(longest) < lengths[:, None], words, PAD).astype("int32")


def translated(source):
    """Each word by another, the last first."""
    dictionary = 4 + np.random.permutation(WORD_COUNT)
    return rows([dictionary[row[row != PAD] - 4][::-1] for row in source])


def small_embeddings(model):
    """What Keras begins with: U(-0.05, 0.05)."""
    for layer in (model.source_embedding, model.decoder.embedding):
        layer.embeddings.assign(np.random.uniform(-0.05, 0.05, layer.embeddings.shape))


def perplexity_after(steps, model, source, targets, batch_size=64):
    """Of sentences that training does not see."""
    target, following, weight = targets
    model.compile(keras.optimizers.Adam(5e-3, clipnorm=1.0), seqkeras.CrossEntropy(), jit_compile=False)
    end = steps * batch_size
    options = {"batch_size": batch_size, "verbose": 0}
    train = {"source": source[:end], "target": target[:end]}
    model.fit(train, following[:end], sample_weight=weight[:end], **options)
    held_out = {"source": source[end:], "target": target[end:]}
    return float(np.exp(model.evaluate(held_out, following[end:], sample_weight=weight[end:], **options)))


def test_words_of_a_language_are_learnt_at_the_defaults(seed):
    source = zipf(160 * 64 + 256)
    targets = teacher(translated(source))
    sizes = {"vocab_size": 4 + WORD_COUNT, "units": 32}
    model = seqkeras.AttentionSeq2Seq(**sizes)
    before = seqkeras.AttentionSeq2Seq(**sizes, output_bias="zeros")
    small_embeddings(before)
    found, behind = (perplexity_after(160, one, source, targets) for one in (model, before))
    print(f"perplexity {found:.2f}, from zero biases and small embeddings {behind:.2f}")
    assert found < 0.8 * behind
