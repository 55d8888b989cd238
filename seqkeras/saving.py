"""What a class needs to be saved in a `.keras` file and loaded: a registered name and a complete config."""

import contextlib
import functools
import inspect

import keras
import numpy as np


def saveable(cls):
    """Register `cls` under `seqkeras`, with a config made of its constructor's arguments, see `with_config`."""
    return keras.saving.register_keras_serializable("seqkeras")(with_config(cls))


def with_config(cls):
    """Keep the arguments of the constructor of `cls`, and derive its config from them.

    Every argument becomes an attribute of the same name before the constructor's first line, defaults included, a
    number of NumPy's as the plain number that Keras and JSON know. A class with `**kwargs` also takes the arguments of
    its base class, by keyword, if that says so by `shares_arguments`. A `dtype=` given to the constructor is
    the policy of every part it makes, so that a model trained in mixed precision comes back from its file in mixed
    precision.
    """
    construct = cls.__init__
    own = inspect.signature(construct)
    signature = _with_arguments_of_base(own, cls)
    names, own_names = _names(signature), _names(own)

    @functools.wraps(construct)
    def __init__(self, *args, **kwargs):
        try:
            given = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"Expected {cls.__name__}({', '.join(names)}). Received: {error}") from None
        given.apply_defaults()
        for name in names:
            given.arguments[name] = _number(given.arguments[name])
            setattr(self, name, given.arguments[name])
        with _policy(kwargs.get("dtype")):
            construct(*given.args, **given.kwargs)

    def get_config(self):
        own = {name: _plain(getattr(self, name)) for name in own_names}
        layout = {"layout": cls.layout} if hasattr(cls, "without_layout") else {}
        return {**super(cls, self).get_config(), **own, **layout}

    def from_config(cls, config):
        if hasattr(cls, "without_layout"):
            config = cls.without_layout(config)
        return cls(**{name: _object(value) for name, value in config.items()})

    __init__.__signature__ = signature  # Keras reads it with and without following `wraps`; both must see the same
    cls.__init__ = __init__
    cls.constructor_arguments = tuple(names)
    cls.get_config = get_config
    cls.from_config = classmethod(from_config)
    return cls


def _names(signature):
    return [p.name for p in list(signature.parameters.values())[1:] if p.kind is not p.VAR_KEYWORD]


def _with_arguments_of_base(signature, cls):
    """A signature with the arguments, by keyword, of the base class of `cls` that shares them."""
    *parameters, last = signature.parameters.values()
    base = next((one for one in cls.__mro__[1:] if vars(one).get("shares_arguments")), None)
    if base is None or last.kind is not last.VAR_KEYWORD:
        return signature
    known = {one.name for one in parameters}
    more = [
        one.replace(kind=one.KEYWORD_ONLY)
        for one in inspect.signature(base.__init__).parameters.values()
        if one.name not in known and one.kind is not one.VAR_KEYWORD
    ]
    return signature.replace(parameters=[*parameters, *more, last])


def has_whole_config(layer):
    """Whether the config of a layer, and of each layer among its constructor's arguments, has all their arguments.

    A class says so by `constructor_arguments` of its own, which `saveable` sets. A subclass that inherits its config
    may have arguments that the config lacks.
    """
    names = vars(type(layer)).get("constructor_arguments")
    if names is None:
        return False
    given = keras.tree.flatten([getattr(layer, name) for name in names])
    return all(has_whole_config(one) for one in given if isinstance(one, keras.layers.Layer))


@contextlib.contextmanager
def _policy(dtype):
    """Inside, layers are made with the policy `dtype`; None leaves things as they are."""
    before = keras.config.dtype_policy()
    if dtype is not None:
        keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _number(value):
    return value.item() if isinstance(value, np.generic) else value


def _plain(value):
    return keras.saving.serialize_keras_object(value) if hasattr(value, "get_config") else value


def _object(value):
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value)
    return value
