"""The settings of a run: what was asked of `train`, as settings.json keeps it. No TensorFlow here."""

import json
import re
from pathlib import Path

from seqkeras.cli import options, usage, values
from seqkeras.tasks import COMMANDS

NO_FILE = ("samples:", "tfds:")
SHARE = "0.1"  # of the training records for validation, where nothing else is said
SHARES = re.compile(r"\d*\.\d+")


def _whole(least, most=2**31 - 1):
    return f"a whole number from {least} to {most}", lambda value: type(value) is int and least <= value <= most


def _number(least, most):
    return (
        f"a number from {least} to {most}",
        lambda value: type(value) in (int, float) and least <= value <= most,
    )


def _strings(value):
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _columns(value):
    return (
        isinstance(value, (list, tuple)) and len(value) in (1, 2, 3) and all(type(one) in (str, int) for one in value)
    )


def _or_null(kind):
    return f"{kind[0]}, or null", lambda value: value is None or kind[1](value)


def _among(names):
    return f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names


_FILES = "a list of names of files", _strings
_TEXT = "a string", lambda value: isinstance(value, str)
SETTINGS = {  # name -> (what is expected, whether a value is that)
    "task": _among(COMMANDS),
    "data": _FILES,
    "validation": ("a list of names of files, or of one share", _strings),
    "test": _or_null(("a list of names of files, or of one share", _strings)),
    "columns": _or_null(("a list of names or numbers of columns", _columns)),
    "header": ("true or false", lambda value: isinstance(value, bool)),
    "delimiter": _or_null(("one character", values.divides)),
    "encoding": _TEXT,
    "tokenizer": _among(usage.TRAINED_TOKENIZERS),
    "vocab_size": _or_null(_whole(1)),
    "max_length": _or_null(_whole(1)),
    "batch_size": _whole(1),
    "buckets": _or_null(_whole(1)),
    "model": _TEXT,
    "options": ("an object with options of the model", lambda value: isinstance(value, dict)),
    "epochs": _whole(1),
    "learning_rate": _number(0, 1000),
    "label_smoothing": _number(0, 1),
    "patience": _whole(0),
    "seed": _whole(0, 2**32 - 1),
    "strategy": _TEXT,
}


def of(asked):
    """The settings that the arguments of `train` ask for; files by their whole path, to be found from anywhere."""
    if not asked.task:
        return load(asked.settings)
    found = {name: getattr(asked, name) for name in SETTINGS}
    return found | {name: found[name] and located(found[name]) for name in ("data", "validation", "test")}


def located(names):
    """The same names, those of files with their whole path."""
    return [name if _no_file(name) else str(Path(name).absolute()) for name in names]


def _no_file(name):
    return SHARES.fullmatch(name) or name.startswith(NO_FILE)


def files(settings):
    """The names of the files and folders that settings name."""
    named = [*settings["data"], *settings["validation"], *(settings["test"] or ())]
    return [name for name in named if not _no_file(name)]


def load(path):
    """The settings in a file that `train` wrote.

    Raises:
        ValueError: it is missing or none, or a setting is of another kind; names the file and the setting.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise ValueError(f"Expected the settings of a run. Received: {path}, which does not exist") from None
    except OSError as error:
        raise ValueError(f"Expected the settings of a run. Received: {path} ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected the settings of a run, a JSON file. Received: {path} ({error})") from None
    if isinstance(content, dict):
        content = {"delimiter": None, **content}  # settings of an older version have none
    missing = [name for name in SETTINGS if name not in content] if isinstance(content, dict) else ["all"]
    if missing:
        raise ValueError(f"Expected the settings of a run. Received: {path} without {', '.join(missing)}")
    for name, (expected, fits) in SETTINGS.items():
        if not fits(content[name]):
            raise ValueError(f"Expected {name!r} in {path} to be {expected}. Received: {_shown(content[name])}")
    _check_model(content, path)
    return content


def _check_model(settings, path):
    models = COMMANDS[settings["task"]].models
    if settings["model"] not in models:
        raise ValueError(
            f"Expected 'model' in {path} to be one of {', '.join(models)}. Received: {settings['model']!r}"
        )
    known = {option.name: option for option in options.of(settings["model"])}
    for name, value in settings["options"].items():
        if name not in known:
            raise ValueError(f"Expected 'options' in {path} among {', '.join(sorted(known))}. Received: {name!r}")
        kind = known[name].type
        if type(value) not in ((int, float) if kind is float else (kind,)):
            expected = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}[kind]
            raise ValueError(f"Expected option {name!r} in {path} to be {expected}. Received: {_shown(value)}")


def _shown(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + " …"
