"""Readers: each format comes out whole, harmless oddities do no harm, bad input names its file and line."""

import csv
import gzip
import json
import re
import warnings

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqkeras import pipelines
from seqkeras.pipelines import readers
from seqkeras.pipelines.records import Places


def write(path, content, compressed=False):
    content = content.encode("utf-8") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if compressed else content)
    return path


@pytest.fixture(params=["", ".gz"])
def file(request, tmp_path):
    """Writes a file, plain or compressed."""

    def make(name, content):
        return write(tmp_path / (name + request.param), content, request.param == ".gz")

    return make


CONLLU = """# text = We don't .
1\tWe\twe\tPRON\t_
2-3\tdon't\t_\t_\t_
2\tdo\tdo\tAUX\t_
3\tn't\tnot\tPART\t_
3.1\tgo\tgo\tVERB\t_
4\t.\t.\tPUNCT\t_

# text = #
1\t#\t#\tSYM\t_
"""


def test_conll(file):
    path = file("a.conllu", CONLLU)
    expected = [(["We", "do", "n't", "."], ["PRON", "AUX", "PART", "PUNCT"]), (["#"], ["SYM"])]
    records = readers.conll(path)
    assert records.rows == expected == readers.conll(path, (1, 3)).rows == readers.conll(path, ("FORM", "UPOS")).rows
    assert records.places == [f"{path}:2", f"{path}:10"] and records.names == ("words", "tags")
    assert readers.conll(path, ("FORM", "LEMMA"))[1] == (["#"], ["#"])
    path = file("b.txt", "# NN O\n1-0 CD B-score\n\n\nGood JJ O\n\n")
    expected = [(["#", "1-0"], ["O", "B-score"]), (["Good"], ["O"])]
    assert readers.conll(path).rows == readers.conll(path, (0, 2)).rows == expected
    assert readers.conll(path, (0, 1))[1] == (["Good"], ["JJ"])
    path = file("c.txt", "-DOCSTART- -X- O\n\na\tX\n\t\nb\tY\n")
    assert readers.conll(path).rows == [(["a"], ["X"]), (["b"], ["Y"])]
    assert readers.conll(file("e.txt", "\ufeffb NN O\r\n c  NN  I \r\n\r\nd NN O")).rows == [
        (["b", "c"], ["O", "I"]),
        (["d"], ["O"]),
    ]


def test_conll_tells_comments_from_words_that_begin_with_a_number_sign(file):
    path = file("a.txt", "# id 17 of 20\n#1 O\n# B-tag\n\n# id 18 of 20\na O\n")
    assert readers.conll(path).rows == [(["#1", "#"], ["O", "B-tag"]), (["a"], ["O"])]


def test_conll_takes_the_names_that_a_file_gives_its_columns(file):
    path = file("a.conllup", "# global.columns = ID FORM UPOS PARSEME:MWE\n1\tShe\tPRON\t*\n2\truns\tVERB\t1\n")
    assert readers.conll(path).rows == [(["She", "runs"], ["PRON", "VERB"])]
    assert readers.conll(path, ("FORM", "PARSEME:MWE")).rows == [(["She", "runs"], ["*", "1"])]


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f"])
def test_conll_keeps_the_spaces_inside_a_word(space, file):
    rows = [f"{n}\t{word}\t_\t{tag}\n" for n, word, tag in ((1, f"10{space}000", "NUM"), (2, "people", "NOUN"))]
    assert readers.conll(file("a.conllu", "".join(rows))).rows == [([f"10{space}000", "people"], ["NUM", "NOUN"])]
    if space != " ":
        assert readers.conll(file("a.txt", f"10{space}000 CD O\na DT O\n"))[0] == ([f"10{space}000", "a"], ["O", "O"])


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f"])
@pytest.mark.parametrize("characters", [None, 4])
def test_conll_words_with_spaces_have_as_many_tags(space, characters, tmp_path):
    path = write(tmp_path / "a.conllu", f"1\t10{space}000\t_\tNUM\n2\tpeople\t_\tNOUN\n\n1\tpeople\t_\tNOUN\n")
    data = pipelines.tagging(readers.conll(path), characters=characters, batch_size=2, shuffle=False)
    inputs, tags, weight = next(iter(data.train))
    words = data.tokenizers["text"].words(data.records["train"][0][0])
    assert words == [f"10{space}000", "people"] and int(np.sum(weight)) == 3
    assert [data.labels.names[tag] for tag in tags[0]] == ["NUM", "NOUN"]


def test_slots_are_what_joint_tagging_takes(snips):
    data = pipelines.joint_tagging(readers.slots(*snips), batch_size=2)
    assert data.labels["tags"].names == ["B-song", "O"] and data.labels["label"].names == ["Add", "Play"]
    assert data.report["train"]["kept"] == 2
    with pytest.raises(ValueError, match=r"a blank one after \['a'\] in train record 1"):
        pipelines.tagging([(["a", " "], ["X", "Y"])])


def test_series_are_what_forecasting_takes(file):
    series = readers.series(
        file("a.csv", "date,x,y\n" + "".join(f"2016-01-{day:02},{day},{-day}\n" for day in range(1, 32)))
    )
    data = pipelines.forecasting(series[:16], series[16:24], series[24:], window=3, horizon=2)
    assert [data.report[split]["windows"] for split in ("train", "validation", "test")] == [12, 4, 3]
    assert data.report["train"]["mean"] == [8.5, -8.5]


