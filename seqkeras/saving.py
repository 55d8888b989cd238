"""What makes a class leave and re-enter a `.keras` file: a registered name and a complete config."""

import inspect

import keras


def saveable(cls):
    """Register `cls` under `seqkeras` and derive its config from its constructor.

    The convention that makes this work: every constructor argument is kept as an attribute of the same name.
    """

    def get_config(self):
        config = {name: getattr(self, name) for name in _arguments(cls)}
        return {**super(cls, self).get_config(), **{k: _plain(v) for k, v in config.items()}}

    def from_config(cls, config):
        return cls(**{k: _object(v) for k, v in config.items()})

    cls.get_config = get_config
    cls.from_config = classmethod(from_config)
    return keras.saving.register_keras_serializable("seqkeras")(cls)


def _arguments(cls):
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def _plain(value):
    return keras.saving.serialize_keras_object(value) if hasattr(value, "get_config") else value


def _object(value):
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value)
    return value
