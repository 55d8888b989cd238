"""From files to what models eat: readers, tokenizers, batches, tasks, embedded samples.

Files:      readers (lines, table, conll, slots, series, tfds, …) gives records; samples has some embedded.
Tasks:      classification, generation, translation, tagging, joint_tagging, language_model, documents, series,
            forecasting: records to `Data`, whose `train`, `validation` and `test` are for `model.fit`; `report` tells
            what became of them.
Tokenizers: Words, WordCharacters, Characters, Bytes, SentencePiece, load_tokenizer; Labels for the names of classes.
Batches:    batching, dataset -> dataset functions.
"""

from seqkeras.pipelines import batching, readers, samples
from seqkeras.pipelines.labels import Labels
from seqkeras.pipelines.prepare import Data
from seqkeras.pipelines.sequences import documents, forecasting, language_model
from seqkeras.pipelines.tasks import (
    classification,
    generation,
    joint_tagging,
    series,
    tagging,
    translation,
)
from seqkeras.pipelines.tokenizers import Bytes, Characters, SentencePiece, WordCharacters, Words
from seqkeras.pipelines.tokenizers import load as load_tokenizer

__all__ = [
    "batching",
    "Bytes",
    "Characters",
    "classification",
    "Data",
    "documents",
    "forecasting",
    "generation",
    "joint_tagging",
    "Labels",
    "language_model",
    "load_tokenizer",
    "readers",
    "samples",
    "SentencePiece",
    "series",
    "tagging",
    "translation",
    "WordCharacters",
    "Words",
]
