"""The child process in which LiteRT's converter runs: python -m seqkeras.export.converter FOLDER FILE float32|int8."""

import sys

import tensorflow as tf


def main(folder, path, weights):
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    if weights == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with open(path, "wb") as file:
        file.write(converter.convert())


if __name__ == "__main__":
    main(*sys.argv[1:])
