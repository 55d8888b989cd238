"""The command line: what a person types, what they get, and what happens when it goes wrong."""

import csv
import inspect
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import seqkeras
from seqkeras.__main__ import main
from seqkeras.cli import options, runs, training, usage

QUICK = "--epochs 2 --batch-size 8 --units 8"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with data and three small trained runs."""
    folder = tmp_path_factory.mktemp("cli")
    animals = [f"{one} {what}" for one in ("cats", "dogs", "birds", "fish") for what in ("sleep", "run", "eat", "sing")]
    (folder / "said.tsv").write_text("".join(f"{text}\t{text.split()[0]}\n" for text in animals * 3))
    (folder / "names.tsv").write_text("".join(f"{text.split()[0]}\t{text}\n" for text in animals * 3))
    (folder / "a.txt").write_text("".join(f"{text}\n" for text in animals))
    (folder / "b.txt").write_text("".join(f"{text[::-1]}\n" for text in animals))
    with inside(folder):
        assert run(f"train classify said.tsv --test said.tsv --name said {QUICK}") == 0
        assert run(f"train generate names.tsv --name names {QUICK}") == 0
        assert run(f"train translate a.txt b.txt --name turned --tokenizer characters {QUICK}") == 0
    return folder


class inside:
    """The working directory while the block runs."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.before = os.getcwd()
        os.chdir(self.folder)

    def __exit__(self, *_):
        os.chdir(self.before)


@pytest.fixture
def here(trained):
    with inside(trained):
        yield trained


def run(words):
    """The command in this process: its exit status."""
    return main(words.split())


def command(*words, **options):
    """The command as a process of its own."""
    return subprocess.run([sys.executable, "-m", "seqkeras", *words], capture_output=True, text=True, **options)


def error(words, capfd):
    """The one line that a failing command leaves."""
    capfd.readouterr()
    assert run(words) == 1
    said = capfd.readouterr()
    assert said.err.count("\n") == 1 and said.err.startswith("seqkeras: ")
    assert "Traceback" not in said.err
    return said.err


# --- help and usage ---


def test_help_names_every_command_and_does_not_wait_for_tensorflow():
    done = command("--help", env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0
    assert all(f"    {name} " in done.stdout for name in ("train", "evaluate", "predict", "export", "demo"))
    assert "argparse" in done.stderr and "tensorflow" not in done.stderr and "keras.src" not in done.stderr


@pytest.mark.parametrize("task", usage.MODELS)
def test_help_of_a_task_has_a_flag_for_every_option_of_its_models(task, capfd):
    assert main(["train", task, "--help"]) == 0
    said = capfd.readouterr().out
    for model in usage.MODELS[task]:
        constructor = inspect.signature(getattr(seqkeras, model)).parameters
        wanted = {
            name: parameter.default
            for name, parameter in constructor.items()
            if name != "kwargs" and name not in options.FROM_THE_DATA
        }
        assert {option.name: option.default for option in options.of(model)} == wanted
        assert all(f"--{name.replace('_', '-')}" in said for name in wanted)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "required"),
        ("learn", "invalid choice"),
        ("train", "expected a task"),
        ("train classify", "required"),
        ("train classify a.tsv", "--name"),
        ("train classify a.tsv --name x/y", "plain name"),
        ("train classify a.tsv --name ..", "plain name"),
        ("train classify a.tsv --name x --epochs 0", "1 or more"),
        ("train classify a.tsv --name x --columns text", "expected two"),
        ("train classify a.tsv --name x --units many", "invalid int"),
        ("train translate a b --name x --model Seq2Seq --score dot", "Seq2Seq has no --score"),
        ("evaluate ../x", "plain name"),
    ],
)
def test_wrong_usage_ends_with_status_2_and_the_reason(words, reason, capfd):
    assert run(words) == 2
    assert reason in capfd.readouterr().err


# --- what training leaves ---


