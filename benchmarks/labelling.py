"""Quality of labels for words: parts of speech; slots of a command, with what it wants."""

from measured import DATA, row, train

import seqkeras
from seqkeras import pipelines
from seqkeras.pipelines import readers

SHAPES = {"num_buckets": 6, "fixed_shapes": True}
SPELLING = 16  # characters of a word that are seen


def ewt():
    """Universal parts of speech of English, words and characters; each word of the test sentences counts."""

    def read(split):
        return readers.conll(DATA / f"ud_english_ewt/en_ewt-ud-{split}.conllu.gz")

    training = read("train")
    words = pipelines.Words.train(map(" ".join, training.column(0)), lower=True, punctuation="keep")
    data = pipelines.tagging(
        training, read("dev"), read("test"), tokenizer=words, characters=SPELLING, batch_size=32, **SHAPES
    )
    model = seqkeras.SequenceTagger(
        words.vocab_size,
        len(data.labels),
        units=128,
        dropout=0.5,
        cell="lstm",
        embedding_units=100,
        character_vocab_size=data.tokenizers["characters"].vocab_size,
        character_units=100,
        word_length=SPELLING,
        word_dropout=0.3,
    )
    seconds = train(model, data, epochs=12, rate=3e-3, monitor="val_token_accuracy")
    complete(data, sentences=2_077, words=25_094)
    accuracy = model.evaluate(data.test, verbose=0, return_dict=True)["token_accuracy"]
    yield row("ewt", model, "accuracy %", 100 * accuracy, 94.4, seconds)


def snips():
    """Slots of a command, word by word, and its intent; the epoch is chosen by the slots."""

    def read(split, end=""):
        sides = (readers.lines(DATA / f"snips/{split}/{name}{end}") for name in ("seq.in", "seq.out", "label"))
        return readers.lists(*(side.column(0) for side in sides))

    data = pipelines.joint_tagging(
        read("train", ".gz"), read("valid"), read("test"), characters=SPELLING, batch_size=64, **SHAPES
    )
    words, characters = data.tokenizers["text"], data.tokenizers["characters"]
    model = seqkeras.JointTagger(
        words.vocab_size,
        len(data.labels["tags"]),
        len(data.labels["label"]),
        units=200,
        dropout=0.4,
        cell="lstm",
        embedding_units=100,
        character_vocab_size=characters.vocab_size,
        character_units=64,
        word_length=SPELLING,
        word_dropout=0.3,
    )
    seconds = train(
        model,
        data,
        epochs=14,
        rate=4e-3,
        monitor="val_tags_span_f1",
        loss={"tags": seqkeras.CrossEntropy(), "label": seqkeras.CrossEntropy()},
        weighted_metrics={"tags": [seqkeras.SpanF1(data.labels["tags"].names)], "label": ["accuracy"]},
    )
    complete(data, sentences=700)
    said = model.evaluate(data.test, verbose=0, return_dict=True)
    yield row("snips", model, "slot F1 %", 100 * said["tags_span_f1"], 88.8, seconds)
    yield row("snips", model, "intent accuracy %", 100 * said["label_accuracy"], 97.0, seconds)


def complete(data, sentences, words=None):
    """Ends the measurement where a test sentence, or a word, is not among the batches."""
    rows = data.records["test"].rows
    counted = sum(len(row[0].split()) for row in rows)
    if len(rows) != sentences or words not in (None, counted):
        raise SystemExit(f"Expected {sentences} test sentences, {words} words. Received: {len(rows)}, {counted}")