CONLL = {
    "a column beyond the last": ("a b c\n", (0, 3), "Expected 4 columns. Received: 3 in .*a.txt.*:1"),
    "names where there are none": ("a NN\n", (0, "NN"), "number from 0, as the file names no columns.*tag='NN'"),
    "a name of none of the columns": ("1\ta\t_\tX\n", (1, "POS"), "'ID', 'FORM',.*tag='POS' of .*a.txt"),
    "one column": ("a NN\n", 1, "Expected the columns of word and tag"),
    "a column in a tuple": ("a NN\n", (0,), "Expected the columns of word and tag"),
    "three columns": ("a NN\n", (0, 1, 2), "Expected the columns of word and tag"),
    "the same column twice": ("a NN\n", (0, 0), "another for tags"),
    "a truth for a column": ("a NN\n", (True, 0), "word=True"),
    "a column before the first": ("a NN\n", (0, -2), "tag=-2"),
    "words alone": ("a\nb\n", None, "Expected 2 columns. Received: 1 in .*a.txt.*:1"),
    "a tag missing": ("a\tX\nb\n", None, "Expected 2 columns.*Received: 1 in .*a.txt.*:2"),
    "a space in a file without tabs": ("a O\nNew York B\n", None, "Expected 2 columns.*Received: 3 in .*a.txt.*:2"),
    "a blank tag": ("b\tX\na\t\n", None, "a tag without spaces. Received: 'a' and '' in .*a.txt.*:2"),
    "a blank word": ("b\tX\n \tX\n", None, "Expected a word.*'' and 'X' in .*a.txt.*:2"),
    "a space in a tag": ("b\tO X\n", None, "a tag without spaces. Received: 'b' and 'O X' in .*a.txt.*:1"),
}


@pytest.mark.parametrize("name", CONLL)
def test_conll_refuses_by_file_and_line(name, file):
    content, columns, message = CONLL[name]
    with pytest.raises(ValueError, match=message):
        readers.conll(file("a.txt", content), columns)


@pytest.fixture
def snips(file):
    words = file("seq.in", "add a\u00a0b to it\nplay\n\n")
    tags, label = file("seq.out", "O B-song O O \nO\n"), file("label", "Add\nPlay\n")
    return words, tags, label


def test_slots(snips):
    records = readers.slots(*snips)
    assert records.rows == [
        (["add", "a\u00a0b", "to", "it"], ["O", "B-song", "O", "O"], "Add"),
        (["play"], ["O"], "Play"),
    ]
    assert records.names == ("words", "tags", "label") and records.places[1] == f"{snips[0]}:2"
    pairs = readers.slots(*snips[:2])
    assert pairs.rows == [row[:2] for row in records] and pairs.names == ("words", "tags")


def test_names_of_columns_need_a_header(file):
    path = file("a.tsv", "t\tl\na\tx\n")
    with pytest.raises(ValueError, match="Expected numbers of columns with header=False. Received: columns=..t., .l.."):
        readers.table(path, ("t", "l"), header=False)


def test_a_file_with_carriage_returns_alone_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected lines that end with .*Received: .*which has .r alone"):
        readers.table(write(tmp_path / "a.tsv", b"a\tx\rc\ty\rd\tx\r"), (0, 1), header=False)
    assert len(readers.table(write(tmp_path / "b.csv", b'"a\rb",x\n"c",y\n'))) == 2


def test_slots_of_a_folder_are_its_three_usual_files(tmp_path):
    for name, line in {"seq.in": "play it", "seq.out": "O O", "label": "Play"}.items():
        (tmp_path / name).write_text(line + "\n")
    assert readers.slots(tmp_path).rows == [(["play", "it"], ["O", "O"], "Play")]
    with pytest.raises(ValueError, match="a folder with seq.in, seq.out, label. Received: .*seq.in without tags_path"):
        readers.slots(tmp_path / "seq.in")


def test_slots_refuses_files_that_do_not_fit(snips, file):
    words, tags, label = snips
    with pytest.raises(ValueError, match=r"2 tags in .*other.*:1 and 4 words in .*seq.in.*:1"):
        readers.slots(words, file("other", "O O\nO\n"), label)
    with pytest.raises(ValueError, match=r"seq.in.* with 2 lines and .*one.* with 1 lines.*missing is .*one.*:2"):
        readers.slots(words, tags, file("one", "Add\n"))
    with pytest.raises(ValueError, match=r"0 tags in .*other.*:1 and 4 words"):
        readers.slots(words, file("other", "\nO\n"), label)
    assert readers.slots(words, tags, file("half", "\nPlay\n")).skipped == {"blank": 1}


def test_lines(file):
    path = file("a.txt", "one\n\ntwo  \n")
    records = readers.lines(path)
    assert records.rows == [("one",), ("two  ",)]
    assert records.places == [f"{path}:1", f"{path}:3"]
    assert records.read == 3 and records.skipped == {"blank": 1} and records.names == ("text",)


def test_parallel_lines(file):
    source, target = file("a.de", "ein\nzwei\n\nvier\n"), file("a.en", "one\n\n\nfour\n\n\n")
    records = readers.parallel_lines(source, target)
    assert records.rows == [("ein", "one"), ("vier", "four")]
    assert records.places[1] == f"{source}:4" and records.skipped == {"blank": 2}


def test_table_by_number_and_by_name(file):
    tsv = file("a.tsv", 'x\t"y\tz\n1\t2\t3\n')
    assert readers.table(tsv).rows == [("x", '"y', "z"), ("1", "2", "3")]
    assert readers.table(tsv, columns=(2, 0)).rows == [("z", "x"), ("3", "1")]
    named = file("a.csv", 'text, label\n"a, b",+\n"two\nlines",-\n')
    records = readers.table(named, columns=("label", "text"))
    assert records.rows == [("+", "a, b"), ("-", "two\nlines")] and records.names == ("label", "text")
    assert readers.table(named, columns=1, header=True).rows == [("+",), ("-",)]
    assert readers.table(named, header=True).names == ("text", "label")


def test_table_with_a_header_of_another_width_read_by_number(file):
    assert readers.table(file("a.csv", " 0,1\n 1, 2, 3\n"), columns=(2, 0), header=True).rows == [(" 3", " 1")]


