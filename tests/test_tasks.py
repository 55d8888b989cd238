"""Tasks: batches keep the contract, nothing is lost uncounted, bad data is refused with its place before training."""

import inspect
import json
import re
import time
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkeras import pipelines
from seqkeras.pipelines import Bytes, Characters, Labels, WordCharacters, Words, readers
from seqkeras.pipelines.tasks import SIDES
from seqkeras.tokens import END, PAD, START

CATS = [
    ("I love my cat.", "+"),
    ("Cats and dogs lap water.", "+"),
    ("It is raining cats and dogs.", "-"),
    ("Cats and dogs are not allowed.", "-"),
    ("Cats and dogs have always been natural enemies.", "-"),
]
PAIRS = [(text.lower(), text) for text, _ in CATS]


def batches(dataset):
    return list(dataset.as_numpy_iterator())


def spec(dataset):
    return tf.nest.map_structure(lambda one: (one.dtype.name, one.shape.rank), dataset.element_spec)


def test_classification_batches_and_their_text():
    data = pipelines.classification(CATS, CATS[:2], CATS[2:], tokenizer="characters", batch_size=2)
    assert spec(data.train) == (("int32", 2), ("int32", 1))
    texts = data.tokenizers["text"]
    seen = {
        (texts.decode(row), data.labels.names[label])
        for ids, labels in batches(data.train)
        for row, label in zip(ids, labels, strict=True)
    }
    assert seen == set(CATS)
    assert data.steps == {"train": 3, "validation": 1, "test": 2}
    assert [len(batches(one)) for one in (data.train, data.validation, data.test)] == [3, 1, 2]
    assert data.records["test"].rows == CATS[2:]


def check_teacher_forcing(target, next_, weight):
    """`target` is `next` one step later, START first, and neither END nor weight where there is none."""
    assert (target[:, 0] == START).all() and (target[:, 1:] == np.where(next_ == END, PAD, next_)[:, :-1]).all()
    assert (weight == (next_ != PAD)).all() and weight.dtype == np.float32
    assert ((next_ == END).sum(axis=1) == 1).all()


def test_generation_batches():
    data = pipelines.generation([(label, text) for text, label in CATS], batch_size=2)
    assert spec(data.train) == ({"label": ("int32", 1), "target": ("int32", 2)}, ("int32", 2), ("float32", 2))
    seen = set()
    for features, next_, weight in batches(data.train):
        check_teacher_forcing(features["target"], next_, weight)
        decoded = data.tokenizers["target"].decode(next_)
        seen |= set(zip(decoded, (data.labels.names[one] for one in features["label"]), strict=True))
    assert seen == set(CATS)


def test_translation_batches():
    data = pipelines.translation(PAIRS, tokenizer={"source": "bytes", "target": "words"}, batch_size=2)
    assert spec(data.train) == ({"source": ("int32", 2), "target": ("int32", 2)}, ("int32", 2), ("float32", 2))
    for features, next_, weight in batches(data.train):
        check_teacher_forcing(features["target"], next_, weight)
        assert ((features["source"] == END).sum(axis=1) == 1).all()
        source = data.tokenizers["source"].decode(features["source"])
        words = [data.tokenizers["target"].decode(row) for row in next_]
        assert [one.replace(" .", ".").lower() for one in words] == source
    assert isinstance(data.tokenizers["source"], Bytes) and isinstance(data.tokenizers["target"], Words)


def test_one_tokenizer_can_serve_both_sides():
    both = Characters.train([text for pair in PAIRS for text in pair])
    data = pipelines.translation(PAIRS, tokenizer=both)
    assert data.tokenizers == {"source": both, "target": both}


def test_tagging_batches():
    rows = [("a, b c", "X Y Z"), (["d", "e"], ["X", "X"])]
    data = pipelines.tagging(rows, batch_size=2)
    ((ids, tags, weight),) = batches(data.train)
    assert spec(data.train) == (("int32", 2), ("int32", 2), ("float32", 2))
    names = [[data.labels.names[one] for one in row[keep == 1]] for row, keep in zip(tags, weight, strict=True)]
    read = dict(zip(data.tokenizers["text"].decode(ids), names, strict=True))
    assert read == {"a, b c": ["X", "Y", "Z"], "d e": ["X", "X"]}


def test_tagging_batches_with_the_characters_of_each_word():
    rows = [("Ab, b c", "X Y Z"), (["daaaa", "e"], ["X", "X"])]
    data = pipelines.tagging(rows, rows[1:], batch_size=2, characters=3)
    assert spec(data.train) == ({"ids": ("int32", 2), "characters": ("int32", 3)}, ("int32", 2), ("float32", 2))
    ((inputs, _, weight),) = batches(data.train)
    rows_of = zip(inputs["characters"], weight, strict=True)
    spelt = [data.tokenizers["characters"].decode(row[keep == 1]) for row, keep in rows_of]
    assert sorted(spelt) == [["Ab,", "b", "c"], ["daa", "e"]]
    assert inputs["characters"].shape == (2, 3, 3) and not inputs["characters"][weight == 0].any()
    assert data.report["train"]["words cut"] == data.report["validation"]["words cut"] == 1
    trained = {"tokenizer": data.tokenizers["text"], "characters": data.tokenizers["characters"]}
    alone = pipelines.tagging(test=rows, labels=data.labels, batch_size=2, **trained)
    assert sorted(map(repr, batches(alone.test)[0][0]["characters"])) == sorted(map(repr, inputs["characters"]))


def test_classification_batches_with_the_characters_of_each_word():
    data = pipelines.classification(CATS, characters=5, batch_size=5, shuffle=False)
    ((inputs, _),) = batches(data.train)
    words = [data.tokenizers["text"].decode(row).split() for row in inputs["ids"]]
    assert words[0] == ["I", "love", "my", "cat", "."]
    assert data.tokenizers["characters"].decode(inputs["characters"][0, :5]) == words[0]
    assert data.lengths["characters"] == data.lengths["text"]


def test_joint_tagging_batches():
    rows = [("a b c", "O B-x I-x", "one"), ("d e", "O O", "two")]
    data = pipelines.joint_tagging(rows, batch_size=2, shuffle=False)
    ((ids, answers, weight),) = batches(data.train)
    assert spec(data.train)[1] == {"tags": ("int32", 2), "label": ("int32", 1)}
    assert spec(data.train)[2] == {"tags": ("float32", 2), "label": ("float32", 1)}
    assert data.tokenizers["text"].decode(ids) == ["a b c", "d e"]
    names = [[data.labels["tags"].names[one] for one in row] for row in answers["tags"]]
    assert names[0] == ["O", "B-x", "I-x"] and names[1][:2] == ["O", "O"]
    assert [data.labels["label"].names[one] for one in answers["label"]] == ["one", "two"]
    assert weight["tags"].tolist() == [[1, 1, 1], [1, 1, 0]] and weight["label"].tolist() == [1, 1]
    some = pipelines.joint_tagging(rows, labels={"tags": ["O", "B-x", "I-x"], "label": None}, max_length=2)
    assert some.report["train"]["unseen classes"] == ["B-x", "I-x", "one"]


