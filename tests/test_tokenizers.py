"""Tokenizers: the graph says what Python says, text survives, files come back, bad input is refused."""

import copy
import errno
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqkeras.pipelines import (
    Bytes,
    Characters,
    Labels,
    SentencePiece,
    WordCharacters,
    Words,
    load_tokenizer,
    subwords,
)
from seqkeras.pipelines.tokenizers import train_tokenizer
from seqkeras.pipelines.words import join
from seqkeras.tokens import END, PAD, START, UNKNOWN

SENTENCES = [
    "I love my cat.",
    "Cats and dogs lap water.",
    "It is raining cats and dogs.",
    "Größe, naïve – 東京は雨。",
    "Кошки и собаки ИГРАЮТ",
]
HOSTILE = [
    "",
    " ",
    "  two  spaces ",
    "\ufeffmark",
    "a\u00a0b\u2028c\u0085d\u3000e\x1cf",
    "nul\x00nul",
    "\ufffe\U0010ffff\u200d",
    "👩‍👩‍👧 e\u0301 é İIıi ΑΣ ẞ",
    "\u202eright to left \u05d0",
    "<s></s><unk><0x41>",
    "tab\tline\nreturn\r",
    "x" * 5000,
]

unicode_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(scope="module")
def trained():
    return {
        "characters": Characters.train(SENTENCES),
        "bytes": Bytes.train(),
        "words": Words.train(SENTENCES, lower=True),
        "kept": Words.train(SENTENCES, punctuation="keep"),
        "dropped": Words.train(SENTENCES, punctuation="drop"),
        "unigram": SentencePiece.train(SENTENCES, vocab_size=330),
        "bpe": SentencePiece.train(SENTENCES, vocab_size=340, model="bpe"),
    }


KINDS = ["characters", "bytes", "words", "kept", "dropped", "unigram", "bpe"]


@pytest.fixture(params=KINDS)
def tokenizer(request, trained):
    return trained[request.param]


def graph(tokenizer, texts):
    return tf.function(tokenizer.encode_batch)(tf.constant(texts, tf.string)).to_list()


def test_graph_encodes_real_and_hostile_text_as_python_does(tokenizer):
    texts = SENTENCES + HOSTILE
    assert graph(tokenizer, texts) == tokenizer.encode(texts)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(unicode_text, min_size=1, max_size=4))
def test_graph_encodes_any_unicode_as_python_does(trained, texts):
    for name, tokenizer in trained.items():
        assert tokenizer.encode_batch(tf.constant(texts)).to_list() == tokenizer.encode(texts), name


@settings(max_examples=300, deadline=None)
@given(text=unicode_text)
def test_bytes_round_trip_all_of_unicode(trained, text):
    assert trained["bytes"].decode(trained["bytes"].encode(text)) == text


@settings(max_examples=300, deadline=None)
@given(text=unicode_text)
def test_subwords_round_trip_all_of_unicode_but_their_own_space(trained, text):
    for name in ("unigram", "bpe"):
        tokenizer = trained[name]
        assert tokenizer.decode(tokenizer.encode(text)) == text.replace("\u2581", " "), name


