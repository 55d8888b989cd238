"""The comparison finds a file that says something else, however small, and excuses nothing but a tie."""

import keras
import numpy as np
import pytest
from exported import CHARACTERS, LABELS, V, family, unexported

import seqkeras
from seqkeras import export, pipelines
from seqkeras.export import dependence, held_out, parity
from seqkeras.export.quality import figures
from seqkeras.export.runtime import RUNTIMES, Compiled
from seqkeras.tokens import PAD, START

THREE = {"saved_model", "interpreter", "compiled"}
STEPS = {"interpreter_step", "compiled_step"}


@pytest.mark.parametrize("name", ["classify", "generate", "attention", "transformer", "continue"])
def test_a_true_file_says_what_the_model_says(name):
    report = family(name).manifest["parity"]
    runs = THREE | (set() if name == "classify" else STEPS)
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
    logits.kernel.assign(np.where(np.arange(V) == 7, 0.1, np.zeros(logits.kernel.shape)))  # of the label, but for 7
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
        ({"source": np.full((2, 4), 4)}, {"metric": len, "bound": "1"}, "bound a number from 0. .*bound='1'"),
        ({"source": np.full((2, 4), 4)}, {"metric": len, "bound": float("nan")}, "bound=nan"),
        ({"source": np.full((2, 4), 4)}, {"metric": "len", "bound": 1}, "metric to be a function"),
        ({"source": np.full((2, 4), 4)}, {"metric": lambda o: 1 / 0, "bound": 1}, "of outputs .*ZeroDivisionError"),
        ({"source": np.full((2, 4), 4)}, {"metric": lambda o: np.nan, "bound": 1}, "a finite number, .*Received: nan"),
        ({"source": np.full((2, 4), 4)}, {"metric": lambda o: "1", "bound": 1}, "a finite number, .*Received: '1'"),
        ({"source": np.full((2, 4), 4)}, {"metric": len, "bound": True}, "bound=True"),
        (
            {"source": np.full((2, 4), 4)},
            {"metric": lambda o: o["label"], "bound": 1},
            r"of outputs \['ids', 'log_probability'\]. .*KeyError",
        ),
        (
            {"source": np.full((2, 4), 4)},
            {"metric": lambda o: o["ids"], "bound": 1},
            "a finite number, of outputs .*TypeError",
        ),
        (np.full((2, 4), 4), {}, "a dict of arrays by name"),
    ],
)
def test_wrong_inputs_are_refused(inputs, options, match):
    made = family("attention")
    with pytest.raises(ValueError, match=match):
        parity(made.model, made.path, inputs, **options)


def indifferent(made):
    """The family's model with an output layer that reads nothing."""
    model = getattr(made.model, "model", made.model)
    layers = [getattr(model, "decoder", model), getattr(model, "predictor", model)]
    (layer,) = {one.logits for one in layers if hasattr(one, "logits")} or {model.label}
    layer.kernel.assign(keras.ops.zeros_like(layer.kernel))
    return made.model


@pytest.mark.parametrize(
    ("name", "said"),
    [("classify", "probabilities"), ("tag", "probabilities"), ("understand", "label"), ("attention", "logits")]
    + [("generate", "logits"), ("continue", "logits"), ("values", "probabilities")],
)
def test_answers_that_do_not_depend_on_the_input_are_refused(name, said):
    made, model = family(name), indifferent(unexported(name))
    metric = (lambda outputs: 0.0, 1.0) if name == "values" else ()
    with pytest.raises(ValueError, match=f"depend on the input. Received: the same {said} from the model for inputs"):
        parity(model, made.path, made.inputs, *metric)


def test_answers_of_the_file_that_do_not_depend_on_the_input_are_refused(monkeypatch):
    class Stubborn(Compiled):
        """A runtime that always gives its first answer."""

        def run(self, signature, inputs):
            if signature not in self.__dict__:
                self.__dict__[signature] = super().run(signature, inputs)
            return {name: array.copy() for name, array in self.__dict__[signature].items()}

    monkeypatch.setitem(RUNTIMES, "compiled", Stubborn)
    for name, who in (("classify", "probabilities from compiled"), ("generate", "logits from compiled_step")):
        made = family(name)
        with pytest.raises(ValueError, match=f"the same {who} for inputs that differ"):
            parity(made.model, made.path, made.inputs, lambda outputs: 0.0, 1.0)


