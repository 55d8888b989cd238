"""What the command line understands. No TensorFlow here, so that help and mistakes come at once."""

import argparse
import re
import sys
from importlib.metadata import version
from pathlib import Path

from seqkeras.choices import DECODERS, ENCODERS, without_use
from seqkeras.cli import options, values
from seqkeras.tasks import COMMANDS

TRAINED_TOKENIZERS = ("characters", "bytes", "words", "unigram", "bpe")
LARGEST_VOCABULARY = 1_000_000  # as in `pipelines.vocabulary`
OPTION = "option "  # before the name of a model's option, in the parsed arguments
EXAMPLES = """\
examples:
  seqkeras demo                                     three small models, from embedded data to verified files
  seqkeras train classify reviews.tsv --name reviews
                                                    reviews.tsv: lines of text<TAB>label; makes runs/reviews
  seqkeras train translate train.de train.en --name de-en --model TransformerSeq2Seq
  seqkeras train language names.txt --name names    a text per line, which the model learns to continue
  seqkeras predict names "An" --temperature 0.8
  seqkeras evaluate reviews test.tsv
  seqkeras predict reviews "I love my cat."
  seqkeras export reviews                           runs/reviews/bundle: a LiteRT file that answers as the model does

Each command explains itself, for example: seqkeras train translate --help
"""