@settings(max_examples=200, deadline=None)
@given(text=unicode_text.filter(len))
def test_characters_round_trip_what_they_were_trained_on(text):
    tokenizer = Characters.train([text])
    assert tokenizer.decode(tokenizer.encode(text)) == text


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.lists(st.integers(0, 259), max_size=12), min_size=1, max_size=4))
def test_graph_decodes_any_ids_as_python_does(trained, rows):
    for name, tokenizer in trained.items():
        ids = np.zeros((len(rows), max(1, *map(len, rows))), np.int32)
        for row, values in zip(ids, rows, strict=True):
            row[: len(values)] = np.minimum(values, tokenizer.vocab_size - 1)
        decoded = [one.decode("utf-8") for one in tokenizer.decode_batch(ids).numpy()]
        assert decoded == tokenizer.decode(ids), name


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(unicode_text | st.text("a \u2581\u00a0\n", max_size=9), min_size=1, max_size=4))
@example(texts=HOSTILE)
@example(
    texts=[
        "  if x:",
        " a",
        "a  ",
        "\u2581",
        " \u2581a",
        "\ufeff",
        "\x00",
        "e\u0301",
        "\u05d0\u202e",
        "\ufffd",
        "👩‍👩‍👧",
        " ",
    ]
)
def test_graph_decodes_any_text_as_python_does(trained, texts):
    for name, tokenizer in trained.items():
        rows = tokenizer.encode(texts)
        decoded = [one.decode("utf-8") for one in tokenizer.decode_batch(tf.ragged.constant(rows, tf.int32, 1)).numpy()]
        assert decoded == tokenizer.decode(rows), name
        if name in ("unigram", "bpe"):
            assert decoded == [text.replace("\u2581", " ") for text in texts], name
        if name == "bytes":
            assert decoded == texts


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.sampled_from([*b" a\xe3\x81\xa0\xf0\x9f\x91\xed\xa0\xc0\xff"]), max_size=9))
def test_graph_decodes_broken_bytes_as_python_does(trained, values):
    for name in ("bytes", "unigram", "bpe"):
        ids = [value + 4 for value in values]
        (decoded,) = trained[name].decode_batch([ids] if ids else np.zeros((1, 0), np.int32)).numpy()
        assert decoded.decode("utf-8") == trained[name].decode(ids), name


def test_encode_batch_takes_texts(tokenizer):
    expected = tokenizer.encode(["cats", ""])
    for texts in (["cats", ""], ("cats", ""), np.array(["cats", ""]), tf.constant(["cats", ""])):
        assert tokenizer.encode_batch(texts).to_list() == expected
    for nothing in ([], np.array([], str), tf.constant([], tf.string)):
        assert tokenizer.encode_batch(nothing).to_list() == []
    for wrong in ("cats", [["cats"]], [1], ["a\ud800"], None, [["a"], ["b", "c"]]):
        with pytest.raises(ValueError, match=r"Expected texts \[B\]. Received: "):
            tokenizer.encode_batch(wrong)


def test_decode_batch_takes_rows_of_ids(tokenizer):
    ids = tokenizer.encode("cats")
    for rows in ([ids], np.array([ids]), tf.constant([ids], tf.int64), tf.ragged.constant([ids])):
        assert tokenizer.decode_batch(rows).numpy().tolist() == [tokenizer.decode(ids).encode()]
    assert tokenizer.decode_batch(tokenizer.encode_batch(["cats", ""])).numpy().tolist() == [
        tokenizer.decode(ids).encode(),
        b"",
    ]
    assert tokenizer.decode_batch(np.zeros((0, 3), np.int32)).shape == (0,)
    for wrong in (ids, [[[4]]], [[4.0]], ["a"], None):
        with pytest.raises(ValueError, match=r"Expected rows of ids \[B, T\]"):
            tokenizer.decode_batch(wrong)
    for wrong in (-1, tokenizer.vocab_size):
        with pytest.raises(tf.errors.InvalidArgumentError):
            tokenizer.decode_batch([[4, wrong]])


def test_decode_stops_at_end_and_drops_padding_and_start(tokenizer):
    ids = tokenizer.encode("cats")
    assert ids
    assert tokenizer.decode([PAD, START, *ids, PAD, END, *ids]) == tokenizer.decode(ids)


def test_unknown_decodes_to_the_replacement_character(tokenizer):
    assert tokenizer.decode([UNKNOWN]) == "\ufffd"
    assert tokenizer.decode_batch([[UNKNOWN, END]]).numpy()[0].decode() == "\ufffd"


