"""Quality on series and as a language model; and the lectures' comparison of recurrent networks."""

import csv
import gzip
import math

import keras
import numpy as np
from measured import DATA, report, train

import seqkeras
from seqkeras import pipelines
from seqkeras.pipelines import readers


def vowels():
    """Japanese vowels: which of nine speakers, from 12 channels of 7 to 29 frames; a fifth of training to choose by."""

    def read(split):
        _, lines = unzipped(f"series/JapaneseVowels/JapaneseVowels_{split}.ts.gz").split("@data\n")
        rows = [line.split(":") for line in lines.splitlines() if line]
        return [(np.array([list(map(float, one.split(","))) for one in row[:-1]]).T, row[-1]) for row in rows]

    classified("vowels", read("TRAIN"), read("TEST"), 97.6, share=0.2, epochs=150, dropout=0.4)


def pendigits():
    """Digits written with a pen, as eight points; a tenth of training is validation."""

    def read(path):
        rows = csv.reader((DATA / path).read_text().splitlines())
        rows = [[float(one) for one in row] for row in rows if len(row) == 17]  # the test file has a header of ten
        return [(np.reshape(row[:-1], (8, 2)) / 50 - 1, str(int(row[-1]))) for row in rows]

    classified("pendigits", read("series/pendigits.tra"), read("series/pendigits.tes"), 97.8, share=0.1, epochs=40)


def unzipped(path):
    return gzip.decompress((DATA / path).read_bytes()).decode("utf-8")


def classified(name, training, test, published, share, epochs, dropout=0.2):
    """A bidirectional GRU over real values."""
    data = pipelines.series(training, share, test, batch_size=32, fixed_shapes=True)
    model = seqkeras.SequenceClassifier(
        None, len(data.labels), units=64, num_layers=2, dropout=dropout, input_units=training[0][0].shape[1]
    )
    seconds = train(model, data, epochs=epochs, rate=3e-3, monitor="val_loss")
    accuracy = model.evaluate(data.test, verbose=0, return_dict=True)["accuracy"]
    report(name, model, "accuracy %", 100 * accuracy, published, seconds)


def makemore():
    """Names letter by letter, END counted: nats a character on a tenth that was never trained on."""
    text = readers.lines(DATA / "makemore_names/names.txt").column(0)
    names = sorted({(name,) for name in text})
    np.random.default_rng(0).shuffle(names)
    tenth = len(names) // 10
    data = pipelines.language_model(
        names[2 * tenth :], names[:tenth], names[tenth : 2 * tenth], batch_size=128, fixed_shapes=True
    )
    V = data.tokenizers["text"].vocab_size
    model = seqkeras.LanguageModel(V, units=192, dropout=0.2, cell="lstm", embedding_units=64)
    seconds = train(model, data, epochs=15, rate=3e-3, monitor="val_perplexity")
    report("makemore", model, "nats a character", nats(model, data.test), 1.92, seconds)


def nats(model, batches):
    """The mean cross-entropy of a token."""
    return math.log(model.evaluate(batches, verbose=0, return_dict=True)["perplexity"])


def ett():
    """ETTh1: seven variables, 336 hours to the next 96; mean squared error of the scaled values."""
    rows = np.array([row[1:] for row in csv.reader(unzipped("ett/ETTh1.csv.gz").splitlines())][1:], "float64")
    window, first, second, third = 336, 8640, 11520, 14400
    data = pipelines.forecasting(
        rows[:first], rows[first - window : second], rows[second - window : third], window=window, horizon=96
    )
    repeated = np.mean([np.mean((x[:, -1:] - y) ** 2) for x, y in data.test.as_numpy_iterator()])
    for encoder in ("linear", "recurrent"):
        model = seqkeras.Forecaster(7, window, 96, units=64, dropout=0.3, encoder=encoder)
        seconds = train(model, data, 8, 1e-3, "val_loss", "mse", metrics=["mse"])
        error = model.evaluate(data.test, verbose=0, return_dict=True)["mse"]
        report(f"ett {encoder}", model, "mean squared error", error, 0.375, seconds, repeated=round(float(repeated), 3))


def sst2():
    """Sentences of praise or blame: LSTM, bidirectional LSTM and GRU of as many weights, three seeds each."""

    def read(split):
        path = DATA / f"sentences/stsa.binary.{split}.gz"
        return readers.pattern(path, r"(?P<label>\d) (?P<text>.*)").select("text", "label")

    data = pipelines.classification(
        read("train"), read("dev"), read("test"), tokenizer="words", batch_size=64, max_length=60, fixed_shapes=True
    )
    V = data.tokenizers["text"].vocab_size
    for name, size in {
        "lstm": {"cell": "lstm", "units": 128, "bidirectional": False},
        "bilstm": {"cell": "lstm", "units": 78, "bidirectional": True},
        "gru": {"cell": "gru", "units": 157, "bidirectional": False},
    }.items():
        values, seconds = [], 0
        for seed in (1, 2, 3):
            keras.utils.set_random_seed(seed)
            model = seqkeras.SequenceClassifier(V, 2, dropout=0.5, embedding_units=100, pooling="max", **size)
            seconds += train(model, data, epochs=6, rate=1e-3, monitor="val_accuracy")
            values.append(100 * model.evaluate(data.test, verbose=0, return_dict=True)["accuracy"])
        spread = [round(value, 1) for value in values]
        report(f"sst2 {name}", model, "accuracy %", np.mean(values), None, seconds, seeds=spread)
