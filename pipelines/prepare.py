"""What all tasks share: from checked splits to batched datasets and a report of what became of each record."""

import functools
import inspect
import warnings
from collections import Counter
from dataclasses import dataclass, field
from numbers import Number

import numpy as np
import tensorflow as tf

from seqkeras.arguments import switch, whole_or_none
from seqkeras.pipelines import batching
from seqkeras.pipelines.columns import ended, lengths_of
from seqkeras.pipelines.labels import Labels
from seqkeras.pipelines.splits import shared
from seqkeras.tokens import UNKNOWN

MOST_PADDING = 1 / 3  # a share of padding above is told with what to do
FAR = 4  # times as long as 99 % of the examples: what one so long costs is told
NOTICED = 20_000  # tokens with padding; what less there is takes no time
SHOWN = 80  # characters of a text in a report


@dataclass
class Data:
    """What a script needs: `model.fit(data.train, validation_data=data.validation)`.

    Args:
        train, validation, test: batched tf.data.Dataset, or None.
        tokenizers: dict of role ("text", "source", "target", …) -> tokenizer.
        labels: Labels, or None; of `joint_tagging` a dict with "tags" and "label".
        records: dict of split -> Records that became examples, in the order of the file, which is also the order of
            the batches of validation and test.
        steps: dict of split -> batches per epoch.
        lengths: dict of role -> the length of the longest example in any split, END counted where there is one: what
            a search needs as `max_length`, and an exported file as `length`.
        shapes: the shapes that batches are padded to, dicts of role -> length.
        report: dict of split -> what became of its records, a dict:
            "read", "kept": records the source held, and those that became examples.
            "skipped": dict of reason -> records left out: "blank" ones by the reader, those with "no tokens", those
                "longer than" `max_length`, and of `generation` those of an "unknown label".
            "cut": with `truncate`, the records that lost what is beyond `max_length`.
            "windows", "parts": pieces that the records of `language_model` and `documents` are cut into.
            "words cut": with `characters`, words of more characters than are seen, in all records.
            "padding": the share of padding among all tokens of the batches, from 0 to 1.
            "samples": the first two records, long texts cut.
            "classes": dict of label -> how often the examples have it; of `joint_tagging` a dict with "tags" and
                "label" of these.
            "advice": in train, list of sentences on what would make training or an exported file faster: more than a
                third of "padding", an example four times as long as 99 % of them.
            "unseen classes": in train, names of the classes that no example has.
            "unknown labels": in validation and test, dict of label -> how often it is there, of labels that are none of
                the classes: they are -1 in the batches and count as answered wrongly. As "classes" of `joint_tagging`.
            "unknown target tokens": of `translation`, `generation`, `language_model` and `documents`, the "count" of
                UNKNOWN among the tokens to be said, and how many there are, "of", END counted. They cannot be said.
            "same text in train": in validation and test, records whose text is in train too.
            "left out each epoch": in train, with `fixed_shapes`, the examples that fill no batch, others each epoch.
            Of `forecasting`: "windows", "series", series "too short" for a window; in train the "mean" and
            "deviation" of each variable, the names of the "variables" where they have some, those that are
            "constant", and those that have a value "far out", a hundred times as far from the median as usual
            values vary, with that value: it may stand for a missing one.
    """

    train: tf.data.Dataset | None = None
    validation: tf.data.Dataset | None = None
    test: tf.data.Dataset | None = None
    tokenizers: dict = field(default_factory=dict)
    labels: Labels | dict | None = None
    records: dict = field(default_factory=dict, repr=False)
    steps: dict = field(default_factory=dict)
    lengths: dict = field(default_factory=dict)
    shapes: list = field(default_factory=list)
    report: dict = field(default_factory=dict)


