"""A bundle in use gives the model's own answers, and clear errors for what it cannot read."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from exported import CHARACTERS, LABELS, LENGTH, LONG, WORDS, family
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqkeras.export import load_bundle
from seqkeras.export import runtime as runtimes
from seqkeras.export.answers import Forecaster, JointTagger, Tagger
from seqkeras.export.runtime import Compiled, Interpreter
from seqkeras.pipelines import Characters, Words
from seqkeras.tokens import END

TEXTS = ["a", "hello", "the cat sat on"]
RUNTIMES = pytest.mark.parametrize("runtime", ["interpreter", "compiled"])


@RUNTIMES
def test_text_goes_in_and_labels_come_out(runtime):
    classify, made = load_bundle(family("classify").folder, runtime), family("classify")
    for text in TEXTS:
        expected = made.model.classify({"ids": np.array([CHARACTERS.encode(text)], "int32")})["probabilities"][0]
        got = classify(text)
        assert set(got) == set(LABELS) and list(got.values()) == sorted(got.values(), reverse=True)
        assert np.allclose([got[label] for label in LABELS], expected, atol=1e-5)


@RUNTIMES
@pytest.mark.parametrize("name", ["attention", "transformer"])
def test_text_goes_in_and_text_comes_out(runtime, name):
    translate, made = load_bundle(family(name).folder, runtime), family(name)
    for text in TEXTS:
        ids = made.model({"source": np.array([[*CHARACTERS.encode(text), END]], "int32")})
        assert translate(text) == CHARACTERS.decode(keras.ops.convert_to_numpy(ids)[0])


@RUNTIMES
def test_threads_get_the_answers_that_one_alone_gets(runtime):
    classify = load_bundle(family("classify").folder, runtime)
    texts = TEXTS * 60
    with ThreadPoolExecutor(4) as threads:
        received = list(threads.map(classify, texts))
    assert received == [classify(text) for text in texts]


@RUNTIMES
def test_a_label_goes_in_and_text_comes_out(runtime):
    generate, made = load_bundle(family("generate").folder, runtime), family("generate")
    written = CHARACTERS.decode(keras.ops.convert_to_numpy(made.model({"label": np.arange(3)})))
    assert [generate(label) for label in LABELS] == written


@RUNTIMES
def test_real_values_go_in_and_labels_come_out(runtime):
    made = family("values")
    classify, values = load_bundle(made.folder, runtime), made.inputs["values"][0, :9]
    expected = made.model.classify({"values": values[None], "length": np.array([9])})["probabilities"][0]
    got = classify(values)
    assert np.allclose([got[label] for label in LABELS], expected, atol=0.01)
    for wrong in (values[0], values[:, :4], values[:0], np.zeros((LENGTH + 1, 5))):
        with pytest.raises(ValueError, match=r"Expected values \[T, 5\], T from 1 to 16"):
            classify(wrong)


@RUNTIMES
def test_a_sampled_continuation_follows_from_its_seed(runtime):
    made = family("continue")
    writers = [load_bundle(made.folder, runtime, seed=seed) for seed in (1, 1, 2)]
    texts = [[go_on(text) for text in ("", "hel", "hel")] for go_on in writers]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][1] != texts[0][2] and texts[0][1].startswith("hel") and texts[0][2].startswith("hel")
    prompt, uniform = np.array([CHARACTERS.encode("hel")], "int32"), np.full((1, 12), 0.7, "float32")
    expected = keras.ops.convert_to_numpy(made.model({"prompt": prompt, "uniform": uniform}))
    got = load_bundle(made.folder, runtime).run(prompt=np.pad(prompt, [(0, 0), (0, 5)]), uniform=uniform)
    assert np.array_equal(got["ids"], expected)


@RUNTIMES
def test_each_token_gets_its_likeliest_tag_and_the_others_stay_in_reach(runtime):
    made = family("tag")
    tag = load_bundle(made.folder, runtime)
    expected = made.model.tag({"ids": np.array([CHARACTERS.encode("hello")], "int32")})["probabilities"][0].numpy()
    got, whole = tag("hello"), tag.probabilities("hello")
    assert [piece for piece, _, _ in got] == list("hello")
    assert [label for _, label, _ in got] == [LABELS[one] for one in expected.argmax(-1)]
    assert np.allclose([probability for _, _, probability in got], expected.max(-1), atol=1e-5)
    assert np.allclose([list(one.values()) for one in whole], expected, atol=1e-5)
    assert all(list(one) == LABELS for one in whole)
    with pytest.raises(ValueError, match="Expected tags O, B-type and I-type. Received: .'first'"):
        tag.spans("hello")


@RUNTIMES
def test_tags_and_a_label_come_out_together(runtime):
    made = family("understand")
    understand = load_bundle(made.folder, runtime)
    got, whole = understand("hello"), understand.probabilities("hello")
    expected = made.model.understand({"ids": np.array([CHARACTERS.encode("hello")], "int32")})
    assert np.allclose([list(one.values()) for one in whole["tags"]], expected["tags"][0], atol=1e-5)
    assert [piece for piece, _, _ in got["tags"]] == list("hello") and "spans" not in got
    assert np.allclose([probability for _, _, probability in got["tags"]], np.max(expected["tags"][0], -1), atol=1e-5)
    assert np.allclose([got["label"][name] for name in LABELS], expected["label"][0], atol=1e-5)
    assert list(got["label"].values()) == sorted(got["label"].values(), reverse=True)


class Fixed:
    """A runtime that says the same numbers to everything."""

    def __init__(self, **said):
        self.said = said

    def run(self, task, inputs):
        return self.said


def tagging_manifest(task, labels, width=None, outputs="class"):
    shape = {"ids": {"shape": [1, 6], "dtype": "int32"}}
    if width:
        shape = {"values": {"shape": [1, 6, width], "dtype": "float32"}, "length": {"shape": [1], "dtype": "int32"}}
    tokenizers = {} if width else {"text": {"end": False}}
    signatures = {task: {"inputs": shape}}
    return {
        "task": task,
        "signatures": signatures,
        "scale": None,
        "tokenizers": tokenizers,
        "labels": labels,
        "outputs": outputs,
    }


BIO = ["O", "B-city", "I-city"]
SAID = np.full((1, 6, 3), 0.25, "float32")
SAID[0, range(4), [0, 1, 2, 1]] = 0.5


def test_a_tagger_answers_words_as_they_were_written_and_spans():
    words = Words.train(["to new york , or"], lower=True)
    tag = Tagger(tagging_manifest("tag", BIO), Fixed(probabilities=SAID), {"text": words})
    tagged = [("to", "O", 0.5), ("New", "B-city", 0.5), ("Yörk", "I-city", 0.5), (",", "B-city", 0.5)]
    assert tag("to New Yörk,") == tagged
    assert tag.spans("to New Yörk,") == [("city", "New Yörk", 1, 3, 0.25), ("city", ",", 3, 4, 0.5)]
    understand = JointTagger(
        tagging_manifest("understand", {"tags": BIO, "label": ["a", "b"]}),
        Fixed(tags=SAID, label=np.array([[0.25, 0.75]])),
        {"text": words},
    )
    got = understand("to New Yörk,")
    assert got == {"label": {"b": 0.75, "a": 0.25}, "tags": tagged, "spans": tag.spans("to New Yörk,")}


def test_a_tagger_of_values_answers_by_the_number_of_the_step():
    tag = Tagger(tagging_manifest("tag", BIO, width=1), Fixed(probabilities=SAID), {})
    assert tag(np.zeros((2, 1))) == [(0, "O", 0.5), (1, "B-city", 0.5)]
    several = Tagger(tagging_manifest("tag", BIO, width=1, outputs="labels"), Fixed(probabilities=SAID), {})
    assert several(np.zeros((1, 1))) == [(0, {"O": 0.5, "B-city": 0.25, "I-city": 0.25})]


@RUNTIMES
def test_words_are_read_by_their_characters_too(runtime):
    made = family("spelt")
    tag = load_bundle(made.folder, runtime)
    for text in ("the cat sat", "thy cats"):  # known words; words of known characters
        inputs = {"ids": np.array([WORDS["text"].encode(text)], "int32"), "characters": np.zeros((1, 3, 3), "int32")}
        for place, one in enumerate(WORDS["characters"].encode(text)):
            inputs["characters"][0, place, : len(one)] = one
        inputs["characters"] = inputs["characters"][:, : inputs["ids"].shape[1]]
        expected = made.model.tag(inputs)["probabilities"][0]
        assert np.allclose([list(one.values()) for one in tag.probabilities(text)], expected, atol=1e-5)
    tag = tag.probabilities
    assert tag("thy") != tag("axx") and tag("catxx") == tag("catyy")  # unknown words; three characters are seen


@RUNTIMES
def test_values_are_forecast_as_they_are_in_the_world(runtime):
    made = family("forecast")
    forecast, values = load_bundle(made.folder, runtime), made.inputs["values"][3]
    mean, deviation = np.array([20, -3]), np.array([5, 0.5])
    expected = made.model(values[None])[0] * deviation + mean
    assert np.allclose(forecast(values * deviation + mean), expected, atol=1e-4)
    for wrong in (values[:9], values[:, :1], values[0]):
        with pytest.raises(ValueError, match=r"Expected values \[T, 2\], T from 10 to 10"):
            forecast(wrong)


@pytest.mark.parametrize("name", ["forecast", "values"])
@pytest.mark.parametrize(("wrong", "said"), [(np.nan, "nan"), (None, "nan"), (-np.inf, "-inf"), (1e300, r"1e\+300")])
def test_what_is_no_number_is_refused_with_its_place(name, wrong, said):
    made = family(name)
    values = made.inputs["values"][3].tolist()
    values[2][1] = wrong
    with pytest.raises(ValueError, match=f"Expected finite values. Received: {said} in step 2, variable 1"):
        load_bundle(made.folder)(values)


def test_quantiles_are_put_back_to_scale_too():
    class Three:
        """A runtime whose quantiles are -1, 0 and 1 deviations."""

        def run(self, task, inputs):
            return {"next": np.broadcast_to(np.array([-1, 0, 1], "float32"), (1, 4, 2, 3))}

    inputs = {"values": {"shape": [1, 1, 2], "dtype": "float32"}}
    scale = {"mean": [20.0, -3.0], "deviation": [5.0, 0.5]}
    manifest = {"task": "forecast", "signatures": {"forecast": {"inputs": inputs}}, "scale": scale}
    assert Forecaster(manifest, Three(), {})([[1, 1]])[3].tolist() == [[15, 20, 25], [-3.5, -3, -2.5]]


def test_what_cannot_be_read_is_a_clear_error():
    classify, translate = load_bundle(family("classify").folder), load_bundle(family("attention").folder)
    with pytest.raises(ValueError, match="at least one token. Received: text=''"):
        translate("")
    with pytest.raises(ValueError, match=f"at most {LENGTH} tokens. Received: {LENGTH + 1} in text='aaaa"):
        translate("a" * LENGTH)
    assert isinstance(translate("a" * (LENGTH - 1)), str)
    assert isinstance(classify("a" * LONG), dict)
    with pytest.raises(ValueError, match=f"Received: {LONG + 1}"):
        classify("a" * (LONG + 1))
    with pytest.raises(ValueError, match="Expected a text. Received: int"):
        classify(5)
    for seed in (-1, 1.5, "a", True):
        with pytest.raises(ValueError, match="Expected seed to be a whole number from 0 or None. Received: seed="):
            load_bundle(family("classify").folder, seed=seed)
    with pytest.raises(ValueError, match="Expected a label among 'first', 'second', 'third'. Received: label='fourth'"):
        load_bundle(family("generate").folder)("fourth")


def test_an_unknown_character_is_read_as_unknown():
    made = family("classify")
    ids = np.array([[*CHARACTERS.encode("a"), 3]], "int32")
    expected = made.model.classify({"ids": ids})["probabilities"][0]
    got = load_bundle(made.folder)("a\N{SNOWMAN}")
    assert np.allclose([got[label] for label in LABELS], expected, atol=1e-5)


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(family("generate").folder, tmp_path / "copy")


@pytest.mark.parametrize("file", ["model.tflite", "tokenizers/target/tokenizer.json", "snippets/Model.kt"])
def test_a_changed_or_missing_file_is_found(copy, file):
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    with pytest.raises(ValueError, match="is missing or was changed"):
        load_bundle(copy)
    (copy / file).unlink()
    with pytest.raises(ValueError, match="is missing or was changed"):
        load_bundle(copy)


def adopt(folder, *names):
    """Has the manifest know these files as they are now."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name in names:
        content = (folder / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def damaged(whole, count):
    """Copies of a file with bits turned, its end cut off, bytes zeroed, or an offset that leads astray."""
    rng = np.random.default_rng(5)
    for number in range(count):
        data, at = bytearray(whole), int(rng.integers(8, len(whole) - 8))
        if number % 4 == 0:
            for place in rng.integers(0, len(data), 16):
                data[place] ^= 1 << int(rng.integers(8))
        elif number % 4 == 1:
            del data[at:]
        elif number % 4 == 2:
            data[at : at + 64] = bytes(len(data[at : at + 64]))
        else:
            data[at // 4 * 4 : at // 4 * 4 + 4] = int(rng.choice([0, 7, 2**31 - 1, 2**32 - 1])).to_bytes(4, "little")
        yield bytes(data)


LOADING = """
import sys
from pathlib import Path
from seqkeras.export.runtime import RUNTIMES
refused = 0
for path in sorted(Path(sys.argv[2]).iterdir()):
    try:
        RUNTIMES[sys.argv[1]](path.read_bytes())
    except (ValueError, RuntimeError):
        refused += 1
print("refused", refused)
"""


@RUNTIMES
def test_a_damaged_file_is_an_error_and_not_the_end_of_the_process(runtime, tmp_path):
    for number, data in enumerate(damaged(family("generate").path.read_bytes(), 64)):
        (tmp_path / str(number)).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", LOADING, runtime, tmp_path], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) >= 16  # each that was cut


@RUNTIMES
def test_a_bundle_with_a_damaged_file_whose_checksum_fits_is_refused(runtime, copy):
    (copy / "model.tflite").write_bytes((copy / "model.tflite").read_bytes()[:-4000])
    adopt(copy, "model.tflite")
    with pytest.raises(
        ValueError, match="Expected a whole LiteRT file. Received: .*model.tflite, which LiteRT refuses"
    ):
        load_bundle(copy, runtime)


@RUNTIMES
def test_a_file_changed_under_a_loaded_bundle_changes_nothing(runtime, copy):
    generate = load_bundle(copy, runtime)
    expected = generate("first")
    with open(copy / "model.tflite", "r+b") as file:
        file.truncate(100)
    assert generate("first") == expected and isinstance(generate("second"), str)


def linked(path):
    os.replace(path, path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def linked_folder(path):
    os.replace(path.parent, path.parent.with_name("elsewhere"))
    path.parent.symlink_to(path.parent.with_name("elsewhere"))


def piped(path):
    path.unlink()
    os.mkfifo(path)


def device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def folder(path):
    path.unlink()
    path.mkdir()


def longer(path):
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize("change", [linked, linked_folder, piped, device, folder, longer])
@pytest.mark.parametrize("file", ["model.tflite", "tokenizers/target/tokenizer.json", "manifest.json"])
def test_only_regular_files_of_the_known_size_are_read(copy, file, change):
    if change is linked_folder and "/" not in file or change is longer and file == "manifest.json":
        pytest.skip("another case")
    change(copy / file)
    with pytest.raises(ValueError, match="Expected "):
        load_bundle(copy)


def test_a_tokenizer_of_another_size_than_the_models_is_refused(copy):
    Characters.train(["abc"]).save(copy / "tokenizers" / "target")
    adopt(copy, "tokenizers/target/tokenizer.json")
    match = "a target tokenizer of the model's 31 ids. Received: one of 7 in tokenizers/target"
    with pytest.raises(ValueError, match=match):
        load_bundle(copy)
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["tokenizers"]["target"]["vocab_size"] = 7
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=match):
        load_bundle(copy)


def test_a_manifest_of_any_size_is_told_at_once(copy):
    with open(copy / "manifest.json", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="a manifest.json of more than 67108864 bytes"):
        load_bundle(copy)


def test_a_file_among_the_tokenizers_that_is_not_listed_is_found(copy):
    (copy / "notes.txt").touch()
    load_bundle(copy)
    (copy / "tokenizers" / "target" / "sentencepiece.model").touch()
    with pytest.raises(ValueError, match="Received: tokenizers/target/sentencepiece.model beside them"):
        load_bundle(copy)


def put(value, *path):
    """A change of a manifest."""

    def change(manifest):
        *before, last = path
        for name in before:
            manifest = manifest[name]
        manifest[last] = value

    return change


SIGNATURE = {"inputs": {}, "outputs": {}}


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("files"),
        lambda manifest: manifest["files"].pop("model.tflite"),
        lambda manifest: manifest["files"].pop("tokenizers/target/tokenizer.json"),
        lambda manifest: manifest["signatures"].pop("generate"),
        put("conquer", "task"),
        put([], "task"),
        put({}, "task"),
        put(2, "bundle"),
        put(True, "bundle"),
        put(["model.tflite"], "files"),
        put({}, "files", "model.tflite"),
        put({"sha256": 5}, "files", "model.tflite"),
        *(
            put({"sha256": ""}, "files", name)
            for name in ("../../etc/passwd", "/etc/passwd", "a\\..\\b", "C:b", "", "a//b")
        ),
        put({"end": False}, "tokenizers", "../.."),
        put({}, "tokenizers"),
        put({}, "tokenizers", "target"),
        put([], "signatures"),
        put([], "signatures", "generate"),
        put(SIGNATURE, "signatures", "generate"),
        put(None, "signatures", "generate", "inputs", "label", "shape"),
        put([1, 2], "signatures", "generate", "inputs", "label", "shape"),
        put("float32", "signatures", "generate", "inputs", "label", "dtype"),
        put({}, "signatures", "generate", "outputs"),
        put({"text": {"shape": [1, 12], "dtype": "int32"}}, "signatures", "generate", "outputs"),
        put([1, 11], "signatures", "generate", "outputs", "ids", "shape"),
        put("a, b, c", "labels"),
        put(["first", "first", "third"], "labels"),
        put(None, "labels"),
        put([1, 2, 3], "labels"),
        put({"mean": [], "deviation": []}, "scale"),
        *(put(threads, "num_threads") for threads in (0, 257, 1.0, True, "2", None)),
    ],
)
def test_a_manifest_that_is_none_is_refused(copy, change):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="Expected "):
        load_bundle(copy)


