"""The command line: what a person types, what they get, and what happens when it goes wrong."""

import csv
import errno
import gzip
import importlib.metadata
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings

import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import cli, export, folders
from seqkeras.__main__ import main, one_line
from seqkeras.cli import commands, integrity, options, runs, settings, sources, tables, training, usage
from seqkeras.models import sequence_model
from seqkeras.pipelines import Labels, readers, vocabulary
from seqkeras.tasks import COMMANDS
from seqkeras.tokens import END, PAD
from seqkeras.training import report

QUICK = "--epochs 2 --batch-size 8 --units 8"


ASKED = [  # words and tags of BIO, and what the whole is about
    ("play some jazz", "O O B-genre", "music"),
    ("play new orleans jazz", "O B-genre I-genre I-genre", "music"),
    ("weather in new york", "O O B-place I-place", "weather"),
    ("rain in rome", "O O B-place", "weather"),
]


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """A folder with data and two small trained runs that tag."""
    folder = tmp_path_factory.mktemp("tagged")
    rows = [(f"{words} {i}", f"{tags} O", label) for i in range(12) for words, tags, label in ASKED]
    for name, column in zip(("seq.in", "seq.out", "label"), zip(*rows, strict=True), strict=True):
        (folder / name).write_text("".join(f"{line}\n" for line in column))
    sentences = (zip(words.split(), tags.split(), strict=True) for words, tags, _ in rows)
    (folder / "asked.conll").write_text("\n".join("".join(f"{w}\t{t}\n" for w, t in one) for one in sentences))
    with inside(folder):
        assert run(f"train tag asked.conll --test asked.conll --name tags {QUICK} --learning-rate 0.05") == 0
        assert run(f"train joint seq.in seq.out label --name joint {QUICK} --learning-rate 0.05") == 0
    return folder


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


CYCLE = "abcd" * 11


@pytest.fixture(scope="module")
def continued(tmp_path_factory):
    """A folder with a small trained language model, of parts of a cycle."""
    folder = tmp_path_factory.mktemp("language")
    texts = [CYCLE[start : start + length] for start in range(4) for length in range(5, 41)]
    (folder / "cycles.txt").write_text("".join(f"{text}\n" for text in texts))
    with inside(folder):
        words = "--epochs 8 --batch-size 8 --units 16 --learning-rate 0.02 --test 0.1"
        assert run(f"train language cycles.txt --name cycles {words}") == 0
    return folder


def test_a_language_model_continues_prompts_and_draws_by_temperature(continued, capfd):
    with inside(continued):
        capfd.readouterr()
        assert run("predict cycles abcda cdabc") == 0
        first, second = capfd.readouterr().out.splitlines()
        assert len(first) > 5 and first in CYCLE and first.startswith("abcda")
        assert len(second) > 5 and second in CYCLE and second.startswith("cdabc")
        drawn = []
        for seed in (1, 1, 2):
            assert run(f"predict cycles abc cda --temperature 50 --seed {seed}") == 0
            drawn.append(capfd.readouterr().out)
        assert drawn[0] == drawn[1] != drawn[2] and all(one.startswith("abc") for one in drawn)
        assert run("predict cycles abcda --temperature 0") == 0
        assert capfd.readouterr().out == f"{first}\n"


def test_a_language_model_is_evaluated_exported_and_begins_from_nothing(continued, capfd):
    with inside(continued):
        assert run("evaluate cycles --json") == 0
        figures = json.loads(capfd.readouterr().out)
        assert figures["perplexity"] < 2 and figures["examples"] == 14
        assert run("export cycles --examples 4") == 0
        bundle = export.load_bundle("runs/cycles/bundle")
        capfd.readouterr()
        assert main(["predict", "cycles", "", "abcda"]) == 0
        nothing, some = capfd.readouterr().out.splitlines()
        assert nothing and nothing in CYCLE and bundle("abcda") == some


def test_a_table_is_no_text_per_line_and_a_delimiter_is_for_a_table(here, capfd):
    said = error(f"train language said.tsv --name lines {QUICK}", capfd)
    assert (
        "Expected 1 column, text. Received: 2 in " in said and "said.tsv; choose with --columns, such as --co" in said
    )
    assert "Expected a table" in error(f"train language a.txt --name lines --delimiter ; {QUICK}", capfd)


def test_a_seed_is_for_a_temperature(capfd):
    assert run("predict said cats --seed 1") == 2
    assert "expected --temperature, which --seed is for" in capfd.readouterr().err


def test_a_temperature_is_for_models_that_write(here, capfd):
    assert "Expected a model that writes with a temperature" in error("predict said cats --temperature 1", capfd)


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


def understood(words):
    return usage.understood(words.split())


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


def test_without_a_command_the_help_is_shown(capfd):
    assert run("--help") == 0
    said = capfd.readouterr().out
    assert run("") == 0
    assert capfd.readouterr().out == said


def test_the_version_is_told_without_waiting_for_tensorflow(capfd):
    assert run("--version") == 0
    assert capfd.readouterr().out == f"seqkeras {importlib.metadata.version('seqkeras')}\n"


FROM_THE_DATA = ("vocab_size", "target_vocab_size", "num_classes", "num_tags", "input_units", "max_length")
NOT_ON_THE_COMMAND_LINE = ("outputs", "character_vocab_size", "character_encoder", "character_units", "word_length")