def test_decode_takes_lists_arrays_and_tensors(trained):
    tokenizer = trained["characters"]
    ids = tokenizer.encode("cats")
    assert tokenizer.decode(np.array([ids])) == tokenizer.decode(tf.constant([ids])) == ["cats"]
    assert tokenizer.decode(np.array(ids)) == tokenizer.decode(list(np.array(ids))) == "cats"
    assert tokenizer.decode([]) == ""
    assert tokenizer.decode(np.zeros((0, 5), np.int32)) == tokenizer.decode(tf.zeros((0, 5), tf.int32)) == []
    assert tokenizer.decode(np.zeros((2, 0), np.int32)) == ["", ""]
    for wrong in ([4.5], np.array([4.0]), [True]):
        with pytest.raises(ValueError, match="Expected ids"):
            tokenizer.decode(wrong)
    with pytest.raises(ValueError, match="Received: 1000000 at place 3$"):
        tokenizer.decode([4, 4, 4, 10**6] + [4] * 10**5)


@pytest.mark.parametrize("bad", [-1, 10**6])
def test_decode_refuses_ids_outside_the_vocabulary(tokenizer, bad):
    with pytest.raises(ValueError, match="Expected ids from 0 to"):
        tokenizer.decode([4, bad])


def test_no_text_encodes_to_a_special_id_but_unknown(tokenizer):
    ids = np.concatenate(tokenizer.encode(SENTENCES + HOSTILE))
    assert ids.min() >= UNKNOWN and ids.max() < tokenizer.vocab_size


def test_saved_tokenizer_comes_back_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "new" / "folder")
    again = load_tokenizer(tmp_path / "new" / "folder")
    assert type(again) is type(tokenizer) and again.vocab_size == tokenizer.vocab_size
    assert again.encode(SENTENCES + HOSTILE) == tokenizer.encode(SENTENCES + HOSTILE)


def test_saved_model_carries_the_tokenizer(tokenizer, tmp_path):
    module = tf.Module()
    module.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def there_and_back(texts):
        return tokenizer.decode_batch(tokenizer.encode_batch(texts).to_tensor())

    module.there_and_back = there_and_back
    tf.saved_model.save(module, tmp_path)
    out = tf.saved_model.load(tmp_path).there_and_back(tf.constant(SENTENCES)).numpy()
    assert [one.decode() for one in out] == tokenizer.decode(tokenizer.encode(SENTENCES))


def test_words_options():
    text = "Don't stop,\u00a0Cat!"
    assert Words.train([text]).decode(Words.train([text]).encode(text)) == "Don ' t stop , Cat !"
    kept = Words.train([text], punctuation="keep", lower=True)
    assert kept.decode(kept.encode("DON'T STOP, cat!")) == "don't stop, cat!"
    dropped = Words.train([text], punctuation="drop")
    assert dropped.decode(dropped.encode(text)) == "Don t stop Cat"


@settings(max_examples=60, deadline=None)
@given(given_words=st.lists(unicode_text.filter(str.strip), min_size=1, max_size=4))
@example(given_words=["10 000", "10\u00a0000", "a\u202f\t\u3000b", " c "])
def test_words_with_white_space_in_them_stay_words(given_words):
    text = join(given_words)
    tokenizer = Words.train([text], punctuation="keep", lower=True)
    ids = tokenizer.encode(text)
    assert len(ids) == len(given_words) and UNKNOWN not in ids
    assert tokenizer.encode_batch(tf.constant([text])).to_list() == [ids]
    assert tokenizer.words(text) == [word.strip() for word in given_words]


def test_words_gives_the_words_of_a_text_as_they_were_written():
    tokenizer = Words.train(["a"], lower=True)
    assert tokenizer.words("Don't  stop\u00a0CAT!") == ["Don", "'", "t", "stop", "CAT", "!"]
    assert join(["New York", "is"]) == "New\u2423York is" and join(["a", "b\n"]) == "a b"
    with pytest.raises(ValueError, match=r"Expected words. Received: a blank one after \['a'\]"):
        join(["a", " ", "b"])
    for wrong in ("a b", None, ["a", 1]):
        with pytest.raises(ValueError, match="Expected"):
            join(wrong)


