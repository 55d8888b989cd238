"""Quality on real data, one command each: python benchmarks/quality.py TASK

Reads the data sets from ../shared/data or $SEQKERAS_DATA, trains with `model.fit`, chooses the weights on the
validation split, looks at the test split once, and puts a row into benchmarks/results/quality.json.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from labelling import ewt, snips
from measured import DATA
from sequences import chorales, ett, makemore, pendigits, shakespeare, sst2, vowels
from texts import baselines, g2p, multi30k, names, scan, trec

TASKS = (
    trec,
    baselines,
    scan,
    g2p,
    names,
    multi30k,
    ewt,
    snips,
    vowels,
    pendigits,
    makemore,
    shakespeare,
    chorales,
    ett,
    sst2,
)

if __name__ == "__main__":
    tasks = {task.__name__: task for task in TASKS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=tasks)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"Expected the real data in {DATA}; set SEQKERAS_DATA to its folder")
    keras.utils.set_random_seed(arguments.seed)
    tasks[arguments.task]()
