"""Sides that take turns: each is a process of its own, asked for one measurement after another.

A side is a script that calls `serve(make)`; `make(**case)` gives a function that takes one step and waits for it, and
a dict of what is said of it (its parameters). Only ratios of one round count: a machine's speed swings.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
SECONDS = 0.15  # a measurement takes about so long, or one step
PAUSE = 0.05  # before it: the threads of the side before may still be waiting for work, and busy with that


def requests():
    """(request, function that sends the answer) for each line of JSON on the standard input, until it is closed."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed goes to the error stream
    for line in sys.stdin:
        yield json.loads(line), lambda answer: answers.write(json.dumps(answer) + "\n")


def answer(function, **versions):
    """Answers each request with what `function(**request)` gives, a dict; a request for `versions` with those."""
    for request, reply in requests():
        reply(versions if "versions" in request else function(**request))


def serve(make, **versions):
    """Answers requests for measurements.

    A measurement is the time of a step, `ms`, and what the process's peak of memory has grown by since before the
    case's first step, `mb`: what steps need, if the process is new.
    """
    step, steps, before = None, 1, 0
    for request, reply in requests():
        if "case" in request:
            step, said = make(**request["case"])
            before = peak()
            for _ in range(3):
                began = time.perf_counter()
                step()
                one = time.perf_counter() - began
            steps = max(1, round(SECONDS / one))
            reply(said)
        elif "versions" in request:
            reply(versions)
        else:
            time.sleep(PAUSE)
            step()
            began = time.perf_counter()
            for _ in range(steps):
                step()
            reply({"ms": (time.perf_counter() - began) / steps * 1e3, "mb": peak() - before})


def peak():
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # Linux counts in KiB


class Side:
    """A process that serves: `python script arguments`."""

    def __init__(self, name, python, script, *arguments, threads=None):
        self.name = name
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if threads:
            environment |= {"OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            [str(python), str(script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, **request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"Expected an answer of {' '.join(self._process.args)}. Received: none to {request}")
        return json.loads(answer)

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def duel(name, sides, case, rounds):
    """(rows of one case in milliseconds, what the sides say of it)."""
    said = [side.ask(case=case) for side in sides]
    taken = [[side.ask(measure=True)["ms"] for side in sides] for _ in range(rounds)]
    return compared(name, [side.name for side in sides], taken, "ms"), said


def compared(name, sides, taken, unit):
    """Rows of one case: ours, the first of the sides, beside each of the others; `taken` a list of all a round."""
    rows = []
    for i, side in list(enumerate(sides))[1:]:
        rows.append(
            {
                "case": name,
                f"ours_{unit}": round(statistics.median(one[0] for one in taken), 4),
                "peer": side,
                f"peer_{unit}": round(statistics.median(one[i] for one in taken), 4),
                "ratio": round(statistics.median(one[i] / one[0] for one in taken), 3),
                "rounds": len(taken),
            }
        )
    return rows


def write(name, rows, **beside):
    """benchmarks/results/NAME.json, whole or not at all."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    content = {"date": date.today().isoformat(), "cores": os.cpu_count(), **beside, "rows": rows}
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)
