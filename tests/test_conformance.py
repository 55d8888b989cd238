"""What every public class owes, over the whole catalog."""

import inspect
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import seqkeras
from seqkeras import export
from seqkeras.models.reader import Reader
from tests import catalog
from tests.catalog import CELLS, EVERYTHING, LAYERS, MODELS, SEARCHES, VARIANTS, WRAPPED_CELLS

PARTS = [*CELLS, *WRAPPED_CELLS, *LAYERS]
IN_JAX = [*MODELS[:5], SEARCHES[0]]  # a model a family


def each(entries):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


def test_every_registered_class_is_listed_once():
    registered = {
        cls
        for name, cls in keras.saving.get_custom_objects().items()
        if name.startswith("seqkeras>") and cls.__module__.startswith("seqkeras.")
    }
    listed = [entry.cls for entry in EVERYTHING]
    assert len(listed) == len(set(listed))
    assert registered == set(listed)


@each(EVERYTHING)
def test_config_holds_every_constructor_argument_with_its_value(entry):
    config = entry.make().get_config()
    parameters = list(inspect.signature(entry.cls).parameters.values())
    names = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
    assert names - set(config) == set()
    assert {name: config[name] for name in entry.arguments} == entry.arguments


@each([entry for entry in EVERYTHING if entry not in CELLS])
def test_the_catalog_gives_each_argument_a_value_of_its_own(entry):
    """Otherwise a value lost on the way to the config would go unseen. The arguments of cells are tested with them."""
    parameters = [p for p in inspect.signature(entry.cls).parameters.values() if p.kind is not p.VAR_KEYWORD]
    entries = [entry, *(one for one in VARIANTS if one.cls is entry.cls)]
    given = {name: value for one in reversed(entries) for name, value in {**one.arguments, **one.made}.items()}
    rule_out_others = {"input_units", "strategy", "cross_attention"}
    if issubclass(entry.cls, Reader):  # whose variants by encoder are those of the classifier
        rule_out_others |= {"encoder", "window", "num_heads", "max_length"}
    assert {p.name for p in parameters} - set(given) <= rule_out_others
    assert [p.name for p in parameters if p.name in given and p.default == given[p.name]] == []


@each(EVERYTHING)
def test_config_makes_the_same_object_and_is_plain_json(entry):
    config = entry.make().get_config()
    assert entry.cls.from_config(json.loads(json.dumps(config))).get_config() == config


def fit_once(model, entry, **options):
    """One step of plain gradient descent on the whole example batch: the loss before it."""
    model.compile(keras.optimizers.SGD(0.5), entry.loss(), **options)
    return fit_again(model, entry)


def fit_again(model, entry):
    """One step of a model that is compiled; the batch is not shuffled."""
    batch = {"batch_size": catalog.B, "shuffle": False, "verbose": 0}
    return model.fit(entry.inputs, entry.labels, sample_weight=entry.weight, **batch).history["loss"][0]


