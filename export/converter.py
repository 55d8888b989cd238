"""The process in which LiteRT's converter runs: a job a line in, a word a line out.

    python converter.py SECONDS PIPE    ends after so many without a job, or when nobody can send one any more
    [folder, file, "float32"|"int8"]    a job, as JSON, from stdin
    done, failed                        the answers, into the pipe of this number; what is printed is none

It is run by its path and imports nothing of the house, so that it is ready as soon as TensorFlow is.
"""

import json
import os
import signal
import sys
import threading
import traceback


def main(seconds, pipe):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for an answer is asked to stop, and ends this process
    answers = os.fdopen(int(pipe), "w")
    import tensorflow as tf

    while True:
        idle = threading.Timer(float(seconds), os._exit, (0,))
        idle.daemon = True
        idle.start()
        line = sys.stdin.readline()
        idle.cancel()
        if not line:
            return
        try:
            convert(tf, *json.loads(line))
        except Exception:  # whatever the converter raises is told, and the next job may be a better one
            traceback.print_exc()
            print("failed", file=answers, flush=True)
        else:
            print("done", file=answers, flush=True)


def convert(tf, folder, path, weights):
    """Writes a SavedModel as a LiteRT file; "int8": dynamic range, as `quantize` explains it."""
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    if weights == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    data = converter.convert()
    with open(path, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
