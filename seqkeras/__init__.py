"""Sequence models in Keras 3: train with `fit`, ship one verified LiteRT file."""

import sys
from importlib import import_module
from pathlib import PurePath

# `import seqkeras` brings everything, so that Keras can load any of its models. The command, `seqkeras` or
# `python -m seqkeras` (then argv[0] is "-m" here), brings it too, but first reads its arguments: help is not to wait.
if sys.argv[:1] != ["-m"] and PurePath(*sys.argv[:1]).stem != "seqkeras":
    from seqkeras.public import *  # noqa: F403


def __getattr__(name):
    return getattr(import_module("seqkeras.public"), name)
