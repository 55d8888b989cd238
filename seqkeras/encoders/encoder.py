"""What every encoder is."""

from seqkeras.layers.masking import Masked
from seqkeras.layers.pooling import POOLINGS


class Encoder(Masked):
    """(inputs [B, S, D], mask [B, S]) -> (memory, summary); `summarize` for a vector alone."""

    def summarize(self, inputs, pooling="last", mask=None, training=False):
        """A vector for the whole sequence: inputs [B, S, D], mask [B, S] -> [B, W].

        Args:
            pooling: "last" for the summary, "max" or "mean" over the real positions of the memory.
        """
        memory, summary = self(inputs, mask=mask, training=training)
        return POOLINGS[pooling].over(memory, mask, summary)
