"""A Keras model that leaves Keras through `seqkeras.export`: what Keras's own ways would do wrong names it."""

import keras


class KerasModel(keras.Model):
    """The base of trained models and of searches.

    Keras's `export` and TensorFlow Lite's `from_keras_model` know one call of one shape, and their LiteRT files need
    operators that LiteRT does not have. What `quantize` rounds cannot be loaded or converted afterwards. All three are
    refused before anything is changed.
    """

    def quantize(self, mode=None, config=None, **kwargs):
        raise ValueError(
            "Expected a model to be rounded as it is exported: seqkeras.export.to_tflite(model, path, length, "
            f"quantize='int8'), or write_bundle(..., quantize='int8'). Received: quantize({mode!r}), whose weights "
            "could not be loaded again"
        )

    def export(self, filepath, format="tf_saved_model", **kwargs):
        raise ValueError(
            "Expected seqkeras.export: write_bundle or to_tflite for LiteRT, to_saved_model for a SavedModel. "
            f"Received: Keras's own export({str(filepath)!r}, format={format!r})"
        )

    def save_spec(self, *args, **kwargs):
        """What `tf.lite.TFLiteConverter.from_keras_model` asks for."""
        raise ValueError(
            "Expected seqkeras.export.to_tflite or write_bundle, which write LiteRT files. "
            "Received: tf.lite.TFLiteConverter.from_keras_model"
        )
