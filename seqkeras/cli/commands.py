"""The commands: what each does with its arguments, and what it prints."""

import json
import math
import sys
from itertools import compress

from seqkeras.cli import runs, settings, sources, tables, training
from seqkeras.cli.preconditions import run_folder
from seqkeras.cli.progress import say, working

FEWEST_STEPS = 100  # steps of training; a small model needs some hundreds


def train(asked):
    wanted, folder = settings.of(asked), run_folder(asked)
    with working("reading"):
        data, held_out = training.read(wanted)
    tables.data(data.report)
    watch = training.train(wanted, data, held_out, folder, "training")
    run = runs.load(folder)
    print(f"{folder}: {run.network.count_params():,} parameters, trained in {watch.seconds:.0f} s")
    if watch.steps < FEWEST_STEPS:
        print(f"few steps to learn from ({watch.steps}): try more data, more --epochs or a smaller --batch-size")
    splits = {"validation": data.records["validation"]} | ({"test": held_out} if data.test else {})
    for split, records in splits.items():
        with working(f"evaluating on {split}"):
            results = run.evaluate(records)
        tables.evaluation(split, {split: results})


def evaluate(asked):
    with working("loading"):
        run = runs.load(asked.runs / asked.name)
        records = sources.read(asked.data, run.settings) if asked.data else run.held_out()
    with working("evaluating"):
        results = run.evaluate(records)
    if asked.json:
        print(json.dumps(results, ensure_ascii=False, indent=1))
    else:
        tables.evaluation("evaluation", {asked.name: results})


def predict(asked):
    with working("loading"):
        run = runs.load(asked.runs / asked.name)
    texts = asked.text or _lines(asked.file)
    for start in range(0, len(texts), 256):
        some = texts[start : start + 256]
        answered = [bool(text.strip()) or run.task == "language" for text in some]
        told = list(compress(some, answered))
        for text, row in zip(told, run.rows(told), strict=True):
            if len(row) > run.max_length:
                say(f"Expected at most {run.max_length} tokens. Received: {len(row)} in text={text[:60]!r}, cut there")
        with working("answering"):
            answers = iter(run.answers(told, asked.temperature, (asked.seed or 0) + start) if told else ())
        for one in answered:
            print(_said(next(answers)) if one else "")


def _lines(path):
    """The lines of a file, or without a path of the standard input, blank ones too."""
    if path is None and sys.stdin is None:
        raise ValueError("Expected texts, as arguments, in --file or on the standard input. Received: a closed one")
    data = path.read_bytes() if path else sys.stdin.buffer.read()
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        place = f"{path}:{number}" if path else f"line {number} of the standard input"
        raise ValueError(f"Expected text in utf-8. Received: byte 0x{data[error.start]:02x} in {place}") from None
    if not text:
        raise ValueError("Expected texts, as arguments, in --file or on the standard input. Received: none")
    return text.removesuffix("\n").split("\n")


def _said(answer):
    """An answer on a line; of a tagger, a line per word, label and spans before them, a blank line after."""
    if isinstance(answer, str):
        return answer.replace("\n", " ")
    if isinstance(answer, runs.Tagged):
        label = f"# label\t{_said(answer.label)}\n" if answer.label else ""
        spans = "".join(f"# span\t{type_}\t{' '.join(words)}\n" for type_, words in answer.spans)
        return label + spans + "".join(f"{word}\t{tag}\t{probability:.4f}\n" for word, tag, probability in answer.words)
    return "{}\t{:.4f}".format(*next(iter(answer.items()))).replace("\n", " ")


def export(asked):
    folder = asked.runs / asked.name
    with working("loading"):
        run = runs.load(folder)
        held_out = run.held_out()
    with working(f"measuring on {len(held_out):,} held-out examples"):
        found = tables.figures(run.evaluate(held_out))
        quality = {name: one for name, one in found.items() if not isinstance(one, float) or math.isfinite(one)}
    records = runs.spread(held_out, asked.examples)
    with working("exporting and comparing"):
        weights = "int8" if asked.int8 else "float16" if asked.float16 else None
        how = {"strategy": asked.strategy, "growth": asked.growth, "num_threads": asked.threads}
        manifest = run.export(folder / "bundle", records, weights, asked.bound, quality, asked.length, **how)
    size = manifest["files"]["model.tflite"]["bytes"]
    threads = f"{manifest['num_threads']} thread{'s'[: manifest['num_threads'] - 1]}"
    said = f"{manifest['weights']} weights, {manifest['strategy']}, {threads}"
    print(f"{folder / 'bundle'}: model.tflite of {size:,} bytes, {said}")
    rows = {}
    for one in manifest["measured"] or ():
        rows.setdefault(str(one["num_threads"]), {})[one["strategy"]] = one["milliseconds"]
    if rows:
        tables.show("milliseconds a text; threads", rows)
    tables.show("on held-out examples", {asked.name: quality})
    tables.show("compared with Keras", {way: row for way, row in manifest["parity"].items() if isinstance(row, dict)})


def demo(asked):
    from seqkeras.cli import demo

    demo.run(asked.runs / "demo", thorough=asked.thorough, seed=asked.seed)
