"""The comparison finds a file that says something else, however small, and excuses nothing but a tie."""

import keras
import numpy as np
import pytest
from exported import CHARACTERS, LABELS, V, family, unexported

from seqkeras import export, pipelines
from seqkeras.export import held_out, parity

FOUR = {"saved_model", "interpreter", "compiled"}


@pytest.mark.parametrize("name", ["classify", "generate", "attention", "transformer"])
def test_a_true_file_says_what_the_model_says(name):
    report = family(name).manifest["parity"]
    runs = FOUR | {"by_hand"} - ({"by_hand"} if name == "classify" else set())
    assert {key for key in report if isinstance(report[key], dict)} == runs
    for run in runs:
        assert report[run]["equal"] + report[run]["excused"] == report[run]["compared"] > 0
        assert report[run]["difference"] <= 1e-5 and report[run]["milliseconds"] > 0


@pytest.mark.parametrize("name", ["classify", "attention"])
def test_weights_changed_in_the_file_are_found(name, tmp_path):
    part = family(name).model if name == "classify" else family(name).model.model.decoder
    weight = part.embedding.embeddings.value.numpy()
    data, other = family(name).path.read_bytes(), (weight * -1.5).astype("float32")
    assert weight.tobytes() in data
    (tmp_path / "model.tflite").write_bytes(data.replace(weight.tobytes(), other.tobytes()))
    with pytest.raises(ValueError, match=r"interpreter: \d+ of 12 rows differ, first row \d+: ") as error:
        parity(family(name).model, tmp_path / "model.tflite", family(name).inputs)
    assert "compiled: " in str(error.value) and "saved_model" not in str(error.value)


def nearly_tied(model, apart):
    """Makes tokens 5 and 6 the two best everywhere, 6 better by `apart`."""
    logits = model.model.decoder.logits
    logits.kernel.assign(keras.ops.zeros_like(logits.kernel))
    logits.bias.assign(np.select([np.arange(V) == 5, np.arange(V) == 6], [9, 9 + apart], 0))


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    """A file that always says 6, by a hair, and its model."""
    made = unexported("generate")
    nearly_tied(made.model, 5e-5)
    path = tmp_path_factory.mktemp("tied") / "model.tflite"
    export.to_tflite(made.model, path, 1)
    return made, path


def test_a_tie_is_excused_and_counted(tied):
    made, path = tied
    nearly_tied(made.model, -5e-5)
    report = parity(made.model, path, made.inputs)
    assert report["saved_model"]["excused"] == 0
    assert all(report[run]["excused"] == 3 and report[run]["equal"] == 0 for run in ("interpreter", "compiled"))


def test_what_is_no_tie_is_not_excused(tied):
    made, path = tied
    nearly_tied(made.model, -2e-4)
    with pytest.raises(
        ValueError, match="compiled: 3 of 3 rows differ, first row 0: token 0 is 6, not 5; logits 0.0002"
    ):
        parity(made.model, path, made.inputs)


def test_a_metric_may_be_off_by_its_bound_and_no_more(tied):
    made, path = tied
    nearly_tied(made.model, -1)
    share = lambda outputs: np.mean(outputs["ids"] == 5)  # noqa: E731
    assert parity(made.model, path, made.inputs, share, 1.0)["compiled"]["metric"] == 0
    with pytest.raises(ValueError, match="interpreter: metric 0, Keras's 1"):
        parity(made.model, path, made.inputs, share, 0.9)


def test_probabilities_are_held_to_their_bound():
    made = unexported("classify")
    bias = made.model.logits.bias
    bias.assign(keras.ops.array([1e-4, 0.0, 0.0]))
    with pytest.raises(ValueError, match=r"probabilities \d.*e-05 apart"):
        parity(made.model, family("classify").path, made.inputs)
    bias.assign(keras.ops.array([1e-6, 0.0, 0.0]))
    assert 0 < parity(made.model, family("classify").path, made.inputs)["compiled"]["difference"] < 1e-5


@pytest.mark.parametrize(
    ("inputs", "options", "match"),
    [
        ({"source": np.full((2, 17), 4)}, {}, "Expected source of at most"),
        ({"source": np.zeros((0, 4))}, {}, "one or more rows"),
        ({"source": np.full((2, 4), 4)}, {"metric": len}, "metric and bound together"),
    ],
)
def test_wrong_inputs_are_refused(inputs, options, match):
    made = family("attention")
    with pytest.raises(ValueError, match=match):
        parity(made.model, made.path, inputs, **options)


def test_held_out_takes_the_first_examples_of_batches_as_the_tasks_make_them():
    pairs = [("a b", "ab"), ("abc abc", "c"), ("a", "b")]
    data = pipelines.translation(test=pairs, tokenizer=CHARACTERS, batch_size=2)
    inputs = held_out(data.test, 3)
    assert set(inputs) == {"source"} and len(inputs["source"]) == 3
    assert sorted((inputs["source"] != 0).sum(1)) == [2, 4, 8]
    data = pipelines.generation(
        test=[("first", "ab"), ("second", "b")], tokenizer=CHARACTERS, labels=pipelines.Labels(LABELS)
    )
    assert sorted(held_out(data.test, 9)["label"]) == [0, 1]
    values = [(np.ones((2, 5)), "first"), (np.ones((7, 5)), "second"), (np.ones((3, 5)), "third")]
    data = pipelines.series(test=values, labels=pipelines.Labels(LABELS), batch_size=1)
    inputs = held_out(data.test, 2)
    assert inputs["values"].shape[::2] == (2, 5) and list(inputs["length"]) == list(inputs["values"].any(2).sum(1))
