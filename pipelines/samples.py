"""Data that travels with the package: five sentences, and names and written dates in 27 languages.

Names and dates come from the Unicode CLDR, which Babel carries, so nothing is downloaded. The same size and seed give
the same examples (for one version of Babel). Every set is cut eight to one to one into train, validation and test.
"""

import contextlib
import functools
import random
import re
import unicodedata
from collections import defaultdict
from datetime import date
from numbers import Integral
from typing import NamedTuple

from babel import Locale

LANGUAGES = (
    *("de", "en", "es", "fr", "it", "nl", "pl", "pt", "sv", "tr", "fi", "cs", "hu", "ro", "da", "nb", "id", "vi"),
    *("el", "ru", "uk", "ar", "he", "hi", "ja", "ko", "zh"),
)

_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2099, 12, 31)
_WRITTEN_PER_DAY = 100  # every day can be written in more ways than that
_NATIVE_DIGITS = {"ar": "٠١٢٣٤٥٦٧٨٩", "hi": "०१२३४५६७८९"}


class Samples(NamedTuple):
    """Three lists of examples, each example a tuple, no text in two of them."""

    train: list
    validation: list
    test: list


def cats():
    """Five sentences with their labels: "⊕" where somebody speaks of cats with sympathy, "⊖" elsewhere.

    Returns: list of (sentence, label).
    """
    return [
        ("I love my cat.", "⊕"),
        ("Cats and dogs lap water.", "⊕"),
        ("It is raining cats and dogs.", "⊖"),
        ("Cats and dogs are not allowed.", "⊖"),
        ("Cats and dogs have always been natural enemies.", "⊖"),
    ]