def parser():
    top = argparse.ArgumentParser(
        prog="seqkeras",
        description="Sequence models: train one on text, use it, and export it as one verified LiteRT file.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"seqkeras {version('seqkeras')}")
    top.set_defaults(runs=Path("runs"), traceback=False, name=None)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _train(commands)
    _evaluate(commands)
    _predict(commands)
    _export(commands)
    _demo(commands)
    return top


def understood(arguments=None):
    """The arguments of a command, checked; wrong ones end the program with status 2, none with the help."""
    asked = parser().parse_args((sys.argv[1:] if arguments is None else arguments) or ["--help"])
    if asked.name is not None and (asked.name in ("", ".", "..") or {"/", "\\"} & set(asked.name)):
        asked.parser.error(f"expected a plain name for the run. Received: {asked.name!r}")
    if asked.command == "train":
        _check_train(asked)
    if asked.command == "predict" and asked.seed is not None and asked.temperature is None:
        asked.parser.error("expected --temperature, which --seed is for. Received: --seed alone")
    if asked.command == "export":
        if asked.bound is not None and not (asked.int8 or asked.float16):
            asked.parser.error("expected --int8 or --float16, which --bound is for. Received: --bound alone")
        asked.bound = 0.01 if asked.bound is None else asked.bound
        if asked.threads is not None and asked.strategy != "auto":
            asked.parser.error("expected --strategy auto, which --threads is for. Received: --threads alone")
        asked.threads = asked.threads or 1
    return asked


def flags(asked, message):
    """The flags of a command whose values an error speaks of as `name=value`, as text to put after it."""
    known = set(vars(asked)) | {option.name for option in options.of(asked.model)} if getattr(asked, "task", 0) else ()
    spoken = (re.sub("^column$", "columns", name) for name in re.findall(r"\b([a-z_]+)=", message))
    names = dict.fromkeys(name for name in spoken if name in known)
    found = [_flag(name) for name in names if name != "data" and _flag(name) not in message]
    return f"; see {', '.join(found)}" if found else ""


def _check_train(asked):
    if not asked.task:
        if not asked.settings:
            asked.parser.error(f"expected a task ({', '.join(COMMANDS)}), or --from FILE")
        return
    if asked.settings:
        asked.parser.error("expected a task or --from FILE, which says the task too. Received: both")
    if asked.name is None:
        asked.parser.error("expected a name for the run: --name NAME")
    known = {option.name for option in options.of(asked.model)}
    asked.options = {key[len(OPTION) :]: value for key, value in vars(asked).items() if key.startswith(OPTION)}
    unknown = [_flag(name) for name in asked.options if name not in known]
    if unknown:
        takes = ", ".join(_flag(name) for name in sorted(known))
        asked.parser.error(f"{asked.model} has no {', '.join(unknown)}; it has {takes}")
    for name, table in (("encoder", ENCODERS), ("decoder", DECODERS)):
        choice = asked.options.get(name, "recurrent")
        idle = [_flag(one) for one in without_use(choice, table, asked.options)] if name in known else []
        if idle:
            asked.parser.error(f"--{name} {choice} has no use for {', '.join(idle)}")


def _command(commands, name, text, epilog=None, usage=None):
    made = commands.add_parser(
        name,
        usage=usage,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(parser=made)
    unset = argparse.SUPPRESS  # the default is the whole command's, so that it may stand before or after the task
    made.add_argument("--runs", type=Path, default=unset, metavar="DIR", help="folder of all runs (runs)")
    made.add_argument("--traceback", action="store_true", default=unset, help="show where an error came from")
    return made


def _train(commands):
    train = _command(
        commands,
        "train",
        "train a model on files",
        "The result is a folder, runs/NAME: model.keras, tokenizers, history.csv, settings.json.\n"
        "Repeat a run: seqkeras train --from runs/NAME/settings.json --name OTHER",
    )
    train.add_argument(
        "--from", dest="settings", type=Path, metavar="FILE", help="repeat the run of this settings.json"
    )
    _kept(train)
    train.set_defaults(task=None, settings=None, overwrite=False)
    tasks = train.add_subparsers(metavar="TASK")
    for task, entry in COMMANDS.items():
        made = _command(tasks, task, entry.help, usage=f"seqkeras train {task} FILE --name NAME [options]")
        made.set_defaults(task=task)
        _data(made, entry)
        _training(made)
        _model(made, entry.models)


def _kept(made):
    """Where the result goes; may stand before or after the task."""
    unset = argparse.SUPPRESS
    made.add_argument("--name", default=unset, help="of the run: the result goes to runs/NAME")
    made.add_argument("--overwrite", action="store_true", default=unset, help="replace a run of that name")


def _data(made, task):
    group = made.add_argument_group("data")
    columns = ", ".join(task.columns)
    kinds = [f"a table (.tsv, .csv) of {columns}" if task.columns != ("words", "tags") else "a CoNLL file"]
    kinds += [] if task.labels == ("label",) else [f"files of {columns}, line by line"]
    kinds = ["a text per line"] if task.columns == ("text",) else kinds
    kinds += [task.folder] if task.folder else []
    kinds += [".jsonl", ".gz of these", "tfds:NAME/SPLIT"]
    kinds += [f"samples:{task.embedded}"] if task.embedded else []
    group.add_argument("data", nargs="+", metavar="FILE", help="; ".join(kinds))
    group.add_argument(
        "--validation", nargs="+", default=["0.1"], metavar="FILE", help="files, or the share to split off (0.1)"
    )
    group.add_argument(
        "--test", nargs="+", default=None, metavar="FILE", help="evaluated once, after training; files, or a share"
    )
    group.add_argument(
        "--columns",
        type=values.columns(len(task.columns)),
        metavar="A,B,C"[: 2 * len(task.columns) - 1],
        help=f"{columns}: names in the header, or numbers from 0",
    )
    group.add_argument("--header", action="store_true", help="the first line names the columns")
    group.add_argument(
        "--delimiter",
        type=values.delimiter,
        metavar="C",
        help="between the columns of a table (a tab; of .csv a comma)",
    )
    group.add_argument("--encoding", default="utf-8", help="of the files (utf-8)")
    group.add_argument(
        "--tokenizer",
        choices=TRAINED_TOKENIZERS,
        default=task.tokenizer,
        help=f"how a text becomes ids ({task.tokenizer})",
    )
    group.add_argument(
        "--vocab-size", type=values.number(int, 5, LARGEST_VOCABULARY), metavar="N", help="at most so many ids"
    )
    group.add_argument("--max-length", type=values.COUNT, metavar="N", help="longer examples are skipped and counted")


def _training(made):
    group = made.add_argument_group("training")
    _kept(group)
    group.add_argument(
        "--epochs", type=values.COUNT, default=10, metavar="N", help="times that all examples are gone through (10)"
    )
    group.add_argument("--batch-size", type=values.COUNT, default=64, metavar="N", help="examples per step (64)")
    group.add_argument(
        "--learning-rate",
        type=values.number(float, 0, 1000),
        default=2e-3,
        metavar="X",
        help="highest of a cosine (0.002)",
    )
    group.add_argument(
        "--label-smoothing",
        type=values.SHARE,
        default=0.0,
        metavar="X",
        help="share of the probability that the other classes get (0)",
    )
    group.add_argument(
        "--patience",
        type=values.number(int, 0, 2**31 - 1),
        default=0,
        metavar="N",
        help="stop after N epochs without gain (0: never)",
    )
    group.add_argument(
        "--buckets", type=values.COUNT, metavar="N", help="padded shapes at most (chosen by the lengths of the texts)"
    )
    group.add_argument("--seed", type=values.SEED, default=0, metavar="N", help="of all that is drawn (0)")
    group.add_argument("--strategy", default="default", help="default, mirrored, or mirrored:CPU:0,CPU:1")


def _model(made, models):
    group = made.add_argument_group("model")
    group.add_argument("--model", choices=models, default=models[0], help=f"its class ({models[0]})")
    every = {option.name: option for model in reversed(models) for option in options.of(model)}
    for name, option in every.items():
        kind = {"action": argparse.BooleanOptionalAction}
        if option.type is not bool:
            kind = {"type": option.type, "metavar": {int: "N", float: "X", str: "NAME"}[option.type]}
        text = option.help if option.default is None else f"{option.help} ({option.default})"
        group.add_argument(
            _flag(name), dest=OPTION + name, default=argparse.SUPPRESS, help=text.replace("%", "%%"), **kind
        )


def _evaluate(commands):
    made = _command(
        commands, "evaluate", "measure a trained model on a file", "example: seqkeras evaluate reviews test.tsv"
    )
    _run(made)
    made.add_argument(
        "data",
        nargs="*",
        metavar="FILE",
        help="in the format of the training files; without one, what --test named in training, or the validation split",
    )
    made.add_argument("--json", action="store_true", help="the figures for machines, in JSON")


def _predict(commands):
    made = _command(
        commands,
        "predict",
        "answer texts, a line each, with a trained model",
        "An answer is a label and its probability, or a text. Each line has one on a line of its own, a blank line\n"
        "an empty one, so that the two can be pasted side by side. A text longer than any in training is cut, which\n"
        "the error stream tells; an exported bundle refuses it.\n\n"
        'examples: seqkeras predict reviews "I love my cat."\n'
        "          seqkeras predict reviews --file lines.txt > answers.txt\n"
        "          cat lines.txt | seqkeras predict reviews",
    )
    _run(made)
    given = made.add_mutually_exclusive_group()
    given.add_argument("text", nargs="*", default=[], help="in quotes; without any, lines of the standard input")
    given.add_argument("--file", type=Path, metavar="FILE", help="lines of this file instead, in UTF-8")
    made.add_argument(
        "--temperature",
        type=values.number(float, 0, 1e9),
        metavar="X",
        help="of a model that writes: draw tokens, likely ones more often the lower it is (the likeliest token)",
    )
    made.add_argument("--seed", type=values.SEED, metavar="N", help="of what is drawn with --temperature (0)")


def _export(commands):
    made = _command(
        commands,
        "export",
        "write a trained model as a verified LiteRT file",
        "The result is a folder, runs/NAME/bundle: model.tflite, tokenizers, manifest.json, code to paste.\n"
        "It is written only if the file answers held-out examples as the model does, and replaces an older one.",
    )
    _run(made)
    small = made.add_mutually_exclusive_group()
    small.add_argument("--float16", action="store_true", help="weights of 16 bits: a file about half as large")
    small.add_argument("--int8", action="store_true", help="weights of 8 bits: a file about a quarter as large")
    made.add_argument("--bound", type=values.SHARE, metavar="X", help="quality that smaller weights may cost (0.01)")
    made.add_argument(
        "--length", type=values.COUNT, metavar="N", help="tokens that a text may have (as many as in training)"
    )
    made.add_argument(
        "--examples", type=values.COUNT, default=100, metavar="N", help="held-out examples to compare (100)"
    )
    made.add_argument(
        "--strategy",
        choices=("loop", "partly_unrolled", "unrolled", "auto"),
        default="loop",
        help="how recurrent layers go over time; auto: whichever answers the held-out examples fastest (loop)",
    )
    made.add_argument(
        "--growth",
        type=values.number(float, 1, 100),
        default=1.0,
        metavar="X",
        help="how many times as large the file's constants may become to save products (1)",
    )
    made.add_argument(
        "--threads",
        type=values.number(int, 1, 256),
        metavar="N",
        help="with --strategy auto: threads that the file may take; one is tried too (1)",
    )


def _demo(commands):
    made = _command(
        commands,
        "demo",
        "train, export and check three small models on embedded data",
        "Some three minutes on two cores. Writes runs/demo: bundles, results.json, report.html.",
    )
    made.add_argument("--thorough", action="store_true", help="train longer, to a higher quality")
    made.add_argument("--seed", type=values.SEED, default=0, metavar="N", help="of all that is drawn (0)")


def _run(made):
    made.add_argument("name", metavar="NAME", help="of the run, in runs/")


def _flag(name):
    return "--" + name.replace("_", "-")