def test_table_skips_and_counts_blank_rows_before_and_after_the_header(file):
    records = readers.table(file("a.csv", "\na,b\n\n1,2\n , \n3,\n"), columns=("a", "b"))
    assert records.rows == [("1", "2")] and records.skipped == {"blank": 4}


def test_table_in_a_csv_file_with_semicolons(file):
    path = file("a.csv", 'text;label\n"a; b";+\n1,5;-\n')
    assert readers.table(path, ("label", "text")).rows == [("+", "a; b"), ("-", "1,5")]
    assert readers.table(file("b.csv", "a; b,c\n")).rows == [("a; b", "c")]
    assert readers.table(file("c.csv", '"a, b";"c"\n')).rows == [("a, b", "c")]
    assert readers.table(file("d.csv", '"a; b\nc",d\n')).rows == [("a; b\nc", "d")]


def test_table_of_one_column_is_read_where_no_other_delimiter_divides_it(file):
    assert readers.table(file("a.tsv", "one, two\nthree\n")).rows == [("one, two",), ("three",)]
    path = file("b.tsv", "one, two\nthree, four\n")
    with pytest.raises(ValueError, match=r"one column in .*b.tsv.*:1, whose lines have a comma each: .*delimiter=','"):
        readers.table(path)
    assert readers.table(path, delimiter="\t").rows == [("one, two",), ("three, four",)]
    with pytest.raises(ValueError, match=r"column=1 of .*b.tsv.*:1.*divides into 1, whose lines have a comma each"):
        readers.table(path, (0, 1))


def test_table_and_series_begin_after_any_number_of_blank_lines(file):
    path = file("a.csv", "\n" * 50 + "1,2\n")
    assert readers.table(path).rows == [("1", "2")] and readers.table(path).places == [f"{path}:51"]
    assert readers.series(path).values.tolist() == [[1, 2]]


def test_table_quotes_can_be_chosen(file):
    path = file("a.tsv", '"two\nlines"\t"say ""hi"""\n')
    assert readers.table(path, quotes=True).rows == [("two\nlines", 'say "hi"')]
    assert readers.table(file("b.csv", '"a,b"c\n'), quotes=False).rows == [('"a', 'b"c')]
    with pytest.raises(ValueError, match="Expected True or False. Received: quotes='no'"):
        readers.table(path, quotes="no")


@pytest.mark.parametrize("columns", [(0, 0), ("a", "a"), ("a", 0), (np.int64(1), "b")])
def test_table_refuses_one_column_twice(columns, file):
    with pytest.raises(ValueError, match=r"Expected different columns. Received: columns=.*a.csv.*:1.*`select`"):
        readers.table(file("a.csv", "a,b\n1,2\n"), columns, header=True)


def test_json_lines_reads_values_inside_objects(file):
    path = file("a.jsonl", '{"text": "a", "meta": {"label": {"name": "x"}}, "a.b": 1}\n')
    assert readers.json_lines(path, ("text", "meta.label.name", "a.b")).rows == [("a", "x", 1)]
    with pytest.raises(
        ValueError, match=r"list of them in field 'meta'.*an object; choose one of 'meta.label' in .*:1"
    ):
        readers.json_lines(path, ("text", "meta"))
    with pytest.raises(ValueError, match=r"an object with 'meta.tag'. Received: fields 'text', 'meta', 'a.b' in .*:1"):
        readers.json_lines(path, "meta.tag")
    with pytest.raises(ValueError, match=r"field 'text'. Received: a list of objects in .*b.jsonl.*:1"):
        readers.json_lines(file("b.jsonl", '{"text": [{"a": 1}]}\n'), "text")
    with pytest.raises(ValueError, match=r"none of them twice. Received: fields=\('text', 'text'\)"):
        readers.json_lines(path, ("text", "text"))


def test_json_lines_counts_a_record_with_null_as_blank(file):
    path = file("a.jsonl", '{"text": null}\n{"text": "a"}\n')
    records = readers.json_lines(path, "text")
    assert records.rows == [("a",)] and records.skipped == {"blank": 1}


SERIES = "date,OT,load\n2016-07-01 00:00:00,30.5,-1e3\n2016-07-01 01:00:00, 27.75 ,2\n\n2016-07-01 02:00:00,0,.5\n\n"


def test_series(file):
    series = readers.series(file("ETTh2.csv", SERIES))
    assert series.names == ("OT", "load") and series.left_out == ("date",) and series.shape == (3, 2)
    assert series.times == tuple(f"2016-07-01 0{hour}:00:00" for hour in range(3))
    assert series.values.dtype == np.float64 and series.values.tolist() == [[30.5, -1000], [27.75, 2], [0, 0.5]]
    assert np.asarray(series, "float32").dtype == np.float32 and np.array(series).tolist() == series.values.tolist()
    part = series[1:]
    assert len(part) == 2 and part.values.tolist() == [[27.75, 2], [0, 0.5]] and part.names == series.names
    assert part.times == series.times[1:]
    with pytest.raises(ValueError, match=r"Expected a slice.*Received: 0"):
        series[0]


def test_series_chooses_columns(file):
    path = file("a.csv", SERIES)
    assert readers.series(path, "load").values.tolist() == [[-1000], [2], [0.5]]
    series = readers.series(path, (2, "OT"))
    assert series.names == ("load", "OT") and series.left_out == ("date",) and len(series.times) == 3
    with pytest.raises(ValueError, match=r"Expected a finite number. Received: '2016.*a.csv.*:2, column 'date'"):
        readers.series(path, ("date", "OT"))
    with pytest.raises(ValueError, match="'oil' of .*a.csv"):
        readers.series(path, "oil")


