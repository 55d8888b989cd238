"""The house's arrows and manners, read from the source: what breaks them is named by file and line."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("seqkeras", "pipelines", "export", "tests", "benchmarks")

# Each folder or file of seqkeras/ imports only from itself and from what stands before it.
CHAIN = ["tokens", "cells", "layers", "rnn", "encoders", "decoders", "training", "models", "search", "tuning"]
TALKING = {"__main__", "cli", "converter"}
COMMAND = {"__main__", "cli"}  # the command line: the part of seqkeras/ that knows all three folders
TENSORFLOW = {"rnn/xla", "rnn/handwritten_backward", "rnn/second_derivatives", "rnn/chunking", "rnn/inference"}
TENSORFLOW |= {"rnn/cudnn", "training/distribution"}
DEVICE = {"tensorflow", "tensorflow_text", "tensorflow_datasets", "ai_edge_litert"}
UNTELLING = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
ABOUT_300_LINES = 360
LONGEST_FUNCTION = 60


def sources(*folders):
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def name_of(path):
    """seqkeras/rnn/loops.py -> seqkeras.rnn.loops; pipelines/readers.py -> seqkeras.pipelines.readers."""
    parts = path.with_suffix("").parts
    parts = parts if parts[0] == "seqkeras" else ("seqkeras", *parts)
    return ".".join(parts).removesuffix(".__init__")


def imports(tree):
    """(line, full name) of everything a module imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}") for alias in node.names)