@pytest.mark.parametrize("task", COMMANDS)
def test_help_of_a_task_has_a_flag_for_every_option_of_its_models(task, capfd):
    assert main(["train", task, "--help"]) == 0
    said = capfd.readouterr().out
    for model in COMMANDS[task].models:
        constructor = inspect.signature(getattr(seqkeras, model)).parameters
        wanted = {
            name: parameter.default
            for name, parameter in constructor.items()
            if name not in ("kwargs", *FROM_THE_DATA, *NOT_ON_THE_COMMAND_LINE)
        }
        assert {option.name: option.default for option in options.of(model)} == wanted
        assert [option.name for option in options.of(model) if not option.help] == []
        assert all(f"--{name.replace('_', '-')}" in said for name in wanted)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("learn", "invalid choice"),
        ("train", "expected a task"),
        ("train classify", "required"),
        ("train classify a.tsv", "--name"),
        ("train --from settings.json classify a.tsv --name x", "both"),
        ("predict x some words --file lines.txt", "not allowed with"),
        ("train classify a.tsv --name x/y", "plain name"),
        ("train classify a.tsv --name ..", "plain name"),
        ("train classify a.tsv --name x --epochs 0", "from 1"),
        ("train classify a.tsv --name x --learning-rate nan", "from 0"),
        ("train classify a.tsv --name x --seed -1", "from 0"),
        ("train classify a.tsv --name x --columns text", "expected two"),
        ("train classify a.tsv --name x --columns 1,1", "expected 2 different columns"),
        ("train classify a.tsv --name x --vocab-size 2000000000", "from 5 to 1000000"),
        ("train classify a.tsv --name x --units many", "invalid int"),
        ("train translate a b --name x --model Seq2Seq --score dot", "Seq2Seq has no --score"),
        ("train classify a.tsv --name x --window 3", "--encoder recurrent has no use for --window"),
        ("train classify a.tsv --name x --encoder bag --cell lstm --num-heads 2", "no use for --cell, --num-heads"),
        ("train classify a.tsv --name x --encoder bag --num-layers 2", "--encoder bag has no use for --num-layers"),
        ("export x --bound 0.1", "--int8 or --float16, which --bound is for"),
        ("export x --threads 2", "--strategy auto, which --threads is for"),
        ("evaluate ../x", "plain name"),
    ],
)
def test_wrong_usage_ends_with_status_2_and_the_reason(words, reason, capfd):
    assert run(words) == 2
    assert reason in capfd.readouterr().err


def test_flags_may_stand_before_or_after_the_task():
    before = understood("train --runs r --overwrite --name x --traceback classify a.tsv")
    after = understood("train classify a.tsv --runs r --overwrite --name x --traceback")
    assert vars(before) == {**vars(after), "parser": before.parser}
    assert before.overwrite and before.name == "x" and before.traceback


# --- what is there when the package has been imported ---

LOADS = """
import seqkeras
import keras
print(type(keras.saving.load_model("runs/said/model.keras")).__name__)
print(keras.saving.get_registered_object("seqkeras>NAS"))
"""


def test_a_bare_import_lets_keras_load_a_model_and_know_every_cell(trained):
    done = subprocess.run([sys.executable, "-c", LOADS], cwd=trained, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "SequenceClassifier" in done.stdout and "searched.NAS" in done.stdout


@pytest.mark.parametrize("words", [["scripts/seqkeras"], ["-m", "mine"]])
def test_an_import_is_the_same_whatever_the_script_is_called(words, trained, tmp_path):
    script = LOADS.replace("runs/", f"{trained}/runs/")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/seqkeras").write_text(script)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/__init__.py").write_text(script)  # imported while argv[0] is "-m"
    (tmp_path / "mine/__main__.py").touch()
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "SequenceClassifier" in done.stdout and "searched.NAS" in done.stdout


def test_the_command_knows_every_cell(trained):
    done = command(*f"train classify said.tsv --name found --cell mut1 {QUICK} --epochs 1".split(), cwd=trained)
    assert (done.returncode, done.stderr) == (0, "")
    assert runs.load(trained / "runs/found").network.cell == "mut1"


# --- what training leaves ---


