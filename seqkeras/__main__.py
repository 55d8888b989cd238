"""The command line: from arguments to a command, and how it ended."""

import logging
import os
import sys
import traceback
import warnings

from seqkeras import usage


def main(arguments=None):
    """Runs a command. Returns the exit status: 0, 1 for an error that one line tells, 2 for wrong usage."""
    try:
        asked = usage.understood(arguments)
    except SystemExit as end:  # argparse has said why
        return end.code
    if not asked.traceback:
        silence()
    try:
        from seqkeras import commands  # TensorFlow: after the arguments have been understood

        getattr(commands, asked.command)(asked)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        return failed("stopped; what had been saved is kept")
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:
        if asked.traceback:
            traceback.print_exc()
        return failed(" ".join(str(error).split()) or type(error).__name__)


def failed(message):
    print(f"seqkeras: {message}", file=sys.stderr)
    return 1


def silence():
    """Python keeps the error stream; TensorFlow's C++ code, which has no switch for all it says, loses it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