@pytest.mark.parametrize(
    "moment",
    [
        *("2016-07-01", "2016/7/1 5:00", "1.7.2016", "01.07.16 00:00", "7/1/2016", "2016-07", "17:24:00", "1 Jul 2016"),
        *("2016-07-01T00:00:00Z", "2016-07-01T00:00:00.123+02:00", "Jul-2016", "2016Q3", "Mon, 4 July 2016 5:00 PM"),
    ],
)
def test_series_knows_moments(moment, tmp_path):
    series = readers.series(write(tmp_path / "a.tsv", f"{moment}\t1\n{moment}\t2\n"))
    assert series.values.tolist() == [[1], [2]] and series.times == (moment, moment)
    assert series.names == () and series.left_out == (0,)


def test_series_leaves_out_numbers_that_count_steps(file):
    series = readers.series(file("a.csv", ",Timestamp,x\n0,1467331200,5\n1,1467334800,6\n"))
    assert series.names == ("x",) and series.left_out == ("", "Timestamp")
    assert series.times == ("0 1467331200", "1 1467334800")
    assert readers.series(file("b.csv", "1,2\n3,4\n")).values.tolist() == [[1, 2], [3, 4]]


def test_series_with_decimal_commas(file):
    path = file("a.csv", "Date;Time;power\n16/12/2006;17:24:00;4,216\n16/12/2006;17:25:00;-5\n")
    series = readers.series(path, decimal=",")
    assert series.values.tolist() == [[4.216], [-5]] and series.times[0] == "16/12/2006 17:24:00"
    with pytest.raises(ValueError, match=r"'4,216'; give decimal=\",\".*a.csv.*:2, column 'power'"):
        readers.series(path)
    with pytest.raises(ValueError, match=r"'1.5'.*b.csv.*:1, column 0"):
        readers.series(file("b.csv", "1.5;2\n"), decimal=",")
    with pytest.raises(ValueError, match="another delimiter than the decimal comma"):
        readers.series(file("c.csv", "1,2\n"), decimal=",")


@pytest.mark.parametrize("missing", ["", " ", "NA", "nan", "?", "null", "-"])
def test_series_refuses_a_missing_value(missing, file):
    path = file("a.csv", f"date,x,y\n2016-01-01,1,2\n2016-01-02,3,{missing}\n")
    with pytest.raises(ValueError, match=r"a missing value; fill it or leave its row out, in .*a.csv.*:3, column 'y'"):
        readers.series(path)


WRONG_SERIES = {
    "text among numbers": ("x,y\n1,2\n3,no\n", "'no'.*a.csv.*:3, column 'y'"),
    "a column of words": ("x,wind\n1,NW\n", "'NW'; choose the variables with `columns`.*:2, column 'wind'"),
    "infinity": ("x\n1\ninf\n", "'inf'.*a.csv.*:3, column 'x'"),
    "digits in groups": ("x\n1_000\n", "'1_000'.*a.csv.*:2, column 'x'"),
    "thousands": ('x,y\n"1,234.5",2\n', "'1,234.5'.*a.csv.*:2, column 'x'"),
    "a row too short": ("x,y\n1,2\n3\n", "Expected 2 columns.*Received: 1 in .*a.csv.*:3"),
    "a header with a number": ("x,2\n1,2\n", "'x'.*`header=True`.*a.csv.*:1, column 0"),
    "a header alone": ("x,y\n", "a header alone"),
    "dates alone": ("date\n2016-01-01\n", "Expected a column of numbers.*a.csv.*:1"),
    "nothing": ("", "a.csv.*is empty"),
}


@pytest.mark.parametrize("name", WRONG_SERIES)
def test_series_refuses_by_file_line_and_column(name, file):
    content, message = WRONG_SERIES[name]
    with pytest.raises(ValueError, match=message):
        readers.series(file("a.csv", content))


def test_pattern(file):
    path = file("a.txt", "IN: jump twice OUT: JUMP JUMP\n\nIN: walk OUT: WALK\n")
    records = readers.pattern(path, r"IN: (?P<source>.*) OUT: (?P<target>.*)")
    assert records.rows == [("jump twice", "JUMP JUMP"), ("walk", "WALK")]
    assert records.select("target", "source")[0] == ("JUMP JUMP", "jump twice")
    assert readers.pattern(path, r"IN: (\w+).*").select(0).rows == [("jump",), ("walk",)]


def test_json_lines(file):
    path = file("a.jsonl", '{"text": "a\u2028b", "label": 1, "more": null}\n\n{"label": [2], "text": "c"}\n')
    assert readers.json_lines(path, ("text", "label")).rows == [("a\u2028b", 1), ("c", [2])]


def test_time_series(file):
    path = file("a.ts", "#about\n@problemName p\n@data\n1,2,3:4,5,6:walk\n7:8:run\n")
    assert readers.time_series(path).rows == [([[1, 4], [2, 5], [3, 6]], "walk"), ([[7, 8]], "run")]


def test_text_keeps_everything_but_the_kind_of_line_end(file):
    assert readers.text(file("a.txt", "one\r\n\r\n two\r\n")).rows == [("one\n\n two\n",)]


def test_a_class_a_folder_and_a_class_a_file(tmp_path):
    write(tmp_path / "cat" / "1.txt", "Miau.\r\nMiau.\n")
    write(tmp_path / "cat" / "2.txt.gz", "Prr.", compressed=True)
    write(tmp_path / "cat" / "empty.txt", "")
    write(tmp_path / "dog" / "1.txt", "Wuff.")
    write(tmp_path / "dog" / ".hidden", b"\xff")
    write(tmp_path / "St. Bernard.txt", "Woff.\nWaff.\n")
    write(tmp_path / "Chow.txt.gz", "Waff.\n", compressed=True)
    write(tmp_path / "LICENSE", "Free.")
    records = readers.folder_per_class(tmp_path)
    assert records.rows == [("Miau.\nMiau.\n", "cat"), ("Prr.", "cat"), ("Wuff.", "dog")]
    assert records.places[1] == f"{tmp_path / 'cat' / '2.txt.gz'}:1"
    assert records.skipped == {"blank": 1, "not in a folder of a class": 3}
    records = readers.file_per_class(tmp_path)
    assert records.rows == [("Waff.", "Chow"), ("Woff.", "St. Bernard"), ("Waff.", "St. Bernard")]