def test_a_run_holds_model_tokenizers_history_and_settings(trained):
    folder = trained / "runs" / "turned"
    assert (folder / "model.keras").exists()
    assert {path.name for path in (folder / "tokenizers").iterdir()} == {"source", "target"}
    with open(folder / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"] and float(rows[0]["loss"]) > float(rows[1]["loss"])
    written = json.loads((folder / "settings.json").read_text())
    assert set(settings.SETTINGS) <= set(written) and written["versions"]["keras"]
    assert not list(folder.glob("unfinished*"))


def test_files_are_found_from_anywhere(trained, monkeypatch, capfd):
    asked = understood("train classify a.tsv --validation b.tsv --test tfds:c/test --name x")
    monkeypatch.chdir(trained)
    found = settings.of(asked)
    assert found["data"] == [str(trained / "a.tsv")] and found["validation"] == [str(trained / "b.tsv")]
    assert found["test"] == ["tfds:c/test"]
    assert settings.located(["0.2"]) == ["0.2"] and settings.located(["samples:dates"]) == ["samples:dates"]


@pytest.mark.parametrize("name", ["a.jsonl", "A.JSONL", "a.jsonl.gz", "a.JsonL.GZ", "a.tsv", "a.jsonl.tsv"])
def test_the_last_ending_of_a_name_in_small_or_capital_letters_tells_the_format(name, tmp_path):
    content = '{"text": "cat", "label": "x"}\n' if "tsv" not in name else "cat\tx\n"
    write = gzip.open if name.lower().endswith(".gz") else open
    with write(tmp_path / name, "wt", encoding="utf-8") as file:
        file.write(content)
    wanted = {"task": "classify", "encoding": "utf-8", "columns": None, "header": False, "delimiter": None}
    assert [tuple(row) for row in sources.read([str(tmp_path / name)], wanted)] == [("cat", "x")]


def test_a_run_is_used_without_the_files_it_was_trained_on(here, capfd):
    (here / "gone.tsv").write_text((here / "said.tsv").read_text())
    assert run(f"train classify gone.tsv --name gone --vocab-size 9 {QUICK} --epochs 1") == 0
    (here / "gone.tsv").unlink()
    capfd.readouterr()
    assert run("evaluate gone") == 0
    assert "accuracy" in capfd.readouterr().out
    kept = runs.load("runs/gone").held_out()
    assert 3 <= len(kept) < 48 and set(kept.rows) <= set(readers.table("said.tsv"))


@pytest.mark.parametrize("name", ["said", "names", "turned"])
def test_a_tokenizer_of_a_wanted_size_is_trained_once_and_used_again(name, trained):
    kept = runs.load(trained / "runs" / name)
    kept.settings["vocab_size"] = 9
    data = training.prepare({"test": kept.held_out()}, kept.settings, kept.tokenizers, kept.labels)
    assert list(data.tokenizers.values()) == list(kept.tokenizers.values())


def test_the_longest_of_each_side_counts(trained, monkeypatch):
    texts = ["a b c d e f", "a b c d e"] * 8, ["x", "x y z"] * 8  # the second is longer, both sides together
    wanted = settings.of(understood("train translate a b --name x --tokenizer words"))
    wanted |= {"batch_size": 2, "buckets": 2, "epochs": 1, "options": {"units": 4}}
    monkeypatch.setattr(sources, "splits", lambda _: {"train": readers.lists(*texts), "test": readers.lists(*texts)})
    monkeypatch.setattr(training.SaveBest, "on_epoch_end", lambda *_: None)
    data, held_out = training.read(wanted)
    assert len(data.shapes) == 3  # two of training, and one that holds any two test records side by side
    kept = {}
    monkeypatch.setattr(training, "write", lambda folder, settings, *_: kept.update(settings))
    with pytest.raises(ValueError, match="number"):
        training.train(wanted, data, held_out, trained / "runs" / "x", "training")
    assert kept["max_length"] == 7  # six words and END


def test_a_line_an_epoch_is_written_where_no_terminal_shows_a_bar(capsys, monkeypatch):
    watch = training.Progress("training", lambda *_: None)
    watch.set_params({"steps": 2, "epochs": 3})
    watch.on_train_begin()
    watch.on_epoch_end(0, {"loss": 1.25, "val_loss": np.float32(1.5)})
    assert capsys.readouterr().out == "training: epoch 1/3, 0 s, loss 1.25, val_loss 1.5\n"
    for terminal in (sys.stdout, sys.stderr):
        monkeypatch.setattr(terminal, "isatty", lambda: True)
    watch.on_epoch_end(1, {"loss": 1.25})
    assert capsys.readouterr().out == "" and watch.seconds < 60


def test_validation_is_shown_and_counted():
    shown = []
    watch = training.Progress("training", lambda done, said: shown.append((done, said)))
    watch.set_params({"steps": 2, "epochs": 2})
    watch.on_train_begin()
    for epoch in range(2):
        watch.on_epoch_begin(epoch)
        for batch in range(2):
            watch.on_train_batch_end(batch, {"loss": 1.0})
        watch.on_test_begin()
        watch.on_test_batch_end(0)
    assert shown[:3] == [(2, "loss 1.000"), (2, "validating"), (3, "validating")] and shown[-1] == (6, "validating")
    assert watch.steps == 4 and watch.curve == [(2, 1.0), (4, 1.0)]


class Model:
    """What `SaveBest` saves: the number of the epoch."""

    epoch = 0

    def save(self, path):
        path.write_text(str(self.epoch))


def kept(losses, folder):
    """What is in a folder after epochs of these losses."""
    model = Model()
    with folders.locked(folder), folders.begun(folder) as new:
        keep = training.SaveBest(model, new, folder, "loss")
        for model.epoch, loss in enumerate(losses):
            keep.on_epoch_end(model.epoch, {"loss": loss})
    return {path.name: path.read_text() for path in folder.glob("*")}


def test_a_run_is_whole_at_each_moment_of_an_epoch(tmp_path, monkeypatch):
    replace, moments = os.replace, []

    def watched(source, target):
        if (tmp_path / "run").exists():
            moments.append(integrity.check(tmp_path / "run"))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    kept([3.0, 4.0, 2.0, 1.0], tmp_path / "run")
    assert len(moments) > 9 and all(moments)
    (tmp_path / "run/model.keras").write_text("0")  # two epochs old
    with pytest.raises(ValueError, match="Expected the trained model as training left it. Received: .*run/model.keras"):
        integrity.check(tmp_path / "run")


@pytest.mark.parametrize(
    ("losses", "best"), [([1.0, np.nan, 0.5], "2"), ([1.0, np.nan, 2.0], "0"), ([np.nan, 3.0], "1")]
)
def test_the_best_epoch_is_kept_and_one_that_is_no_number_never(losses, best, tmp_path):
    found = kept(losses, tmp_path / "run")
    assert found["model.keras"] == best and found["history.csv"].count("\n") == 1 + len(losses)


def test_the_first_model_puts_a_new_run_in_the_place_of_the_old(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model.keras").write_text("old")
    assert kept([np.nan], folder) == {"model.keras": "old"}
    assert set(kept([1.0], folder)) == {"model.keras", "history.csv", "manifest.json"}
    assert list(tmp_path.iterdir()) == [folder]


def test_a_training_that_diverges_or_is_stopped_leaves_the_old_run(here, capfd, monkeypatch):
    before = {path: path.read_bytes() for path in (here / "runs/said").glob("*.*")}
    words = f"train classify said.tsv --name said --overwrite {QUICK}"
    end = training.SaveBest.on_epoch_end

    def diverged(keep, epoch, logs):
        end(keep, epoch, dict.fromkeys(logs, np.nan))

    with monkeypatch.context() as patch:
        patch.setattr(training.SaveBest, "on_epoch_end", diverged)
        assert "learning-rate" in error(words, capfd)

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.Progress, "on_train_batch_end", stopped)
    assert "stopped" in error(words, capfd)
    assert {path: path.read_bytes() for path in (here / "runs/said").glob("*.*")} == before
    assert not list((here / "runs").glob(".*"))


def test_the_best_epoch_of_a_sequence_task_is_told_by_perplexity(trained):
    for name, monitor in (("said", "val_loss"), ("turned", "val_perplexity")):
        with open(trained / "runs" / name / "history.csv") as file:
            assert monitor in file.readline().strip().split(",")
        assert training.monitored(runs.load(trained / "runs" / name).task, True) == monitor


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
    shutil.copytree("runs/said", "runs/noted")
    (here / "runs/noted/letter.txt").write_text("mine")
    assert "also holds letter.txt" in error(f"train classify said.tsv --name noted --overwrite {QUICK}", capfd)
    (here / "runs/kept/settings.json").write_text('{"editor.tabSize": 2}')
    assert "something else" in error(f"train classify said.tsv --name kept --overwrite {QUICK}", capfd)
    assert "lstn" in error(f"train classify said.tsv --name said --overwrite --cell lstn {QUICK}", capfd)
    assert (here / "runs/said/model.keras").exists()
    assert run(f"train classify said.tsv --name again --overwrite {QUICK} --epochs 1") == 0
    assert (here / "runs/again/history.csv").read_text().count("\n") == 2


def test_what_became_of_the_data_is_said(here, capfd):
    (here / "gaps.tsv").write_text((here / "said.tsv").read_text() + "\n\ncats\t \n")
    assert run(f"train classify gaps.tsv --test said.tsv --name gaps --validation said.tsv {QUICK} --epochs 1") == 0
    said = capfd.readouterr().out
    assert "blank: 3" in said and "same text in train" in said and "48" in said


def test_few_steps_are_mentioned(here, capfd, monkeypatch):
    words = f"train classify said.tsv --name few --overwrite {QUICK}"
    monkeypatch.setattr(sequence_model, "FEWEST_STEPS", 1)
    monkeypatch.setattr(report, "constant_answers", lambda model, batch: "the same for every input")
    for few, said in ((100, True), (5, False)):
        monkeypatch.setattr(commands, "FEWEST_STEPS", few)
        assert run(words) == 0
        told = capfd.readouterr()
        assert ("few steps to learn from (12)" in told.out) == said
        assert told.err == "seqkeras: the same for every input\n"


def test_words_in_a_table_are_explained_below_it(capfd):
    tables.show("a", {"b": dict.fromkeys(tables.MEANT, 1)})
    said = " ".join(capfd.readouterr().out.split())
    assert all(f"{word}: {meant}" in said for word, meant in tables.MEANT.items())
    tables.show("a", {"b": {"kept": 1}})
    assert ":" not in capfd.readouterr().out


def test_train_tells_at_once_who_is_at_work_on_the_same_name(here):
    with folders.locked(here / "runs/busy"):
        done = command(
            *f"train classify said.tsv --name busy {QUICK}".split(), env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
        )
    assert done.returncode == 1 and "tensorflow" not in done.stderr and "keras.src" not in done.stderr
    assert f"runs/busy, at which process {os.getpid()} is at work" in done.stderr
    assert not list((here / "runs").glob("*busy*"))


def test_a_run_that_a_killed_training_was_replacing_is_back_at_the_next_command(here, capfd):
    shutil.copytree("runs/said", "runs/.taken.seqkeras-old")
    shutil.copytree("runs/said", "runs/.taken.seqkeras-new")
    assert run("predict taken cats") == 0
    assert not list((here / "runs").glob(".*"))


@pytest.mark.parametrize("part", ["model.keras", "tokenizers/text/tokenizer.json", "labels.json", "held_out.jsonl.gz"])
def test_a_part_of_another_run_is_refused(part, here, capfd):
    other = here / "runs" / ("names" if part == "held_out.jsonl.gz" else "other")
    if not (here / "runs/other").exists():
        text = (here / "said.tsv").read_text()
        (here / "other.tsv").write_text(text.replace("cats", "cows").replace("sleep", "snore"))
        assert run(f"train classify other.tsv --name other {QUICK} --epochs 1") == 0
    shutil.rmtree("runs/swapped", ignore_errors=True)
    shutil.copytree("runs/said", "runs/swapped")
    shutil.copy(other / part, f"runs/swapped/{part}")
    said = error("predict swapped cats", capfd)
    assert f"runs/swapped/{part}, which is damaged, edited or of another run" in said and "--from" in said


def test_a_run_without_a_manifest_is_used_and_its_sizes_are_compared(here, capfd):
    shutil.rmtree("runs/early", ignore_errors=True)
    shutil.copytree("runs/said", "runs/early")
    (here / "runs/early/manifest.json").unlink()
    assert run("predict said cats") == 0
    expected = capfd.readouterr().out
    assert run("predict early cats") == 0
    said = capfd.readouterr()
    assert said.out == expected and "runs/early has no manifest.json" in said.err
    (here / "runs/early/labels.json").write_text('{"names": ["cats", "dogs"]}')
    assert run("predict early cats") == 1
    assert "num_classes=4 where its tokenizer or labels have 2" in capfd.readouterr().err
    (here / "runs/early/model.keras").write_bytes((here / "runs/said/model.keras").read_bytes()[:1000])
    assert run("predict early cats") == 1
    assert "runs/early/model.keras, which is damaged" in capfd.readouterr().err


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


def test_labels_that_the_model_does_not_know_count_as_wrong_and_are_told(here, capfd):
    (here / "news.tsv").write_text("cats sleep\tcats\ndogs run\tdogs\ncows eat\tcows\ncows run\tcows\n")
    assert run("evaluate said news.tsv") == 0
    said = capfd.readouterr().out
    assert "unknown labels" in said and "cows: 2" in said and "macro F1" in said
    found = runs.load("runs/said").evaluate(readers.table("news.tsv"))
    right = sum(row.get(name, 0) for name, row in found["confusion"].items())
    assert found["examples"] == 4 and found["accuracy"] == right / 4 <= 0.5
    assert found["classes"]["cows"] == {"precision": 0, "recall": 0, "F1": 0, "true": 2, "predicted": 0}
    assert found["macro F1"] == pytest.approx(np.mean([row["F1"] for row in found["classes"].values()]))
    assert sum(map(sum, (row.values() for row in found["confusion"].values()))) == 4


def test_classes_and_examples_are_shown_before_training(here, capfd):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train", lambda *_: 1 / 0)
        assert run(f"train classify said.tsv --name shown {QUICK}") == 1
    said = capfd.readouterr().out
    assert "4 classes: " in said and "cats " in said and "example 2: " in said and " | " in said


@pytest.mark.parametrize(
    ("content", "words", "advice"),
    [
        ("a b\tx\t1\nc d\ty\t2\n", "", "Expected 2 columns, text, label. Received: 3 in {}; choose with --columns"),
        ("a b\nc d\n", "", "Expected 2 columns, text, label. Received: 1 in {}; put tabs between the columns"),
        ("Sentence\tLabel\na\tx\nb\ty\n", "", "Expected data in {}:1. Received: sentence | label.*--header"),
        ("text\tlabel\na\tx\nb\ty\n", "--columns 0,1", "Expected data in {}:1. Received: text | label.*--header"),
        (
            "".join(f"x{i % 3}\ta text {i}\n" for i in range(20)),
            "",
            "20 different labels and 3 different texts .*--columns",
        ),
    ],
)
def test_mistakes_about_columns_get_advice_of_their_own(content, words, advice, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(content)
    wanted = settings.of(understood(f"train classify {path} --name x {words}"))
    with pytest.raises(ValueError, match=advice.format(path).replace("|", "[|]")):
        sources.splits(wanted)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("label\ttext\nx\ta\ny\tb\n", "--header"),
        ("label\ttext\tid\nx\ta\t1\ny\tb\t2\n", "--header"),
        ("id\tlabel\ttext\n1\tx\ta\n2\ty\tb\n", "--columns text,label"),
        ("a\tx\nb\ty\n", ""),
        ("a;x\nb;y\n", "--delimiter ;"),
        ("label|text\nx|a\ny|b\n", "--header --delimiter |"),
    ],
)
def test_columns_are_found_by_the_names_of_the_task_in_a_header(content, words, tmp_path):
    (tmp_path / "a.tsv").write_text(content)
    wanted = settings.of(understood(f"train classify {tmp_path / 'a.tsv'} --name x {words}"))
    assert sources.splits(wanted)["train"].rows == [("a", "x"), ("b", "y")]