def test_language_model_batches_leave_no_character_out():
    texts = ["hello there, world", "x", "yy"]
    data = pipelines.language_model([(text,) for text in texts], max_length=5, shuffle=False, batch_size=1)
    assert spec(data.train) == (("int32", 2), ("int32", 2), ("float32", 2))
    tokenizer, told = data.tokenizers["text"], []
    for ids, next_, weight in batches(data.train):
        assert ids.shape[1] <= 5 and (weight == (next_ != PAD)).all()
        real = next_[0][next_[0] != PAD]
        assert (ids[0][1 : len(real)] == real[:-1]).all()
        told += real.tolist()
    assert told == [one for text in texts for one in [*tokenizer.encode(text), END]]
    assert data.report["train"]["padding"] < 0.4
    assert data.lengths == {"text": 5}


def test_texts_and_windows_of_a_language_model_are_counted_apart():
    texts = [("abcabcabc",), ("",), ("cab",), ("abc",)]
    held_out = [("abcabcabc",), ("abcab",)]
    data = pipelines.language_model(texts, test=held_out, max_length=3, batch_size=2)
    report = data.report["train"]
    assert (report["read"], report["kept"], report["skipped"], report["windows"]) == (4, 3, {"no tokens": 1}, 4 + 2 + 2)
    assert data.records["train"].rows == [texts[0], *texts[2:]] and data.steps["train"] == 4
    report = data.report["test"]
    assert (report["read"], report["windows"], report["same text in train"]) == (2, 4 + 2, 1)


def test_the_longest_example_of_any_split_is_known():
    data = pipelines.translation([("abc", "a"), ("b", "ab")], [("ab", "abcd")], [("a", "a")], tokenizer="bytes")
    assert data.lengths == {"source": 3 + 1, "target": 4 + 1}
    data = pipelines.translation([("abc", "a"), ("b", "ab")], tokenizer="bytes", max_length=2, truncate=True)
    assert data.lengths == {"source": 2, "target": 2}
    assert pipelines.classification(CATS, tokenizer="bytes").lengths == {"text": max(len(text) for text, _ in CATS)}
    assert pipelines.generation([("+", "abc"), ("-", "a")], tokenizer="bytes").lengths == {"target": 4}
    assert pipelines.tagging([("a b", "X Y"), ("a", "X")]).lengths == {"text": 2, "tags": 2}
    assert pipelines.series([([1, 2], 0), ([3], 1)]).lengths == {"values": 2}
    assert pipelines.documents([("abc",)], length=8, batch_size=1).lengths == {"text": 8}
    assert pipelines.forecasting(np.arange(9), window=4, horizon=2).lengths == {"values": 4}


@pytest.mark.parametrize("options", [{"batch_size": 4}, {"tokens_per_batch": 200}])
def test_shapes_are_those_of_training_and_evaluation_keeps_every_example(options, seed):
    rng = np.random.default_rng(seed)

    def rows(count, longest):
        return [
            ("".join(rng.choice(list("abc"), rng.integers(1, longest))), rng.choice(["+", "-"])) for _ in range(count)
        ]

    train, short, long = rows(100, 30), rows(30, 20), rows(30, 60)
    options |= {"tokenizer": "bytes", "num_buckets": 4, "labels": ["+", "-"]}
    alone = pipelines.classification(train, **options)
    data = pipelines.classification(train, short, long, **options)
    assert data.shapes[:-1] == alone.shapes and data.shapes[-1] == data.lengths
    assert pipelines.classification(train, short, **options).shapes == alone.shapes
    assert data.steps["train"] == alone.steps["train"]
    fixed = pipelines.classification(train, short, long, fixed_shapes=True, **options)
    assert (
        sum(len(label) for _, label in batches(fixed.test)) == sum(len(label) for _, label in batches(data.test)) == 30
    )


@pytest.mark.parametrize("options", [{"batch_size": 4}, {"tokens_per_batch": 150}])
def test_what_full_batches_leave_out_differs_from_epoch_to_epoch(options, seed):
    rng = np.random.default_rng(seed)
    rows = [(f"{n:03}" + "x" * length, "+-"[n % 2]) for n, length in enumerate(rng.geometric(0.1, 150) % 40)]
    data = pipelines.classification(
        rows, tokenizer="bytes", num_buckets=6, fixed_shapes=True, seed=seed % 999, **options
    )
    assert data.report["train"]["left out each epoch"] > 0 and len(data.shapes) > 1
    seen = [{text for ids, _ in batches(data.train) for text in data.tokenizers["text"].decode(ids)} for _ in range(12)]
    missing = [{text for text, _ in rows} - one for one in seen]
    assert {len(one) for one in missing} == {data.report["train"]["left out each epoch"]}
    assert not set.intersection(*missing)


def drawn_words(rng, count, longest=30):
    return [" ".join(rng.choice(list("abcdefgh"), rng.integers(1, longest))) for _ in range(count)]


ORDERED = {  # texts -> records of the task, the column of the texts, batch -> their ids
    "classification": (lambda texts: [(one, "xy"[i % 2]) for i, one in enumerate(texts)], 0, lambda x, y: x),
    "tagging": (lambda texts: [(one, one) for one in texts], 0, lambda x, y, w: x),
    "joint_tagging": (lambda texts: [(one, one, "xy"[i % 2]) for i, one in enumerate(texts)], 0, lambda x, y, w: x),
    "generation": (lambda texts: [("xy"[i % 2], one) for i, one in enumerate(texts)], 1, lambda x, y, w: y),
    "translation": (lambda texts: list(zip(texts[::-1], texts, strict=True)), 1, lambda x, y, w: y),
    "language_model": (lambda texts: [(one,) for one in texts], 0, lambda x, y, w: y),
}


@pytest.mark.parametrize("name", ORDERED)
@pytest.mark.parametrize("options", [{"batch_size": 4}, {"tokens_per_batch": 150}], ids=["examples", "tokens"])
def test_validation_and_test_keep_the_order_of_the_file(name, options, seed):
    rng = np.random.default_rng(seed)
    rows, column, ids_of = ORDERED[name]
    train, held_out, longer = drawn_words(rng, 120), drawn_words(rng, 50), drawn_words(rng, 30, 36)
    options |= {"tokenizer": Words.train(list("abcdefgh")), "num_buckets": 5}
    data = getattr(pipelines, name)(rows(train), rows(held_out), rows(longer), **options)
    assert len(data.shapes) > 2
    for split, texts in (("validation", held_out), ("test", longer)):
        read = batches(getattr(data, split))
        said = [data.tokenizers[next(reversed(data.tokenizers))].decode(ids_of(*one)) for one in read]
        assert sum(said, []) == texts == data.records[split].column(column)
        assert len(read) == data.steps[split] == getattr(data, split).cardinality()
        widths = [{key: one.shape[1] for key, one in roles(name, batch).items()} for batch in read]
        assert all(one in data.shapes for one in widths)
        real = sum(np.count_nonzero(one) for batch in read for one in roles(name, batch).values())
        cells = sum(one.size for batch in read for one in roles(name, batch).values())
        assert data.report[split]["padding"] == pytest.approx(1 - real / cells)