def languages(size=40_000, seed=0):
    """Names and written dates, half and half, each with the language it is written in.

    The names are of territories, languages, scripts, cities and time zones. A text is left out when somebody else
    writes the same letters, whatever their case, accents, digits and punctuation: "Angola" is a name in many
    languages, "13. mai 2024" a date in several. Texts of the same letters, such as two dates that differ in their
    numbers only, are in the same list: the words of a held-out date are a combination that training has not seen.

    Args:
        size: number of examples in the three lists together.
        seed: integer; another seed gives other examples in other lists.

    Returns: `Samples` of (text, language code).
    Raises: ValueError where size is below 10 or needs more names than there are.
    """
    names = list(_own_names(_names))
    sizes = _list_sizes(size, most=2 * len(names))
    rng = random.Random(seed)
    rng.shuffle(names)
    ways = {}
    for language in LANGUAGES:
        own = _own_ways(language)
        rng.shuffle(own)
        ways[language] = _cut(own, _list_sizes(len(own)))
    lists = []
    for part, wanted in enumerate(sizes):
        examples = [names.pop() for _ in range(wanted - wanted // 2)]
        seen = set()
        while len(seen) < wanted // 2:
            language = rng.choice(LANGUAGES)
            template, month, weekday = rng.choice(rng.choice(ways[language][part]))
            text = _write(template, rng.choice(_days()[month, weekday]), language, rng)
            if text not in seen:
                seen.add(text)
                examples.append((text, language))
        rng.shuffle(examples)
        lists.append(examples)
    return Samples(*lists)


def territories(size=None, seed=0):
    """A language in, the name of a territory in that language out.

    Names whose letters are also a name in another of the languages are left out.

    Args:
        size: number of examples in the three lists together; None for all there are.
        seed: integer.

    Returns: `Samples` of (language code, name).
    Raises: ValueError where size is below 10 or more than there are.
    """
    names = [(language, name) for name, language in _own_names(_territories)]
    sizes = _list_sizes(len(names) if size is None else size, most=len(names))
    random.Random(seed).shuffle(names)
    return Samples(*_cut(names, sizes))


def dates(size=60_000, seed=0):
    """Days from 1900 to 2099 as people write them in any of the languages, each with its ISO 8601 form.

    Languages are drawn evenly, then the patterns of a language. A text is left out when any pattern of any language
    reads another day in it: "3/4/2024" (April or March?), "31/12/24" (2024 or, year first, 2031?). Two digits mean
    a year from 1969 to 2068, in Arabic and Hindi half of the texts have their native digits. The lists share no
    day, so a model has to read a held-out date and cannot recall it from another way of writing it.

    Args:
        size: number of examples in the three lists together.
        seed: integer.

    Returns: `Samples` of (written date, "YYYY-MM-DD").
    Raises: ValueError where size is below 10 or above a hundred for each day.
    """
    days = [day for bucket in _days().values() for day in bucket]
    sizes = _list_sizes(size, most=_WRITTEN_PER_DAY * len(days))
    rng = random.Random(seed)
    rng.shuffle(days)
    lists = []
    for own_days, wanted in zip(_cut(days, _list_sizes(len(days))), sizes, strict=True):
        examples = {}
        while len(examples) < wanted:
            day, language = rng.choice(own_days), rng.choice(LANGUAGES)
            template = rng.choice(_wordings()[language, day.month, day.weekday()])
            text = _write(template, day, language, rng)
            if readings(text) == {day}:
                examples.setdefault(_normalised(text), (text, day.isoformat()))
        lists.append(list(examples.values()))
    return Samples(*lists)


def readings(text):
    """Every day that some pattern of some language reads in a written date.

    Returns: set of datetime.date; empty where the text is in none of the patterns.
    """
    text, days = _normalised(text), set()
    numbers = re.findall(r"\d+", text)
    for slots, month in _shapes().get(_shape(text), ()):
        fields = dict(zip(slots, numbers, strict=True))
        if len(fields["year"]) not in (2, 4) or max(len(fields["day"]), len(fields.get("month", ""))) > 2:
            continue
        year = int(fields["year"])
        if len(fields["year"]) == 2:
            year += 2000 if year <= 68 else 1900  # as POSIX strptime does
        with contextlib.suppress(ValueError):  # no such day, so nobody reads it this way
            days.add(date(year, int(fields.get("month", month)), int(fields["day"])))
    return days


# --- sizes ---


def _list_sizes(size, most=None):
    """Train, validation and test sizes, eight to one to one."""
    if isinstance(size, bool) or not isinstance(size, Integral) or size < 10 or (most is not None and size > most):
        limit = "" if most is None else f" and at most {most}"
        raise ValueError(f"Expected an integer size of at least 10{limit}. Received: size={size!r}")
    return size - 2 * (size // 10), size // 10, size // 10


def _cut(items, sizes):
    """Consecutive slices of the given sizes."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [items[end - size : end] for end, size in zip(ends, sizes, strict=True)]


# --- letters: when two texts count as the same ---


def _normalised(text):
    """Compatibility form, case and spaces folded."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _letters(text):
    """Letters alone, their accents folded; signs that are part of a letter, as vowels in Hindi, stay.

    Accents have combining classes from 200 up, the vowel and voicing signs of other scripts lower ones.
    """
    folded = unicodedata.normalize("NFKD", _normalised(text))
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LM" and unicodedata.combining(c) < 200)


def _as_typed(text):
    """Plain spaces, and no invisible direction marks, as on a keyboard."""
    return re.sub("[\u200e\u200f\u061c]", "", re.sub("[\u00a0\u2009\u202f]", " ", text)).strip()


# --- names ---


def _territories(language):
    return list(Locale(language).territories.values())


def _names(language):
    """Territories, languages, scripts, cities and time zones; a zone in one form, so that no near copy is held out."""
    locale = Locale(language)
    names = _territories(language)
    names += [*locale.languages.values(), *locale.scripts.values()]
    names += [zone["city"] for zone in locale.time_zones.values() if "city" in zone]
    zones = [zone.get("long", {}) for zone in locale.meta_zones.values()]
    return names + [zone["standard"] for zone in zones if "standard" in zone]


@functools.cache
def _owners():
    """Letters -> who writes them, as (language, "name" or "date")."""
    owners = defaultdict(set)
    for language in LANGUAGES:
        for name in _names(language):
            owners[_letters(name)].add((language, "name"))
        for letters in _ways()[language]:
            owners[letters].add((language, "date"))
    return owners


@functools.cache
def _own_names(source):
    """(name, language) of the names in `source(language)` that no other language shares, each once."""
    own = {}
    for language in LANGUAGES:
        for name in source(language):
            letters = _letters(name)
            if letters and _owners()[letters] == {(language, "name")}:
                own.setdefault(letters, (_as_typed(name), language))
    return tuple(own.values())


# --- written dates ---


@functools.cache
def _days():
    """(month, weekday) -> its days, first to last."""
    days = defaultdict(list)
    for ordinal in range(_FIRST_DAY.toordinal(), _LAST_DAY.toordinal() + 1):
        day = date.fromordinal(ordinal)
        days[day.month, day.weekday()].append(day)
    return days


def _patterns(locale):
    """The patterns of full, long, medium and short dates and of day-month-year skeletons, %(field)s for a field.

    A name may be wide or abbreviated in each, as CLDR lets a skeleton's names be adjusted (UTS 35, part 4, section
    "Matching Skeletons").
    """
    skeletons = [s for s in locale.datetime_skeletons if set("yMd") <= set(s) <= set("yMdE")]
    found = [*locale.date_formats.values(), *(locale.datetime_skeletons[skeleton] for skeleton in skeletons)]
    patterns = [_as_typed(pattern.format) for pattern in found]
    patterns += [pattern.replace("%(MMM)s", "%(MMMM)s") for pattern in patterns]
    patterns += [re.sub(r"%\(E+\)s", "%(EEEE)s", pattern) for pattern in patterns]
    return list(dict.fromkeys(patterns))


@functools.cache
def _wordings():
    """(language, month, weekday) -> the templates for such a day, to be filled by `template.format(day)`."""
    numbers = {"d": "{0.day}", "dd": "{0.day:02}", "M": "{0.month}", "MM": "{0.month:02}"}
    numbers |= {"y": "{0.year}", "yy": "{0:%y}"}
    table = {}
    for language in LANGUAGES:
        locale = Locale(language)
        patterns = _patterns(locale)
        months, days = locale.months["format"], locale.days
        for month, weekday in _days():
            # A month whose name is a number ("3月", "tháng 3") is a number in the text as well.
            wide, short = (months[w][month].replace(str(month), "{0.month}") for w in ("wide", "abbreviated"))
            fields = numbers | {"MMMM": wide, "MMM": short, "cccc": days["stand-alone"]["wide"][weekday]}
            fields |= dict.fromkeys(("E", "EEE"), days["format"]["abbreviated"][weekday])
            fields |= {"EEEE": days["format"]["wide"][weekday], "ccc": days["stand-alone"]["abbreviated"][weekday]}
            table[language, month, weekday] = list(dict.fromkeys(pattern % fields for pattern in patterns))
    return table


@functools.cache
def _ways():
    """Language -> letters -> every (template, month, weekday) whose text has these letters."""
    ways = {language: defaultdict(list) for language in LANGUAGES}
    for (language, month, weekday), templates in _wordings().items():
        for template in templates:
            ways[language][_letters(re.sub(r"\{[^}]*\}", "", template))].append((template, month, weekday))
    return ways


def _own_ways(language):
    """The lists in `_ways()[language]` whose letters nobody else writes."""
    return [w for letters, w in _ways()[language].items() if letters and _owners()[letters] == {(language, "date")}]


def _write(template, day, language, rng):
    """The day in the template; half of the time in the language's own digits where it has them."""
    text = template.format(day)
    if language in _NATIVE_DIGITS and rng.random() < 0.5:
        text = text.translate(str.maketrans("0123456789", _NATIVE_DIGITS[language]))
    return text


def _shape(text):
    """A normalised text with each number as 0."""
    return re.sub(r"\d+", "0", text)


@functools.cache
def _shapes():
    """Shape -> {(what each number is, the month where a word names it)}, over all languages and patterns."""
    shapes = defaultdict(set)
    field = re.compile(r"\{0\.(day|month|year)[^}]*\}|\{0:%(y)\}|\d+")  # a bare number is part of a weekday's name
    for (_, month, _), templates in _wordings().items():
        for template in templates:
            slots = tuple(m[1] or ("year" if m[2] else "") for m in field.finditer(template))
            shapes[_shape(_normalised(field.sub("0", template)))].add((slots, None if "month" in slots else month))
    return shapes