def test_our_warnings_are_lines_and_those_of_others_are_not(here, capfd, monkeypatch):
    def evaluate(asked):
        for module in ("seqkeras.pipelines.batching", "keras.src.models"):
            warnings.warn_explicit(f"of {module}", UserWarning, module, 1, module)

    monkeypatch.setattr(commands, "evaluate", evaluate)
    assert run("evaluate said") == 0
    assert capfd.readouterr().err == "seqkeras: of seqkeras.pipelines.batching\n"


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


@pytest.mark.parametrize("name", ["said", "names"])
def test_a_blank_line_has_an_empty_answer(name, here, capfd, monkeypatch):
    (here / "gaps.txt").write_bytes(b"\xef\xbb\xbfcats\n\r\n \ndogs\r\n\n")
    assert run(f"predict {name} --file gaps.txt") == 0
    answers = capfd.readouterr().out
    assert [bool(line) for line in answers.split("\n")] == [True, False, False, True, False, False]
    with open("gaps.txt") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert run(f"predict {name}") == 0
    assert capfd.readouterr().out == answers


def test_lists_and_counts_are_words_in_a_table():
    assert [tables.plain(one) for one in (["a", "b"], [], {"long": 2, "blank": 0}, {})] == [
        *("a, b", "none"),
        *("long: 2", "0"),
    ]


