"""The picture of the README: what a model that writes dates as ISO 8601 attends to. make picture"""

from pathlib import Path

import keras
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import seqkeras
from seqkeras import pipelines
from seqkeras.pipelines import samples
from seqkeras.tokens import END, START

DATE = "Sonntag, 17. März 1984"


def trained():
    """(the model of the README's twenty lines, its data)."""
    dates = samples.dates(40_000)
    data = pipelines.translation(*dates, tokenizer="characters", batch_size=128, fixed_shapes=True, num_buckets=1)
    source, target = data.tokenizers["source"], data.tokenizers["target"]
    model = seqkeras.AttentionSeq2Seq(source.vocab_size, target.vocab_size, units=128, cell="gru")
    model.compile(keras.optimizers.Adam(3e-3), seqkeras.CrossEntropy(), weighted_metrics=[seqkeras.ExactMatch()])
    model.fit(data.train, validation_data=data.validation, epochs=2)
    return model, data


def attended(model, data, text):
    """(weights [T, S], the text that is written)."""
    source = np.array([[*data.tokenizers["source"].encode(text), END]], "int32")
    ids = np.asarray(seqkeras.Greedy(model, data.lengths["target"])({"source": source}))
    shifted = np.concatenate([[[START]], ids[:, :-1]], axis=1)
    weights = np.asarray(model.attend({"source": source, "target": shifted}))[0]
    answer = data.tokenizers["target"].decode(ids)[0]
    return weights[: len(answer) + 1], answer


def draw(weights, text, answer, path):
    figure = Figure(figsize=(8, 4), layout="constrained", dpi=100)
    axes = figure.subplots()
    axes.imshow(weights, cmap="Blues", vmin=0, aspect="auto")
    axes.set_xticks(range(weights.shape[1]), [*text, "end"][: weights.shape[1]])
    axes.set_yticks(range(len(weights)), [*answer, "end"])
    axes.set(xlabel="read", ylabel="written")
    FigureCanvasAgg(figure).print_png(path)


if __name__ == "__main__":
    weights, answer = attended(*trained(), DATE)
    draw(weights, DATE, answer, Path(__file__).with_name("attention.png"))