def test_lists_and_sums():
    records = readers.lists(["a", "b"], [1, 2])
    assert list(records) == [("a", 1), ("b", 2)] and records.places == ["record 1", "record 2"]
    assert (records + records.take([0], {"long": 1})).rows == [("a", 1), ("b", 2), ("a", 1)]
    assert (records + records.take([0], {"long": 1})).read == 4
    with pytest.raises(ValueError, match=r"lengths=\[2, 1\]"):
        readers.lists(["a", "b"], [1])
    for wrong in ("ab", None, {"a"}):
        with pytest.raises(ValueError, match="a column. Received: column="):
            readers.lists(wrong, [1, 2])


def test_sums_are_of_the_same_columns():
    named = readers.lists(["a"], [1])
    named.names = ("text", "label")
    assert (named + readers.lists(["b"], [2])).names == (readers.lists(["b"], [2]) + named).names == named.names
    with pytest.raises(ValueError, match=r"\('text', 'label'\) and names=\('label', 'text'\).*select"):
        named + named.select("label", "text")
    with pytest.raises(TypeError, match="unsupported"):
        named + None


def test_suffixes_in_capital_letters_are_read_as_small_ones(tmp_path):
    rows = [("a, b", "+")]
    for name in ("A.CSV", "A.CSV.GZ", "a.csv.GZ", "A.CSV.gz"):
        path = write(tmp_path / "tables" / name, '"a, b",+\n', compressed=name.lower().endswith(".gz"))
        assert readers.table(path).rows == rows, name
    write(tmp_path / "classes" / "Cat.TXT", "Miau.\n")
    write(tmp_path / "classes" / "Dog.Txt.GZ", "Wuff.\n", compressed=True)
    assert readers.file_per_class(tmp_path / "classes").rows == [("Miau.", "Cat"), ("Wuff.", "Dog")]


def test_tensorflow_datasets():
    with tensorflow_datasets.testing.mock_data(num_examples=5):
        records = readers.tfds("tfds:imdb_reviews", "train", ("label", "text"))
        pairs = readers.tfds("ted_hrlr_translate/pt_to_en", "validation", ("pt", "en"))
        tagged = readers.tfds("conll2003", "train", ("tokens", "pos"))
    assert records.read == 5 and records.names == ("label", "text")
    assert {label for label, _ in records} <= {"neg", "pos"} and all(type(text) is str for _, text in records)
    assert records.places[0] == "tfds:imdb_reviews/train:1"
    assert all(type(source) is type(target) is str for source, target in pairs)
    words, tags = tagged[0]
    assert all(type(one) is str for one in words + tags)


def test_a_tensorflow_data_set_that_is_not_there_is_not_downloaded(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download")

    monkeypatch.setattr(tensorflow_datasets.core.DatasetBuilder, "download_and_prepare", refuse)
    with pytest.raises(ValueError, match=r"tfds build imdb_reviews.*load\('imdb_reviews'\).*tfds:imdb_reviews/train"):
        readers.tfds("imdb_reviews", "train", ("text", "label"), data_dir=tmp_path)
    with pytest.raises(ValueError, match="Expected fields among"):
        readers.tfds("imdb_reviews", "train", ("words",), data_dir=tmp_path)


@pytest.mark.parametrize("name, split", [(None, "train"), ("imdb_reviews", 5)])
def test_a_tensorflow_data_set_is_named_by_text(name, split):
    with pytest.raises(ValueError, match="a text. Received: (name=None|split=5)"):
        readers.tfds(name, split, ("text",))


def test_tensorflow_datasets_with_missing_fields_or_classes():
    def unlabelled(self, **_):
        return tf.data.Dataset.from_tensors({"text": b"fine", "label": np.int64(-1)})

    def broken(self, **_):
        return tf.data.Dataset.from_tensors({"text": b"\xff", "label": np.int64(1)})

    with tensorflow_datasets.testing.mock_data(), pytest.raises(ValueError, match="among .*'text'.*'words'"):
        readers.tfds("imdb_reviews", "train", ("words",))
    with tensorflow_datasets.testing.mock_data(as_dataset_fn=unlabelled), pytest.raises(ValueError, match="test:1"):
        readers.tfds("imdb_reviews", "test", ("text", "label"))
    with tensorflow_datasets.testing.mock_data(as_dataset_fn=broken), pytest.raises(ValueError, match="test:1"):
        readers.tfds("imdb_reviews", "test", ("text", "label"))


def test_marks_and_line_ends_of_other_systems_do_no_harm(file):
    content = "\ufeffone\u00a0two\tA\r\nthree\u2028four\x85\tB\r\n\r\n\r\n"
    expected = [("one\u00a0two", "A"), ("three\u2028four\x85", "B")]
    assert readers.table(file("a.tsv", content)).rows == expected
    assert (
        readers.table(file("b.tsv", "\ufefftext\tlabel\r\n" + content[1:]), columns=("text", "label")).rows == expected
    )
    assert [row[0] for row in readers.lines(file("a.txt", content))] == ["\t".join(row) for row in expected]


def test_an_encoding_can_be_given(tmp_path):
    path = write(tmp_path / "a.txt", "Größe\n".encode("latin-1"))
    assert readers.lines(path, encoding="latin-1").rows == [("Größe",)]
    with pytest.raises(ValueError, match="encoding='latin-99'"):
        readers.lines(path, encoding="latin-99")


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1)] * 2), min_size=1
    )
)
@example(rows=[("a\rb", "c\r"), ("\rd", 'e"\n\r')])
def test_what_csv_and_json_write_is_read_back(rows, tmp_path_factory):
    rows = [row for row in rows if all(value.strip() for value in row)] or [("a", "b")]
    folder = tmp_path_factory.mktemp("rows")
    with open(folder / "a.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    with open(folder / "a.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"a": a, "b": b}) + "\n" for a, b in rows)
    if not rows[0][0].startswith("\ufeff"):
        assert readers.table(folder / "a.csv").rows == [tuple(one.replace("\r\n", "\n") for one in row) for row in rows]
    assert readers.json_lines(folder / "a.jsonl", ("a", "b")).rows == rows


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\t\n"), min_size=1)] * 2), min_size=1
    )
)
@example(rows=[("a\rb", '"c'), ("d", "e\r\r")])
def test_a_tab_and_a_line_end_are_all_that_a_tsv_file_knows(rows, tmp_path_factory):
    rows = [row for row in rows if all(value.strip() for value in row) and not row[1].endswith("\r")] or [("a", "\rb")]
    path = write(tmp_path_factory.mktemp("rows") / "a.tsv", "".join(f"{a}\t{b}\n" for a, b in rows))
    if not rows[0][0].startswith("\ufeff"):
        assert readers.table(path).rows == rows


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_a_field_may_be_of_any_length(name, file):
    long = "x" * 200_000
    before = csv.field_size_limit()
    assert readers.table(file(name, f"a\tb,{long}\n"), columns=0, delimiter="\t").rows == [("a",)]
    assert readers.table(file(name, f"a,{long}\n"), delimiter=",").rows == [("a", long)]
    assert csv.field_size_limit() == before