def test_an_answer_is_one_line():
    assert commands._said("a\nb") == "a b" and commands._said({"x": 0.75, "y": 0.25}) == "x\t0.7500"


def test_predict_writes_a_line_for_each_text(here, capfd):
    assert main(["predict", "names", "cats", "dogs", "fish"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(("name", "longest"), [("said", 2), ("turned", 12)])
def test_a_text_that_is_cut_is_named(name, longest, here, capfd):
    kept, text = runs.load(f"runs/{name}"), "birds sleep a very long time"
    (ids,) = kept.rows([text])
    assert len(ids) > kept.max_length == longest
    assert main(["predict", name, "cats run", text]) == 0
    said = capfd.readouterr()
    assert said.out.count("\n") == 2
    assert said.err == (
        f"seqkeras: Expected at most {longest} tokens. Received: {len(ids)} in text={text!r}, cut there\n"
    )


def test_what_is_cut_still_ends(trained):
    kept = runs.load(trained / "runs/turned")
    source = kept.inputs(["cats run", "birds sleep a very long time"])["source"]
    assert source.shape == (2, kept.max_length) and source[1, -1] == END and PAD not in source[1]
    assert list(source[0]) == [*kept.rows(["cats run"])[0], *[PAD] * (kept.max_length - 9)]


def test_a_process_is_silent_but_for_its_answers(trained):
    done = command("predict", "said", "cats sleep", cwd=trained)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_a_tagger_is_evaluated_and_tags_each_word(tagged, capfd):
    with inside(tagged):
        assert run("evaluate tags") == 0
        figures = capfd.readouterr().out
        assert main(["predict", "tags", "rain in rome", "", "play jazz"]) == 0
        said = capfd.readouterr().out
        assert run("evaluate tags seq.in seq.out") == 0
        assert capfd.readouterr().out == figures and "accuracy" in figures and "48" in figures
    blocks = [block.splitlines() for block in said.split("\n\n")]
    assert [line.split("\t")[0] for line in blocks[0] if not line.startswith("#")] == ["rain", "in", "rome"]
    tags = {"O", "B-genre", "I-genre", "B-place", "I-place"}
    for line in blocks[0]:
        if line.startswith("#"):
            continue
        _, tag, probability = line.split("\t")
        assert tag in tags and 0.2 <= float(probability) <= 1
    (answer,) = runs.load(tagged / "runs/tags").answers(["play some jazz"])
    assert [word for word, _, _ in answer.words] == ["play", "some", "jazz"] and answer.label is None
    said = runs.Tagged.of(["in", "new", "york"], np.eye(3)[[2, 0, 1]], {"x": 0.5}, Labels(["B-place", "I-place", "O"]))
    assert said.words == [("in", "O", 1), ("new", "B-place", 1), ("york", "I-place", 1)]
    assert said.spans == [("place", ["new", "york"])]
    assert commands._said(said).splitlines()[:3] == ["# label\tx\t0.5000", "# span\tplace\tnew york", "in\tO\t1.0000"]


def test_a_folder_of_words_tags_and_labels_is_read_as_its_files_are(tagged):
    with inside(tagged):
        of_files, of_folder = (
            sources.splits(settings.of(understood(f"train joint {data} --name x")))
            for data in ("seq.in seq.out label", ".")
        )
    assert of_files["train"].rows == of_folder["train"].rows and len(of_folder["train"].rows) == 48


def test_a_joint_tagger_says_the_label_before_the_tags(tagged, capfd):
    with inside(tagged):
        assert run("evaluate joint seq.in seq.out label") == 0
        assert "weather" in capfd.readouterr().out  # the table of confusions
        assert run("evaluate joint --json") == 0
        found = json.loads(capfd.readouterr().out)
        assert {"tags accuracy", "label accuracy", "span F1", "label macro F1"} <= set(found)
        assert set(found["label classes"]) <= {"music", "weather"} and 0 <= found["span F1"] <= 1
        assert main(["predict", "joint", "rain in rome"]) == 0
        first, *words = capfd.readouterr().out.splitlines()
    words = [line.split("\t")[0] for line in words if line and not line.startswith("#")]
    assert first.startswith("# label\t") and words == ["rain", "in", "rome"]
    kept = runs.load(tagged / "runs/joint")
    assert set(kept.labels) == {"tags", "label"} and kept.labels["label"].names == ["music", "weather"]


def test_what_8_bits_may_worsen_counts_words_and_not_padding(tagged):
    kept = runs.load(tagged / "runs/joint")
    records = readers.lists(["a b", "c"], ["O B-place", "I-new"], ["music", "x"])
    names = kept.labels["tags"].names
    right = np.eye(len(names))[[[names.index("O"), names.index("B-place"), 0], [0, 0, 0]]]
    label = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert kept.metric(records)({"tags": right, "label": label}) == pytest.approx((2 / 3 + 1 / 2) / 2)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "flags"), [("tags", ""), ("joint", ""), ("tags", "--int8 --bound 1")])
