"""Output one position at a time: the loop over `start` and `step`, once for all decoders.

A search over fixed shapes is itself a model: called, compiled, batched, saved and exported like any other.
"""

from seqkeras.search.greedy import Greedy
from seqkeras.search.loop import Search
from seqkeras.search.sampling import Sample

__all__ = [
    "Search",
    "Greedy",
    "Sample",
]
