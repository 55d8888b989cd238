"""What every model family shares in training and evaluation."""

import keras


class SequenceModel(keras.Model):
    """The base of every model that is trained with `fit`."""