def test_export_writes_a_tagger(name, flags, tagged):
    done = command("export", name, "--examples", "8", *flags.split(), cwd=tagged)
    assert (done.returncode, done.stderr) == (0, "") and "interpreter" in done.stdout


# --- errors ---


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("model.keras", "garbage", "trained model"),
        ("model.keras", None, "trained model"),
        ("settings.json", "{", "JSON"),
        ("settings.json", "{}", "settings of a run"),
        ("labels.json", None, "labels.json"),
        ("tokenizers/text/tokenizer.json", None, "tokenizer.json"),
    ],
)
def test_what_is_broken_in_a_run_is_named(file, content, reason, here, capfd):
    shutil.copytree("runs/said", "runs/broken")
    try:
        (here / "runs/broken" / file).unlink() if content is None else (here / "runs/broken" / file).write_text(content)
        said = error("predict broken cats", capfd)
        assert reason in said and "runs/broken" in said
    finally:
        shutil.rmtree("runs/broken")


def test_an_error_is_not_endless():
    assert len(one_line(ValueError("word " * 1000))) <= 800


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
        ("train classify said.tsv --name x --validation 1.5", "share"),
        ("train --from said.tsv", "JSON"),
        ("evaluate nobody", "turned"),
        ("predict names elephants", "elephants"),
        ("predict said --file nothing.txt", "nothing.txt"),
    ],
)
def test_an_error_is_one_line_that_says_what_was_wrong(words, reason, here, capfd):
    assert reason in error(words, capfd)
    assert not (here / "runs" / "x" / "model.keras").exists()


