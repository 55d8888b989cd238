"""The commands: what each does with its arguments, and what it prints."""

import sys

from rich.console import Console
from rich.table import Table

from seqkeras.cli import runs, settings, sources, training
from seqkeras.cli.preconditions import run_folder
from seqkeras.cli.progress import say, working

FEW = 100  # steps of training; a small model needs some hundreds
MEANT = {  # words in the tables that do not say it themselves
    "cut": "texts longer than any in training, whose rest is not read",
    "excused": "rows that differ from a token on where Keras finds two equally good",
}


def train(asked):
    wanted, folder = settings.of(asked), run_folder(asked)
    with working("reading"):
        data, held_out = training.read(wanted)
    _print("data", data.report)
    watch = training.train(wanted, data, held_out, folder, "training")
    run = runs.load(folder)
    print(f"{folder}: {run.network.count_params():,} parameters, trained in {watch.seconds:.0f} s")
    if watch.steps < FEW:
        print(f"few steps to learn from ({watch.steps}): try more data, more --epochs or a smaller --batch-size")
    splits = {"validation": data.records["validation"]} | ({"test": held_out} if data.test else {})
    for split, records in splits.items():
        with working(f"evaluating on {split}"):
            results = run.evaluate(records)
        _print(split, {split: results})


def evaluate(asked):
    with working("loading"):
        run = runs.load(asked.runs / asked.name)
        records = sources.read(asked.data, run.settings) if asked.data else run.held_out()
    with working("evaluating"):
        results = run.evaluate(records)
    _print("evaluation", {asked.name: results})


def predict(asked):
    with working("loading"):
        run = runs.load(asked.runs / asked.name)
    texts = asked.text or _lines(asked.file)
    for start in range(0, len(texts), 256):
        some = texts[start : start + 256]
        told = [text for text in some if text.strip()]
        for text, row in zip(told, run.rows(told), strict=True):
            if len(row) > run.max_length:
                say(f"Expected at most {run.max_length} tokens. Received: {len(row)} in text={text[:60]!r}, cut there")
        with working("answering"):
            answers = iter(run.answers(told) if told else ())
        for text in some:
            print(_said(next(answers)) if text.strip() else "")


def _lines(path):
    """The lines of a file, or without a path of the standard input, blank ones too."""
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
    """An answer on a line; of a tagger, a line a word, the label before them, a blank line behind."""
    if isinstance(answer, str):
        return answer.replace("\n", " ")
    if isinstance(answer, list):
        return "".join(f"{word}\t{tag}\t{probability:.4f}\n" for word, tag, probability in answer)
    if "tags" in answer and isinstance(answer["tags"], list):
        return f"# label\t{_said(answer['label'])}\n{_said(answer['tags'])}"
    return "{}\t{:.4f}".format(*next(iter(answer.items()))).replace("\n", " ")


def export(asked):
    folder = asked.runs / asked.name
    with working("loading"):
        run = runs.load(folder)
        held_out = run.held_out()
    with working(f"measuring on {len(held_out):,} held-out examples"):
        quality = run.evaluate(held_out)
    records = runs.spread(held_out, asked.examples)
    with working("exporting and comparing"):
        weights = "int8" if asked.int8 else None
        how = {"strategy": asked.strategy, "growth": asked.growth, "num_threads": asked.threads}
        manifest = run.export(folder / "bundle", records, weights, asked.bound, quality, **how)
    size = manifest["files"]["model.tflite"]["bytes"]
    threads = f"{manifest['num_threads']} thread{'s'[: manifest['num_threads'] - 1]}"
    said = f"{manifest['weights']} weights, {manifest['strategy']}, {threads}"
    print(f"{folder / 'bundle'}: model.tflite of {size:,} bytes, {said}")
    rows = {}
    for one in manifest["measured"] or ():
        rows.setdefault(str(one["num_threads"]), {})[one["strategy"]] = one["milliseconds"]
    if rows:
        _print("milliseconds a text; threads", rows)
    _print("on held-out examples", {asked.name: quality})
    _print("beside Keras", {way: row for way, row in manifest["parity"].items() if isinstance(row, dict)})


def demo(asked):
    from seqkeras.cli import demo

    demo.run(asked.runs / "demo", thorough=asked.thorough, seed=asked.seed)


def _print(title, rows):
    """A table: a row a split, a column a figure. rows: dict of name -> dict of figure -> value."""
    columns = dict.fromkeys(name for row in rows.values() for name in row)
    meant = "\n".join(f"{name}: {MEANT[name]}" for name in columns if name in MEANT)
    table = Table(title, *columns, caption=meant, caption_justify="left")
    for name, row in rows.items():
        table.add_row(name, *(_plain(row.get(column, "")) for column in columns))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _plain(value):
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(one)}" for name, one in value.items() if one) or "0"
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
