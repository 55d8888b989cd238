"""Memory -> sequence. Every decoder is three functions that agree with each other:

    call(ids [B, T], memory, mask)      -> logits [B, T, V], all steps at once, the true prefix given (teacher forcing)
    start(memory, mask)                 -> state, a flat tuple of fixed-shape tensors
    step(ids [B], state)                -> (logits [B, V], state), one step from its own last output

mask [B, S] belongs to the memory. A search calls only `start` and `step`.
"""

from seqkeras.decoders.attention import AttentionDecoder
from seqkeras.decoders.recurrent import RecurrentDecoder, RecurrentStack
from seqkeras.decoders.transformer import TransformerDecoder

__all__ = [
    "RecurrentDecoder",
    "RecurrentStack",
    "AttentionDecoder",
    "TransformerDecoder",
]
