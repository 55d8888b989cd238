"""The data of the learning benchmark: for each task and tokenizer a file of padded arrays, the same for every side."""

import gzip
import json
import os

import numpy as np
from measured import DATA

from seqkeras import pipelines
from seqkeras.pipelines import readers

LENGTHS = {"characters": 64, "words": 24, "subwords": 32}
VOCABULARIES = {"characters": 200, "words": 2_000, "subwords": 1_000}
TOKENIZERS = {"characters": "characters", "words": "words", "subwords": "unigram"}


def questions(swapped=False):
    """TREC: (text, label), or (label, text); the last 800 questions are validation."""
    pattern = r"(?P<label>\w+) (?P<text>.*)"
    records = readers.pattern(DATA / "sentences/TREC.train.all.gz", pattern, encoding="latin-1")
    rows = [tuple(row) for row in records.select(*(("label", "text") if swapped else ("text", "label")))]
    order = np.random.default_rng(0).permutation(len(rows))
    rows = [rows[i] for i in order]
    return rows[:-800], rows[-800:]


def parts_of_speech():
    """English EWT: (words, tags)."""
    splits = (readers.conll(DATA / f"ud_english_ewt/en_ewt-ud-{split}.conllu.gz") for split in ("train", "dev"))
    return tuple([tuple(row) for row in split.rows] for split in splits)


def sentences(most):
    """multi30k: (German, English)."""

    def read(split):
        pairs = readers.parallel_lines(*(DATA / f"multi30k/{split}.{side}.gz" for side in ("de", "en")))
        return [tuple(row) for row in pairs.rows]

    return read("train")[:most], read("val")


def speeches():
    """Tiny Shakespeare, a speech a text; of the last tenth every fourth is validation."""
    with gzip.open(DATA / "tinyshakespeare/input.txt.gz", "rt", encoding="utf-8") as file:
        texts = [(" ".join(text.split()),) for text in file.read().split("\n\n") if text.strip()]
    end = len(texts) * 9 // 10
    return texts[:end], texts[end::4]


TASKS = {
    "classify": (pipelines.classification, questions),
    "tag": (pipelines.tagging, parts_of_speech),
    "generate": (pipelines.generation, lambda: questions(swapped=True)),
    "translate": (pipelines.translation, lambda: sentences(8_000)),
    "translate more": (pipelines.translation, lambda: sentences(None)),
    "continue": (pipelines.language_model, speeches),
}


def prepared(task, pieces, vocab_size=None):
    """The `Data` of a task over characters, words or subwords, one shape for all."""
    function, read = TASKS[task]
    train, validation = read()
    return function(
        train,
        validation,
        tokenizer=TOKENIZERS[pieces],
        vocab_size=vocab_size or VOCABULARIES[pieces],
        max_length=LENGTHS[pieces],
        batch_size=32,
        num_buckets=1,
        shuffle=False,
    )


def sizes(data):
    """The sizes of a model that follow from the data."""
    found = {"num_classes": len(data.labels)} if data.labels else {}
    vocabularies = [tokenizer.vocab_size for tokenizer in data.tokenizers.values()]
    return found | dict(zip(("vocab_size", "target_vocab_size"), vocabularies, strict=False))


def arrays(dataset):
    """Batches of one task as a dict of arrays: the inputs by name, "y", "weight"."""
    parts = []
    for inputs, y, *weight in dataset.as_numpy_iterator():
        inputs = inputs if isinstance(inputs, dict) else {"ids": inputs}
        parts.append({**inputs, "y": y, "weight": weight[0] if weight else np.ones(y.shape, "float32")})
    return {name: joined([part[name] for part in parts]) for name in parts[0]}


def joined(arrays):
    """Arrays of several lengths under each other, padded with zeros."""
    longest = max(array.shape[-1] for array in arrays)
    if arrays[0].ndim == 1:
        return np.concatenate(arrays)
    return np.concatenate([np.pad(array, ((0, 0), (0, longest - array.shape[1]))) for array in arrays])


def write(path, data):
    """Puts the rows of `Data` into a file that `learning_batches.Rows` reads."""
    content = {"sizes": json.dumps(sizes(data))}
    for split in ("train", "validation"):
        content |= {f"{split}/{name}": array for name, array in arrays(getattr(data, split)).items()}
    part = path.with_suffix(".part.npz")
    np.savez(part, **content)
    os.replace(part, path)
