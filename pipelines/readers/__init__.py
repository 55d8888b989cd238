"""From files to records, `.gz` read through. A record without text, or with a blank one, is skipped and counted.

texts       lines, text, parallel_lines; folder_per_class, file_per_class
tables      table: TSV and CSV files
structured  pattern, json_lines: lines that hold several values
annotated   conll, slots: words and their tags
numeric     series, time_series: numbers
prepared    tfds: TensorFlow Datasets
"""

from seqkeras.pipelines.readers.annotated import conll, slots
from seqkeras.pipelines.readers.numeric import Series, series, time_series
from seqkeras.pipelines.readers.prepared import tfds
from seqkeras.pipelines.readers.structured import json_lines, pattern
from seqkeras.pipelines.readers.tables import table
from seqkeras.pipelines.readers.texts import file_per_class, folder_per_class, lines, parallel_lines, text
from seqkeras.pipelines.records import lists

__all__ = [
    "Series",
    "conll",
    "file_per_class",
    "folder_per_class",
    "json_lines",
    "lines",
    "lists",
    "parallel_lines",
    "pattern",
    "series",
    "slots",
    "table",
    "text",
    "tfds",
    "time_series",
]
