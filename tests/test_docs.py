"""The pages for people: links lead somewhere, code is Python, and the README's example runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for folder in (".", "docs", "benchmarks") for path in (ROOT / folder).glob("*.md"))


def text(page):
    return page.read_text(encoding="utf-8")


def anchors(page):
    """What a heading is called in a link."""
    headings = re.findall(r"(?m)^#+ (.+)$", text(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def python(page):
    """The blocks of Python in a page."""
    return re.findall(r"(?ms)^```python\n(.+?)^```$", text(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_can_be_reached_from_the_readme():
    linked = {
        (ROOT / link.partition("#")[0]).resolve() for link in re.findall(r"\]\(([^)\s]+)\)", text(ROOT / "README.md"))
    }
    assert set(PAGES) - linked == {ROOT / "README.md"}


def test_readme_is_short():
    assert len(text(ROOT / "README.md").split()) <= 1_000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_in_pages_is_python(page):
    for block in python(page):
        compile(block, page.name, "exec")


@pytest.mark.slow
def test_readme_example_prints_what_it_says(tmp_path):
    (block,) = python(ROOT / "README.md")
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (said,) = re.findall(r"# (1984.*)$", block, re.MULTILINE)
    assert done.stdout.strip().endswith(said)


@pytest.mark.slow
def test_api_pages_have_every_public_class_and_its_equations(tmp_path):
    modules = ["seqkeras", "seqkeras.pipelines", "seqkeras.export"]
    command = [sys.executable, "-W", "error::UserWarning:pdoc", "-m", "pdoc", "--docformat", "google", "-o", tmp_path]
    done = subprocess.run(
        [*command, *modules], capture_output=True, text=True, env={**os.environ, "PDOC_ALLOW_EXEC": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    cells = (tmp_path / "seqkeras/cells.html").read_text(encoding="utf-8")
    assert "h_t = o * tanh(c_t)" in cells
    for page, name in (("models", "SequenceClassifier"), ("pipelines", "classification"), ("export", "write_bundle")):
        assert f'id="{name}"' in (tmp_path / f"seqkeras/{page}.html").read_text(encoding="utf-8")