@pytest.mark.parametrize("punctuation", ["split", "keep", "drop"])
def test_characters_of_words_are_those_of_each_word(punctuation, tmp_path):
    words = Words.train(SENTENCES, punctuation=punctuation)
    characters = WordCharacters.train(SENTENCES, word_length=4, punctuation=punctuation)
    seen = [[word[:4] for word in words.decode(words.encode(text)).split()] for text in SENTENCES]
    assert characters.decode(characters.encode(SENTENCES)) == seen
    texts = SENTENCES + HOSTILE
    assert [len(rows) for rows in characters.encode(texts)] == [len(ids) for ids in words.encode(texts)]
    assert graph(characters, texts) == characters.encode(texts)
    characters.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.settings() == characters.settings() and again.encode(texts) == characters.encode(texts)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(unicode_text, min_size=1, max_size=4), punctuation=st.sampled_from(["split", "keep", "drop"]))
def test_graph_reads_the_characters_of_any_words_as_python_does(texts, punctuation):
    characters = WordCharacters(["a", "\u00e9", "\U0001f600"], 3, punctuation)
    words = Words(["a"], lower=True, punctuation=punctuation)
    assert characters.encode_batch(tf.constant(texts)).to_list() == characters.encode(texts)
    assert [len(rows) for rows in characters.encode(texts)] == [len(ids) for ids in words.encode(texts)]


def test_characters_beyond_the_length_of_a_word_are_not_seen_but_counted():
    characters = WordCharacters.train(["ab abc abcd"], word_length=3)
    assert characters.encode("ab abc abcd abx") == [[4, 5], [4, 5, 6], [4, 5, 6], [4, 5, UNKNOWN]]
    assert characters.cut(["abcd abc", "abcde, a"]) == 2
    with pytest.raises(ValueError, match="word_length=0"):
        WordCharacters(["a"], 0)
    with pytest.raises(ValueError, match="Expected characters"):
        WordCharacters(["ab"])
    with pytest.raises(ValueError, match="punctuation='no'"):
        WordCharacters(["a"], punctuation="no")


def test_most_frequent_pieces_win_and_the_rest_are_unknown():
    tokenizer = Characters.train(["aaabbc"], vocab_size=6)
    assert tokenizer.encode("abc") == [4, 5, UNKNOWN]
    assert Characters.train(["aaabbc"], min_count=2).vocab_size == 6


def test_long_texts_take_part_in_the_training_of_subwords():
    tokenizer = SentencePiece.train(["q" * 9000, "abc"], vocab_size=400)
    assert len(tokenizer.encode("q" * 64)) < 64


def test_of_many_texts_some_are_drawn_to_learn_subwords_from(monkeypatch):
    texts = [f"{a}{b}" for a in "abcdefgh" for b in range(500)]
    whole = SentencePiece.train(texts, 300).model
    monkeypatch.setattr(subwords, "ENOUGH", 1000)
    drawn = SentencePiece.train(texts, 300).model
    assert drawn == SentencePiece.train(texts, 300).model != whole


def test_pieces_to_learn_subwords_from_are_short(monkeypatch):
    monkeypatch.setattr(subwords, "LONGEST", 10)
    pieces = subwords._pieces(["word " * 5, "x" * 25, " " * 12, "short one"])
    assert pieces == ["word word", "word word", "word ", *("x" * n for n in (10, 10, 5)), " " * 9, "  ", "short one"]
    monkeypatch.setattr(subwords, "MOST", 50)
    assert len(subwords._pieces(["abcde"] * 20)) == 10


def test_a_long_row_that_repeats_itself_is_learnt_from():
    """Without a bound on what the trainer is given, unigram takes minutes."""
    for model in ("unigram", "bpe"):
        tokenizer = SentencePiece.train(["word " * 40_000], 300, model)
        assert len(tokenizer.encode("word word")) == 2


