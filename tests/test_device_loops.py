"""The loops that leave for a device: the numbers of the others, fewer operators, one choice among them by measuring."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import cells, export
from seqkeras.cli import usage
from seqkeras.export import loops, tflite
from seqkeras.export.loops import STRATEGIES
from seqkeras.export.runtime import Compiled, Interpreter
from seqkeras.layers import pooling
from seqkeras.rnn.loops import scan
from seqkeras.rnn.recurrence import Recurrence, looping

T, D, H = 6, 3, 4
MASKS = {
    "none": None,
    "full": [1, 1, 1, 1, 1, 1],
    "padding": [1, 1, 1, 0, 0, 0],
    "holes": [0, 1, 0, 1, 1, 0],
    "nothing": [0, 0, 0, 0, 0, 0],
}


def run(layer, loop, x, **given):
    with looping(loop, loops.STEP_OPS):
        return layer(x, **given)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru", "outputtohidden"])
def test_a_sequence_by_itself_gives_what_the_loop_over_batches_gives(cell, reverse, strategy, seed):
    layer = Recurrence(cells.make(cell, H), reverse)
    layer.build((None, None, D))
    x = np.random.normal(size=(1, T, D)).astype("float32")
    state = tuple(np.random.normal(size=(1, H)).astype("float32") for _ in range(layer.cell.num_states))
    for name, steps in MASKS.items():
        mask = None if steps is None else np.array([steps], bool)
        for kind in (None, pooling.Last, pooling.Maximum, pooling.Mean):
            given = {"mask": mask, "initial_state": state, "pooling": kind}
            expected, got = (run(layer, loop, x, **given) for loop in (scan, STRATEGIES[strategy]))
            for a, b in zip(tf.nest.flatten(expected), tf.nest.flatten(got), strict=True):
                np.testing.assert_allclose(b, a, atol=1e-6, err_msg=f"{name}, {kind}")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_batch_goes_through_them_too(strategy, seed):
    layer = Recurrence(cells.make("gru", H))
    layer.build((None, None, D))
    x, mask = np.random.normal(size=(3, T, D)).astype("float32"), np.arange(T) < np.array([[6], [2], [0]])
    for kind in (None, pooling.Maximum):
        expected, got = (run(layer, loop, x, mask=mask, pooling=kind) for loop in (scan, STRATEGIES[strategy]))
        for a, b in zip(tf.nest.flatten(expected), tf.nest.flatten(got), strict=True):
            np.testing.assert_allclose(b, a, atol=1e-6)


def test_a_classifier_writes_no_outputs_and_its_fastest_form_is_one_that_was_measured(tmp_path, seed):
    model = seqkeras.SequenceClassifier(20, 3, units=8, cell="lstm", pooling="max")
    ids = np.where(np.arange(12) < np.arange(1, 13)[:, None], np.random.randint(4, 20, (12, 12)), 0).astype("int32")
    expected = np.asarray(model.classify(ids)["probabilities"])
    whiles = {"loop": 2, "partly_unrolled": 4, "unrolled": 0}  # in both directions; what is left over is a loop more
    for strategy, options in (("loop", {}), ("auto", {"num_threads": 2}), ("auto", {"inputs": {"ids": ids}})):
        report = export.to_tflite(model, tmp_path / strategy, 12, strategy=strategy, **options)
        assert "DYNAMIC_UPDATE_SLICE" not in report["operators"]
        assert report["operators"].get("WHILE", 0) == whiles[report["strategy"]]
        for runtime in (Interpreter, Compiled):
            file = runtime(tmp_path / strategy)
            got = [file.run("classify", {"ids": row[None]})["probabilities"][0] for row in ids]
            np.testing.assert_allclose(got, expected, atol=1e-5)
        tried = {1, options.get("num_threads", 1)}
        if strategy == "auto":
            pairs = [(row["strategy"], row["num_threads"]) for row in report["measured"]]
            assert sorted(pairs) == sorted(itertools.product(STRATEGIES, tried))
            fastest = min(report["measured"], key=lambda r: r["milliseconds"] * (1.05 if r["num_threads"] > 1 else 1))
            assert fastest.items() >= {name: report[name] for name in ("strategy", "num_threads")}.items()


@pytest.mark.parametrize(("second", "taken"), [(0.99, 1), (0.9, 2), (1.2, 1)])
def test_a_second_thread_has_to_save_something(second, taken, tmp_path, monkeypatch):
    monkeypatch.setattr(tflite, "_milliseconds", lambda run, *_: run.speed)

    class Timed(Interpreter):
        def __init__(self, path, num_threads):
            super().__init__(path, num_threads)
            self.speed = second if num_threads == 2 else 1.0

    monkeypatch.setattr(tflite, "Interpreter", Timed)
    model = seqkeras.SequenceClassifier(9, 2, units=4)
    assert export.to_tflite(model, tmp_path / "x", 3, strategy="auto", num_threads=2)["num_threads"] == taken


@pytest.mark.parametrize("strategy", ["partly_unrolled", "unrolled"])
def test_a_tagger_of_few_steps_runs_with_every_strategy(strategy, tmp_path, seed):
    model = seqkeras.SequenceTagger(9, 2, units=4)
    export.to_tflite(model, tmp_path / "x", 3, strategy=strategy)
    for ids in ([4, 5, 6], [7, 0, 0], [0, 0, 0]):
        expected = model.tag(np.array([ids], "int32"))["probabilities"]
        for runtime in (Interpreter, Compiled):
            got = runtime(tmp_path / "x").run("tag", {"ids": np.array([ids], "int32")})["probabilities"]
            np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("strategy", [*STRATEGIES, "auto"])
def test_the_command_line_knows_every_strategy(strategy):
    assert usage.understood(["export", "x", "--strategy", strategy]).strategy == strategy


@pytest.mark.parametrize(
    "asked",
    [
        {"strategy": "fused"},
        {"num_threads": 0},
        {"num_threads": True},
        {"num_threads": 1.5},
        {"growth": 0.5},
        {"inputs": {"source": [[4]]}, "strategy": "auto"},
    ],
)
def test_what_no_file_can_be_made_for_is_refused(asked, tmp_path):
    with pytest.raises(ValueError, match=f"{next(iter(asked))}.* Received"):
        export.to_tflite(seqkeras.SequenceClassifier(9, 2, units=4), tmp_path / "x", 4, **asked)
