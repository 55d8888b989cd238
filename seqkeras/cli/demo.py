"""The demonstration: one small model a family, from embedded data to a verified file, and tables of what came out."""

import sys
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from seqkeras import export, folders, search
from seqkeras.cli import report, runs, settings, training, usage
from seqkeras.cli.progress import working
from seqkeras.pipelines import files
from seqkeras.tokens import PAD

COMMANDS = {
    "languages": "classify samples:languages:32000 --tokenizer characters --buckets 2 --epochs 2",
    "territories": "generate samples:territories --max-length 40 --batch-size 32 --buckets 2 --epochs 12",
    "dates": "translate samples:dates:51200 --tokenizer characters --buckets 1 --embedding-units 64 --epochs 1",
}
THOROUGH = {
    "languages": "classify samples:languages:49960 --tokenizer characters --buckets 2 --epochs 8 --dropout 0.2",
    "territories": "generate samples:territories --max-length 40 --batch-size 32 --buckets 2 --epochs 30 --dropout 0.3",
    "dates": "translate samples:dates:102400 --tokenizer characters --buckets 1 --embedding-units 64 --epochs 2",
}
WAYS = ("interpreter", "compiled")  # LiteRT's two
COMPARED = 100  # held-out examples whose answers of each file are compared with Keras's
DRAWN = 20  # names drawn a language,
TEMPERATURE = 0.7  # a little nearer to the likeliest than the model's own distribution


def run(root, thorough=False, seed=0):
    """Trains, exports and checks the three; writes their runs, results.json and report.html into a folder."""
    root, rows, trained, curves = Path(root), [], {}, {}
    for name, command in (THOROUGH if thorough else COMMANDS).items():
        command = f"train {command} --learning-rate 3e-3 --seed {seed} --name {name}"
        wanted, folder = settings.of(usage.understood(command.split())), root / name
        with working(f"{name}: reading"):
            data, held_out = training.read(wanted)
        with folders.locked(folder):
            watch = training.train(wanted, data, held_out, folder, name)
        trained[name] = runs.load(folder)
        curves[name] = watch.curve
        with working(f"{name}: measuring on {len(held_out):,} held-out examples"):
            quality = QUALITY[name](trained, held_out)
        with working(f"{name}: exporting and comparing"):
            some = runs.spread(held_out, COMPARED)
            manifest = trained[name].export(folder / "bundle", some, quality=quality)
            tokens = compared(trained[name], folder / "bundle", some.column(0))
        rows.append(
            {
                "family": name,
                "model": wanted["model"],
                "parameters": manifest["parameters"],
                "seconds": round(watch.seconds, 1),
                "quality": quality,
                "examples": len(held_out),
                "bytes": manifest["files"]["model.tflite"]["bytes"],
                "milliseconds": {way: manifest["parity"][way]["milliseconds"] for way in WAYS},
                "tokens": tokens,
                "samples": samples(folder / "bundle", some, wanted["task"]),
                "command": f"seqkeras {command}",
            }
        )
    files.write_json(root / "results.json", {"rows": rows, "versions": training.versions()})
    with working("drawing"):
        report.write(root / "report.html", rows, trained, curves)
    show(rows)
    print(f"{root}/report.html: pictures; {root}/results.json: these tables; the folders beside them: runs and bundles")


def languages_quality(trained, records):
    return {"accuracy": trained["languages"].evaluate(records)["accuracy"]}


def territories_quality(trained, records):
    """How well held-out names are foreseen, and how many drawn ones pass for names of their language.

    The judge is the classifier of languages.
    """
    run, judge = trained["territories"], trained["languages"]
    labels = np.repeat(np.arange(len(run.labels), dtype="int32"), DRAWN)
    uniform = np.random.default_rng(run.settings["seed"]).random((len(labels), run.max_length), "float32")
    drawn = search.Sample(run.network, run.max_length, TEMPERATURE)({"label": labels, "uniform": uniform})
    names = [name or " " for name in run.tokenizers["target"].decode(np.asarray(drawn))]
    taken_for = [next(iter(answer)) for answer in judge.answers(names)]
    right = [run.labels.names[label] == language for label, language in zip(labels, taken_for, strict=True)]
    return {"perplexity": run.evaluate(records)["perplexity"], "drawn names recognised": float(np.mean(right))}


def dates_quality(trained, records):
    return {"exact match": trained["dates"].evaluate(records)["exact"]}


QUALITY = {"languages": languages_quality, "territories": territories_quality, "dates": dates_quality}


def compared(run, bundle, texts):
    """In each of LiteRT's two ways: how many tokens (of a classifier: classes) are Keras's, and of how many."""
    inputs = run.inputs(texts)
    expected = np.asarray(run.outputs(inputs))
    inputs = inputs if isinstance(inputs, dict) else {"ids": inputs}
    result = {}
    for way in WAYS:
        file = export.load_bundle(bundle, way)
        shapes = file.manifest["signatures"][run.task]["inputs"]
        got = [file.run(**row) for row in rows_of(inputs, {name: shape["shape"] for name, shape in shapes.items()})]
        ids = np.concatenate([next(iter(outputs.values())) for outputs in got])
        # classes are counted from 1 here, since no class is padding
        ids = ids.argmax(-1)[:, None] + 1 if run.task == "classify" else ids
        wanted = expected.argmax(-1)[:, None] + 1 if run.task == "classify" else expected
        real = wanted != PAD
        result[way] = {"equal": int(np.sum(real & (ids == wanted))), "of": int(real.sum())}
    return result


def rows_of(inputs, shapes):
    """One row at a time, padded to the file's static shapes."""
    for row in range(len(next(iter(inputs.values())))):
        one = {name: array[row : row + 1] for name, array in inputs.items()}
        yield {
            name: np.pad(array, [(0, size - had) for size, had in zip(shapes[name], array.shape, strict=True)])
            for name, array in one.items()
        }


def samples(bundle, records, task):
    """Three inputs of different lengths, what the file answers, and what was expected; None where much is right."""
    answer, rows = export.load_bundle(bundle), []
    for index in (len(records) // 2, 3 * len(records) // 4, len(records) - 1):
        text, expected = records.rows[index]
        said = answer(text)
        said = next(iter(said)) if isinstance(said, dict) else said
        rows.append({"input": text, "answer": said, "expected": None if task == "generate" else expected})
    return rows


def show(rows):
    console = Console(width=None if sys.stdout.isatty() else 80)
    for title, columns, lines in report.tables(rows):
        table = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for line in lines:
            table.add_row(*line)
        console.print(table)
        console.print()