@pytest.fixture
def children(monkeypatch):
    """The processes that are started."""
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *given, **options):
            super().__init__(*given, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    return started


def test_learning_subwords_can_be_interrupted(children, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(subwords, "LONGEST", 10**6)  # so that it would take minutes
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        with pytest.raises(KeyboardInterrupt):
            SentencePiece.train(["word " * 60_000], 300)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(children) == 1 and children[0].wait(60) == -signal.SIGKILL


def test_the_process_that_learns_subwords_ends_when_it_is_left_alone():
    job = json.dumps({"texts": ["word " * 60_000], "options": {"max_sentence_length": 10**6, "vocab_size": 30}})
    command = [sys.executable, "-P", str(subwords.PROGRAM), "0"]  # of a parent that is not its parent
    done = subprocess.run(command, input=job, text=True, capture_output=True, timeout=60)
    assert done.returncode == 1 and not done.stdout


@pytest.mark.parametrize(
    "program, message",
    [
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9, as happens where memory runs out"),
        ("import sys; sys.exit('INTERNAL: no more')", "1 texts, vocab_size=300 .INTERNAL: no more"),
        ("import sys; sys.exit(3)", "no reason given"),
    ],
)
def test_what_goes_wrong_in_the_process_that_learns_subwords_is_told(program, message, tmp_path, monkeypatch):
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(subwords, "PROGRAM", tmp_path / "program.py")
    with pytest.raises(ValueError, match=message):
        SentencePiece.train(["abc"], 300)


@pytest.mark.parametrize("method", ["copy", "deepcopy", "pickle"])
def test_copies_and_pickles_do_what_the_tokenizer_does(method, tokenizer):
    ways = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda one: pickle.loads(pickle.dumps(one))}
    again = ways[method](tokenizer)
    texts = SENTENCES + HOSTILE
    assert type(again) is type(tokenizer) and again.settings() == tokenizer.settings()
    assert again.encode(texts) == tokenizer.encode(texts) == graph(again, texts)
    rows = np.arange(tokenizer.vocab_size)[None, END + 1 :]
    assert again.decode(rows) == tokenizer.decode(rows)
    assert again.decode_batch(rows).numpy().tolist() == tokenizer.decode_batch(rows).numpy().tolist()


def test_copies_and_pickles_of_characters_of_words_and_of_labels():
    characters, labels = WordCharacters(["a", "b"], 3, "keep"), Labels(["x", "y"])
    for copied in (copy.deepcopy((characters, labels)), pickle.loads(pickle.dumps((characters, labels)))):
        assert copied[0].settings() == characters.settings() and copied[0].encode("ab ba") == characters.encode("ab ba")
        assert copied[1].names == labels.names and copied[1].index("y") == 1


def test_tokenizers_go_to_other_processes(trained):
    kinds = [trained["unigram"], trained["words"], Labels(["x"])]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_said, kinds) == list(map(_said, kinds))


def _said(one):
    return one.names if isinstance(one, Labels) else one.encode("cats and dogs")


@pytest.mark.parametrize("train", [Characters.train, Words.train, WordCharacters.train, SentencePiece.train])
@pytest.mark.parametrize("size", [2_000_000_000, 1_000_001, 4, -1])
def test_a_vocabulary_of_no_possible_size_is_refused_at_once(train, size):
    def texts():
        yield "a"
        raise AssertionError("texts were read")

    with pytest.raises(ValueError, match=f"Expected a whole number from 5 to 1000000. Received: vocab_size={size}"):
        train(texts(), size)


@pytest.mark.parametrize("name", ["characters", "words", "unigram", "bpe", "bytes"])
def test_train_tokenizer_refuses_a_size_that_is_not_possible(name):
    with pytest.raises(ValueError, match="Received: vocab_size=2000000000"):
        train_tokenizer(name, SENTENCES, 2_000_000_000)


@pytest.mark.parametrize("train", [Characters.train, Words.train, WordCharacters.train])
def test_texts_of_nothing_are_refused_with_what_to_do(train):
    with pytest.raises(ValueError, match="at least one piece occurs 1 times.*Received: 0 different.*not blank"):
        train(["", ""])
    with pytest.raises(
        ValueError, match="at least one piece occurs 3 times.*Received: [23] different.*lower `min_count`"
    ):
        train(["a b"], min_count=3)


