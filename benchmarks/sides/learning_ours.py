"""Models of this package at their defaults, trained for a few steps."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import tensorflow as tf
from learning_batches import Rows
from turns import answer

import seqkeras

TARGETS = ("y", "weight")


def build(family, cell, units, sizes, length):
    """The model of a case; `cell` is "gru", "lstm" or "transformer"."""
    shape = {"units": units, **sizes}
    if family == "TransformerSeq2Seq":
        return seqkeras.TransformerSeq2Seq(**shape, max_length=length)
    if cell != "transformer":
        return getattr(seqkeras, family)(**shape, cell=cell)
    part = "decoder" if family == "LanguageModel" else "encoder"
    return getattr(seqkeras, family)(**shape, num_layers=2, max_length=length, **{part: "transformer"})


def given(rows):
    """The inputs of the model: a dict, or ids alone."""
    inputs = {name: array for name, array in rows.items() if name not in TARGETS}
    return inputs["ids"] if list(inputs) == ["ids"] else inputs


def train(data, family, cell, units, steps, batch_size, rate, metric, seed):
    """The figure after so many steps of `fit`."""
    rows = Rows(data)
    keras.utils.set_random_seed(seed)
    length = max(array.shape[1] for array in rows.train.values() if array.ndim == 2)
    model = build(family, cell, units, rows.sizes, length)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(optimizer, seqkeras.CrossEntropy(), jit_compile=False)  # for a short training not worth its wait
    batches = list(rows.batches(seed, steps, batch_size))
    dataset = tf.data.Dataset.from_tensor_slices(
        keras.tree.map_structure(lambda *arrays: tf.stack(arrays), *[(given(b), b["y"], b["weight"]) for b in batches])
    )
    model.fit(dataset, verbose=0)
    value = rows.score(lambda rows: model.predict_on_batch(given(rows)), metric)
    return {"value": value, "parameters": model.count_params()}


if __name__ == "__main__":
    answer(train)
