"""Loops compiled by XLA, once for all layers that are configured alike, and products as XLA runs them fastest."""

import dataclasses
import functools
import json
import math
import os

import keras
import tensorflow as tf
from keras import ops

from seqkeras.saving import has_whole_config


def compiled(function):
    """A loop that XLA compiles where `compiles` allows it for the static shape, its first argument.

    Call it inside a custom gradient only: no gradient flows through what is compiled. A persistent tape would make the
    compiled function return lists of tensors, which XLA does not support.
    """
    made = functools.cache(lambda: tf.function(function, jit_compile=True, autograph=False))

    @functools.wraps(function)
    def run(shape, *arguments):
        if not compiles(shape[0]):
            return function(shape, *arguments)
        return _unseen(made()(shape, *_unseen(arguments)))

    return run


def _unseen(tensors):
    """Tensors that no gradient goes through."""
    return tf.nest.map_structure(lambda x: x if x is None else tf.stop_gradient(x), tensors)


def compiles(length):
    """Whether a loop is compiled by XLA: in a graph, and only with a fixed length, since each length compiles anew.

    On CPUs only: where there is another device, Keras has XLA compile the whole of `fit`'s step, unless cuDNN is in it.
    """
    return (
        length is not None
        and tf.inside_function()
        and all(device.device_type == "CPU" for device in tf.config.get_visible_devices())
    )


def shared(make, cell, reverse):
    """make(cell, reverse); inside a graph, one function for all cells that are configured alike.

    TensorFlow never frees what XLA compiled, nor the gradients of `tf.custom_gradient` and the graphs around them: some
    25 MB per trained model, even after it is deleted. So equal cells share one function, made from the first of them;
    the weights are arguments. Cells are equal in class, config and shapes of weights. A cell whose config may lack an
    argument, its own or that of a cell inside it, shares nothing: see `saving.has_whole_config`.
    """
    if not tf.inside_function() or not has_whole_config(cell):
        return make(cell, reverse)
    configuration = json.dumps(_nameless(cell.get_config()), sort_keys=True, default=repr)
    shapes = tuple((tuple(v.shape), v.dtype) for v in cell.weights)
    return _function_of_all(_Alike(type(cell), configuration, shapes, cell), make, reverse)


@dataclasses.dataclass(frozen=True)
class _Alike:
    """A cell that is equal to each other of its class, configuration and weights' shapes."""

    cls: type
    configuration: str
    shapes: tuple
    cell: keras.layers.Layer = dataclasses.field(compare=False)


@functools.cache
def _function_of_all(alike, make, reverse):
    return tf.function(make(alike.cell, reverse), autograph=False)


def _nameless(config):
    """A config without the names of layers, which differ between equal layers."""
    if isinstance(config, dict):
        return {key: _nameless(value) for key, value in config.items() if key != "name"}
    return [_nameless(value) for value in config] if isinstance(config, (list, tuple)) else config


def column_blocks(weights, shape):
    """Each of the weights whole or in blocks of columns, a list, each block for a product of its own.

    XLA leaves a product of fewer than some four million multiplications to one core and shares a greater one out in
    blocks of a fixed width, mostly unevenly. Products that do not depend on each other it runs side by side: several a
    core keep all cores busy, as long as U fits into a core's cache and there are rows enough. (Measured on two cores,
    `make bench-train`; a batch whose size is not known beforehand is taken for a large one.)
    """
    length, batch = shape
    cores = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1
    pays = cores > 1 and compiles(length) and (batch is None or batch >= 16)

    def parts(u):
        if not pays or u.shape.rank != 2 or not 2**15 <= u.shape.num_elements() <= 2**18:
            return 1
        most = max(1, min(4 * cores, u.shape[1] // 64))  # narrower blocks cost more than they bring
        return math.gcd(2 ** (most.bit_length() - 1), u.shape[1])

    return [[u] if parts(u) == 1 else tf.split(u, parts(u), axis=1) for u in weights]


def blocked_matmul(h, blocks):
    """h U, of U's blocks of columns."""
    products = [ops.matmul(h, u) for u in blocks]
    return products[0] if len(products) == 1 else ops.concatenate(products, axis=-1)
