"""Tables of vectors: one for each token, character or label."""

import keras


def embedding(size, units, **kwargs):
    """A table of `size` vectors of width `units`, drawn from N(0, 1): ids [...] -> [..., units].

    Every number of a vector then has the variance 1 that the initialisation of the layers above assumes of their
    inputs (Glorot & Bengio 2010, section 4.2.1). From Keras's default, U(-0.05, 0.05), a recurrent network hears too
    little of its input to tell one sequence from another while it learns how frequent each output is.
    """
    return keras.layers.Embedding(
        size, units, embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0), **kwargs
    )