def test_subwords_say_how_small_a_vocabulary_may_be():
    with pytest.raises(ValueError, match="Expected vocab_size=264 or more, which holds 256 bytes.*vocab_size=263"):
        SentencePiece.train(["abc"] * 3, 263)


def test_training_is_repeatable():
    assert SentencePiece.train(SENTENCES, 330).model == SentencePiece.train(SENTENCES, 330).model


def test_unsuitable_vocabularies_are_refused():
    with pytest.raises(ValueError, match="vocab_size=100"):
        SentencePiece.train(SENTENCES, vocab_size=100)
    with pytest.raises(ValueError, match="vocab_size=4"):
        Characters.train(SENTENCES, vocab_size=4)
    with pytest.raises(ValueError, match="vocab_size=300"):
        Bytes.train(vocab_size=300)
    with pytest.raises(ValueError, match="at least one"):
        Characters.train([""])
    with pytest.raises(ValueError, match="distinct"):
        Characters(["a", "a"])
    with pytest.raises(ValueError, match="at least one"):
        Words.train(["?!"], punctuation="drop")
    with pytest.raises(ValueError, match="Received: 0 texts"):
        SentencePiece.train([])


@pytest.mark.parametrize("kind", [Characters, Words, WordCharacters, SentencePiece])
@pytest.mark.parametrize(
    "texts, message",
    [
        ("one text", "list of texts. Received: texts='one text'"),
        (b"bytes", "list of texts. Received: texts=b'bytes'"),
        (None, "list of texts. Received: texts=None"),
        ({"a", "b"}, "list of texts. Received: texts={"),
        (["a", None], "Expected text. Received: NoneType"),
        ([b"abc"], "Expected text. Received: bytes"),
        (["a\ud800"], "half a surrogate pair"),
    ],
)
def test_what_is_no_list_of_texts_is_refused_in_training(kind, texts, message):
    with pytest.raises(ValueError, match=message):
        kind.train(texts)


@pytest.mark.parametrize("kind", [Characters, Words, WordCharacters, SentencePiece])
@pytest.mark.parametrize("size", [0, True, 2.5, "300", 10**12, float("nan")])
def test_what_is_no_size_of_a_vocabulary_is_refused(kind, size):
    with pytest.raises(ValueError, match=f"whole number from 5 to .*vocab_size={size!r}"):
        kind.train(SENTENCES, size)


@pytest.mark.parametrize("texts", [None, 5, b"abc", ["a", None], [["a"]], [b"abc"], "a\ud800", ["a\ud800"]])
def test_what_is_no_text_is_not_encoded(tokenizer, texts):
    with pytest.raises(ValueError, match="Expected"):
        tokenizer.encode(texts)


@pytest.mark.parametrize("ids", [None, 5, "abc", b"abc", ["abc"], [[5], 6], np.array(5), tf.constant(5), {5: 1}])
def test_what_is_no_ids_is_not_decoded(tokenizer, ids):
    with pytest.raises(ValueError, match="Expected ids, or rows of ids. Received: ids="):
        tokenizer.decode(ids)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="tokenizer='letters'"):
        train_tokenizer("letters", SENTENCES)
    with pytest.raises(ValueError, match="model='char'"):
        SentencePiece.train(SENTENCES, model="char")
    with pytest.raises(ValueError, match="punctuation='no'"):
        Words.train(SENTENCES, punctuation="no")
    with pytest.raises(ValueError, match="min_count='x'"):
        Words.train(SENTENCES, min_count="x")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        "[" * 100000,
        '{"tokenizer": "os.system"}',
        '{"tokenizer": "Words"}',
        '{"tokenizer": "Characters", "vocabulary": [1, 2]}',
        '{"tokenizer": "Characters", "vocabulary": "abc"}',
        '{"tokenizer": "Characters", "vocabulary": null}',
        '{"tokenizer": "Bytes", "extra": 1}',
        '{"tokenizer": []}',
        '{"tokenizer": {}}',
        '{"tokenizer": "Characters", "vocabulary": {"a": 1}}',
        '{"tokenizer": "Characters", "vocabulary": ["ab"]}',
        '{"tokenizer": "Characters", "vocabulary": ["\\ud800"]}',
        '{"tokenizer": "Words", "vocabulary": ["a"], "lower": "no"}',
        '{"tokenizer": "Words", "vocabulary": ["a"], "punctuation": []}',
        '{"tokenizer": "WordCharacters", "vocabulary": ["a"], "word_length": "3"}',
    ],
)
def test_damaged_files_are_refused_by_name(content, tmp_path):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match="tokenizer.json"):
        load_tokenizer(tmp_path)