def test_inputs_that_do_not_differ_may_get_the_same_answer():
    made = family("generate")
    assert parity(made.model, made.path, {"label": np.array([1, 1])})["compiled"]["equal"] == 2


def test_a_tagger_that_reads_forwards_may_say_the_same_of_the_same_beginnings():
    ids = np.array([[4, 0, 0], [4, 5, 0], [4, 5, 6]])
    said = np.eye(3)[[0, 1, 2]]
    dependence.check("it", {"ids": ids}, {"probabilities": lambda row: said * (ids[row] > 0)[:, None]}, "tag")
    other = np.array([[4, 0, 0], [4, 5, 0], [4, 6, 6]])
    with pytest.raises(ValueError, match=r"the same probabilities from it for inputs that differ, \[1. 0. 0.\]"):
        dependence.check("it", {"ids": other}, {"probabilities": lambda row: said * (other[row] > 0)[:, None]}, "tag")


class Stammering(pipelines.Characters):
    """Says more in a graph than in Python."""

    def _decode_batch(self, ids):
        return super()._decode_batch(ids) + "!"


class Hasty(pipelines.Characters):
    """Reads less in a graph than in Python."""

    def encode_batch(self, texts):
        return super().encode_batch(texts)[:, 1:]


@pytest.mark.parametrize(
    ("tokenizers", "match"),
    [
        ({"target": Stammering}, "texts: to '.*' the signature on strings gives another text than ids do: '.*!'"),
        ({"source": Hasty}, r"texts: '.*' is read as \[.*\] in the graph, as \[.*\] in Python"),
    ],
)
def test_texts_are_compared_as_well_as_ids(tokenizers, match):
    made = family("attention")
    changed = {role: kind(CHARACTERS.vocabulary.pieces) for role, kind in tokenizers.items()}
    assert parity(made.model, made.path, made.inputs, tokenizers=made.tokenizers)["saved_model"]["texts"] == 12
    with pytest.raises(ValueError, match=match):
        parity(made.model, made.path, made.inputs, tokenizers=made.tokenizers | changed)


class Otherwise(seqkeras.Sample):
    """A search whose `step`, and nothing else, says the opposite."""

    def signatures(self, batch, length):
        signatures = super().signatures(batch, length)
        step, inputs = signatures["step"]
        return {**signatures, "step": (lambda inputs: (said := step(inputs)) | {"logits": -said["logits"]}, inputs)}


@pytest.fixture(scope="module")
def otherwise(tmp_path_factory):
    """A model, its inputs, and a file that writes as it does but for its `step`."""
    made = unexported("generate")
    path = tmp_path_factory.mktemp("otherwise") / "model.tflite"
    export.to_tflite(Otherwise(made.model.model, 12, 0.05), path)
    uniform = np.random.default_rng(3).random((9, 12), "float32")
    inputs = {"label": np.arange(9, dtype="int32") % 3, "uniform": uniform}
    return seqkeras.Sample(made.model.model, 12, 0.05), inputs, path


def test_a_step_that_says_something_else_is_found(otherwise):
    model, inputs, path = otherwise
    with pytest.raises(ValueError, match=r"interpreter_step: 9 of 9 rows differ, first row 0: logits") as error:
        parity(model, path, inputs)
    assert "compiled_step: 9" in str(error.value) and "interpreter: " not in str(error.value)


def test_by_a_metric_too(otherwise):
    model, inputs, path = otherwise
    told = np.asarray(model(inputs))
    same = lambda outputs: np.mean(outputs["ids"] == told)  # noqa: E731
    with pytest.raises(ValueError, match="compiled_step: metric ") as error:
        parity(model, path, inputs, same, 0.1)
    assert "compiled: " not in str(error.value)


