"""A trained model as a verified LiteRT file, as a bundle, as a SavedModel."""

from seqkeras.export.audit import audit
from seqkeras.export.bundle import write_bundle
from seqkeras.export.examples import held_out, spread
from seqkeras.export.loading import load as load_bundle
from seqkeras.export.parity import parity
from seqkeras.export.saved_model import to_saved_model
from seqkeras.export.tflite import to_tflite

__all__ = [
    "audit",
    "held_out",
    "load_bundle",
    "parity",
    "spread",
    "to_saved_model",
    "to_tflite",
    "write_bundle",
]
