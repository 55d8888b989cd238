"""Quality on real data, one command each: python benchmarks/quality.py TASK

Reads the data sets from ../shared/data or $SEQKERAS_DATA, trains with `model.fit`, chooses the weights on the
validation split, looks at the test split once, and puts a row into benchmarks/results/quality.json: the mean over seeds
with its spread.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from labelling import ewt, snips
from measured import DATA, record
from sequences import chorales, ett, makemore, pendigits, shakespeare, sst2, vowels
from texts import baselines, g2p, multi30k, multi30k_attention, names, scan, trec

TASKS = (
    trec,
    baselines,
    scan,
    g2p,
    names,
    multi30k,
    multi30k_attention,
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
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings, with seeds 1 to N (3)")
    parser.add_argument("--seed", type=int, action="append", metavar="S", help="this seed alone; may be given again")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"Expected the real data in {DATA}; set SEQKERAS_DATA to its folder")
    for seed in arguments.seed or range(1, arguments.seeds + 1):
        keras.utils.set_random_seed(seed)
        for row in tasks[arguments.task]():
            record(row, seed, arguments.task)