def test_damaged_subword_models_are_refused_by_name(tmp_path, trained):
    (tmp_path / "tokenizer.json").write_text(json.dumps({"tokenizer": "SentencePiece"}))
    model = trained["unigram"].model
    for content in (b"not a model", b"", model[:100], model[:-30], model.replace(b"<0x41>", b"<0xG1>")):
        (tmp_path / "sentencepiece.model").write_bytes(content)
        with pytest.raises(ValueError, match="tokenizer.json and sentencepiece.model beside it"):
            load_tokenizer(tmp_path)
    (tmp_path / "sentencepiece.model").unlink()
    with pytest.raises(ValueError, match=r"a file that can be read. Received: path='.*sentencepiece.model' \(No such"):
        load_tokenizer(tmp_path)
    for wrong in (None, "model", 5, b"model"):
        with pytest.raises(ValueError, match="Expected the bytes of a SentencePiece model"):
            SentencePiece(wrong)


def test_what_is_no_folder_of_a_tokenizer_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"a file that can be read. Received: path='.*tokenizer.json' \(No such file"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises(ValueError, match=r"Received: path='.*tokenizer.json' \(Is a directory"):
        load_tokenizer(tmp_path)
    (tmp_path / "file").write_text("{}")
    for wrong in (tmp_path / "file", tmp_path / "no", None, 5):
        with pytest.raises(ValueError, match="Expected a folder that a tokenizer's `save` wrote. Received: folder="):
            load_tokenizer(wrong)
    with pytest.raises(ValueError, match=r"Received: path='.*labels.json' \(No such file"):
        Labels.load(tmp_path)


def test_what_cannot_be_written_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "chmod", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*tokenizer.json'"):
        Characters.train(["ab"]).save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_saving_leaves_nothing_half_written(tmp_path):
    Characters.train(["ab"]).save(tmp_path)
    before = (tmp_path / "tokenizer.json").read_bytes()
    broken = Characters.train(["ab"])
    broken.settings = lambda: {"vocabulary": object()}
    with pytest.raises(TypeError):
        broken.save(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]
    (tmp_path / "other" / "tokenizer.json").mkdir(parents=True)  # a folder that no file can take the place of
    with pytest.raises(OSError):
        Characters.train(["ab"]).save(tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["tokenizer.json"]


def test_labels_index_and_come_back(tmp_path):
    labels = Labels.train(["⊖", "⊕", "⊖"])
    labels.save(tmp_path)
    again = Labels.load(tmp_path)
    assert list(again) == again.names == labels.names == sorted("⊖⊕")
    assert [again.index(name) for name in again.names] == [0, 1] and len(again) == 2


def test_unknown_labels_are_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="'a', 'b'.*label='c'"):
        Labels(["a", "b"]).index("c")
    with pytest.raises(ValueError, match="distinct"):
        Labels(["a", "a"])
    for wrong in ("ab", {"a", "b"}, None, [], [1, 2], [["a"]], ["a", "\ud800"]):
        with pytest.raises(ValueError, match="Expected"):
            Labels(wrong)
    for names in ('"ab"', "[1, 2]", "[[], {}]", '["a", "a"]'):
        (tmp_path / "labels.json").write_text(f'{{"names": {names}}}')
        with pytest.raises(ValueError, match="labels.json"):
            Labels.load(tmp_path)