def dotted(node):
    """`a.b.c` as a string, for a chain of names."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return inner and f"{inner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def broken_arrows(path, text):
    """[(line, what is wrong)] of one source file; `path` relative to the root."""
    tree, place = ast.parse(text), path.parts[0]
    own = path.relative_to(place).parts[0].removesuffix(".py")
    core = place == "seqkeras" and own not in COMMAND | {"__init__"}
    found = []
    for line, name in imports(tree):
        top, *rest = name.split(".")
        inner = rest[0] if top == "seqkeras" and rest else None
        if top in ("", "pipelines", "export"):
            found.append((line, f"{name}: import seqkeras.{name.strip('.')}"))
        if name.startswith(("keras.src", "tensorflow.keras", "tf_keras", "tensorflow.python.keras")):
            found.append((line, f"{name} is not Keras's public face"))
        if place == "seqkeras" and top in DEVICE and str(path.relative_to(place).with_suffix("")) not in TENSORFLOW:
            found.append((line, f"{own} imports {top}, which only {', '.join(sorted(TENSORFLOW))} may"))
        if core and (inner is None and top == "seqkeras" or inner in {"pipelines", "export"} | COMMAND):
            found.append((line, f"{own} looks up at {name}"))
        if core and own in CHAIN and inner in CHAIN[CHAIN.index(own) + 1 :]:
            found.append((line, f"{own} imports {inner}, which comes later in {' <- '.join(CHAIN)}"))
        if place == "pipelines" and inner not in (None, "pipelines", "tokens", "arguments"):
            found.append((line, f"pipelines import {name}, beyond seqkeras.tokens and seqkeras.arguments"))
        if place == "export" and inner in COMMAND:
            found.append((line, f"export looks up at {name}"))
        if place == "export" and inner == "pipelines" and rest[1:2] != ["tokenizers"]:
            found.append((line, f"export imports {name}, beyond pipelines.tokenizers"))
        if place == "benchmarks" and top == "seqkeras" and any(part.startswith("_") for part in rest):
            found.append((line, f"{name} is not a public name"))
    for node in ast.walk(tree):
        chain = dotted(node) if isinstance(node, ast.Attribute) else None
        if chain and chain.startswith(("tf.keras", "tensorflow.keras", "keras.src")):
            found.append((node.lineno, f"{chain}: import keras"))
    return sorted(set(found))


def bad_manners(path, text):
    """[(line, what is wrong)] in library code: what a library does not do."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assert):
            found.append((node.lineno, "assert: raise ValueError('Expected ... Received: ...')"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "eval", "exec"):
            found.append((node.lineno, f"{node.func.id}()"))
    for line, name in imports(ast.parse(text)):
        if name.split(".")[0] in ("logging", "pickle", "dill", "joblib", "marshal"):
            found.append((line, f"imports {name}"))
    return found


def report(check, paths):
    found = []
    for path in paths:
        relative = path.relative_to(ROOT)
        found += [f"{relative}:{line}: {message}" for line, message in check(relative, path.read_text("utf-8"))]
    assert not found, "\n" + "\n".join(found)


def test_no_arrow_turns_back():
    report(broken_arrows, sources(*FOLDERS))


def test_library_code_has_manners():
    """The command line may print, and the child that converts talks through its exit status and its output."""
    library = [p for p in sources("seqkeras", "pipelines", "export") if not {p.stem, p.parent.name} & TALKING]
    report(bad_manners, library)


def test_no_module_imports_itself_round_a_corner():
    graph = {}
    for path in sources("seqkeras", "pipelines", "export"):
        name = name_of(path.relative_to(ROOT))
        tree = ast.parse(path.read_text("utf-8"))
        graph[name] = {target for _, target in imports(tree)}
    modules = {m for m in graph if m not in ("seqkeras", "seqkeras.pipelines", "seqkeras.export")}
    edges = {
        m: {t if t in modules else t.rpartition(".")[0] for t in graph[m]} & modules - {m} for m in sorted(modules)
    }
    while leaves := [m for m, targets in edges.items() if not targets]:
        edges = {m: targets - set(leaves) for m, targets in edges.items() if m not in leaves}
    assert not edges, f"these import each other in a circle: {edges}"


def test_a_file_is_named_for_its_topic_and_fits_in_one_reading():
    files = sources(*FOLDERS)
    assert not [str(p) for p in files if p.stem in UNTELLING]
    long = {
        str(p.relative_to(ROOT)): n
        for p in sources("seqkeras", "pipelines", "export")
        if (n := len(p.read_text("utf-8").splitlines())) > ABOUT_300_LINES
    }
    assert not long, f"a file is one topic of about 300 lines: {long}"


def test_a_function_has_at_most_sixty_lines():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines}"
        for path in sources("seqkeras", "pipelines", "export")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and (lines := node.end_lineno - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long, "\n" + "\n".join(long)


@pytest.mark.parametrize(
    "path, text",
    [
        ("seqkeras/cells/lstm.py", "def f():\n    from seqkeras import models"),
        ("seqkeras/layers/attention.py", "from seqkeras.rnn.recurrence import Recurrence"),
        ("seqkeras/encoders/bag.py", "import tensorflow as tf"),
        ("seqkeras/rnn/loops.py", "import tensorflow as tf"),
        ("seqkeras/training/losses.py", "from seqkeras.pipelines import tasks"),
        ("seqkeras/search/loop.py", "import seqkeras"),
        ("seqkeras/models/language_model.py", "from seqkeras.cli.runs import train"),
        ("seqkeras/cli/runs.py", "import tensorflow"),
        ("pipelines/tasks.py", "from seqkeras.models import Seq2Seq"),
        ("pipelines/tasks.py", "import pipelines.readers"),
        ("export/tflite.py", "from seqkeras.pipelines import tasks"),
        ("export/tflite.py", "from .audit import audit"),
        ("export/audit.py", "import keras.src"),
        ("tests/test_x.py", "import tensorflow as tf\nx = tf.keras.layers"),
        ("tests/test_x.py", "from tensorflow.keras import layers"),
        ("benchmarks/speed.py", "from seqkeras.rnn.recurrence import _masked"),
    ],
)
def test_a_broken_arrow_is_seen(path, text):
    assert broken_arrows(Path(path), text)


@pytest.mark.parametrize("text", ["assert x", "print(1)", "import pickle", "from logging import info", "exec('1')"])
def test_bad_manners_are_seen(text):
    assert bad_manners(Path("seqkeras/cells/lstm.py"), text)