def prepare(
    splits,
    key,
    encode,
    assemble,
    ends=(),
    tokenizers=None,
    labels=None,
    fed=False,
    cut=None,
    *,
    batch_size=None,
    tokens_per_batch=None,
    max_length=None,
    truncate=False,
    num_buckets=None,
    shuffle=True,
    seed=0,
    fixed_shapes=False,
):
    """What all tasks share: from checked splits to Data.

    Args:
        splits: dict of split -> Records.
        key: record -> its text, by which records of two splits are compared.
        encode: Records -> dict of columns, ragged or dense, a row per record; those of texts are named by their role.
        assemble: a batch, dict of tensors -> what the model eats.
        ends: the columns that END is added to.
        tokenizers: handed on.
        labels: dict of column -> LabelColumn.
        fed: whether the model is fed the labels, so that a record of an unknown one is skipped.
        cut: columns of records -> columns of examples, where a record is more than one; counted as "windows".

    The options by keyword are those of every task, told at `tasks.classification`.
    """
    if batch_size is None and tokens_per_batch is None:
        batch_size = 32
    whole_or_none(
        batch_size=batch_size, tokens_per_batch=tokens_per_batch, num_buckets=num_buckets, max_length=max_length
    )
    switch(truncate=truncate, shuffle=shuffle, fixed_shapes=fixed_shapes)
    labels = labels or {}
    data = Data(tokenizers=tokenizers or {}, labels=_one_or_all({name: one.labels for name, one in labels.items()}))
    columns = {}
    for split, records in splits.items():
        read = encode(records)
        unknown = {name: read[name] < 0 for name in labels if fed}
        left, columns[split], report = fitted(records, read, ends, max_length, truncate, unknown)
        told = (records, read) if fed else (left, columns[split])
        data.records[split], data.report[split] = left, report | described(left, columns[split], ends)
        data.report[split] |= _labelled(labels, split, columns[split], *told)
        if cut is not None:
            columns[split] = cut(columns[split])
            data.report[split]["windows"] = next(iter(columns[split].values())).shape[0]
        if "train" in splits and split != "train":
            data.report[split]["same text in train"] = shared(left, data.records["train"], key)
    budget = {"batch_size": batch_size, "tokens_per_batch": tokens_per_batch}
    _batch(data, columns, assemble, budget, num_buckets, fixed_shapes, shuffle, seed)
    return data


def _batch(data, columns, assemble, budget, num_buckets, fixed_shapes, shuffle, seed):
    """Fills in the datasets of `data`, their shapes and lengths, and what the report says of padding."""
    lengths = {split: lengths_of(of_split) for split, of_split in columns.items()}
    data.lengths = {
        name: max(int(of_split[name].max()) for of_split in lengths.values()) for name in next(iter(lengths.values()))
    }
    bucketed = {"train"} & set(columns) if shuffle or fixed_shapes else set()
    data.shapes = _shapes(lengths, bucketed, num_buckets, fixed_shapes, **budget)
    for split in columns:
        if split in bucketed:
            numbers, which = _bucketed(data, split, lengths[split], fixed_shapes, seed if shuffle else None, **budget)
        else:
            ends_, which = batching.consecutive(lengths[split], data.shapes, **budget)
            numbers, data.steps[split] = batching.runs(ends_), len(ends_)
        dataset = batching.gather(numbers, columns[split], data.shapes, which).map(assemble)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(data.steps[split]))
        setattr(data, split, dataset.prefetch(tf.data.AUTOTUNE))
        data.report[split]["padding"] = batching.padding_share(lengths[split], data.shapes, which)
    if "train" in columns:
        data.report["train"]["advice"] = _advice(data, lengths["train"])


def _advice(data, lengths):
    """What to do about padding and a few long examples, as a list of sentences; warnings too, where it costs much."""
    share, shapes = data.report["train"]["padding"], len(data.shapes)
    usual = max(int(np.quantile(one, 0.99)) for one in lengths.values())
    longest = max(int(one.max()) for one in lengths.values())
    cut = f"max_length={usual}, which holds 99 % of the examples, to leave out longer ones or truncate=True to cut them"
    advice = []
    if share > MOST_PADDING:
        plural = "s"[: shapes > 1]
        advice.append(
            f"{share:.0%} of the tokens in the batches of train are padding, with {shapes} shape{plural}: raise "
            f"num_buckets, or set {cut}"
        )
    if longest > FAR * usual:
        advice.append(f"The longest example has {longest:,} tokens, for which each exported file has room: set {cut}")
    if sum(map(sum, lengths.values())) / (1 - share) > NOTICED:
        for one in advice:
            warnings.warn(one, stacklevel=4)
    return advice


def _bucketed(data, split, lengths, full, seed, **budget):
    """Batches of the numbers of examples of one shape, and the shape of each example; their number goes into data.

    Args:
        full: whether batches that are not full are left out.
    """
    sizes = np.array(batching.batch_sizes(data.shapes, **budget))
    which = batching.bucket(lengths, data.shapes)
    if full and len(sizes) > 1:  # the few longest examples are a batch of their own
        counts = np.bincount(which, minlength=len(sizes))
        sizes = np.where(counts > 0, np.minimum(sizes, counts), sizes)
    batches = batching.count_batches(which, sizes, full)
    data.steps[split] = int(batches.sum())
    if not data.steps[split]:
        raise ValueError(f"Expected a full batch. Received: {len(data.records[split])} records, {sizes[0]} a batch")
    if full:
        data.report[split]["left out each epoch"] = len(which) - int(batches @ sizes)
    return batching.buckets(batching.order(len(which), seed), which, sizes, full), which