class Forgetful(Compiled):
    """A runtime that keeps something of a call for the next."""

    calls = 0

    def run(self, signature, inputs):
        self.calls += 1
        outputs = super().run(signature, inputs)
        return {name: x + self.calls % 5 / 999 if x.dtype == "float32" else x for name, x in outputs.items()}


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("classify", "compiled: a second call gave other probabilities than the first"),
        ("generate", "compiled_step: a second call gave other logits than the first"),
    ],
)
def test_a_runtime_that_keeps_something_is_found(name, match, monkeypatch):
    made = family(name)
    monkeypatch.setitem(RUNTIMES, "compiled", Forgetful)
    with pytest.raises(ValueError, match=match) as error:
        parity(made.model, made.path, made.inputs, lambda outputs: 0, 0)
    assert "interpreter" not in str(error.value).replace(str(made.path), "")


@pytest.mark.parametrize("runtimes", [[], None, "interpreter", ["interpreter", "abacus"]])
def test_runtimes_that_are_none_are_refused(runtimes):
    made = family("classify")
    with pytest.raises(ValueError, match="runtimes to be a list of interpreter and compiled. Received: runtimes="):
        parity(made.model, made.path, made.inputs, runtimes=runtimes)


def test_inputs_may_be_shorter_than_the_file_takes():
    made = family("tag")
    report = parity(made.model, made.path, {"ids": made.inputs["ids"][:, :4]})
    assert report["compiled"]["equal"] == report["interpreter"]["equal"] == report["examples"]


def test_held_out_goes_from_the_shortest_to_the_longest_by_the_models_own_names():
    pairs = [("a" * length, "ab") for length in (*range(1, 15), *[7] * 50)]
    data = pipelines.translation(test=pairs, tokenizer=CHARACTERS, batch_size=4)
    inputs = held_out(data.test, 3, unexported("attention").model)
    assert set(inputs) == {"source"}
    assert list((inputs["source"] != PAD).sum(1)) == [2, 8, 15]  # END counted
    assert len(held_out(data.test, 999, unexported("attention").model)["source"]) == 64
    data = pipelines.generation(
        test=[("first", "ab"), ("second", "b")], tokenizer=CHARACTERS, labels=pipelines.Labels(LABELS)
    )
    assert sorted(held_out(data.test, 9, unexported("generate").model)["label"]) == [0, 1]
    data = pipelines.classification(
        test=[("a", "first"), ("abc", "third")], tokenizer=CHARACTERS, labels=pipelines.Labels(LABELS)
    )
    assert list((held_out(data.test, 2, unexported("classify").model)["ids"] != PAD).sum(1)) == [1, 3]
    with pytest.raises(ValueError, match=r"Expected features \['label'\]. Received: \['ids'\]"):
        held_out([({"ids": np.ones((1, 2))}, 0)], 1, unexported("generate").model)
    with pytest.raises(ValueError, match="Received: none"):
        held_out([], 1, unexported("generate").model)


@pytest.mark.parametrize(
    ("batches", "n", "match"),
    [
        (None, 5, "Expected batches of examples. Received: batches of type NoneType"),
        ([], 0, "n to be a positive integer. Received: n=0"),
        ([], "5", "n='5'"),
        ((np.full((3, 4), 5), np.zeros(3)), 5, "batches of ids with 2 axes. Received: 1"),
    ],
)
def test_held_out_asks_for_batches_and_a_number(batches, n, match):
    with pytest.raises(ValueError, match=match):
        held_out(batches, n, unexported("classify").model)
    with pytest.raises(ValueError, match="a model of seqkeras"):
        held_out([], 1, keras.Sequential([]))


def test_held_out_keeps_the_targets_and_parity_gives_figures_of_them():
    data = pipelines.classification(
        test=[("a" * (1 + i % 9), LABELS[i % 3]) for i in range(40)],
        tokenizer=CHARACTERS,
        labels=pipelines.Labels(LABELS),
        batch_size=4,
    )
    made = family("classify")
    inputs = held_out(data.test, 12, made.model)
    report = parity(made.model, made.path, inputs, labels=LABELS, targets=inputs.targets)
    right = np.mean(np.argmax(made.model.classify({"ids": inputs["ids"]})["probabilities"], -1) == inputs.targets)
    assert report["quality"] == {"examples": 12, "accuracy": right}
    inputs.update(ids=inputs["ids"][::-1])
    assert inputs.targets is None


