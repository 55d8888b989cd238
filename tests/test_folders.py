"""Folders made in one piece: what is there after an error, an interruption or a kill, and who may work where."""

import os
import subprocess
import sys

import pytest

from seqkeras import folders

# Writes `folder` anew and stops for good at the first rename (0), at the second (1) or while it writes (-1).
WRITES = """
import os, sys, sysconfig, time
from pathlib import Path

sys.argv[0] = sysconfig.get_path("scripts") + "/seqkeras"  # the command: then the package does not import TensorFlow
from seqkeras.folders import written

folder, stop = Path(sys.argv[1]), int(sys.argv[2])
replace, renamed = os.replace, 0

def wait():
    print("here", flush=True)
    time.sleep(600)

def slow(source, target):
    global renamed
    if renamed == stop:
        wait()
    renamed += 1
    replace(source, target)

os.replace = slow
with written(folder) as new:
    (new / "content").write_text("new")
    if stop < 0:
        wait()
"""


def writer(folder, stop):
    """A process that is writing a folder and has come to a stop."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(folder), str(stop)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "here\n"
    return process


@pytest.fixture
def old(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "content").write_text("old")
    return folder


@pytest.mark.parametrize("stop", [-1, 0, 1])
def test_what_a_killed_process_was_replacing_is_back_at_the_next_work_in_the_place(stop, old):
    process = writer(old, stop)
    process.kill()
    process.communicate()
    assert len(list(old.parent.glob(".folder.seqkeras-*"))) == (3 if stop == 1 else 2)
    assert old.exists() == (stop < 1)
    with folders.locked(old.parent / "another"):
        assert (old / "content").read_text() == "old"
        assert sorted(path.name for path in old.parent.iterdir()) == [".another.seqkeras-lock", "folder"]
    assert list(old.parent.iterdir()) == [old]


def test_a_process_that_lives_keeps_its_work(old):
    process = writer(old, 1)
    try:
        folders.tidy(old.parent)
        assert (old.parent / ".folder.seqkeras-old" / "content").read_text() == "old" and not old.exists()
        with pytest.raises(ValueError, match=f"folder, at which process {process.pid} is at work"):
            folders.written(old).__enter__()
    finally:
        process.kill()
        process.communicate()
    with folders.written(old) as new:
        (new / "content").write_text("newer")
    assert (old / "content").read_text() == "newer" and list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("fails", ["first", "second", "block"])
def test_an_error_or_an_interruption_leaves_the_old_folder(fails, old, monkeypatch):
    replace, renames = os.replace, []

    def interrupted(source, target):
        renames.append(source)
        if len(renames) == {"first": 1, "second": 2}.get(fails):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), folders.written(old) as new:
        (new / "content").write_text("new")
        if fails == "block":
            raise KeyboardInterrupt
    assert (old / "content").read_text() == "old" and list(old.parent.iterdir()) == [old]


def test_only_what_is_ours_is_tidied(old):
    for name in (".folder.tmp", ".folder.seqkeras", "folder.seqkeras-new", ".seqkeras-new"):
        (old.parent / name).mkdir()
    before = sorted(old.parent.iterdir())
    folders.tidy(old.parent)
    assert sorted(old.parent.iterdir()) == before
    folders.tidy(old.parent / "nowhere")


def test_a_link_is_replaced_and_what_it_points_to_is_not(old, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(old)
    with folders.written(link) as new:
        (new / "content").write_text("new")
    assert not link.is_symlink() and (link / "content").read_text() == "new"
    assert (old / "content").read_text() == "old"


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match=f"can be written to. Received: {tmp_path}"):
        folders.written(tmp_path / "folder").__enter__()
