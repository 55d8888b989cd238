"""What is installed: versions pinned within their ranges, and a Makefile that says when it cannot."""

import configparser
import importlib.metadata
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import seqkeras

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def pinned():
    """Name -> version, of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {plain(line.split("==")[0]): line.split("==")[1] for line in lines if not line.startswith("#")}


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared():
    """The requirements of setup.cfg, for running and for development."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"] + config["options.extras_require"]["dev"]
    return [Requirement(line) for line in lines.split("\n") if line.strip()]


def test_every_requirement_is_pinned_within_its_range(pinned):
    for requirement in declared():
        assert requirement.specifier.contains(pinned[plain(requirement.name)]), str(requirement)


def test_what_requirements_require_is_pinned_too(pinned):
    seen, waiting = set(), [plain(requirement.name) for requirement in declared()]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for line in importlib.metadata.distribution(name).requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(plain(requirement.name))
    assert seen <= set(pinned)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_says_which_python_it_wants_before_it_makes_anything(tmp_path):
    for name in ("Makefile", "setup.cfg", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(["make", "test", "PYTHON=false"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "Expected Python 3.11 to 3.13" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_help_of_the_package_names_every_public_class_and_function():
    named = set(re.findall(r"\w+", seqkeras.__doc__))
    public = {name for name, value in vars(seqkeras.public).items() if callable(value) and not name.startswith("_")}
    assert public - named == set()