@pytest.mark.parametrize(
    ("task", "outputs", "targets", "labels", "said"),
    [
        ("classify", {"probabilities": np.eye(4)}, [0, 1, 0, -1], LABELS, {"accuracy": 0.5}),
        (
            "tag",
            {"probabilities": np.eye(3)[[[0, 1, 2], [0, 0, 0]]]},
            [[0, 1, 1], [0, 2, 2]],
            LABELS,
            {"accuracy": 0.75},
        ),
        (
            "tag",
            {"probabilities": np.eye(3)[[[1, 2, 0], [1, 0, 0]]]},
            [[1, 2, -1], [1, 2, 0]],
            ["O", "B-a", "I-a"],
            {"accuracy": 0.75, "span_f1": 0.5},
        ),
        (
            "translate",
            {"ids": np.array([[5, 2], [5, 6], [3, 2]])},
            [[5, 2, 9], [5, 6, 2], [3, 2, 0]],
            None,
            {"exact_match": 2 / 3},
        ),
        ("forecast", {"next": np.ones((2, 3, 1))}, np.zeros((2, 3, 1)), None, {"mean_squared_error_scaled": 1.0}),
    ],
)
def test_figures_are_those_of_the_task(task, outputs, targets, labels, said):
    inputs = {"ids": np.array([[4, 4, 0], [4, 4, 0]])}
    got = figures(task, inputs, outputs, np.array(targets), labels)
    assert got == {"examples": len(next(iter(outputs.values()))), **said}


def test_figures_of_what_has_no_one_right_answer_are_none():
    assert figures("generate", {}, {"ids": np.ones((2, 3))}, np.ones((2, 3)), LABELS) == {}


def test_held_out_values_are_values():
    values = [(np.ones((length, 5)), LABELS[length % 3]) for length in (2, 7, 3, 5)]
    data = pipelines.series(test=values, labels=pipelines.Labels(LABELS), batch_size=1)
    inputs = held_out(data.test, 2, unexported("values").model)
    assert inputs["values"].shape == (2, 7, 5) and list(inputs["length"]) == [2, 7]
    data = pipelines.forecasting(test=np.arange(60.0).reshape(30, 2), window=10, horizon=3)
    inputs = held_out(data.test, 4, unexported("forecast").model)
    assert set(inputs) == {"values"} and inputs["values"].shape == (4, 10, 2)


def test_of_a_held_out_text_the_first_half_is_the_prompt():
    texts = [("abcdefgh",), ("ab",), ("abcd",)]
    data = pipelines.language_model(test=texts, tokenizer=CHARACTERS, batch_size=2)
    inputs = held_out(data.test, 9, unexported("continue").model)
    assert [CHARACTERS.decode(row) for row in inputs["prompt"]] == ["a", "ab", "abcd"]
    assert START not in inputs["prompt"] and inputs["uniform"].shape == (3, 12)
    assert 0 <= inputs["uniform"].min() < inputs["uniform"].max() < 1
    assert parity(family("continue").model, family("continue").path, inputs)["compiled_step"]["compared"] == 3


class Surer(seqkeras.Greedy):
    """A search that says another log-probability than that of its ids."""

    def scored(self, inputs):
        said = super().scored(inputs)
        return said | {"log_probability": said["log_probability"] + 0.01}


def test_another_log_probability_is_found(tmp_path):
    made = unexported("generate")
    export.to_tflite(Surer(made.model.model, 12), tmp_path / "x")
    with pytest.raises(ValueError, match="interpreter: 3 of 3 rows differ, first row 0: log_probability 0.01 apart"):
        parity(made.model, tmp_path / "x", made.inputs)


def test_a_metric_of_log_probabilities_holds_for_the_loop_of_an_app_too():
    made = family("generate")
    report = parity(made.model, made.path, made.inputs, lambda said: float(said["log_probability"].mean()), 0.001)
    assert report["interpreter_step"]["metric"] == pytest.approx(report["keras"], abs=1e-3)