@pytest.mark.parametrize(("said", "asked", "taken"), [(2, None, 2), (2, 1, 1), (None, None, 1)])
def test_a_bundle_takes_the_threads_that_were_the_fastest_or_those_asked_for(copy, monkeypatch, said, asked, taken):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    assert manifest.pop("num_threads") == 1
    if said:
        manifest["num_threads"] = said
    (copy / "manifest.json").write_text(json.dumps(manifest))
    seen = []

    class Recorded(Interpreter):
        def __init__(self, path, num_threads):
            seen.append(num_threads)
            super().__init__(path, num_threads)

    monkeypatch.setitem(runtimes.RUNTIMES, "interpreter", Recorded)
    load_bundle(copy, num_threads=asked)
    assert seen == [taken]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value, path=()):
    """Every path into nested dicts and lists."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield (*path, name)
        yield from places(part, (*path, name))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_other_manifest_works_or_is_a_clear_error(copy, data):
    whole = json.loads((family("generate").folder / "manifest.json").read_bytes())
    whole = {
        name: whole[name]
        for name in ("bundle", "task", "tokenizers", "labels", "scale", "signatures", "files", "num_threads")
    }
    put(data.draw(JSON), *data.draw(st.sampled_from(list(places(whole)))))(whole)
    (copy / "manifest.json").write_text(json.dumps(whole))
    try:
        generate = load_bundle(copy)
    except ValueError as error:
        assert "Expected" in str(error)
    else:
        assert isinstance(generate(generate.manifest["labels"][0]), str)


def test_no_bundle_and_no_runtime_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected a bundle with a manifest.json"):
        load_bundle(tmp_path)
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="Expected a bundle with a manifest.json"):
        load_bundle(tmp_path)
    with pytest.raises(ValueError, match="Received: runtime=\"?'?abacus"):
        load_bundle(tmp_path, "abacus")
    with pytest.raises(ValueError, match="num_threads to be a positive integer. Received: num_threads=0"):
        load_bundle(tmp_path, "compiled", num_threads=0)


@pytest.mark.parametrize("runtime", [Interpreter, Compiled])
def test_inputs_of_another_shape_or_type_are_refused(runtime):
    model = runtime(family("generate").path, num_threads=2)
    for wrong in (np.zeros((2,), "int32"), np.zeros((1,), "int64"), np.zeros((1, 1), "int32")):
        with pytest.raises(ValueError, match="Expected inputs"):
            model.run("generate", {"label": wrong})
    with pytest.raises(ValueError, match="Expected inputs"):
        model.run("generate", {})


@RUNTIMES
def test_a_text_comes_with_its_log_probability_at_any_temperature(runtime):
    made = family("continue")
    for temperature in (None, 0, 0.5, 3.0):
        go_on, random = load_bundle(made.folder, runtime, seed=5), np.random.default_rng(5)
        inputs = {"prompt": np.array([CHARACTERS.encode("hel")], "int32"), "uniform": random.random((1, 12), "float32")}
        if temperature is not None:
            inputs["temperature"] = np.array([temperature], "float32")
        said = made.model.scored(inputs)
        text, log_probability = go_on.scored("hel", temperature)
        assert text == CHARACTERS.decode(keras.ops.convert_to_numpy(said["ids"]))[0]
        assert log_probability == pytest.approx(float(said["log_probability"][0]), abs=1e-4)
        assert load_bundle(made.folder, runtime, seed=5)("hel", temperature=temperature) == text


@RUNTIMES
def test_a_translation_comes_with_its_log_probability_and_without_a_temperature(runtime):
    made = family("attention")
    translate = load_bundle(made.folder, runtime)
    source = np.array([[*CHARACTERS.encode("abc"), END]], "int32")
    said = made.model.scored({"source": source})
    text, log_probability = translate.scored("abc")
    assert text == translate(text="abc") and log_probability < 0
    assert log_probability == pytest.approx(float(said["log_probability"][0]), abs=1e-4)
    with pytest.raises(ValueError, match="Expected a bundle of seqkeras.Sample.*Received: one that takes source"):
        translate("abc", temperature=0.5)


@pytest.mark.parametrize("temperature", [-1, float("nan"), float("inf"), 10**400, True, "hot"])
def test_a_temperature_that_is_none_is_refused_by_a_bundle(temperature):
    with pytest.raises(ValueError, match="Expected temperature to be a number from 0 to 1e.09. Received"):
        load_bundle(family("continue").folder)("hel", temperature=temperature)
