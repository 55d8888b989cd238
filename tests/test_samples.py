"""The embedded data: sizes, seeds, lists that share nothing, and no text with two answers."""

import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from datetime import date

import pytest
from babel import Locale
from babel.dates import format_date
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkeras.pipelines import samples

DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))
EVERY = {"languages": samples.languages, "territories": samples.territories, "dates": samples.dates}


def folded(text):
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def letters(text):
    """Letters and signs only, no accents that Unicode calls combining: not the code of the module."""
    kept = []
    for c in unicodedata.normalize("NFKD", folded(text)):
        if unicodedata.name(c, "").startswith("COMBINING") or unicodedata.category(c)[0] not in "LM":
            continue
        kept.append(c)
    return "".join(kept)


def text_of(name, example):
    return example[1] if name == "territories" else example[0]


def test_cats_are_the_five_sentences():
    assert [label for _, label in samples.cats()] == ["⊕", "⊕", "⊖", "⊖", "⊖"]
    assert len({sentence for sentence, _ in samples.cats()}) == 5


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("size", [10, 27, 1234])
def test_any_size_is_given_and_cut_eight_to_one_to_one(name, size, seed):
    lists = EVERY[name](size, seed)
    assert [len(part) for part in lists] == [size - 2 * (size // 10), size // 10, size // 10]


@pytest.mark.parametrize("name", EVERY)
def test_a_seed_repeats_and_another_differs(name, seed):
    assert EVERY[name](500, seed) == EVERY[name](500, seed)
    assert EVERY[name](500, seed) != EVERY[name](500, seed + 1)


def test_the_order_in_which_locales_were_used_before_does_not_matter():
    """Babel resolves aliases in place, in dictionaries that locales share; what came first must not show."""
    code = (
        "import runpy, sys, zlib; from babel import Locale\n"
        "for language in sys.argv[2:]:\n"
        "    for context in ('format', 'stand-alone'):\n"
        "        for width in ('wide', 'abbreviated', 'narrow'):\n"
        "            list(Locale(language).months[context][width].values())\n"
        "            list(Locale(language).days[context][width].values())\n"
        "module = runpy.run_path(sys.argv[1])\n"
        "sets = [module[name](3000, 5) for name in ('dates', 'languages', 'territories')]\n"
        "print(zlib.crc32(repr(sets).encode()))"
    )
    orders = [(), ("he", "vi", "fi"), samples.LANGUAGES[::-1]]
    commands = [[sys.executable, "-c", code, samples.__file__, *order] for order in orders]
    found = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands]
    assert found[0].strip().isdigit()
    assert len(set(found)) == 1


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("size", [9, 0, -5, 2.5, True, "100", 10**9])
def test_an_impossible_size_is_an_error_that_says_what_is_possible(name, size):
    with pytest.raises(ValueError, match=r"at least 10 and at most \d+.* Received: size="):
        EVERY[name](size)


@pytest.mark.parametrize("name", ["languages", "territories"])
def test_the_most_that_the_error_names_can_be_had(name, seed):
    with pytest.raises(ValueError) as error:
        EVERY[name](10**9)
    most = int(str(error.value).split("at most ")[1].split(".")[0])
    assert sum(len(part) for part in EVERY[name](most, seed)) == most
    with pytest.raises(ValueError):
        EVERY[name](most + 1, seed)


@pytest.mark.parametrize("name", EVERY)
def test_no_text_is_in_two_lists_or_twice_in_one(name, seed):
    lists = EVERY[name](4000, seed)
    texts = [folded(text_of(name, example)) for part in lists for example in part]
    assert len(texts) == len(set(texts))


def test_no_wording_of_languages_is_in_two_lists(seed):
    """Not even with other numbers, case, accents or punctuation."""
    found = [{letters(text) for text, _ in part} for part in samples.languages(20_000, seed)]
    assert not found[0] & found[1] and not found[0] & found[2] and not found[1] & found[2]


def test_no_day_of_dates_is_in_two_lists(seed):
    found = [{iso for _, iso in part} for part in samples.dates(20_000, seed)]
    assert not found[0] & found[1] and not found[0] & found[2] and not found[1] & found[2]


def test_a_text_has_one_language(seed):
    owners = defaultdict(set)
    for part in samples.languages(40_000, seed):
        for text, language in part:
            owners[letters(text)].add(language)
    assert not {text: languages for text, languages in owners.items() if len(languages) > 1}


def test_a_name_is_not_that_of_another_language(seed):
    owners = defaultdict(set)
    for language in samples.LANGUAGES:
        locale = Locale(language)
        for names in (locale.territories, locale.languages, locale.scripts):
            for name in names.values():
                owners[letters(name)].add(language)
    found = [(name, language) for part in samples.languages(40_000, seed) for name, language in part]
    found += [(name, language) for part in samples.territories() for language, name in part]
    assert not [(name, language) for name, language in found if owners.get(letters(name), {language}) != {language}]


@pytest.mark.parametrize("left_out", ["Angola", "Polen", "Ruanda", "Guinea"])
def test_shared_names_are_left_out(left_out):
    assert left_out not in {name for part in samples.territories() for _, name in part}


def test_every_language_is_in_every_list_in_fair_shares(seed):
    for part in samples.languages(40_000, seed):
        counts = Counter(language for _, language in part)
        assert set(counts) == set(samples.LANGUAGES)
        assert max(counts.values()) < 4 * min(counts.values())


def test_half_of_languages_are_dates_with_a_year(seed):
    for part in samples.languages(10_000, seed):
        dated = sum(bool(samples.readings(text)) for text, _ in part)
        assert abs(dated / len(part) - 0.5) < 0.01


def test_texts_are_as_typed(seed):
    """No invisible marks, no spaces that keyboards lack, nothing to trim."""
    for name, make in EVERY.items():
        for part in make(4000, seed):
            for example in part:
                text = text_of(name, example)
                assert text == text.strip() != ""
                assert not {c for c in text if c in "\u200e\u200f\u061c\u00a0\u2009\u202f" or ord(c) < 32}


@settings(deadline=None, max_examples=60)
@given(day=DAYS, language=st.sampled_from(samples.LANGUAGES), width=st.sampled_from(["full", "long", "medium"]))
def test_readings_know_what_babel_writes(day, language, width):
    text = format_date(day, width, Locale(language)).replace("\u202f", " ").replace("\u200f", "")
    assert day in samples.readings(text)


@pytest.mark.parametrize(
    "text, isos",
    [
        ("3/4/2024", ["2024-03-04", "2024-04-03"]),
        ("13/4/2024", ["2024-04-13"]),
        ("4/13/2024", ["2024-04-13"]),
        ("4/4/2024", ["2024-04-04"]),
        ("31/12/24", ["2024-12-31", "2031-12-24"]),
        ("31/12/85", ["1985-12-31"]),
        ("13.05.24", ["2024-05-13"]),
        ("13.05.68", ["2068-05-13"]),
        ("13.05.69", ["1969-05-13"]),
        ("2024/5/3", ["2024-05-03"]),
        ("March 5, 2024", ["2024-03-05"]),
        ("15. März 2024", ["2024-03-15"]),
        ("15. MÄRZ 2024", ["2024-03-15"]),
        ("Th 2, 15 thg 4, 2024", ["2024-04-15"]),
        ("२९ फ़रवरी २०२४", ["2024-02-29"]),
        ("２０２４/５/３", ["2024-05-03"]),
        ("3/²/2024", ["2024-02-03", "2024-03-02"]),
        ("29. Februar 2023", []),
        ("5. Mai 024", []),
        ("5. Mai " + "9" * 5000, []),
        ("Februar", []),
        ("", []),
    ],
)
def test_readings(text, isos):
    assert sorted(day.isoformat() for day in samples.readings(text)) == isos


@given(text=st.text() | st.from_regex(r"\d{1,4}[./-]\d{1,4}[./-]\d{1,4}", fullmatch=True))
def test_readings_of_any_text_are_days_or_none(text):
    assert all(isinstance(day, date) for day in samples.readings(text))


def test_a_date_has_one_reading_and_it_is_the_target(seed):
    for part in samples.dates(20_000, seed):
        for text, iso in part:
            assert samples.readings(text) == {date.fromisoformat(iso)}


def test_numeric_dates_with_slashes_show_their_order(seed):
    """Said again without `readings`: month and day are the same, or one of them is above 12, or the year is first."""
    numeric = 0
    for text, iso in samples.dates(20_000, seed).train:
        numbers = text.split("/")
        if len(numbers) == 3 and all(n.isdecimal() for n in numbers) and len(numbers[0]) < 4:
            _, month, day = map(int, iso.split("-"))
            assert day > 12 or day == month
            numeric += 1
    assert numeric > 100


def test_a_month_name_is_one_month_in_all_languages():
    months = defaultdict(set)
    for language in samples.LANGUAGES:
        for width in ("wide", "abbreviated"):
            for month, name in Locale(language).months["format"][width].items():
                months[folded(name)].add(month)
    assert not {name: found for name, found in months.items() if len(found) > 1}


def test_dates_are_varied(seed):
    train = samples.dates(20_000, seed).train
    assert len({iso[:4] for _, iso in train}) == 200
    assert len({iso[5:] for _, iso in train}) == 366
    shapes = Counter("".join("0" if c.isdecimal() else c for c in text) for text, _ in train)
    assert len(shapes) > 1000
    assert any(c in text for text, _ in train for c in "٣") and any(c in text for text, _ in train for c in "३")
    two_digits = sum(not any(year in text for year in (iso[:4],)) for text, iso in train)
    assert two_digits > 0.02 * len(train)


@settings(deadline=None, max_examples=20)
@given(day=DAYS)
def test_each_day_is_written_in_more_ways_than_are_ever_asked_for(day):
    ways = {
        folded(template.format(day))
        for language in samples.LANGUAGES
        for template in samples._wordings()[language, day.month, day.weekday()]
    }
    assert sum(samples.readings(text) == {day} for text in ways) > samples._WRITTEN_PER_DAY
