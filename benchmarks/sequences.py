"""Quality on series and as a language model; and the lectures' comparison of recurrent networks."""

import csv
import gzip
import math
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf
from measured import DATA, adam, fit, row, train

import seqkeras
from seqkeras import pipelines
from seqkeras.pipelines import readers
from seqkeras.tokens import END, PAD, START, UNKNOWN

FIRST = 1 + max(PAD, START, END, UNKNOWN)  # the id of the first letter


def vowels():
    """Japanese vowels: which of nine speakers, from 12 channels of 7 to 29 frames, each scaled by training's frames."""

    def read(split):
        _, lines = unzipped(f"series/JapaneseVowels/JapaneseVowels_{split}.ts.gz").split("@data\n")
        rows = [line.split(":") for line in lines.splitlines() if line]
        return [(np.array([list(map(float, one.split(","))) for one in row[:-1]]).T, row[-1]) for row in rows]

    training, test = read("TRAIN"), read("TEST")
    frames = np.concatenate([values for values, _ in training])
    training, test = (
        [((values - frames.mean(0)) / frames.std(0), label) for values, label in rows] for rows in (training, test)
    )
    yield classified("vowels", training, test, 97.6, epochs=60, dropout=0.4, pooling="mean")


def pendigits():
    """Digits written with a pen: eight points, and beside each the way to it from the one before."""

    def read(path):
        rows = csv.reader((DATA / path).read_text().splitlines())
        rows = [[float(one) for one in row] for row in rows if len(row) == 17]  # the test file has a header of ten
        points = [np.reshape(row[:-1], (8, 2)) / 50 - 1 for row in rows]
        ways = [np.diff(x, axis=0, prepend=x[:1]) for x in points]
        return [(np.hstack(both), str(int(row[-1]))) for *both, row in zip(points, ways, rows, strict=True)]

    training, test = read("series/pendigits.tra"), read("series/pendigits.tes")
    yield classified("pendigits", training, test, 97.8, epochs=20, recurrent_dropout=0.25)


def unzipped(path):
    return gzip.decompress((DATA / path).read_bytes()).decode("utf-8")


def classified(name, training, test, published, epochs, **sizes):
    """The row of a bidirectional GRU over real values, trained on all of training; its folds chose inputs and sizes."""
    data = pipelines.series(training, None, test, batch_size=32, num_buckets=1, fixed_shapes=True)
    width = training[0][0].shape[1]
    model = seqkeras.SequenceClassifier(None, len(data.labels), units=64, input_units=width, **sizes)
    seconds = train(model, data, epochs=epochs, rate=3e-3, monitor="loss")
    accuracy = model.evaluate(data.test, verbose=0, return_dict=True)["accuracy"]
    return row(name, model, "accuracy %", 100 * accuracy, published, seconds)


def makemore():
    """Names letter by letter, END counted: nats a character on a tenth that was never trained on."""
    text = readers.lines(DATA / "makemore_names/names.txt").column(0)
    names = sorted({(name,) for name in text})
    np.random.default_rng(0).shuffle(names)
    tenth = len(names) // 10
    data = pipelines.language_model(
        names[2 * tenth :], names[:tenth], names[tenth : 2 * tenth], batch_size=128, num_buckets=1, fixed_shapes=True
    )
    V = data.tokenizers["text"].vocab_size
    model = seqkeras.LanguageModel(V, units=192, dropout=0.2, cell="lstm", embedding_units=64)
    seconds = train(model, data, epochs=15, rate=3e-3, monitor="val_perplexity")
    yield row("makemore", model, "nats a character", nats(model, data.test), 1.92, seconds)


def nats(model, batches):
    """The mean cross-entropy of a token."""
    return math.log(model.evaluate(batches, verbose=0, return_dict=True)["perplexity"])


def shakespeare():
    """Tiny Shakespeare: nats a character in windows of 64, the last tenth the test.

    Optimizer, positions and number of steps were chosen on the tenth before it, by what was trained on the rest; what
    is measured is trained on both.
    """
    text = unzipped("tinyshakespeare/input.txt.gz")
    known = {letter: number for number, letter in enumerate(sorted(set(text)), FIRST)}
    ids = np.array([known[letter] for letter in text], "int32")
    window, batch, steps = 64, 32, 500
    end = len(ids) - len(ids) // 10

    def drawn(starts):
        rows = tf.gather(ids, starts[:, None] % (end - window) + tf.range(window + 1, dtype="int64"))
        return rows[:, :-1], rows[:, 1:]

    def decaying(schedule):
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.1, beta_2=0.99, clipnorm=1.0)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    data = SimpleNamespace(
        train=tf.data.Dataset.random(seed=1).batch(batch, drop_remainder=True).map(drawn).take(steps).prefetch(2),
        steps={"train": steps},
    )
    rows = np.stack([ids[i : i + window + 1] for i in range(end, len(ids) - window, window)])
    transformer = {"decoder": "transformer", "units": 128, "num_layers": 4, "max_length": window}
    for name, published, optimizer, sizes in (
        ("transformer", 1.88, decaying, {**transformer, "positions": "sinusoid"}),
        ("lstm", None, adam, {"cell": "lstm", "units": 308}),
    ):
        model = seqkeras.LanguageModel(FIRST + len(known), dropout=0.0, **sizes)
        compiled = {"weighted_metrics": [], "jit_compile": True}
        seconds = fit(model, data, 8, 2e-3, optimizer=optimizer, **compiled)
        value = model.evaluate(rows[:, :-1], rows[:, 1:], batch_size=256, verbose=0, return_dict=True)["loss"]
        yield row(f"shakespeare {name}", model, "nats a character", value, published, seconds)


