"""The way out: a trained model as a verified LiteRT file."""

from seqkeras.export.tflite import to_tflite
