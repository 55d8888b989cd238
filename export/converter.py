"""The child process in which LiteRT's converter runs: python -m seqkeras.export.converter FOLDER FILE float32|int8."""

import sys

import tensorflow as tf

from seqkeras.export import quantize


def main(folder, path, weights):
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    quantize.configure(converter, None if weights == "float32" else weights)
    with open(path, "wb") as file:
        file.write(converter.convert())


if __name__ == "__main__":
    main(*sys.argv[1:])