@each([*MODELS, *VARIANTS])
def test_eager_compiled_and_xla_training_agree(entry, seed):
    model = entry.still()
    start = [w + np.random.normal(scale=0.1, size=w.shape) for w in model.get_weights()]  # none at zero
    ways = {"eager": {"run_eagerly": True}, "compiled": {"jit_compile": False}, "xla": {"jit_compile": True}}
    losses, weights = {}, {}
    for way, options in ways.items():
        model.set_weights(start)
        losses[way] = fit_once(model, entry, **options)
        weights[way] = model.get_weights()
    moved = [np.abs(a - b).max() > 0 for a, b in zip(start, weights["eager"], strict=True)]
    assert np.mean(moved) > 0.7, "most weights must have moved, else there is nothing to compare"
    for way in ("compiled", "xla"):
        np.testing.assert_allclose(losses[way], losses["eager"], rtol=1e-5)
        for a, b in zip(weights[way], weights["eager"], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@each([*MODELS, *VARIANTS])
def test_mixed_precision_trains_close_to_float32(entry, seed):
    """Within five roundings from some start: from others a maximum is nearly a tie, and rounding decides it."""
    bounds = {"float16": 5 * 2**-11, "bfloat16": 5 * 2**-8}
    models = {"float32": entry.still(), **{dtype: entry.still(dtype=f"mixed_{dtype}") for dtype in bounds}}
    for dtype, model in models.items():
        assert {v.dtype for v in model.trainable_variables} == {"float32"}
        assert {keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(model(entry.inputs))} == {dtype}
        model.compile(keras.optimizers.SGD(0.5), entry.loss(), jit_compile=False)
    errors = {dtype: [] for dtype in bounds}
    for _ in range(10):
        start = entry.still().get_weights()
        losses, moves = {}, {}
        for dtype, model in models.items():
            model.set_weights(start)
            losses[dtype] = fit_again(model, entry)
            moves[dtype] = np.concatenate([np.ravel(a - b) for a, b in zip(model.get_weights(), start, strict=True)])
        for dtype in bounds:
            np.testing.assert_allclose(losses[dtype], losses["float32"], rtol=0.02)
            away = np.linalg.norm(moves[dtype] - moves["float32"]) / np.linalg.norm(moves["float32"])
            errors[dtype].append(float(away))
        if all(min(errors[dtype]) < bound for dtype, bound in bounds.items()):
            return
    pytest.fail(f"Expected one of {len(errors['float16'])} starts within {bounds}. Received: {errors}")


@each(MODELS)
def test_a_file_keeps_the_precision_of_every_part(entry, tmp_path):
    model = entry.make(dtype="mixed_bfloat16")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert keras.config.dtype_policy().name == "float32"
    for said, expected in zip(*(keras.tree.flatten(one(entry.inputs)) for one in (loaded, model)), strict=True):
        np.testing.assert_array_equal(said, expected)


CHILD = """
import sys

import keras
import numpy as np
import seqkeras

folder, *names = sys.argv[1:]
for name in names:
    model = keras.models.load_model(f"{folder}/{name}.keras")
    arrays = dict(np.load(f"{folder}/{name}.npz"))
    targets = {key: arrays.pop(key) for key in list(arrays) if key.partition(".")[0] in ("labels", "weight")}
    labels, weight = (
        targets.get(kind, {key.partition(".")[2]: x for key, x in targets.items() if key.startswith(kind)} or None)
        for kind in ("labels", "weight")
    )
    inputs = arrays.get("only", arrays)
    results = model(inputs) if keras.backend.backend() == "tensorflow" else model.predict_on_batch(inputs)
    results = results if isinstance(results, dict) else {"outputs": results}
    if labels is not None:
        model.run_eagerly = keras.backend.backend() == "tensorflow"
        model.fit(inputs, labels, sample_weight=weight, shuffle=False, verbose=0)
        results.update({f"weight{i}": w for i, w in enumerate(model.get_weights())})
    np.savez(f"{folder}/{name}.results.npz", **{k: keras.ops.convert_to_numpy(x) for k, x in results.items()})
if keras.backend.backend() != "tensorflow":
    assert "tensorflow" not in sys.modules
"""


def all_in_one(entries):
    """Layers side by side as one functional model, for one file: (model, its named inputs)."""
    symbolic, inputs, outputs = {}, {}, {}
    for entry in entries:
        flat = keras.tree.flatten(entry.inputs)
        names = [f"{entry.name}_{i}" for i in range(len(flat))]
        inputs.update(zip(names, flat, strict=True))
        symbolic.update({k: keras.Input(batch_shape=inputs[k].shape, dtype=inputs[k].dtype.name) for k in names})
        given = keras.tree.pack_sequence_as(entry.inputs, [symbolic[k] for k in names])
        results = keras.tree.flatten(entry.make()(**given))
        outputs.update({f"{entry.name}_{i}": x for i, x in enumerate(results)})
    return keras.Model(symbolic, outputs), inputs


def train_once(model, entry):
    model.fit(entry.inputs, entry.labels, sample_weight=entry.weight, shuffle=False, verbose=0)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(folder of `.keras` files and their inputs, what the models in them answer here: {file: {output: array}})."""
    folder, answers = tmp_path_factory.mktemp("saved"), {}

    def save(name, model, given, **arrays):
        inputs = given if isinstance(given, dict) else {"only": given}
        for key, value in arrays.items():
            parts = {key: value} if not isinstance(value, dict) else {f"{key}.{k}": v for k, v in value.items()}
            inputs = {**inputs, **{k: v for k, v in parts.items() if v is not None}}
        np.savez(folder / name, **inputs)
        model.save(folder / f"{name}.keras")
        results = model(given)
        answers[name] = results if isinstance(results, dict) else {"outputs": results}

    for entry in MODELS:
        model = entry.still()
        model.compile(
            keras.optimizers.SGD(0.5, momentum=0.9),
            entry.loss(label_smoothing=0.1),
            weighted_metrics=entry.measures(),
        )
        model.run_eagerly = True
        train_once(model, entry)
        save(entry.name, model, entry.inputs, labels=entry.labels, weight=entry.weight)
        train_once(model, entry)
        answers[entry.name].update({f"weight{i}": w for i, w in enumerate(model.get_weights())})
    for entry in SEARCHES:
        save(entry.name, entry.make(), entry.inputs)
    save("layers", *all_in_one(PARTS))
    return folder, answers


def elsewhere(saved, backend, names):
    """What the same files answer in a new process that imports nothing but keras and seqkeras."""
    folder, _ = saved
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), *names],
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: dict(np.load(folder / f"{name}.results.npz")) for name in names}


@pytest.fixture(scope="module")
def in_a_new_process(saved):
    return elsewhere(saved, "tensorflow", saved[1])


@pytest.fixture(scope="module")
def in_jax(saved):
    pytest.importorskip("jax", reason="jax is not installed")
    return elsewhere(saved, "jax", [entry.name for entry in IN_JAX])


def same(received, expected):
    assert set(received) == set(expected) != set()
    for name, value in expected.items():
        np.testing.assert_allclose(received[name], value, atol=1e-5, err_msg=name)


@each([*MODELS, *SEARCHES])
def test_a_file_says_and_learns_the_same_in_a_new_process(entry, saved, in_a_new_process):
    same(in_a_new_process[entry.name], saved[1][entry.name])


@each(PARTS)
def test_a_layer_says_the_same_in_a_new_process(entry, saved, in_a_new_process):
    def own(answers):
        return {k: v for k, v in answers["layers"].items() if k.rpartition("_")[0] == entry.name}

    same(own(in_a_new_process), own(saved[1]))


@each(IN_JAX)
def test_a_file_says_and_learns_the_same_in_jax_without_tensorflow(entry, saved, in_jax):
    same(in_jax[entry.name], saved[1][entry.name])


@pytest.mark.slow
@each([*MODELS, *VARIANTS])
def test_its_file_for_a_phone_is_clean_and_says_the_same(entry, seed, tmp_path):
    """Built-in operators only, and the answers of Keras, SavedModel, interpreter and CompiledModel alike."""
    model = entry.make()
    for v in model.trainable_variables:  # livelier than at the start, so that answers differ
        v.assign(v + 0.3 * keras.random.normal(v.shape))
    model = seqkeras.Greedy(model, 7) if hasattr(model, "step") else model
    inputs = next(iter(model.signatures(1, catalog.S).values()))[1]
    given = entry.inputs if isinstance(entry.inputs, dict) else dict.fromkeys(inputs, entry.inputs)
    path = tmp_path / "model.tflite"
    export.to_tflite(model, path, catalog.S)
    export.audit(path)
    report = export.parity(model, path, {name: given[name] for name in inputs})
    assert report["examples"] == catalog.B
    assert {"saved_model", "interpreter", "compiled"} <= set(report)


def numpy_numbers(arguments):
    kinds = {bool: np.bool_, int: np.int64, float: np.float64}
    return {name: kinds.get(type(value), lambda x: x)(value) for name, value in arguments.items()}


@each(MODELS)
def test_numbers_of_numpy_are_plain_numbers(entry):
    config = entry.make(**numpy_numbers(entry.arguments)).get_config()
    json.dumps(config)
    assert {name: config[name] for name in entry.arguments} == entry.arguments


@each(MODELS)
def test_inputs_of_another_name_rank_or_kind_are_refused(entry):
    model = entry.make()
    if not isinstance(entry.inputs, dict):
        wrong = [entry.inputs[0], {"text": entry.inputs}, entry.inputs.astype("str")]
    else:
        wrong = [next(iter(entry.inputs.values())), {"text": entry.inputs}]
        wrong += [{**entry.inputs, name: x[..., None]} for name, x in entry.inputs.items()]
        wrong += [{**entry.inputs, name: x.astype("str")} for name, x in entry.inputs.items()]
        wrong += [{name: x} for name, x in entry.inputs.items() if len(entry.inputs) > 1]
        wrong += [{**entry.inputs, name: x[:-1]} for name, x in entry.inputs.items() if len(entry.inputs) > 1]
    for inputs in wrong:
        with pytest.raises(ValueError, match="Expected inputs .*Received: "):
            model(inputs)


def test_wrong_arguments_say_what_was_expected():
    wrong = [
        (seqkeras.SequenceClassifier, {"vocab_size": None}, "either vocab_size .* or input_units"),
        (seqkeras.SequenceClassifier, {"vocab_size": 0}, "vocab_size to be a positive integer"),
        (seqkeras.SequenceClassifier, {"num_classes": 0}, "num_classes to be a positive integer"),
        (seqkeras.SequenceClassifier, {"units": 0}, "units to be a positive integer"),
        (seqkeras.SequenceClassifier, {"units": None}, "units to be a positive integer"),
        (seqkeras.SequenceClassifier, {"embedding_units": -1}, "embedding_units to be a positive integer"),
        (seqkeras.SequenceClassifier, {"input_units": 1.5, "vocab_size": None}, "input_units to be a positive integer"),
        (seqkeras.SequenceClassifier, {"num_layers": 0}, "num_layers to be a positive integer"),
        (seqkeras.SequenceClassifier, {"dropout": 1.0}, r"dropout to be a number in \[0, 1\)"),
        (seqkeras.SequenceClassifier, {"cell": "gr", "encoder": "recurrent"}, "cell to be one of .*gru.*lstm"),
        (seqkeras.SequenceClassifier, {"pooling": "min"}, "pooling to be one of last, max, mean"),
        (seqkeras.SequenceGenerator, {"vocab_size": "many"}, "vocab_size to be a positive integer"),
        (seqkeras.SequenceGenerator, {"units": True}, "units to be a positive integer"),
        (seqkeras.SequenceGenerator, {"num_layers": 0}, "num_layers to be a positive integer"),
        (seqkeras.SequenceGenerator, {"context": "all"}, "context to be one of state, input, both"),
        (seqkeras.SequenceGenerator, {"context": None}, "context to be one of state, input, both"),
        (seqkeras.Seq2Seq, {"context": None}, "context to be one of state, input, both"),
        (seqkeras.SequenceGenerator, {"dropout": -0.1}, "dropout to be a number"),
        (seqkeras.SequenceGenerator, {"embedding_units": 0}, "embedding_units to be a positive integer"),
        (seqkeras.Seq2Seq, {"target_vocab_size": 0}, "target_vocab_size to be a positive integer"),
        (seqkeras.Seq2Seq, {"vocab_size": 2.0}, "vocab_size to be a positive integer"),
        (seqkeras.Seq2Seq, {"units": None}, "units to be a positive integer"),
        (seqkeras.Seq2Seq, {"units": "128"}, "units to be a positive integer"),
        (seqkeras.Seq2Seq, {"residual": "yes"}, "residual to be one of True, False"),
        (seqkeras.SequenceGenerator, {"residual": "yes"}, "residual to be one of True, False"),
        (seqkeras.TransformerSeq2Seq, {"tied_embeddings": "no"}, "tied_embeddings to be one of True, False"),
        (seqkeras.AttentionSeq2Seq, {"score": "cosine"}, "score to be one of mlp, dot, scaled_dot"),
        (seqkeras.AttentionSeq2Seq, {"embedding_units": 0}, "embedding_units to be a positive integer"),
        (seqkeras.TransformerSeq2Seq, {"num_heads": 3}, "units to be a multiple of num_heads"),
        (seqkeras.TransformerSeq2Seq, {"num_heads": 0}, "num_heads to be a positive integer"),
        (seqkeras.TransformerSeq2Seq, {"ff_units": 0}, "ff_units to be a positive integer"),
        (seqkeras.TransformerSeq2Seq, {"num_layers": 0}, "num_layers to be a positive integer"),
        (seqkeras.TransformerSeq2Seq, {"max_length": 0}, "max_length to be a positive integer"),
        (seqkeras.TransformerSeq2Seq, {"norm": "none"}, "norm to be one of pre, post"),
        (seqkeras.TransformerSeq2Seq, {"positions": "rotary"}, "positions to be one of sinusoid, learned"),
        (seqkeras.TransformerSeq2Seq, {"dropout": 2}, "dropout to be a number"),
        (seqkeras.CrossEntropy, {"label_smoothing": 1}, "label_smoothing to be a number"),
    ]
    entries = {entry.cls: entry for entry in EVERYTHING}
    for cls, changed, message in wrong:
        with pytest.raises(ValueError, match=f"Expected {message}.* Received: .*{list(changed)[0]}="):
            entries[cls].make(**changed)