WRONG = {
    "task": "tags",
    "data": "said.tsv",
    "validation": 0.1,
    "test": "dev.tsv",
    "columns": [],
    "header": "yes",
    "delimiter": "||",
    "encoding": 8,
    "tokenizer": None,
    "vocab_size": -1,
    "max_length": 2.5,
    "batch_size": "64",
    "buckets": [1],
    "model": "Seq2Seq",
    "options": [],
    "epochs": True,
    "learning_rate": float("nan"),
    "label_smoothing": 2,
    "patience": None,
    "seed": 2**32,
    "strategy": {},
}


@pytest.mark.parametrize("name", settings.SETTINGS)
def test_settings_of_a_wrong_kind_are_named(name, trained, tmp_path):
    content = json.loads((trained / "runs/said/settings.json").read_text())
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(content | {name: WRONG[name]}))
    with pytest.raises(ValueError, match=f"Expected '{name}' in {path} (to be|among) .*Received: "):
        settings.load(path)
    del content[name]
    path.write_text(json.dumps(content))
    if name == "delimiter":  # settings of an older version have none
        assert settings.load(path) == content | {name: None}
        return
    with pytest.raises(ValueError, match=f"Expected the settings of a run. Received: {path} without {name}"):
        settings.load(path)


@pytest.mark.parametrize(("option", "value"), [("units", "8"), ("dropout", None), ("cell", 1), ("bidirectional", 1)])
def test_options_of_a_wrong_kind_are_named(option, value, trained, tmp_path):
    content = json.loads((trained / "runs/said/settings.json").read_text())
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(content | {"options": {"dropout": 0, option: value}}))
    with pytest.raises(ValueError, match=f"Expected option '{option}' in {path} to be .* Received: "):
        settings.load(path)
    path.write_text(json.dumps(content | {"options": {"unit": 8}}))
    with pytest.raises(ValueError, match=f"Expected 'options' in {path} among .*units.* Received: 'unit'"):
        settings.load(path)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("train classify nothing.tsv --name x", "nothing.tsv', which does not exist"),
        ("train classify said.tsv --validation nothing.tsv --name x", "nothing.tsv', which does not exist"),
        ("train classify said.tsv --test nothing.tsv --name x", "nothing.tsv', which does not exist"),
        ("train classify empty.tsv --name x", "empty.tsv', which is empty"),
        ("train translate runs --name x", "runs', a folder"),
        ("train --from nothing.json", "nothing.json, which does not exist"),
        ("train --from runs", "runs (Is a directory)"),
        ("train --from runs/said/settings.json", "--overwrite"),
        ("evaluate said nothing.tsv", "nothing.tsv', which does not exist"),
        ("evaluate nobody", "in runs: "),
        ("predict said --file nothing.txt", "nothing.txt', which does not exist"),
        ("predict said --file runs", "runs', a folder"),
        ("export nobody", "in runs: "),
    ],
)
def test_what_can_be_told_without_tensorflow_is_told_before_it_is_imported(words, reason, here, capfd, monkeypatch):
    (here / "empty.tsv").touch()
    monkeypatch.delattr(cli, "commands")
    monkeypatch.setitem(sys.modules, "seqkeras.cli.commands", None)  # to import it is an error now
    assert reason in error(words, capfd)


