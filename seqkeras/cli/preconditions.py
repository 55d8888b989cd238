"""What must hold before a command begins, checked before TensorFlow is imported, so that mistakes are told at once."""

import contextlib
import json
import os
from pathlib import Path

from seqkeras.cli import settings
from seqkeras.folders import locked, tidy
from seqkeras.tasks import COMMANDS

PARTS = {  # of a run, beside its tokenizers and its bundle
    *("model.keras", "settings.json", "manifest.json", "history.csv", "labels.json", "held_out.jsonl.gz"),
}


@contextlib.contextmanager
def met(asked):
    """Checks the files and the run that a command names; while the block lasts, a run that is written to is locked.

    Raises:
        ValueError: a file or a run is missing, a run of that name is there, or another process is at work on it.
    """
    with contextlib.suppress(OSError, ValueError):  # where we may not write, nothing of ours was left
        tidy(asked.runs)
    folder = asked.runs / (asked.name or "demo")
    if asked.command == "train":
        wanted = settings.of(asked)
        folder = run_folder(asked)
        for name in settings.files(wanted):
            expect_file(name, folders=COMMANDS[wanted["task"]].folder is not None)
        expect_free(folder, asked.overwrite)
    elif asked.command != "demo":
        expect_run(folder)
        for name in (*getattr(asked, "data", ()), getattr(asked, "file", None)):
            if name is not None and not str(name).startswith(settings.NO_FILE):
                expect_file(name, folders=asked.command == "evaluate")
    with locked(folder) if asked.command in ("train", "export", "demo") else contextlib.nullcontext():
        if asked.command == "train":
            expect_free(folder, asked.overwrite)  # again, now that nobody else makes it
        yield


def run_folder(asked):
    """The folder of the run that `train` makes; a repeated run has its name where no other is given."""
    return asked.runs / (asked.name or asked.settings.resolve().parent.name)


def expect_file(name, folders=False):
    """Raises ValueError unless a path is a file that can be read and is not empty, or with `folders` a folder."""
    path, expected = Path(name), "a file or folder" if folders else "a file"
    try:
        size = path.stat().st_size if path.is_file() else None  # of a pipe nothing is known
    except OSError as error:
        raise ValueError(f"Expected {expected}. Received: {str(name)!r} ({error.strerror})") from None
    if not path.exists():
        raise ValueError(f"Expected {expected}. Received: {str(name)!r}, which does not exist")
    if path.is_dir() and not folders:
        raise ValueError(f"Expected {expected}. Received: {str(name)!r}, a folder")
    if not os.access(path, os.R_OK):
        raise ValueError(f"Expected {expected} that may be read. Received: {str(name)!r} (Permission denied)")
    if size == 0:
        raise ValueError(f"Expected text. Received: {str(name)!r}, which is empty")


def expect_run(folder):
    """Raises ValueError unless a run is in a folder; the message names those that are beside it."""
    if not (folder / "settings.json").exists():
        there = ", ".join(sorted(path.parent.name for path in folder.parent.glob("*/settings.json"))) or "no runs"
        raise ValueError(
            f"Expected a run, as `seqkeras train` leaves it. Received: {folder}; in {folder.parent}: {there}"
        )


def expect_free(folder, overwrite):
    """Raises ValueError where something is in the place of a new run that may not be replaced."""
    if not os.path.lexists(folder):
        return
    if not overwrite:
        raise ValueError(f"Expected a new name. Received: {folder}, which exists; take another --name, or --overwrite")
    try:
        settings.load(folder / "settings.json")
        ours = True
    except ValueError:
        ours = "run" in _manifest(folder)
    beside = _foreign(folder) if ours else []
    if not ours or beside:
        holds = f"which also holds {', '.join(beside[:5])}" if beside else "which holds something else"
        raise ValueError(
            f"Expected a run to replace. Received: {folder}, {holds}; move that away, or take another --name"
        )


def _manifest(folder):
    try:
        content = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        content = {}
    return content if isinstance(content, dict) and isinstance(content.get("files"), dict) else {}


def _foreign(folder):
    """Names of the files in a run's folder that are none of the run."""
    run, bundle = _manifest(folder), _manifest(folder / "bundle")
    ours = {*PARTS, *run.get("files", ())}
    ours |= {f"bundle/{name}" for name in (*bundle["files"], "manifest.json")} if bundle else set()
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    old = not run  # a run without a manifest, whose tokenizers are not listed
    return sorted(name for name in found if name not in ours and not (old and name.startswith("tokenizers/")))
