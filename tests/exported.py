"""Small models of each family, exported once a run: conversion costs seconds."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import keras
import numpy as np

import seqkeras
from seqkeras import export, pipelines

TEXTS = ["the cat sat on the mat", "a dog and an ox"]
WORDS = {"text": pipelines.Words.train(TEXTS), "characters": pipelines.WordCharacters.train(TEXTS, word_length=3)}
CHARACTERS = pipelines.Characters.train(["abcdefghijklmnopqrstuvwxyz "])
V = CHARACTERS.vocab_size
LABELS = ["first", "second", "third"]
LENGTH = 16
LONG = 256
_folder = tempfile.TemporaryDirectory()


@dataclass
class Family:
    """A model, its held-out inputs, what else a bundle wants, and the bundle."""

    model: keras.Model
    inputs: dict
    length: int = LENGTH
    tokenizers: dict = None
    labels: list = None
    scale: dict = None
    folder: Path = None
    manifest: dict = None

    @property
    def path(self):
        return self.folder / "model.tflite"


def unexported(name):
    """A model of random weights and inputs of several lengths; these weights end sequences at several lengths too."""
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    length = rng.integers(1, LENGTH + 1, 12)
    length[:2] = 1, LENGTH
    ids = np.where(np.arange(LENGTH) < length[:, None], rng.integers(4, V, (12, LENGTH)), 0).astype("int32")
    if name == "classify":
        model = seqkeras.SequenceClassifier(V, 3, units=24)
        return Family(model, {"ids": ids}, LONG, {"text": CHARACTERS}, LABELS)
    if name == "values":
        model = seqkeras.SequenceClassifier(None, 3, units=32, cell="lstm", input_units=5)
        values = rng.normal(size=(12, LENGTH, 5)).astype("float32")
        return Family(model, {"values": values, "length": length.astype("int32")}, labels=LABELS)
    if name == "tag":
        return Family(seqkeras.SequenceTagger(V, 3, units=8), {"ids": ids}, LENGTH, {"text": CHARACTERS}, LABELS)
    if name == "spelt":
        sizes = {"character_vocab_size": WORDS["characters"].vocab_size, "word_length": 3, "character_units": 8}
        model = seqkeras.SequenceTagger(WORDS["text"].vocab_size, 3, units=8, **sizes)
        words = np.where(ids > 0, 4 + ids % (WORDS["text"].vocab_size - 4), 0)
        characters = rng.integers(4, WORDS["characters"].vocab_size, (12, LENGTH, 3)) * (ids != 0)[..., None]
        inputs = {"ids": words, "characters": characters.astype("int32")}
        return Family(model, inputs, LENGTH, WORDS, LABELS)
    if name == "understand":
        labels = {"tags": LABELS[:2], "label": LABELS}
        return Family(seqkeras.JointTagger(V, 2, 3, units=8), {"ids": ids}, LENGTH, {"text": CHARACTERS}, labels)
    if name == "forecast":
        model = seqkeras.Forecaster(window=10, horizon=3, input_units=2, units=8)
        scale = {"mean": [20.0, -3.0], "deviation": [5.0, 0.5]}
        return Family(model, {"values": rng.normal(size=(12, 10, 2)).astype("float32")}, None, scale=scale)
    if name == "continue":
        model = seqkeras.Sample(seqkeras.LanguageModel(V, units=16), 12)
        inputs = {"prompt": ids[:, :6], "uniform": rng.random((12, 12), "float32")}
        return Family(model, inputs, 8, {"text": CHARACTERS})
    if name == "generate":
        model, inputs = seqkeras.SequenceGenerator(V, 3, units=16), {"label": np.arange(3, dtype="int32")}
        family = Family(model, inputs, tokenizers={"target": CHARACTERS}, labels=LABELS)
    else:
        kind = {"attention": seqkeras.AttentionSeq2Seq, "transformer": seqkeras.TransformerSeq2Seq}[name]
        family = Family(kind(V, units=16), {"source": ids}, tokenizers={"source": CHARACTERS, "target": CHARACTERS})
    family.model = seqkeras.Greedy(family.model, 12)
    return family


@cache
def family(name):
    """`unexported(name)` with its bundle: float32, "values" with 8-bit weights."""
    made = unexported(name)
    made.folder = Path(_folder.name) / name
    weights = {"quantize": "int8", "metric": first_probability, "bound": 0.01} if name == "values" else {}
    made.manifest = export.write_bundle(
        made.model,
        made.folder,
        made.length,
        inputs=made.inputs,
        tokenizers=made.tokenizers,
        labels=made.labels,
        scale=made.scale,
        quality={"accuracy": 0.5},
        **weights,
    )
    return made


def first_probability(outputs):
    """A metric."""
    return float(outputs["probabilities"][:, 0].mean())