@pytest.mark.parametrize("module", ["preconditions", "settings", "usage", "progress"])
def test_preconditions_and_what_they_know_import_no_tensorflow(module):
    name = os.path.join(sysconfig.get_path("scripts"), "seqkeras")
    script = f"import sys; sys.argv[0] = {name!r}; import seqkeras.cli.{module}; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("predict said <&-", 1, "Expected texts, as arguments, in --file or on the standard input. Received: a closed"),
        ("predict said cats >&-", 0, ""),
        ("evaluate said >&- 2>&-", 0, ""),
    ],
)
def test_a_closed_stream_is_told_where_it_is_needed(words, status, said, here):
    shell = f"{sys.executable} -m seqkeras {words}"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True)
    assert (done.returncode, said in done.stderr, "NoneType" in done.stderr) == (status, True, False), done.stderr


def test_sigterm_ends_a_command_as_an_interruption_does(here, capfd, monkeypatch):
    def evaluate(asked):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    monkeypatch.setattr(commands, "evaluate", evaluate)
    before = signal.getsignal(signal.SIGTERM)
    assert "stopped; what had been saved is kept" in error("evaluate said", capfd)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        ("train classify said.tsv --name x --validation 0.0", "; see --validation, --test\n"),
        ("train classify said.tsv --name x --encoding klingon", "; see --encoding\n"),
        ("train classify said.tsv --name x --units 0", "; see --units\n"),
        ("train classify said.tsv --name x --columns 0,7", "; see --columns\n"),
    ],
)
def test_an_error_names_the_option_that_it_speaks_of(words, flag, here, capfd):
    assert error(words, capfd).endswith(flag)


def test_a_full_disk_is_told_with_its_place(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    of_tensorflow = tf.errors.ResourceExhaustedError(None, None, "/a/b; No space left on device")
    for error in (full, of_tensorflow):
        assert tempfile.gettempdir() in one_line(error) and "room" in one_line(error)
    for error in (full, OSError("Can't write data (file write failed: errno = 28, 'No space left on device')")):
        with pytest.raises(OSError) as told, training.writing(tmp_path / "run"):
            raise error
        assert one_line(told.value) == f"{tmp_path / 'run'}: No space left on device"


def test_memory_that_is_used_up_is_told_as_such():
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[12,20000]")
    assert "no memory left for shape[12,20000]; take a smaller" in one_line(error)
    assert "no memory left; take a smaller" in one_line(MemoryError())


def test_vocabularies_have_one_limit():
    assert usage.LARGEST_VOCABULARY == vocabulary.LARGEST


def test_a_run_remembers_what_divides_its_columns(here, capfd):
    rows = (here / "said.tsv").read_text()
    (here / "semicolons.csv").write_text(rows.replace("\t", ";"))
    assert run(f"train classify semicolons.csv --delimiter ; --name semicolons {QUICK} --epochs 1") == 0
    assert runs.load("runs/semicolons").settings["delimiter"] == ";"
    assert run("evaluate semicolons semicolons.csv") == 0
    assert "48" in capfd.readouterr().out


def test_a_share_for_test_is_split_off_and_held_out(here, capfd):
    assert run(f"train classify said.tsv --name shared --test 0.25 {QUICK} --epochs 1") == 0
    said = capfd.readouterr().out
    assert "test" in said
    held_out = runs.load("runs/shared").held_out()
    assert len(held_out) == 12 and set(held_out.rows) <= set(readers.table("said.tsv"))


def test_the_traceback_is_there_for_those_who_ask(here, capfd):
    assert run("evaluate nobody --traceback") == 1
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_ends_with_a_line_and_keeps_the_best_epoch(how, trained):
    words = f"train classify said.tsv --name long --overwrite {QUICK} --epochs 100000"
    shutil.rmtree(trained / "runs/long", ignore_errors=True)
    with subprocess.Popen(
        [sys.executable, "-m", "seqkeras", *words.split()], cwd=trained, stdout=-1, stderr=-1, text=True
    ) as process:
        waited = time.monotonic()
        while not (trained / "runs/long/model.keras").exists() and time.monotonic() - waited < 300:
            time.sleep(0.2)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and said == "seqkeras: stopped; what had been saved is kept\n"
    assert len(runs.load(trained / "runs/long").answers(["cats sleep"])) == 1
    assert not list((trained / "runs").glob(".*"))


@pytest.mark.slow
def test_train_makes_the_processors_that_a_strategy_names(trained):
    words = f"train classify said.tsv --name two {QUICK} --strategy mirrored:CPU:0,CPU:1"
    done = command(*words.split(), cwd=trained)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("said", ""),
        ("said", "--float16 --length 9"),
        ("names", ""),
        ("turned", "--int8 --bound 1"),
        ("said", "--strategy auto --threads 2"),
    ],
)
def test_export_writes_a_bundle_that_answers_as_the_run_does(name, flags, here):
    done = command("export", name, "--examples", "8", *flags.split())
    assert (done.returncode, done.stderr) == (0, "") and "interpreter" in done.stdout
    from seqkeras import export

    kept, bundle = runs.load(f"runs/{name}"), export.load_bundle(f"runs/{name}/bundle")
    assert ("rounding" in bundle.manifest["parity"]) == ("--float16" in flags)
    if "--length" in flags:
        assert bundle.inputs["ids"]["shape"] == [1, 9]
    assert bundle.manifest["quality"] == pytest.approx(tables.figures(kept.evaluate(kept.held_out())))
    for text in ("cats", "dogs"):
        (expected,) = kept.answers([text])
        answer = bundle(text)
        if isinstance(expected, dict):
            assert next(iter(answer)) == next(iter(expected))
        elif not flags:
            assert answer == expected
