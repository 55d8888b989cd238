"""The process in which subwords are learnt, so that it can be stopped: the library that learns them cannot be.

    python subword_trainer.py PARENT    ends when the process of this number, its parent, has ended
    {"texts": […], "options": {…}}      from stdin: what SentencePieceTrainer is given
    the model                           its bytes, to stdout; errors go to stderr, with exit status 1

It is run by its path and imports nothing of the house, so that it is ready at once.
"""

import json
import os
import signal
import sys
import threading
import time
from io import BytesIO


def main(parent):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=end_with, args=[int(parent)], daemon=True).start()
    import sentencepiece

    job, model = json.load(sys.stdin.buffer), BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(job["texts"]), model_writer=model, **job["options"]
        )
    except RuntimeError as error:
        sys.exit(f"{error}")
    sys.stdout.buffer.write(model.getvalue())


def end_with(parent):
    """Ends this process, in the middle of whatever it does, when it is left alone."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