def test_a_row_of_several_lines_is_named_by_its_first(file):
    path = file("a.csv", 'a,b\n"two\nlines",1\nlast,2\n')
    assert readers.table(path).places == [f"{path}:1", f"{path}:2", f"{path}:4"]


def test_places_are_put_together_when_asked_for():
    places = Places(["a:"], [1, 3]) + Places(["b:", "c:"], [7, 5], [1, 0])
    assert places == ["a:1", "a:3", "c:7", "b:5"] and places[-1] == "b:5" and len(places) == 4
    assert places.take([3, 0, 0]) == ["b:5", "a:1", "a:1"]


def test_a_file_that_is_not_utf8_names_the_line_wherever_it_is(tmp_path):
    for before in (0, 1, 5_000, 70_000):
        path = write(tmp_path / "a.txt", "größe und mehr\n".encode() * before + b"a\nb\xff\n" + b"c\n" * 9)
        with pytest.raises(ValueError, match=f"0xff in .*a.txt:{before + 2};"):
            readers.lines(path)


def test_other_encodings_keep_their_line_ends(tmp_path):
    path = write(tmp_path / "a.txt", "één\u0a0a\r\ntwo\n\n".encode("utf-16"))
    assert readers.lines(path, encoding="utf-16").rows == [("één\u0a0a",), ("two",)]
    assert readers.text(path, encoding="utf-16").rows == [("één\u0a0a\ntwo\n\n",)]