def _shapes(lengths, bucketed, num_buckets, fixed_shapes, batch_size, tokens_per_batch):
    """The shapes that fit the training examples best, and some for batches of other splits that none of these holds.

    Where `num_buckets` is None, `fixed_shapes` makes no more than it takes for little padding: each is compiled.

    Args:
        lengths: dict of split -> dict of name -> lengths.
        bucketed: the splits whose batches hold examples of one shape; those of the others hold consecutive ones.
    """
    measured = [lengths["train"]] if "train" in lengths else list(lengths.values())
    together = {name: np.concatenate([one[name] for one in measured]) for name in measured[0]}
    little = MOST_PADDING if fixed_shapes and num_buckets is None else 0.0
    num_buckets = num_buckets or (8 if fixed_shapes else 24)
    shapes = batching.shapes(together, num_buckets, batch_size, tokens_per_batch, little)
    missing = []
    for split, of_split in lengths.items():
        longest = batching.longest(of_split, 1 if split in bucketed else batch_size or 1)
        held = batching.holds(longest, shapes).any(axis=0)
        missing.append(np.stack(list(longest.values()))[:, ~held])
    missing = np.concatenate(missing, axis=1)
    if missing.size:  # shapes of several lengths are not held in each other: it takes some to fit
        shapes += batching.shapes(dict(zip(shapes[0], missing, strict=True)), len(shapes[0]) ** 2)
    return shapes


def task(function):
    """A function of `tasks` whose `**options` are those of `prepare`: help names them, and no others are taken."""
    own = inspect.signature(function)
    shared = [one for one in inspect.signature(prepare).parameters.values() if one.kind is one.KEYWORD_ONLY]
    *named, _ = own.parameters.values()
    named += [one for one in shared if one.name not in own.parameters]
    names = [one.name for one in named]

    @functools.wraps(function)
    def checked(*given, **options):
        if unknown := sorted(options.keys() - names):
            raise TypeError(f"Expected options among {', '.join(names)}. Received: {', '.join(unknown)}")
        return function(*given, **options)

    checked.__signature__ = own.replace(parameters=named)
    return checked


def _one_or_all(named):
    """The value of a dict of one, a dict of several as it is, None in place of an empty one."""
    return next(iter(named.values()), None) if len(named) < 2 else named


def _labelled(labels, split, columns, records, read):
    """What the report of a split says of its labels.

    Args:
        labels: dict of column -> LabelColumn.
        columns: those of the examples.
        records, read: those among which unknown labels are looked for.
    """
    if not labels:
        return {}
    counts = {name: one.counts(columns[name]) for name, one in labels.items()}
    if split == "train":
        unseen = [label for of_all in counts.values() for label, n in of_all.items() if not n]
        return {"classes": _one_or_all(counts), "unseen classes": unseen}
    unknown = {name: one.unknown(records, read[name]) for name, one in labels.items()}
    return {"classes": _one_or_all(counts), "unknown labels": _one_or_all(unknown)}


def described(records, columns, ends):
    """What a report says of the records that became examples: two of them, and the targets that are UNKNOWN.

    Args:
        ends: the columns that END is added to; "target", or without one "text", is what a model is to say.
    """
    report = {"samples": [[_shown(value) for value in row] for row in records.rows[:2]]}
    for role in {"target", "text"} & set(ends):
        ids = columns[role].flat_values.numpy()
        report["unknown target tokens"] = {"count": int(np.sum(ids == UNKNOWN)), "of": len(ids)}
    return report


def _shown(value):
    """A value of a record as a short text."""
    return str(value)[:SHOWN] if isinstance(value, (str, Number)) else f"values of shape {np.shape(value)}"


def fitted(records, columns, ends, max_length=None, truncate=False, unknown=()):
    """Records and columns without those that have no tokens or are too long, END added, and the report so far.

    Args:
        unknown: dict of column -> whether each record's label is unknown, where such a record is left out too.
    """
    lengths = lengths_of(columns)
    empty = np.any([length == 0 for length in lengths.values()], axis=0)
    limit = {name: np.inf if max_length is None else max_length - (name in ends) for name in lengths}
    long = np.any([length > limit[name] for name, length in lengths.items()], axis=0) & ~empty
    strange = np.any([np.zeros(len(records), bool), *dict(unknown).values()], axis=0) & ~empty
    long &= ~strange
    skipped = {"no tokens": int(empty.sum()), "unknown label": int(strange.sum())}
    skipped[f"longer than {max_length}"] = 0 if truncate else int(long.sum())
    kept = np.flatnonzero(~(empty | strange) if truncate else ~(empty | strange | long))
    left = records.take(kept, records.skipped + Counter(skipped))
    report = {"read": left.read, "kept": len(left), "skipped": dict(left.skipped)}
    if truncate:
        report["cut"] = int(long.sum())
    if not len(left):
        raise ValueError(
            f"Expected records left after filtering, beginning with {records.places[0]}. Received: {report}"
        )
    if len(kept) < len(records):
        columns = {name: tf.gather(column, kept) for name, column in columns.items()}
    for name in lengths:
        if truncate and max_length is not None:
            columns[name] = columns[name][:, : limit[name]]
        if name in ends:
            columns[name] = ended(columns[name])
    return left, columns, report
