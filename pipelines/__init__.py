"""From files to what models eat: readers, tokenizers, batches, tasks, embedded samples."""

from seqkeras.pipelines import batching, readers, samples
from seqkeras.pipelines.labels import Labels
from seqkeras.pipelines.sequences import documents, forecasting
from seqkeras.pipelines.tasks import classification, generation, language_model, series, tagging, translation
from seqkeras.pipelines.tokenizers import Bytes, Characters, SentencePiece, Words
from seqkeras.pipelines.tokenizers import load as load_tokenizer