def chorales():
    """Bach's chorales: the 88 keys of the next frame from those before it; nats a frame, all keys together."""
    import scipy.io

    rolls = scipy.io.loadmat(DATA / "jsb_chorales/JSB_Chorales.mat")
    longest = 160  # frames; what is longer goes on as another piece

    def batches(split):
        songs = [np.asarray(song, "float32") for song in rolls[f"{split}data"][0]]
        pieces = [song[i : i + longest + 1] for song in songs for i in range(0, len(song) - 1, longest)]
        values = np.zeros((len(pieces), longest + 1, 88), "float32")
        length = np.array([len(piece) - 1 for piece in pieces], "int32")
        for padded, piece in zip(values, pieces, strict=True):
            padded[: len(piece)] = piece
        weight = (np.arange(longest) < length[:, None]).astype("float32")
        rows = {"values": values[:, :-1], "length": length}, values[:, 1:], weight
        dataset = tf.data.Dataset.from_tensor_slices(rows)
        return (dataset.shuffle(len(pieces), seed=1) if split == "train" else dataset).batch(8)

    data = SimpleNamespace(train=batches("train"), validation=batches("valid"), test=batches("test"))
    data.steps = {"train": len(data.train)}
    for cell, published in (("lstm", 8.67), ("gru", 8.54)):
        model = seqkeras.SequenceTagger(
            None,
            88,
            units=256,
            cell=cell,
            bidirectional=False,
            outputs="labels",
            input_units=88,
            dropout=0.15,
            recurrent_dropout=0.3,
        )
        frame = keras.metrics.MeanMetricWrapper(
            lambda y, z: seqkeras.BinaryCrossEntropy().call(y, z), name="frame_loss"
        )
        loss = seqkeras.BinaryCrossEntropy()
        seconds = train(model, data, 60, 6e-3, "val_frame_loss", loss, weighted_metrics=[frame])
        value = model.evaluate(data.test, verbose=0, return_dict=True)["frame_loss"]
        yield row(f"chorales {cell}", model, "nats a frame", value, published, seconds)


def ett():
    """ETTh1: seven variables, 336 hours to the next 96; mean squared error of the scaled values."""
    rows = np.array([row[1:] for row in csv.reader(unzipped("ett/ETTh1.csv.gz").splitlines())][1:], "float64")
    window, first, second, third = 336, 8640, 11520, 14400
    data = pipelines.forecasting(
        rows[:first], rows[first - window : second], rows[second - window : third], window=window, horizon=96
    )
    repeated = np.mean([np.mean((x[:, -1:] - y) ** 2) for x, y in data.test.as_numpy_iterator()])
    for encoder, layers in (("linear", {}), ("recurrent", {"units": 64, "dropout": 0.3})):
        model = seqkeras.Forecaster(7, window, 96, encoder=encoder, **layers)
        seconds = train(model, data, 8, 1e-3, "val_loss", "mse", metrics=["mse"])
        error = model.evaluate(data.test, verbose=0, return_dict=True)["mse"]
        yield row(
            f"ett {encoder}", model, "mean squared error", error, 0.375, seconds, repeated=round(float(repeated), 3)
        )


def sst2():
    """Sentences of praise or blame: LSTM, bidirectional LSTM and GRU of as many weights."""

    def read(split):
        path = DATA / f"sentences/stsa.binary.{split}.gz"
        return readers.pattern(path, r"(?P<label>\d) (?P<text>.*)").select("text", "label")

    data = pipelines.classification(
        read("train"),
        read("dev"),
        read("test"),
        tokenizer="words",
        batch_size=64,
        max_length=60,
        num_buckets=1,
        fixed_shapes=True,
    )
    V = data.tokenizers["text"].vocab_size
    for name, size in {
        "lstm": {"cell": "lstm", "units": 128, "bidirectional": False},
        "bilstm": {"cell": "lstm", "units": 78, "bidirectional": True},
        "gru": {"cell": "gru", "units": 157, "bidirectional": False},
    }.items():
        model = seqkeras.SequenceClassifier(V, 2, dropout=0.5, embedding_units=100, pooling="max", **size)
        seconds = train(model, data, epochs=6, rate=1e-3, monitor="val_accuracy")
        accuracy = model.evaluate(data.test, verbose=0, return_dict=True)["accuracy"]
        yield row(f"sst2 {name}", model, "accuracy %", 100 * accuracy, None, seconds)
