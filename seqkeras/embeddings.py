"""Tables of vectors: one for each token, character or label."""

import keras
from keras import ops

from seqkeras import arguments
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
            arguments.whole(ids=inputs)
        return super().call(inputs)

    def quantize(self, mode=None, type_check=True, config=None):
        super().quantize(mode, type_check=False, config=config)  # what it checks is that this is no subclass


def embedding(size, units, **kwargs):
    """A table of `size` vectors of width `units`, drawn from N(0, 1): ids [...] -> [..., units].

    For models that write. Every number of a vector then has the variance 1 that the initialisation of the layers above
    assumes of their inputs (Glorot & Bengio 2010, section 4.2.1). With Keras's default, U(-0.05, 0.05), the input
    changes the state of a recurrent network so little that at first it learns the frequencies of the outputs alone.
    Models that only read begin with that default, see `reading.Reader`.
    """
    return Embedding(size, units, embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0), **kwargs)
