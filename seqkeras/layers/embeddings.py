"""Vectors of tokens, characters, labels and positions."""

import keras
import numpy as np
from keras import ops

from seqkeras import arguments
from seqkeras.saving import saveable
from seqkeras.tokens import UNKNOWN


class Embedding(keras.layers.Embedding):
    """`keras.layers.Embedding` for ids from 0 to `input_dim` - 1 only; Keras would count negative ids from the end.

    Outside of graphs other ids are refused. In a graph, where they cannot be refused, a negative id is read as UNKNOWN.
    An exported LiteRT file refuses both.
    """

    def call(self, inputs):
        inputs = ops.convert_to_tensor(inputs)
        if arguments.values_of(inputs) is None:
            inputs = ops.where(inputs < 0, min(UNKNOWN, self.input_dim - 1), inputs)
        else:
            arguments.between(0, self.input_dim - 1, ids=inputs)
            arguments.without_fraction(ids=inputs)
        return super().call(inputs)

    def quantize(self, mode=None, type_check=True, config=None):
        super().quantize(mode, type_check=False, config=config)  # what it checks is that this is no subclass


def embedding(size, units, **kwargs):
    """A table of `size` vectors of width `units`, drawn from N(0, 1): ids [...] -> [..., units].

    For models that write. Every number of a vector then has the variance 1 that the initialisation of the layers above
    assumes of their inputs (Glorot & Bengio 2010, section 4.2.1). With Keras's default, U(-0.05, 0.05), the input
    changes the state of a recurrent network so little that at first it learns the frequencies of the outputs alone.
    Models that only read begin with that default, see `reader.Reader`.
    """
    return Embedding(size, units, embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0), **kwargs)


def sinusoid(length, units):
    """p[t, 2i] = sin(t / 10000^(2i/D)), p[t, 2i+1] = cos of the same: [length, units]. Vaswani et al. 2017, 3.5."""
    angle = np.arange(length)[:, None] / 10000.0 ** (np.arange(0, units, 2) / units)
    table = np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, -1)
    return table[:, :units].astype("float32")


@saveable
class TokenAndPositionEmbedding(keras.layers.Layer):
    """Token embeddings scaled by sqrt(D), plus a vector for each position.

    Args:
        vocab_size, units: of the embedding table.
        max_length: positions 0 .. max_length - 1 exist.
        positions: "sinusoid" or "learned".
        embeddings_initializer: of the table; N(0, 1 / D) if None, so that scaled embeddings begin at N(0, 1).

    Call arguments: ids [B, T]; position: index of ids[:, 0]. Returns [B, T, D].
    """

    def __init__(self, vocab_size, units, max_length=128, positions="sinusoid", embeddings_initializer=None, **kwargs):
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size, units=units, max_length=max_length)
        arguments.choice("sinusoid", "learned", positions=positions)
        initializer = embeddings_initializer or keras.initializers.RandomNormal(stddev=units**-0.5)
        self.embedding = Embedding(vocab_size, units, embeddings_initializer=initializer)

    def build(self, input_shape):
        self.embedding.build((None, None))
        if self.positions == "learned":
            self.table = self.add_weight(
                name="positions",
                shape=(self.max_length, self.units),
                initializer=keras.initializers.RandomNormal(0.02),
            )
        else:
            self.table = sinusoid(self.max_length, self.units)

    def call(self, ids, position=0):
        T = ids.shape[1]
        if T is not None and self.max_length < T:
            raise ValueError(
                f"Expected at most max_length={self.max_length} positions. Received: ids of length {T}; "
                "build the model with a larger max_length or shorten the sequences"
            )
        x = self.embedding(ids) * self.units**0.5
        table = self.table
        if T is None:  # known at run time only: where the table is too short, `reshape` fails
            T = ops.shape(ids)[1]
            table = ops.reshape(ops.convert_to_tensor(table)[:T], (T, self.units))
        steps = position + ops.arange(T, dtype="int32")
        return x + ops.cast(ops.take(table, steps, axis=0), x.dtype)


class TiedOutput(keras.layers.Layer):
    """An output layer whose matrix is the table E of an embedding:  logits = E x + b.

    Reference: Press & Wolf 2017, section 3.

    Args:
        embed: the `TokenAndPositionEmbedding` of the same ids.

    Call arguments: x [..., D]. Returns: logits [..., V].
    """

    def __init__(self, embed, **kwargs):
        super().__init__(**kwargs)
        self.embed = embed

    def build(self, input_shape):
        self.bias = self.add_weight(name="bias", shape=(self.embed.vocab_size,), initializer="zeros")

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.embed.embedding.embeddings)) + self.bias

    def load_own_variables(self, store):
        """Loads the bias; of a file written before there was one, makes it a constant.

        An equal bias for all ids changes no softmax, and one other than zero tells `fit` that the model is trained.
        """
        if store.keys():
            super().load_own_variables(store)
        else:
            self.bias.assign(ops.full_like(self.bias, 1e-30))
