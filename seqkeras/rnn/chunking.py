"""A long sequence in a few chunks of time, so that what is as large as its gates is in memory for a chunk or two."""

import tensorflow as tf

from seqkeras.rnn.xla import compiles

FEWEST_ROWS, FEWEST_SAVED = 2**12, 2**21  # of a chunk: its rows T * B, and the numbers it saves from being kept


def count(cell, shape):
    """How many chunks of equal length a compiled loop over `shape`, (T, B), takes.

    Smaller ones cost more time than they bring, more of them hardly any memory less. (Measured, `make bench-train` and
    `make bench-memory`; a batch whose size is not known beforehand is taken for one of 64.)
    """
    length, batch = shape
    if not compiles(length):
        return 1
    rows, width = length * (batch or 64), max(((1, *w.shape)[-1] for w in cell.weights), default=0)
    saved = rows * (width - cell.units)  # the gates; the outputs, put together, are in memory once more
    most = min(rows // FEWEST_ROWS, saved // FEWEST_SAVED)
    return next((n for n in (4, 3, 2) if n <= most and length % n == 0), 1)


def split(tensor, chunks):
    """`chunks` parts of a tensor [T, ...] along time; of None, or of one that is the same at all steps, itself."""
    if tensor is None or tensor.shape[0] == 1:
        return [tensor] * chunks
    return tf.split(tensor, chunks)


def in_chunks(run, chunks, inputs, mask, noise, state, reverse):
    """run(inputs, mask, noise, state) -> (outputs [T, B, H], state), chunk after chunk, the state handed on."""
    parts = [split(x, chunks) for x in (inputs, mask, *(noise or ()))]
    outputs, before = [None] * chunks, []
    for i in sorted(range(chunks), reverse=reverse):
        chunk, chunk_mask, *chunk_noise = (part[i] for part in parts)
        with tf.control_dependencies(before):  # or all would be projected beforehand
            chunk = tf.identity(chunk)
        outputs[i], state = run(chunk, chunk_mask, chunk_noise, state)
        before = state
    return tf.concat(outputs, axis=0), state
