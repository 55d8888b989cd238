"""The base of models and searches: refuses Keras's own export and quantisation, and files whose weights have moved."""

import inspect

import keras

from seqkeras.choices import without_use

LAYOUT, FIRST_OF_LAYOUT = 2, "0.2"  # of `.keras` files: where weights are in them
MOVED = {"LanguageModel", "TransformerSeq2Seq"}  # whose weights were elsewhere in layout 1, whatever their arguments


class KerasModel(keras.Model):
    """The base of trained models and of searches.

    Keras's `export` and TensorFlow Lite's `from_keras_model` know one call of one shape, and their LiteRT files need
    operators that LiteRT does not have. What `quantize` rounds cannot be loaded or converted afterwards. All three are
    refused before anything is changed.
    """

    layout = LAYOUT
    uses = {}  # argument -> its table in `choices`

    @classmethod
    def idle(cls, config):
        """The constructor's arguments that a config, what it lacks being at its default, leaves without a use."""
        known = {one.name: one.default for one in inspect.signature(cls.__init__).parameters.values()} | dict(config)
        return {name for choice, table in cls.uses.items() for name in without_use(known[choice], table, known)}

    @classmethod
    def without_layout(cls, config):
        """A config without the layout of the file that it is from.

        Raises:
            ValueError: of an older layout, in which the weights of such a model have other names.
        """
        layout, config = config.get("layout", 1), {key: one for key, one in config.items() if key != "layout"}
        if layout == 1:  # which held arguments without a use
            config = {key: one for key, one in config.items() if key not in cls.idle(config)}
        moved = "transformer" in (config.get("encoder"), config.get("decoder")) or cls.__name__ in MOVED
        if layout < LAYOUT and moved:
            raise ValueError(
                f"Expected a {cls.__name__} that was saved by seqkeras {FIRST_OF_LAYOUT} or later. Received: one that "
                "is older; load it with the version that saved it, or train it again"
            )
        return config

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