def roles(name, batch):
    """The padded parts of a batch by their role; those of tags and ids count alike."""
    if name == "translation":
        return {"source": batch[0]["source"], "target": batch[1]}
    if name in ("generation", "language_model"):
        return {"target" if name == "generation" else "text": batch[1]}
    return {"text": batch[0]} if name == "classification" else {"text": batch[0], "tags": batch[0]}


def test_series_of_validation_keep_the_order_of_the_file(seed):
    rng = np.random.default_rng(seed)
    rows = [(rng.normal(size=(rng.integers(1, 30), 2)), str(n % 2)) for n in range(80)]
    data = pipelines.series(rows, rows[:30], batch_size=4, num_buckets=5)
    seen = [one[:length] for x, _ in batches(data.validation) for one, length in zip(*x.values(), strict=True)]
    assert all(np.allclose(one, row) for one, (row, _) in zip(seen, rows[:30], strict=True))


def test_unshuffled_training_examples_keep_the_order_of_the_file(seed):
    texts = drawn_words(np.random.default_rng(seed), 100)
    data = pipelines.language_model([(one,) for one in texts], tokenizer="words", shuffle=False, batch_size=4)
    assert len(data.shapes) > 1
    assert [one for _, next_, _ in batches(data.train) for one in data.tokenizers["text"].decode(next_)] == texts


def test_one_table_is_enough(tmp_path):
    lines = [f"{day} mai\t05-{day:02}" for day in range(1, 31)] * 2
    (tmp_path / "dates.tsv").write_text("\n".join(lines))
    data = pipelines.translation(readers.table(tmp_path / "dates.tsv"), 0.1, 0.1, tokenizer="characters")
    kept = {split: data.report[split]["kept"] for split in ("train", "validation", "test")}
    assert kept == {"train": 48, "validation": 6, "test": 6}
    assert data.report["validation"]["same text in train"] == data.report["test"]["same text in train"] == 0
    texts = [set(data.records[split].column(0)) for split in kept]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 30
    test = pipelines.translation(readers.table(tmp_path / "dates.tsv"), None, 0.1, tokenizer="characters").records[
        "test"
    ]
    assert test.rows == data.records["test"].rows  # whatever the share of validation


def test_series_batches():
    rows = [(np.ones([3, 2]), "a"), ([[1, 2], [3, 4]], "b"), (np.zeros([0, 2]), "a"), (np.ones([9, 2]), "b")]
    data = pipelines.series(rows, max_length=5, batch_size=4)
    ((features, label),) = batches(data.train)
    assert spec(data.train) == ({"values": ("float32", 3), "length": ("int32", 1)}, ("int32", 1))
    assert sorted(features["length"]) == [2, 3] and features["values"].shape == (2, 3, 2)
    short = features["values"][list(features["length"]).index(2)]
    assert short.tolist() == [[1, 2], [3, 4], [0, 0]]
    assert data.report["train"]["skipped"] == {"no tokens": 1, "longer than 5": 1}
    cut = pipelines.series(rows, max_length=2, truncate=True, batch_size=4)
    assert batches(cut.train)[0][0]["length"].tolist() == [2, 2, 2] and cut.report["train"]["cut"] == 2
    assert batches(pipelines.series([([1, 2], 0), ([3], 1)]).train)[0][0]["values"].shape == (2, 2, 1)


def test_fit_needs_nothing_but_the_data(seed):
    data = pipelines.classification(CATS * 8, validation=CATS, tokenizer="words", batch_size=8, seed=seed)
    model = keras.Sequential(
        [
            keras.layers.Embedding(data.tokenizers["text"].vocab_size, 16),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(len(data.labels), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(data.train, validation_data=data.validation, epochs=8, verbose=0).history
    assert history["val_accuracy"][-1] == 1


@settings(max_examples=15, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=6, max_size=40),
    max_length=st.integers(3, 12),
    truncate=st.booleans(),
)
def test_every_record_is_kept_or_counted(texts, max_length, truncate):
    rows = [("class", "abc"), ("other", "ab"), *(("class", text) for text in texts)]
    data = pipelines.generation(rows, tokenizer="bytes", max_length=max_length, truncate=truncate, batch_size=5)
    report = data.report["train"]
    longer = sum(len(text.encode()) >= max_length for _, text in rows)
    assert report["read"] == len(rows) == report["kept"] + sum(report["skipped"].values())
    assert report["skipped"].get("no tokens", 0) == texts.count("")
    assert (report["cut"] if truncate else report["skipped"].get(f"longer than {max_length}", 0)) == longer
    read = batches(data.train)
    assert sum(len(next_) for _, next_, _ in read) == report["kept"] == len(data.records["train"])
    assert max(next_.shape[1] for _, next_, _ in read) <= max_length
    real, cells = sum(weight.sum() for *_, weight in read), sum(weight.size for *_, weight in read)
    assert report["padding"] == pytest.approx(1 - float(real) / cells)
    decoded = [text for _, next_, _ in read for text in data.tokenizers["target"].decode(next_)]
    kept = [text.encode()[: max_length - 1].decode(errors="replace") for _, text in data.records["train"]]
    assert sorted(decoded) == sorted(kept)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("XYZ")), min_size=20, max_size=60),
    share=st.floats(0.1, 0.5),
    seed=st.integers(0, 9),
)
def test_a_share_split_off_has_no_text_of_training_and_no_new_label(rows, share, seed):
    rows = [("a", "X"), ("b", "Y"), ("c", "X"), ("d", "Y"), ("e", "X"), *rows]
    split = pipelines.tasks.splits(rows, share, None, ("text", "label"), lambda row: row[0], lambda row: row[1], seed)
    train, validation = split["train"].rows, split["validation"].rows
    assert sorted(train + validation) == sorted(rows)
    assert not {text for text, _ in train} & {text for text, _ in validation}
    assert {label for _, label in validation} <= {label for _, label in train}
    again = pipelines.tasks.splits(rows, share, None, ("text", "label"), lambda row: row[0], lambda row: row[1], seed)
    assert again["validation"].rows == validation


def test_the_same_text_on_both_sides_is_counted():
    data = pipelines.classification(CATS, CATS[:2] + [("New.", "+")], CATS[:1])
    assert data.report["validation"]["same text in train"] == 2 and data.report["test"]["same text in train"] == 1
    assert "same text in train" not in data.report["train"]


def test_what_readers_skipped_is_in_the_report(tmp_path):
    (tmp_path / "a.tsv").write_text("good cat\t+\n\nbad cat\t-\n\t+\n")
    report = pipelines.classification(readers.table(tmp_path / "a.tsv")).report["train"]
    assert (report["read"], report["kept"], report["skipped"]) == (4, 2, {"blank": 2})


