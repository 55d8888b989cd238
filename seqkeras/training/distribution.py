"""Several replicas that train as one: the mean over the global batch."""

import contextlib
import re

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def mean(values, weights):
    """sum(w * v) / sum(w) over the global batch, so that replicas holding different numbers of tokens add up right.

    Keras adds up the replicas' gradients, so each replica gives its own sum over the total weight of all.
    """
    return ops.divide_no_nan(ops.sum(values * weights), total(ops.sum(weights)))


def total(value):
    """The sum of the replicas' values; outside of a replica, and where there is one alone, the value."""
    if keras.backend.backend() == "tensorflow":
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            return context.all_reduce(tf.distribute.ReduceOp.SUM, value)
    return value


def replicas():
    """How many replicas train as one."""
    return tf.distribute.get_strategy().num_replicas_in_sync if keras.backend.backend() == "tensorflow" else 1


def strategy(name):
    """The tf.distribute strategy called `name`.

    It is "default", "mirrored" (all GPUs, or without one the CPU), or "mirrored:CPU:0,CPU:1", with its devices.

    Where TensorFlow has not begun to work yet, the processor is divided into as many CPUs as are named.

    Raises:
        ValueError: an unknown name, devices that are not there, or another backend than TensorFlow, to which these
            strategies belong.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Expected Keras's TensorFlow backend for a tf.distribute strategy. "
            f"Received: {keras.backend.backend()}; keras.distribution distributes there"
        )
    kind, colon, devices = str(name).partition(":")
    if kind == "default" and not colon:
        return tf.distribute.get_strategy()
    if kind != "mirrored":
        raise ValueError(f"Expected strategy 'default', 'mirrored' or 'mirrored:DEVICE,DEVICE'. Received: {name!r}")
    return tf.distribute.MirroredStrategy(_devices(devices, name) if colon else None)


def _devices(text, name):
    """ "CPU:0,CPU:1" -> ["CPU:0", "CPU:1"], each of which there is.

    A strategy with a device that there is not would wait for it without end, or take another in silence.
    """
    devices = [device.strip().removeprefix("/").upper() for device in text.split(",")]
    matches = [re.fullmatch(r"(CPU|GPU):(0|[1-9]\d{0,3})", device) for device in devices]
    if not all(matches) or len(set(devices)) < len(devices) or len({match[1] for match in matches}) > 1:
        raise ValueError(
            f"Expected different devices of one kind, such as 'mirrored:GPU:0,GPU:1'. Received: strategy={name!r}"
        )
    kind = matches[0][1]
    if kind == "CPU" and sorted(int(match[2]) for match in matches) == list(range(len(devices))):
        _divide_processor(len(devices))
    there = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices(kind)]
    if not set(devices) <= set(there):
        why = " (TensorFlow was at work before, and divides the processor no more)" if kind == "CPU" else ""
        raise ValueError(
            f"Expected devices that are there: {', '.join(there) or f'no {kind} is'}{why}. Received: strategy={name!r}"
        )
    return devices


def _divide_processor(count):
    """Makes `count` logical CPUs, unless TensorFlow has begun to work or somebody has made some."""
    cpus = tf.config.list_physical_devices("CPU")
    if count > 1 and len(cpus) == 1 and not tf.config.get_logical_device_configuration(cpus[0]):
        with contextlib.suppress(RuntimeError):  # it has begun to work
            tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * count)