def test_a_run_holds_model_tokenizers_history_and_settings(trained):
    folder = trained / "runs" / "turned"
    assert (folder / "model.keras").exists()
    assert {path.name for path in (folder / "tokenizers").iterdir()} == {"source", "target"}
    with open(folder / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"] and float(rows[0]["loss"]) > float(rows[1]["loss"])
    settings = json.loads((folder / "settings.json").read_text())
    assert set(training.SETTINGS) <= set(settings) and settings["versions"]["keras"]
    assert not list(folder.glob("unfinished*"))


def test_settings_repeat_the_run(here, capfd):
    assert run("train --from runs/said/settings.json --name again") == 0
    for name in ("history.csv", "labels.json"):
        assert (here / "runs/again" / name).read_bytes() == (here / "runs/said" / name).read_bytes()
    texts = ["cats sleep", "dogs and fish"]
    assert runs.load("runs/again").answers(texts) == runs.load("runs/said").answers(texts)


def test_a_run_is_replaced_only_when_asked(here, capfd):
    assert "--overwrite" in error(f"train classify said.tsv --name said {QUICK}", capfd)
    (here / "runs/kept").mkdir()
    (here / "runs/kept/letter.txt").write_text("mine")
    assert "something else" in error(f"train classify said.tsv --name kept --overwrite {QUICK}", capfd)
    assert (here / "runs/kept/letter.txt").read_text() == "mine"
    assert "lstn" in error(f"train classify said.tsv --name said --overwrite --cell lstn {QUICK}", capfd)
    assert (here / "runs/said/model.keras").exists()
    (here / "runs/old/bundle").mkdir(parents=True)
    (here / "runs/old/settings.json").write_text("{}")
    training.remove(here / "runs/old")
    assert not (here / "runs/old").exists()


def test_what_became_of_the_data_is_said(here, capfd):
    (here / "gaps.tsv").write_text((here / "said.tsv").read_text() + "\n\ncats\t \n")
    assert run(f"train classify gaps.tsv --test said.tsv --name gaps --validation said.tsv {QUICK} --epochs 1") == 0
    said = capfd.readouterr().out
    assert "blank: 3" in said and "same text in train" in said and "48" in said


# --- using a run ---


def test_evaluate_gives_the_figures_of_the_files_named_or_of_those_held_out(here, capfd):
    assert run("evaluate said said.tsv") == 0
    with_file = capfd.readouterr().out
    assert run("evaluate said") == 0
    assert capfd.readouterr().out == with_file and "accuracy" in with_file
    assert run("evaluate turned a.txt b.txt") == 0
    assert "exact" in capfd.readouterr().out
    assert run("evaluate names") == 0
    assert "perplexity" in capfd.readouterr().out


def test_predict_answers_arguments_files_and_the_standard_input_alike(here, capfd, monkeypatch):
    texts = ["cats sleep", "birds sing"]
    assert main(["predict", "said", *texts]) == 0
    answers = capfd.readouterr().out
    (here / "two.txt").write_text("".join(f"{text}\n" for text in texts))
    assert run("predict said --file two.txt") == 0
    assert capfd.readouterr().out == answers
    with open("two.txt") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert run("predict said") == 0
    assert capfd.readouterr().out == answers
    for line in answers.splitlines():
        label, probability = line.split("\t")
        assert label in ("cats", "dogs", "birds", "fish") and 0.25 <= float(probability) <= 1


def test_predict_writes_a_line_for_each_text(here, capfd):
    assert main(["predict", "turned", "cats run", "a text that is longer than any the model has seen in training"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 2
    assert main(["predict", "names", "cats", "dogs", "fish"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 3


def test_a_process_is_silent_but_for_its_answers(trained):
    done = command("predict", "said", "cats sleep", cwd=trained)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


# --- errors ---


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("train classify nothing.tsv --name x", "nothing.tsv"),
        ("train classify a.txt --name x", "column"),
        ("train classify said.tsv --name x --columns text,label", "column"),
        ("train translate said.tsv a.txt b.txt --name x", "two"),
        ("train classify samples:dates --name x", "samples:languages"),
        ("train classify samples:languages:20 --test said.tsv --name x", "alone"),
        ("train classify said.tsv --name x --strategy everywhere", "strategy"),
        ("train classify said.tsv --name x --cell lstn", "lstn"),
        ("train --from said.tsv", "JSON"),
        ("evaluate nobody", "turned"),
        ("predict names elephants", "elephants"),
        ("predict said --file nothing.txt", "nothing.txt"),
    ],
)
def test_an_error_is_one_line_that_says_what_was_wrong(words, reason, here, capfd):
    assert reason in error(words, capfd)
    assert not (here / "runs" / "x" / "model.keras").exists()


def test_the_traceback_is_there_for_those_who_ask(here, capfd):
    assert run("evaluate nobody --traceback") == 1
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.slow
def test_an_interrupted_training_ends_with_a_line_and_keeps_the_best_epoch(trained):
    words = f"train classify said.tsv --name long {QUICK} --epochs 100000"
    with subprocess.Popen(
        [sys.executable, "-m", "seqkeras", *words.split()], cwd=trained, stdout=-1, stderr=-1, text=True
    ) as process:
        waited = time.monotonic()
        while not (trained / "runs/long/model.keras").exists() and time.monotonic() - waited < 300:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and said == "seqkeras: stopped; what had been saved is kept\n"
    assert len(runs.load(trained / "runs/long").answers(["cats sleep"])) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "flags"), [("said", ""), ("names", ""), ("turned", "--int8 --bound 1")])
def test_export_writes_a_bundle_that_answers_as_the_run_does(name, flags, here):
    done = command("export", name, "--examples", "8", *flags.split())
    assert (done.returncode, done.stderr) == (0, "") and "interpreter" in done.stdout
    from seqkeras import export

    kept, bundle = runs.load(f"runs/{name}"), export.load_bundle(f"runs/{name}/bundle")
    for text in ("cats", "dogs"):
        (expected,) = kept.answers([text])
        answer = bundle(text)
        if isinstance(expected, dict):
            assert next(iter(answer)) == next(iter(expected))
        elif not flags:
            assert answer == expected