def test_reports_are_plain_numbers():
    data = pipelines.translation(PAIRS * 4, 0.3, tokenizer="words", fixed_shapes=True, batch_size=3)
    assert json.loads(json.dumps([data.report, data.steps])) == [data.report, data.steps]


def test_fixed_shapes_are_full_batches_of_one_shape():
    data = pipelines.translation(PAIRS * 3, PAIRS[:2], tokenizer="words", batch_size=4, fixed_shapes=True)
    assert len({(one["source"].shape, one["target"].shape) for one, _, _ in batches(data.train)}) == 1
    assert data.train.element_spec[0]["source"].shape.is_fully_defined()
    assert data.report["train"]["left out each epoch"] == 15 - 4 * data.steps["train"] == 3
    assert sum(len(next_) for _, next_, _ in batches(data.validation)) == 2


@pytest.mark.parametrize("options", [{"batch_size": 16}, {"tokens_per_batch": 4000}], ids=["examples", "tokens"])
@pytest.mark.filterwarnings("error::UserWarning")
def test_one_long_example_neither_pads_the_others_nor_is_left_out(options, seed):
    lengths = np.random.default_rng(seed).integers(20, 30, 150).tolist()
    rows = [("x" * length, "+-"[n % 2]) for n, length in enumerate([*lengths[:70], 2000, *lengths[70:]])]
    data = pipelines.classification(rows, tokenizer="bytes", fixed_shapes=True, seed=seed % 999, **options)
    assert [shape["text"] for shape in data.shapes] == [max(lengths), 2000]
    (advice,) = data.report["train"]["advice"]
    assert data.report["train"]["padding"] < 1 / 3
    assert advice.startswith("The longest example has 2,000 tokens, for which each exported file has room: set max_len")
    for _ in range(3):
        shapes = [ids.shape for ids, _ in batches(data.train)]
        assert shapes.count((1, 2000)) == 1 and len(set(shapes)) == 2
        assert len(rows) - sum(count for count, _ in shapes) == data.report["train"]["left out each epoch"]
    free = pipelines.classification(rows, tokenizer="bytes", seed=seed % 999, **options)
    assert sum(len(label) for _, label in batches(free.train)) == len(rows) and free.report["train"]["padding"] < 1 / 3


def test_much_padding_is_told_with_what_to_do(seed):
    lengths = np.random.default_rng(seed).integers(20, 30, 150)
    rows = [("x" * length, "+-"[n % 2]) for n, length in enumerate([*lengths, *[400] * 8])]
    with pytest.warns(UserWarning, match="padding, with 1 shape: raise num_buckets, or set max_length=400, .*truncate"):
        data = pipelines.classification(rows, tokenizer="bytes", num_buckets=1)
    (advice,) = data.report["train"]["advice"]
    assert advice.startswith(f"{data.report['train']['padding']:.0%} of the tokens")


@pytest.mark.parametrize(("longest", "told"), [(80, False), (400, True)])
def test_an_example_much_longer_than_the_others_is_told_where_it_costs_much(longest, told):
    rows = [("x" * (25 if n else longest), "+-"[n % 2]) for n in range(1000)]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        data = pipelines.classification(rows, tokenizer="bytes")
    said = [str(one.message) for one in seen if "longest example" in str(one.message)]
    assert said == data.report["train"]["advice"] and len(said) == told
    assert not told or "has 400 tokens" in said[0] and "set max_length=25, which holds 99 %" in said[0]


def test_a_token_budget_is_kept():
    data = pipelines.translation(PAIRS * 20, tokenizer="characters", tokens_per_batch=300)
    assert all(one["source"].size + one["target"].size <= 300 for one, _, _ in batches(data.train))


def test_the_order_depends_on_the_seed_and_changes_every_epoch():
    def order(seed):
        tf.random.set_seed(1)
        train = pipelines.classification(CATS * 5, seed=seed, batch_size=1).train
        return [[ids.tobytes() for ids, _ in batches(train)] for _ in range(2)]

    first = order(1)
    assert first == order(1) and first != order(2) and first[0] != first[1]


def test_trained_tokenizers_and_labels_prepare_a_test_set_alone():
    trained = pipelines.classification(CATS, tokenizer="words")
    tokenizer, labels = trained.tokenizers["text"], trained.labels
    data = pipelines.classification(test=[("dogs love cats", "-")], tokenizer=tokenizer, labels=labels)
    ((ids, label),) = batches(data.test)
    assert data.train is None and label.tolist() == [labels.index("-")]
    assert ids.tolist() == [tokenizer.encode("dogs love cats")]


def test_labels_that_are_numbers_become_their_names():
    data = pipelines.classification([("a", 1), ("b", 0), ("c", True)], tokenizer="bytes")
    assert data.labels.names == ["0", "1", "True"]
    data = pipelines.classification([("a", one) for one in (10, 2, -1, 0, 1)], tokenizer="bytes")
    assert data.labels.names == ["-1", "0", "1", "2", "10"]
    assert Labels.train(["10", "2", "02", "a"]).names == ["02", "10", "2", "a"]


def test_records_may_be_an_array_or_a_generator():
    for rows in (np.array(CATS), (row for row in CATS)):
        data = pipelines.classification(rows, batch_size=np.int64(2), vocab_size=np.int64(50), max_length=np.int64(9))
        assert data.records["train"].rows == CATS and data.steps == {"train": 3}


def test_whole_numbers_of_numpy_are_whole_numbers():
    two = np.int64(2)
    assert pipelines.forecasting(np.arange(9), window=two, horizon=two, stride=two, batch_size=two).steps == {
        "train": 2
    }
    assert pipelines.documents([("abc",)], length=two, batch_size=np.int32(1)).steps == {"train": 2}
    assert pipelines.samples.territories(np.int64(10)) == pipelines.samples.territories(10)
    assert readers.lists(["a"], ["b"]).select(np.int64(1)).rows == [("b",)]
    assert pipelines.translation(PAIRS, vocab_size=np.int64(300)).tokenizers["source"].vocab_size <= 300


def test_lists_of_numbers_are_one_series_and_lists_of_arrays_many():
    rows = [[1, 2], [3, 4], [5, 6]]
    (x, y), *_ = batches(pipelines.forecasting(rows, window=2, horizon=1).train)
    assert x.shape == (1, 2, 2) and y.shape == (1, 1, 2)
    for many in ([np.arange(4)] * 3, [rows, rows, rows], (np.array(rows), np.array(rows), rows)):
        assert pipelines.forecasting(many, window=2, horizon=1).report["train"]["series"] == 3
    for wrong in ([], [[1, 2], [3]], [["a"]], 5):
        with pytest.raises(ValueError, match="Expected"):
            pipelines.forecasting(wrong, window=1, horizon=1)


def test_blanks_around_a_label_are_no_part_of_it():
    assert pipelines.classification([("a", "+ "), ("b", " -"), ("c", "+")]).labels.names == ["+", "-"]


def test_labels_asked_for_keep_their_order():
    assert pipelines.classification(CATS, labels=["-", "+"]).labels.names == ["-", "+"]