BAD = {
    "a row with too many columns": ("a.tsv", "a\tb\nc\td\te\n", readers.table, "Expected 2 columns.*3 in .*a.tsv:2"),
    "a row with too few columns": ("a.csv", "a,b\n\nc\n", readers.table, "1 in .*a.csv:3"),
    "a row without a tab": ("a.tsv", "a\tb\nc,d\n", readers.table, r"2 columns with '\\t' between.*1 in .*a.tsv:2"),
    "a table without tabs": (
        "a.tsv",
        "a,b\n",
        lambda path: readers.table(path, (0, 1)),
        r"column=1 of .*a.tsv:1, which '\\t' divides into 1",
    ),
    "a header without tabs": (
        "a.tsv",
        "a,b\n1,2\n",
        lambda path: readers.table(path, ("a",)),
        r"'a,b'.*column='a' of .*a.tsv:1, which '\\t' divides into 1",
    ),
    "two characters between columns": ("a.csv", "a", lambda path: readers.table(path, delimiter="||"), r"'\|\|'"),
    "a line end between columns": ("a.csv", "a", lambda path: readers.table(path, delimiter="\n"), r"delimiter='\\n'"),
    "half a column": ("a.csv", "a,b\n", lambda path: readers.table(path, 0.5), "columns=0.5"),
    "a truth for a column": ("a.csv", "a,b\n", lambda path: readers.table(path, [True]), "column=True"),
    "a quote that does not close": ("a.csv", 'a,b\nc,"d\n', readers.table, "a.csv:2"),
    "a quote opened on line 2 of 10": ("a.csv", 'a,b\nc,"d\n' + "e,f\n" * 8, readers.table, "a.csv:2$"),
    "a wrong row of several lines": ("a.csv", 'a,b\n"c\nd\ne"\n', readers.table, "Expected 2.*1 in .*a.csv:2$"),
    "text after a quote": ("a.csv", 'a,b\nc,"d"e\n', readers.table, "a.csv:2"),
    "only a header": ("a.csv", "a,b\n", lambda path: readers.table(path, ("a",)), "a.csv"),
    "an unknown column": ("a.csv", "a,b\n1,2\n", lambda path: readers.table(path, ("c",)), "'a', 'b'.*'c' of .*a.csv"),
    "a column twice": ("a.csv", "a,a\n1,2\n", lambda path: readers.table(path, ("a",)), "once.*a.csv"),
    "a column beyond the last": ("a.csv", "a,b\n", lambda path: readers.table(path, (0, 2)), "column=2.*a.csv"),
    "a column before the first": ("a.csv", "a,b\n", lambda path: readers.table(path, (-1,)), "column=-1.*a.csv"),
    "invalid UTF-8": ("a.txt", b"one\ntwo\nthr\xe9e\n", readers.lines, "0xe9 in .*a.txt.*:3"),
    "UTF-16": ("a.txt", "one\n".encode("utf-16"), readers.lines, "a.txt.*:1"),
    "an empty file": ("a.txt", "", readers.lines, "a.txt.* is empty"),
    "a blank file": ("a.txt", "\ufeff \r\n\n", readers.lines, "a.txt.* is empty"),
    "an empty table": ("a.csv", "", readers.table, "a.csv.* is empty"),
    "a table of blanks": ("a.csv", ",\n,\n", readers.table, "a.csv.* with 2 blank"),
    "an empty text": ("a.txt", "", readers.text, "a.txt.* is empty"),
    "broken JSON": ("a.jsonl", '{"a": 1}\n{"a": \n', lambda path: readers.json_lines(path, "a"), "a.jsonl.*:2"),
    "deep JSON": ("a.jsonl", "[" * 100000, lambda path: readers.json_lines(path, "a"), "a.jsonl.*:1"),
    "JSON without a field": (
        "a.jsonl",
        '{"b": 1}\n',
        lambda path: readers.json_lines(path, "a"),
        "'b'.* in .*a.jsonl.*:1",
    ),
    "JSON that is no object": ("a.jsonl", "[1]\n", lambda path: readers.json_lines(path, "a"), "list in .*a.jsonl.*:1"),
    "a line unlike the pattern": ("a.txt", "1 a\nb\n", lambda path: readers.pattern(path, r"(\d) (.*)"), "'b' in .*:2"),
    "JSON fields that are none": ("a.jsonl", "{}\n", lambda path: readers.json_lines(path, None), "fields=None"),
    "no pattern": ("a.txt", "a\n", lambda path: readers.pattern(path, None), "regex=None"),
    "a pattern of bytes": ("a.txt", "a\n", lambda path: readers.pattern(path, b"(a)"), "regular expression"),
    "a number for an encoding": ("a.txt", "a\n", lambda path: readers.lines(path, 5), "encoding=5"),
    "no encoding": ("a.txt", "a\n", lambda path: readers.text(path, None), "encoding=None"),
    "an encoding of no text": ("a.txt", "a\n", lambda path: readers.text(path, "hex"), "encoding='hex'"),
    "no column": ("a.csv", "a,b\n", lambda path: readers.table(path, ()), "at least one column"),
    "a name where columns have none": (
        "a.csv",
        "a,b\n",
        lambda path: readers.table(path, (0, 1)).select("a"),
        "a number, as the columns have no names. Received: column='a'",
    ),
    "a word for a header": ("a.csv", "a,b\n", lambda path: readers.table(path, header="no"), "header='no'"),
    "a word for the decimals": ("a.csv", "1\n", lambda path: readers.series(path, decimal="x"), "decimal='x'"),
    "a pattern without groups": ("a.txt", "a\n", lambda path: readers.pattern(path, "a"), "one group"),
    "a broken pattern": ("a.txt", "a\n", lambda path: readers.pattern(path, "(a"), "regular expression"),
    "a series without data": ("a.ts", "1,2:a\n", readers.time_series, "@data.*a.ts"),
    "a series with a gap": ("a.ts", "@data\n1,2:3,?:a\n", readers.time_series, "a.ts.*:2"),
    "a series without a label": ("a.ts", "@data\n1,2:a\n1,2:3,4\n", readers.time_series, "label.*'3,4' in .*a.ts.*:3"),
    "one dimension without a label": ("a.ts", "@data\n1,2\n", readers.time_series, "label.*'1,2' in .*a.ts.*:2"),
    "a series of unequal dimensions": ("a.ts", "@data\n1,2:3:a\n", readers.time_series, "a.ts.*:2"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_by_name_and_line(name, file):
    filename, content, read, message = BAD[name]
    with pytest.raises(ValueError, match=message.replace(".tsv:", ".tsv.*:").replace(".csv:", ".csv.*:")):
        read(file(filename, content))


@pytest.mark.parametrize(
    "content", [b"plain text", gzip.compress(b"text", mtime=0)[:-5], gzip.compress(b"text" * 9, mtime=0)[:15]]
)
def test_broken_gzip_is_refused_by_name(content, tmp_path):
    with pytest.raises(ValueError, match="gzip.*a.txt.gz"):
        readers.lines(write(tmp_path / "a.txt.gz", content))


@pytest.mark.parametrize("target", ["one\ntwo\n", "one\nthree\n\n", "one\nthree\n\n\n\n", "one\r\ntwo"])
def test_parallel_files_of_different_length_are_refused_with_the_first_line_missing(target, file):
    source, target = file("a.de", "ein\nzwei\ndrei\n"), file("a.en", target)
    for paths in ((source, target), (target, source)):
        with pytest.raises(ValueError, match="with 3 lines.*missing is .*a.en.*:3|with 2 lines.*missing is .*a.en.*:3"):
            readers.parallel_lines(*paths)


READS = {
    "lines": readers.lines,
    "text": readers.text,
    "table": readers.table,
    "series": readers.series,
    "conll": readers.conll,
    "slots": lambda path: readers.slots(path, path, path),
    "json_lines": lambda path: readers.json_lines(path, "text"),
    "pattern": lambda path: readers.pattern(path, "(.*)"),
    "time_series": readers.time_series,
    "parallel_lines": lambda path: readers.parallel_lines(path, path),
}


@pytest.mark.parametrize("name", READS)
def test_what_cannot_be_read_is_refused_by_name(name, tmp_path):
    read = READS[name]
    with pytest.raises(
        ValueError, match=r"Expected a file. Received: path='.*no.csv', which does not exist \(looked for /"
    ):
        read(tmp_path / "no.csv")
    with pytest.raises(ValueError, match=r"Expected a file. Received: path='no.csv.gz', which does not exist"):
        read("no.csv.gz")
    with pytest.raises(ValueError, match=rf"path='{tmp_path}', a folder"):
        read(tmp_path)
    for wrong in (None, 0, b"a.csv"):
        with pytest.raises(ValueError, match=f"Expected the path of a file. Received: path={wrong!r}"):
            read(wrong)
    for wrong in ("a\0b", "a" * 300):
        with pytest.raises(ValueError, match=r"a file that can be read. Received: path='a.*\("):
            read(wrong)
    for content in (b"", b"\n \r\n"):
        with pytest.raises(ValueError, match="a.csv"):
            read(write(tmp_path / "a.csv", content))


@pytest.mark.parametrize("name", READS)
def test_what_is_no_text_is_refused_by_name(name, tmp_path):
    for begin, message in (
        (gzip.compress(b"a,b\n"), "is gzip: give it a name that ends in .gz"),
        (b"PK\x03\x04 and so on", "is a zip archive"),
        ("text,label\na,b\n".encode("utf-16"), "is UTF-16: give its encoding, 'utf-16'"),
        ("text,label\na,b\n".encode("utf-16-le"), "is UTF-16"),
        ("text,label\na,b\n".encode("utf-16-be"), "is UTF-16"),
    ):
        with pytest.raises(ValueError, match=rf"Expected text in utf-8. Received: .*a.csv:1, which {message}"):
            READS[name](write(tmp_path / "a.csv", begin))
    with pytest.raises(ValueError, match=r"byte 0x\w\w in .*a.csv:\d+; give the file's encoding"):
        READS[name](write(tmp_path / "a.csv", bytes(range(128, 256)) * 9))


def test_folders_that_cannot_be_read_are_refused_by_name(tmp_path):
    for read in (readers.folder_per_class, readers.file_per_class):
        with pytest.raises(ValueError, match=r"Expected a folder. Received: folder='.*no' \(No such file"):
            read(tmp_path / "no")
        with pytest.raises(ValueError, match=r"Expected a folder. Received: folder='.*a.txt' \(Not a directory"):
            read(write(tmp_path / "a.txt", "a"))
        with pytest.raises(ValueError, match=r"Expected a folder. Received: folder='None'"):
            read(None)
    with pytest.raises(ValueError, match="glob=None"):
        readers.file_per_class(tmp_path, None)


def test_a_row_of_very_many_columns_is_refused_in_a_short_message(tmp_path):
    path = write(tmp_path / "a.csv", ",".join(map(str, range(100_000))) + "\n1,2\n")
    for columns in ("a", 10**6, None):
        with pytest.raises(ValueError, match="a.csv:") as error:
            readers.table(path, columns)
        assert len(str(error.value)) < 600


def test_folders_without_classes_are_refused(tmp_path):
    for read in (readers.folder_per_class, readers.file_per_class):
        with pytest.raises(ValueError, match="an entry a class"):
            read(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(ValueError, match="cat with 0 blank"):
        readers.folder_per_class(tmp_path)


def test_select_refuses_unknown_columns():
    with pytest.raises(ValueError, match="from 0 to 1.*column=2"):
        readers.lists(["a"], ["b"]).select(2)
    with pytest.raises(ValueError, match="column='text'"):
        readers.lists(["a"], ["b"]).select("text")


def test_the_real_data_sets_are_read_in_a_line(shared_data):
    scan = readers.pattern(shared_data / "scan/tasks_train_simple.txt.gz", "IN: (.*) OUT: (.*)")
    assert len(scan) == scan.read == 16728
    trec = readers.pattern(shared_data / "sentences/TREC.train.all.gz", r"(\S+) (.*)", "latin-1").select(1, 0)
    assert len(trec) == trec.read == 5452 and {label for _, label in trec} == set("012345")
    sounds = readers.table(shared_data / "sigmorphon2021_g2p/hun_train.tsv.gz")
    assert len(sounds) == sounds.read == 8000 and sounds[0] == ("abba", "ɒ bː ɒ")
    names = readers.file_per_class(shared_data / "names_by_nationality")
    assert len({label for _, label in names}) == 18 and names.read >= 20050
    pairs = readers.parallel_lines(shared_data / "multi30k/train.de.gz", shared_data / "multi30k/train.en.gz")
    assert len(pairs) == pairs.read == 29000
    vowels = readers.time_series(shared_data / "series/JapaneseVowels/JapaneseVowels_TRAIN.ts.gz")
    assert len(vowels) == 270 and {len(step) for values, _ in vowels for step in values} == {12}
    letters = readers.table(shared_data / "google_ar2en/ar2en-train.txt")
    assert len(letters) == 12877
    slots = readers.slots(*(shared_data / f"snips/train/{name}.gz" for name in ("seq.in", "seq.out", "label")))
    assert len(slots) == slots.read == 13084 and len({label for _, _, label in slots}) == 7
    words = readers.conll(shared_data / "ud_english_ewt/en_ewt-ud-dev.conllu.gz")
    assert len(words) == 2001 and len({tag for _, tags in words for tag in tags}) == 17
    series = readers.series(shared_data / "ett/ETTh1.csv.gz")
    assert series.shape == (17420, 7) and series.names[-1] == "OT" and series.left_out == ("date",)
    pens = readers.table(shared_data / "series/pendigits.tes", delimiter=",", header=True)
    assert len(pens) == 3498 and len(pens[0]) == 17


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (["2020-01-01", "2020-01-02", "2020-01-04"], None),
        (["2020-01-03", "2020-01-02", "2020-01-01"], "Received: 2020-01-02 after 2020-01-03 in .*a.csv:3"),
        (["2020-01-01 00:00", "2020-01-01 01:00", "2020-01-01 01:00"], "Received: 2020-01-01 01:00 after .*a.csv:4"),
        (["03/01/2020", "02/01/2020", "01/01/2020"], None),  # which may be read in two ways
    ],
)
def test_series_whose_times_go_back_or_repeat_is_warned_of(times, told, tmp_path):
    (tmp_path / "a.csv").write_text("date,a\n" + "".join(f"{time},{n}\n" for n, time in enumerate(times)))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert readers.series(tmp_path / "a.csv").times == tuple(times)
    said = [str(one.message) for one in seen]
    assert len(said) == (told is not None) and all(re.search(told, one) and "oldest first" in one for one in said)