LONE = [("a b", "+"), ("c", "-")]
REFUSED = {
    "a training label not asked for": (
        lambda: pipelines.classification(CATS, labels=["-", "?"]),
        r"among '-', '\?' in train. Received: '\+' in train record 1; add it to `labels`, or leave",
    ),
    "a training tag not asked for": (
        lambda: pipelines.tagging([("a b", "X Y")], labels=Labels(["X", "Z"])),
        "'Y' in train record 1",
    ),
    "several labels a text": (
        lambda: pipelines.classification([("rain", ["weather", "news"]), ("team", ["sport"])] * 9, 0.2),
        r"one label a record. Received: \['weather', 'news'\] in train record 1; several labels a record are not",
    ),
    "several labels to test": (
        lambda: pipelines.classification(CATS, test=[("a", "+"), ("b", ("+", "-"))]),
        r"\('\+', '-'\) in test record 2",
    ),
    "a set of labels": (lambda: pipelines.classification([("a", {"+"}), ("b", "-")]), "one label a record"),
    "an array of labels": (lambda: pipelines.series([([1], np.array([1, 0])), ([1], 1)]), "one label a record.*train"),
    "a dict for a label": (lambda: pipelines.generation([({"+": 1}, "a"), ("-", "b")]), "one label a record"),
    "several labels to generate": (lambda: pipelines.generation([(["+", "-"], "a"), ("-", "b")]), "one label a record"),
    "several labels beside tags": (
        lambda: pipelines.joint_tagging([("a", "X", ["l", "k"]), ("b", "Y", "l")]),
        "one label a record",
    ),
    "a missing label": (
        lambda: pipelines.classification([("a", "+"), ("b", float("nan"))]),
        "nan in train record 2; leave the record out",
    ),
    "bytes for a label": (lambda: pipelines.classification([("a", b"+"), ("b", "-")]), "turn it into text"),
    "a missing name of a class": (lambda: pipelines.classification(CATS, labels=["+", "-", None]), "None in labels"),
    "a text that is a dict": (lambda: pipelines.classification([({}, "+"), ("b", "-")], 0.5), "dict in train record 1"),
    "one class": (lambda: pipelines.classification(CATS[:2]), "two classes"),
    "two classes asked, one present": (lambda: pipelines.classification(CATS[:2], labels=["+", "-"]), r"\['\+'\]"),
    "one class asked": (
        lambda: pipelines.classification(test=CATS, tokenizer=Bytes(), labels=["+"]),
        r"two classes at least. Received: labels=\['\+'\]",
    ),
    "one class to generate from": (lambda: pipelines.generation([("+", "a")]), "two classes"),
    "nothing left": (
        lambda: pipelines.classification(CATS, max_length=2, tokenizer="bytes"),
        "left after filtering.*train record 1.*'longer than 2': 5",
    ),
    "nothing but punctuation": (
        lambda: pipelines.classification(LONE, [("?!", "+")], tokenizer=Words.train(["a"], punctuation="drop")),
        "left after filtering.*validation record 1.*'no tokens': 1",
    ),
    "no records": (lambda: pipelines.classification([]), "records for train"),
    "nothing at all": (lambda: pipelines.classification(), "train=None"),
    "a path": (lambda: pipelines.classification("cats.tsv"), "train='cats.tsv'"),
    "a share of nothing": (lambda: pipelines.classification(test=CATS, validation=0.2), "train=None"),
    "a share of everything": (lambda: pipelines.classification(CATS, 1.0), "validation=1.0"),
    "a share of nothing for a test": (lambda: pipelines.classification(test=0.2), "train=None.*test=0.2"),
    "shares of everything": (lambda: pipelines.classification(CATS, 0.5, np.float32(0.5)), "validation=0.5, test=0.5"),
    "a share below nothing": (lambda: pipelines.classification(CATS, None, -0.1), "test=-0.1"),
    "a number of records": (lambda: pipelines.classification(CATS, np.int64(2)), r"validation=.*2"),
    "too few to split": (lambda: pipelines.language_model([("a",), ("a",)], 0.5), "1 different"),
    "too many columns": (
        lambda: pipelines.classification([("a", "+", 1)]),
        r"\(text, label\).*3 columns in train record 1",
    ),
    "a text that is none": (lambda: pipelines.classification([("a", "+"), (None, "-")]), "NoneType in train record 2"),
    "bytes": (lambda: pipelines.generation([("+", b"a"), ("-", b"b")]), "bytes in train record 1"),
    "half a surrogate pair": (
        lambda: pipelines.classification([("a", "+"), ("\ud800", "-")]),
        "surrogate.*train record 2",
    ),
    "more tags than words": (lambda: pipelines.tagging([("a b", "X Y Y")]), "2 ids, 3 tags in train record 1"),
    "a word with a space": (
        lambda: pipelines.tagging([("a b", ["X"]), (["c d"], "Y")]),
        "2 ids, 1 tags in train record 1",
    ),
    "a tag with a space": (
        lambda: pipelines.tagging([(["a", "b"], ["X Y"]), ("c", "Y")]),
        "tags without white space. Received: 'X Y' in train record 1",
    ),
    "characters of what is no word": (
        lambda: pipelines.tagging([("ab", "X Y")], tokenizer="characters", characters=5),
        "a Words tokenizer with characters. Received: Characters",
    ),
    "a truth for characters": (lambda: pipelines.classification(CATS, characters=True), "characters=True"),
    "characters of other words": (
        lambda: pipelines.classification(CATS, characters=WordCharacters(["a"], 5, "drop")),
        "Expected WordCharacters with the punctuation of the words",
    ),
    "labels of one kind for two": (
        lambda: pipelines.joint_tagging([("a", "X", "l")], labels={"tags": ["X"]}),
        r"the keys \('tags', 'label'\)",
    ),
    "windows that are cut": (lambda: pipelines.language_model([("abc",)], truncate=True), "no truncate.*truncate=True"),
    "no tokenizer and no training": (
        lambda: pipelines.classification(test=CATS, labels=Labels(["+", "-"])),
        "trained tokenizer",
    ),
    "no labels and no training": (lambda: pipelines.classification(test=CATS, tokenizer=Bytes()), "Expected Labels"),
    "a tokenizer a role where there is one": (
        lambda: pipelines.classification(CATS, tokenizer={"text": "words"}),
        "tokenizer={'text': 'words'}",
    ),
    "an unknown tokenizer": (lambda: pipelines.classification(CATS, tokenizer="letters"), "tokenizer='letters'"),
    "a tokenizer for one side": (
        lambda: pipelines.translation(PAIRS, tokenizer={"source": "words"}),
        r"keys \('source', 'target'\).*tokenizer={'source': 'words'}",
    ),
    "a size for other sides": (lambda: pipelines.translation(PAIRS, vocab_size={"src": 5}), "vocab_size={'src': 5}"),
    "a size too small": (lambda: pipelines.classification(CATS, tokenizer="unigram", vocab_size=0), "vocab_size=0"),
    "a size that is text": (
        lambda: pipelines.classification(CATS, tokenizer="bpe", vocab_size="300"),
        "vocab_size='300'",
    ),
    "no full batch": (lambda: pipelines.classification(CATS, batch_size=9, fixed_shapes=True), "5 records, 9 a batch"),
    "two kinds of batches": (lambda: pipelines.classification(CATS, batch_size=2, tokens_per_batch=9), "batch_size=2"),
    "a budget too small": (lambda: pipelines.classification(CATS, tokens_per_batch=3), "tokens_per_batch=3"),
    "a truth for a batch": (lambda: pipelines.classification(CATS, batch_size=True), "batch_size=True"),
    "a truth for a length": (lambda: pipelines.classification(CATS, max_length=True), "max_length=True"),
    "a truth for buckets": (lambda: pipelines.classification(CATS, num_buckets=True), "num_buckets=True"),
    "a batch no int32 holds": (lambda: pipelines.classification(CATS, batch_size=10**30), f"batch_size={10**30}"),
    "a word for fixed shapes": (lambda: pipelines.classification(CATS, fixed_shapes="no"), "fixed_shapes='no'"),
    "a word for truncate": (lambda: pipelines.classification(CATS, max_length=5, truncate="no"), "truncate='no'"),
    "a word for shuffle": (lambda: pipelines.classification(CATS, shuffle="no"), "shuffle='no'"),
    "half a seed": (lambda: pipelines.classification(CATS, seed=1.5), "seed=1.5"),
    "a seed below 0": (lambda: pipelines.classification(CATS, seed=-1), "seed=-1"),
    "a word for a seed": (lambda: pipelines.classification(CATS, 0.4, seed="x"), "seed='x'"),
    "no seed": (lambda: pipelines.documents([("abc",)], seed=None), "seed=None"),
    "no share": (lambda: pipelines.classification(CATS, 0), "a share above 0 and below 1. Received: validation=0"),
    "a share of one": (lambda: pipelines.classification(CATS, test=1), "below 1. Received: test=1"),
    "a share that is a tensor": (lambda: pipelines.classification(CATS, tf.constant(0.1)), "validation=<tf.Tensor"),
    "records without an order": (lambda: pipelines.classification(set(CATS)), "train={"),
    "a text of bytes for records": (lambda: pipelines.language_model(b"abc"), "train=b'abc'"),
    "a share that holds nothing": (
        lambda: pipelines.classification(CATS, 0.01),
        "5 different records, 0 wanted for validation.*greater share",
    ),
    "a share of one record": (
        lambda: pipelines.language_model([("a book",)], 0.1),
        "1 different records, 0 wanted for validation.*`readers.lines`",
    ),
    "one column for two": (lambda: pipelines.classification(["a"]), "1 columns in train record 1.*delimiter"),
    "labels without an order": (lambda: pipelines.classification(CATS, labels={"+", "-"}), "list of names.*labels={"),
    "labels in one text": (lambda: pipelines.classification(CATS, labels="+-"), r"list of names.*labels='\+-'"),
    "a number for labels": (lambda: pipelines.classification(CATS, labels=2), "list of names.*labels=2"),
    "tags that are numbers": (lambda: pipelines.tagging([(["a"], [1])]), r"labels in a text.*\[1\] in train record 1"),
    "no batch": (lambda: pipelines.classification(CATS, batch_size=0), "batch_size=0"),
    "half a batch": (lambda: pipelines.classification(CATS, batch_size=2.5), "batch_size=2.5"),
    "no buckets": (lambda: pipelines.classification(CATS, num_buckets=0), "num_buckets=0"),
    "no length": (lambda: pipelines.language_model([("a",)], max_length=0), "max_length=0"),
    "half a step": (lambda: pipelines.language_model([("a",)], max_length=1.5), "max_length=1.5"),
    "half a vocabulary": (lambda: pipelines.classification(CATS, vocab_size=9.5), "vocab_size=9.5"),
    "a series with a hole": (
        lambda: pipelines.series([([1.0], 0), ([float("nan")], 1)]),
        "finite.*train record 2",
    ),
    "a series of another width": (
        lambda: pipelines.series([([[1, 2]], 0), ([[1]], 1)]),
        r"\[T, 2\].*train record 2",
    ),
    "a series of words": (lambda: pipelines.series([([1], 0), (["x"], 1)]), "train record 2"),
    "an uneven series": (lambda: pipelines.series([([[1], [1, 2]], 0), ([[1]], 1)]), "train record 1"),
    "a number for a series": (lambda: pipelines.series([(5, 0), (6, 1)]), r"shape \(\) in train record 1"),
    "a text for a series": (
        lambda: pipelines.series([("123", 0), ("12", 1)]),
        "text, such as .*123.* in train record 1",
    ),
    "a series of tables": (
        lambda: pipelines.series([(np.zeros([2, 2, 2]), 0), ([1], 1)]),
        r"shape \(2, 2, 2\) in train",
    ),
    "a series float32 cannot hold": (lambda: pipelines.series([([1e40], 0), ([1], 1)]), "finite.*train record 1"),
    "no series": (lambda: pipelines.forecasting([]), r"train=\[\]"),
    "no series to test": (lambda: pipelines.forecasting(np.arange(150.0), test=[]), r"test=\[\]"),
    "a share of a series": (lambda: pipelines.forecasting(np.arange(150.0), 0.1), "in series 1 of validation"),
    "a short series": (
        lambda: pipelines.forecasting(np.arange(9.0), window=8, horizon=2),
        "10 rows.*train.*series=1, the longest of 9 rows",
    ),
    "series of two widths": (
        lambda: pipelines.forecasting(np.zeros([9, 2]), np.zeros([9, 3]), window=1, horizon=1),
        r"widths={'train': \[2\], 'validation': \[3\]}",
    ),
    "a truth for a window": (lambda: pipelines.forecasting(np.arange(9.0), window=True), "window=True"),
    "a window no int32 holds": (lambda: pipelines.forecasting(np.arange(9.0), window=10**30), f"window={10**30}"),
    "a word for a forecast's seed": (lambda: pipelines.forecasting(np.arange(9.0), seed="x"), "seed='x'"),
    "a word for a forecast's shuffle": (lambda: pipelines.forecasting(np.arange(9.0), shuffle=0), "shuffle=0"),
    "a label that is none": (lambda: pipelines.classification([("a", "+"), ("b", None)]), "None in train record 2"),
    "a blank label": (lambda: pipelines.classification([("a", "+"), ("b", " ")]), "' ' in train record 2"),
    "a fraction for a label": (lambda: pipelines.classification([("a", 1), ("b", 0.5)]), "0.5 in train record 2"),
    "a size for a trained tokenizer": (
        lambda: pipelines.classification(CATS, tokenizer=Bytes(), vocab_size=90),
        "vocab_size=90",
    ),
    "a language of nothing": (lambda: pipelines.language_model([("",)], tokenizer=Bytes()), "'no tokens': 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_data_is_refused_before_training(name):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


TASKS = ["classification", "generation", "translation", "tagging", "language_model", "series"]


@pytest.mark.parametrize("name", TASKS)
def test_help_names_the_options_and_no_others_are_taken(name):
    function = getattr(pipelines, name)
    names = list(inspect.signature(function).parameters)
    assert {"train", "batch_size", "max_length", "fixed_shapes"} < set(names) and "options" not in names
    for unknown in ({"batchsize": 2}, {"cut": None}):
        with pytest.raises(TypeError, match=f"Expected options among {', '.join(names)}. Received: {list(unknown)[0]}"):
            function([], **unknown)


def test_help_tells_of_every_public_function_and_of_what_it_returns():
    public = {name for name in dir(pipelines) if callable(getattr(pipelines, name)) and name[0] != "_"}
    public = {name for name in public if getattr(pipelines, name).__module__.startswith("seqkeras")}
    assert {name for name in public if not re.search(rf"\b{name}\b", pipelines.__doc__)} == set()
    for name in [*TASKS, "documents", "forecasting"]:
        assert "Returns: `Data`" in getattr(pipelines, name).__doc__


def test_what_a_report_holds_is_told_where_data_is():
    labelled = pipelines.classification(CATS * 2, CATS, tokenizer="bytes", max_length=20, truncate=True, batch_size=4)
    fixed = pipelines.language_model([("abcabc",), ("ab",)], max_length=2, batch_size=2, fixed_shapes=True)
    for data in (labelled, fixed, pipelines.documents([("abc",)]), pipelines.forecasting(np.arange(150))):
        for report in data.report.values():
            assert [key for key in report if f'"{key}"' not in pipelines.Data.__doc__] == []


def test_a_class_that_filtering_leaves_no_example_of_is_reported():
    rows = [("ab", "short"), ("b", "short"), ("abcdef", "long")]
    options = {"tokenizer": "bytes", "max_length": 4}
    report = pipelines.classification(rows, **options).report["train"]
    assert (report["skipped"], report["unseen classes"]) == ({"longer than 4": 1}, ["long"])
    assert pipelines.classification(rows, tokenizer="bytes").report["train"]["unseen classes"] == []
    pairs = [(label, text) for text, label in rows]
    assert pipelines.generation(pairs, **options).report["train"]["unseen classes"] == ["long"]
    tagged = [("a b", "X Y"), ("a b c d", "X Y X Z")]
    for truncate in (False, True):
        report = pipelines.tagging(tagged, max_length=3, truncate=truncate).report["train"]
        assert report["unseen classes"] == ["Z"]
    known = pipelines.classification(rows, tokenizer="bytes", labels=Labels(["short", "other", "long"]))
    assert known.report["train"]["unseen classes"] == ["other"]


def test_refusals_name_file_and_line(tmp_path):
    (tmp_path / "train.tsv").write_text("good cat\t+\n\nbad cat\t*\n")
    with pytest.raises(ValueError, match=r"'\*' in .*train.tsv:3"):
        pipelines.classification(readers.table(tmp_path / "train.tsv"), labels=["+", "-"])


def reviews(count):
    return [(f"review {n}", "+-"[n % 2]) for n in range(count)]


COLUMN_MISTAKES = {
    "a header": ([("Text", "Label"), *reviews(9)], r"'Text'.* in train record 1, which reads like a header"),
    "a header of numbers": ([("v2", "v1"), *reviews(9)], "reads like a header: declare it"),
    "swapped": ([row[::-1] for row in reviews(30)], "30 different labels and 2 different texts.*swapped"),
    "one column twice": ([(text, text) for text, _ in reviews(30)], "same value in both columns of all 30 records"),
}


@pytest.mark.parametrize("name", COLUMN_MISTAKES)
def test_mistaken_columns_are_refused_with_what_to_do(name):
    rows, message = COLUMN_MISTAKES[name]
    with pytest.raises(ValueError, match=message):
        pipelines.classification(rows)
    with pytest.raises(ValueError, match=message):
        pipelines.generation([row[::-1] for row in rows])


def test_a_header_is_noticed_in_every_split():
    with pytest.raises(ValueError, match="in test record 1, which reads like a header"):
        pipelines.classification(reviews(9), test=[("sentence", "class"), *reviews(9)])


@pytest.mark.filterwarnings("error::UserWarning")
def test_columns_that_are_as_they_should_be_raise_nothing():
    many = [(f"say {n}", f"intent {n % 150}") for n in range(300)]
    names = [
        ("name", "word"),
        ("text", "word"),
        ("label", "topic"),
        ("class", "topic"),
    ]  # a thesaurus, without a header
    for rows in (many, many[:150], names, [("text", "label"), ("b", "c")], reviews(2)):
        assert len(pipelines.classification(rows).records["train"]) == len(rows)
        assert len(pipelines.generation([row[::-1] for row in rows]).records["train"]) == len(rows)


def test_a_translation_of_texts_into_themselves_is_warned_of():
    with pytest.warns(UserWarning, match="same value in both columns of all 30 records from train record 1 on"):
        pipelines.translation([(text, text) for text, _ in reviews(30)])


def test_a_first_record_that_was_taken_for_a_header_is_warned_of(tmp_path):
    rows = [f"a message of {n} words\t{'ham' if n % 2 else 'spam'}\n" for n in range(9)]
    (tmp_path / "sms.tsv").write_text("".join(rows))
    with pytest.warns(UserWarning, match="Received: 'spam', which is the label of other records, in .*sms.tsv:1: "):
        pipelines.classification(readers.table(tmp_path / "sms.tsv", header=True))
    (tmp_path / "pairs.tsv").write_text("How do you do on this day?\tGuten Tag\nYes.\tJa.\n")
    with pytest.warns(UserWarning, match="Received: 'How do you do on this day.', which is long for a name"):
        pipelines.translation(readers.table(tmp_path / "pairs.tsv", header=True))
    with warnings.catch_warnings(action="error"):  # a header whose names were chosen is one
        pipelines.translation(readers.table(tmp_path / "pairs.tsv", ("How do you do on this day?", "Guten Tag")))


def test_labels_of_which_a_share_has_no_example_are_named():
    rows = [(f"text {n}", f"class {n % 3}") for n in range(90)] + [("once", "rare"), ("only", "seldom")]
    with pytest.warns(UserWarning, match="validation has no example of 2 of 5 labels: .*'rare', 'seldom'.*greater"):
        pipelines.classification(rows, 0.3)
    with warnings.catch_warnings(action="error"):
        pipelines.classification(rows, rows[:5])
        pipelines.classification(rows[:90], 0.3)


def test_a_label_that_training_lacks_is_counted_and_encoded_as_unknown():
    held_out = [("New.", "?"), *CATS, ("Newer.", "?"), ("Newest.", 7)]
    data = pipelines.classification(CATS, held_out, held_out[:1], tokenizer="bytes", batch_size=3)
    assert np.concatenate([label for _, label in batches(data.validation)]).tolist() == [-1, 0, 0, 1, 1, 1, -1, -1]
    assert data.records["validation"].rows == held_out and data.labels.names == ["+", "-"]
    assert data.report["validation"]["unknown labels"] == {"?": 2, "7": 1}
    assert data.report["validation"]["classes"] == {"+": 2, "-": 3}
    assert data.report["test"]["unknown labels"] == {"?": 1} and data.report["test"]["classes"] == {"+": 0, "-": 0}
    assert "unknown labels" not in data.report["train"]
    numbers = pipelines.series([([1.0], 0), ([2.0], 1)], test=[([1.0], 2), ([1.0], 1)])
    assert batches(numbers.test)[0][1].tolist() == [-1, 1] and numbers.report["test"]["unknown labels"] == {"2": 1}


def test_tags_that_training_lacks_are_counted_and_encoded_as_unknown():
    train = [("a b c", "X Y Z"), ("d e", "X X")]
    held_out = [("a b c", "X W Z"), ("a d", ["W", "V"])]
    data = pipelines.tagging(train, test=held_out)
    ((_, tags, weight),) = batches(data.test)
    assert tags.tolist() == [[0, -1, 2], [-1, -1, 0]] and weight.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert data.report["test"]["unknown labels"] == {"W": 2, "V": 1}
    cut = pipelines.tagging(train, test=held_out, max_length=1, truncate=True)
    assert cut.report["test"]["unknown labels"] == {"W": 1} and cut.report["test"]["classes"] == {
        "X": 1,
        "Y": 0,
        "Z": 0,
    }
    joint = [(*row, "lk"[n]) for n, row in enumerate(train)]
    data = pipelines.joint_tagging(joint, [(*row, "m") for row in held_out])
    ((_, answers, weight),) = batches(data.validation)
    assert answers["label"].tolist() == [-1, -1] and answers["tags"][0].tolist() == [0, -1, 2]
    assert data.report["validation"]["unknown labels"] == {"tags": {"W": 2, "V": 1}, "label": {"m": 2}}
    assert data.report["train"]["classes"] == {"tags": {"X": 3, "Y": 1, "Z": 1}, "label": {"k": 1, "l": 1}}


def test_a_label_that_cannot_be_fed_is_skipped_and_counted():
    train = [(label, text) for text, label in CATS]
    data = pipelines.generation(train, [("?", "New."), *train, ("?", "")], tokenizer="bytes", max_length=40)
    assert data.records["validation"].rows == train[:4]
    report = data.report["validation"]
    assert report["skipped"] == {"no tokens": 1, "unknown label": 1, "longer than 40": 1}
    assert report["unknown labels"] == {"?": 2} and report["classes"] == {"+": 2, "-": 2}
    with pytest.raises(ValueError, match="left after filtering.*'unknown label': 1"):
        pipelines.generation(train, test=[("?", "New.")])


def test_labels_may_be_more_than_training_has():
    data = pipelines.classification(CATS, labels=("-", " ? ", "+"))
    assert data.labels.names == ["-", "?", "+"] and data.report["train"]["unseen classes"] == ["?"]
    assert data.report["train"]["classes"] == {"-": 3, "?": 0, "+": 2}
    assert pipelines.classification([("a", 3), ("b", 1)], labels=np.arange(5)).labels.names == list("01234")
    tokenizer = data.tokenizers["text"]
    alone = pipelines.classification(test=[*CATS, ("New.", "!")], tokenizer=tokenizer, labels=["+", "-"])
    assert batches(alone.test)[0][1].tolist() == [0, 0, 1, 1, 1, -1]


def test_unknown_target_tokens_are_counted():
    words = Words.train(["a b"])
    rows = [("x", "a b c"), ("y", "c c"), ("y", "a")]
    for data in (
        pipelines.translation(rows, rows[:1], tokenizer=words),
        pipelines.generation(rows, rows[:1], tokenizer=words),
        pipelines.language_model([row[1:] for row in rows], [("a b c",)], tokenizer=words, max_length=2),
        pipelines.documents([row[1:] for row in rows], [("a b c",)], tokenizer=words),
    ):
        assert data.report["train"]["unknown target tokens"] == {"count": 3, "of": 4 + 3 + 2}  # END counted
        assert data.report["validation"]["unknown target tokens"] == {"count": 1, "of": 4}
    assert "unknown target tokens" not in pipelines.classification(CATS).report["train"]


def test_two_records_of_each_split_are_shown():
    data = pipelines.classification([("a" * 200, "+"), ("b", 1), ("c", "+")], CATS[:1])
    assert data.report["train"]["samples"] == [["a" * 80, "+"], ["b", "1"]]
    assert data.report["validation"]["samples"] == [list(CATS[0])]
    values = pipelines.series([(np.zeros([3, 2]), "x"), ([[1, 2]], "y")]).report["train"]["samples"]
    assert values == [["values of shape (3, 2)", "x"], ["values of shape (1, 2)", "y"]]


@pytest.mark.parametrize("tokenizer", ["words", "bytes"])
def test_multi30k_is_prepared_in_seconds_with_little_padding(shared_data, tokenizer):
    folder = shared_data / "multi30k"
    start = time.perf_counter()
    data = pipelines.translation(
        *(readers.parallel_lines(folder / f"{split}.de.gz", folder / f"{split}.en.gz") for split in ("train", "val")),
        tokenizer=tokenizer,
        batch_size=64,
    )
    seconds = time.perf_counter() - start
    report = data.report
    assert (report["train"]["read"], report["train"]["kept"], report["validation"]["read"]) == (29000, 29000, 1014)
    assert 0 < report["train"]["padding"] < 0.1
    order = data.records["validation"]  # 64 rows in the order of the file are padded to the longest of them
    columns = [
        [len(data.tokenizers[role].encode(text)) + 1 for text in order.column(n)] for n, role in enumerate(SIDES)
    ]
    padded = sum(max(one[at : at + 64]) * len(one[at : at + 64]) for one in columns for at in range(0, len(order), 64))
    least = 1 - sum(map(sum, columns)) / padded
    assert least < report["validation"]["padding"] < least + 0.2
    assert seconds < 60  # about 3 on two quiet cores
    shapes = {(one["source"].shape[1], one["target"].shape[1]) for one, _, _ in data.train}
    assert len(shapes) <= 24


@pytest.mark.parametrize("names", [("spam", "Spam"), ("caf\u00e9", "cafe\u0301"), ("AB", "AB\u200b"), ("spam", "ham")])
def test_names_of_classes_that_look_alike_are_warned_of(names):
    rows = [(f"some words of {n}", names[n % 2]) for n in range(12)]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        data = pipelines.classification(rows)
        assert len(data.labels) == 2
        pipelines.tagging([(["a", "b"], [*names])] * 6)
    said = [str(one.message) for one in seen if "look alike" in str(one.message)]
    assert len(said) == 2 * (names != ("spam", "ham"))
    assert all(ascii(names[0]) in one and ascii(names[1]) in one for one in said)
