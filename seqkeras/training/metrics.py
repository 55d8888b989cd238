"""Metrics: over tokens while training, over whole outputs afterwards."""

import keras
import sacrebleu
from keras import ops

from seqkeras import arguments
from seqkeras.saving import saveable
from seqkeras.tokens import UNKNOWN_LABEL
from seqkeras.training.losses import CrossEntropy, label_of_each, weight_of_each


@saveable
class TokenAccuracy(keras.metrics.Mean):
    """Share of real tokens whose likeliest id is the true one: next [B, T], logits [B, T, V], weight [B, T].

    Args:
        unknown: an id that never counts as right, such as UNKNOWN, which stands for any word outside the vocabulary.
            None: a model that writes text sets it to UNKNOWN when it is compiled with the metric; for others no id
            is excluded.
    """

    def __init__(self, unknown=None, name="token_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(*_flat(_hits(y_true, y_pred, self.unknown), sample_weight))


@saveable
class ExactMatch(keras.metrics.Mean):
    """Share of sequences with every real token right, the true prefix given: next [B, T], logits [B, T, V].

    One label a sequence has no tokens to be right together: that is a matter for `TokenAccuracy`.

    Args:
        unknown: an id that never counts as right, as of `TokenAccuracy`.
    """

    def __init__(self, unknown=None, name="exact_match", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        hits = _hits(y_true, y_pred, self.unknown)
        if len(hits.shape) != 2:
            raise ValueError(
                f"Expected logits [B, T, V]. Received: logits {list(y_pred.shape)}; "
                "take TokenAccuracy where a sequence has one label"
            )
        real = ops.cast(weight_of_each(hits, sample_weight) > 0, "float32")
        # A row without a real token is no sequence.
        super().update_state(1.0 - ops.max(real * (1.0 - hits), axis=-1), ops.max(real, axis=-1))


@saveable
class Perplexity(keras.metrics.Mean):
    """exp of the mean cross-entropy of real tokens, natural logarithm: next [B, T], logits [B, T, V].

    A label of -1 (`tokens.UNKNOWN_LABEL`) has no probability and is left out.
    """

    def __init__(self, name="perplexity", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(*_flat(*CrossEntropy().items(y_true, y_pred, sample_weight)))

    def result(self):
        return ops.exp(super().result())


@saveable
class SpanF1(keras.metrics.Metric):
    """F1 of spans, such as slots or names, over all that were seen: a span counts where its ends and type are right.

        F1 = 2 correct / (predicted + true)

    Tags are "O", outside of every span, "B-type", where one begins, and "I-type". As in conlleval, an I begins a span
    too where the tag before is O or of another type. A run of tags that are none of `names`, -1
    (`tokens.UNKNOWN_LABEL`), counts as one true span, which no prediction can find.

    Reference: Tjong Kim Sang & De Meulder, Introduction to the CoNLL-2003 shared task, 2003, section 2.4.

    Args:
        names: of the C tags, in the order of their ids: `data.labels.names`.

    Call arguments: tags [B, T], logits [B, T, C], weight [B, T]; where the weight is 0 there is nothing.
    """

    def __init__(self, names, name="span_f1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.names = list(names) if isinstance(names, (list, tuple)) else []
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError(f"Expected a list of distinct names of tags. Received: names={names!r:.80}")
        kinds, types = [], []
        for one in self.names:
            kind, _, type_ = str(one).partition("-")
            if (one != "O" and kind not in ("B", "I")) or (kind != "O" and not type_):
                raise ValueError(f"Expected names of tags: O, B-type, I-type. Received: {one!r} among names={names}")
            kinds.append(kind)
            types.append(type_)
        known = ["", *sorted(set(types) - {""})]  # 0 is outside
        # The last of both is what UNKNOWN_LABEL stands for: inside of a span of a type that no name has.
        self._begins = [kind == "B" for kind in kinds] + [False]
        self._types = [known.index(type_) for type_ in types] + [len(known)]
        self.correct, self.predicted, self.true = (
            self.add_weight(name=name, initializer="zeros") for name in ("correct", "predicted", "true")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.convert_to_tensor(y_pred)
        if len(y_pred.shape) != 3 or y_pred.shape[-1] != len(self.names):
            raise ValueError(
                f"Expected logits [B, T, {len(self.names)}], one for each name. Received: logits {list(y_pred.shape)}"
            )
        labels = label_of_each(y_true, y_pred)
        real = weight_of_each(ops.ones_like(labels, dtype="float32"), sample_weight) > 0
        labels = ops.where(real, labels, UNKNOWN_LABEL)  # what has no weight need not be a tag
        arguments.between(UNKNOWN_LABEL, len(self.names) - 1, tags=labels)
        true = self._spans(ops.where(labels == UNKNOWN_LABEL, len(self.names), labels), real)
        said = self._spans(ops.argmax(y_pred, axis=-1), real)
        # A span of the truth is right where all of its positions begin, end and mean in the one what they do in the
        # other. Its number, over the whole batch, is how many have begun so far.
        wrong = [ops.reshape(a != b, (-1,)) for a, b in zip(true, said, strict=True)]
        starts, _, types = (ops.reshape(one, (-1,)) for one in true)
        wrong = ops.cast((wrong[0] | wrong[1] | wrong[2]) & (types > 0), "int32")
        number = ops.cumsum(ops.cast(starts, "int32"))
        faults = ops.segment_sum(wrong, number, num_segments=ops.shape(number)[0] + 1)
        self.correct.assign_add(_count(starts & (ops.take(faults, number) == 0)))
        self.predicted.assign_add(_count(said[0]))
        self.true.assign_add(_count(starts))

    def _spans(self, tags, real):
        """tags [B, T] -> where spans begin, where they end, and the type at each position, 0 outside; [B, T] each."""
        types = ops.where(real, ops.take(ops.convert_to_tensor(self._types, "int32"), tags), 0)
        before = ops.pad(types, ((0, 0), (1, 0)))[:, :-1]
        starts = (types > 0) & (ops.take(ops.convert_to_tensor(self._begins), tags) | (before != types))
        behind = ops.pad(starts | (types == 0), ((0, 0), (0, 1)), constant_values=True)[:, 1:]
        return starts, (types > 0) & behind, types

    def result(self):
        return 2 * self.correct / ops.maximum(self.predicted + self.true, 1)


@saveable
class MacroF1(keras.metrics.Metric):
    """The mean of the F1 of all classes that are true or predicted, over all that was seen.

        F1_c = 2 right_c / (true_c + predicted_c)

    A class that occurs in neither does not count. All unknown labels, -1 (`tokens.UNKNOWN_LABEL`), are one class more,
    which is never found. `scores.macro_f1` gives the same of lists of names.

    Reference: Sokolova & Lapalme, A systematic analysis of performance measures for classification tasks, 2009.

    Args:
        num_classes: number C of classes.

    Call arguments: labels [B] or [B, T], logits [B, C] or [B, T, C], weight as the labels; without weight there is
    nothing.
    """

    def __init__(self, num_classes, name="macro_f1", **kwargs):
        super().__init__(name=name, **kwargs)
        arguments.classes(num_classes=num_classes)
        self.right, self.true, self.predicted = (
            self.add_variable(shape=(num_classes + 1,), initializer="zeros", name=name)
            for name in ("right", "true", "predicted")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.convert_to_tensor(y_pred)
        if y_pred.shape[-1] != self.num_classes:
            raise ValueError(f"Expected logits [..., {self.num_classes}]. Received: logits {list(y_pred.shape)}")
        labels = label_of_each(y_true, y_pred)
        real = weight_of_each(ops.ones_like(labels, dtype="float32"), sample_weight) > 0
        arguments.between(UNKNOWN_LABEL, self.num_classes - 1, labels=ops.where(real, labels, UNKNOWN_LABEL))
        size = self.num_classes + 1  # the last is the unknown one

        def each(classes):
            hot = ops.one_hot(ops.where(classes < 0, size - 1, classes), size) * ops.cast(real, "float32")[..., None]
            return ops.reshape(hot, (-1, size))

        true, said = each(labels), each(ops.cast(ops.argmax(y_pred, axis=-1), "int32"))
        for variable, counted in ((self.right, true * said), (self.true, true), (self.predicted, said)):
            variable.assign_add(ops.sum(counted, axis=0))

    def result(self):
        occurs = self.true + self.predicted
        f1 = ops.divide_no_nan(2 * self.right, occurs)
        return ops.divide_no_nan(ops.sum(f1), ops.sum(ops.cast(occurs > 0, "float32")))


def _count(of):
    return ops.sum(ops.cast(of, "float32"))


def _flat(values, weight):
    """One axis, because Keras's weighted mean does not take a length that is unknown until run time."""
    return ops.reshape(values, (-1,)), ops.reshape(weight_of_each(values, weight), (-1,))


def _hits(y_true, y_pred, unknown=None):
    y_pred = ops.convert_to_tensor(y_pred)
    best, labels = ops.cast(ops.argmax(y_pred, axis=-1), "int32"), label_of_each(y_true, y_pred)
    return ops.cast((best == labels) & (labels != (UNKNOWN_LABEL if unknown is None else unknown)), "float32")


def of_text(metric, unknown):
    """A metric, or its name, as a model of text takes it: the id `unknown` never counts as right."""
    if metric in ("accuracy", "acc"):
        return TokenAccuracy(unknown, name=metric)
    if isinstance(metric, (TokenAccuracy, ExactMatch)) and metric.unknown is None:
        metric.unknown = unknown
    return metric


def bleu(outputs, references, **options):
    """Corpus BLEU of plain strings: (score 0..100, sacrebleu signature). Papineni et al. 2002; Post 2018.

    `options` go to `sacrebleu.metrics.BLEU`, for example `lowercase=True`.
    """
    return _corpus(sacrebleu.metrics.BLEU(**options), outputs, references)


def chrf(outputs, references, **options):
    """Corpus chrF of plain strings: (score 0..100, sacrebleu signature). Popovic 2015."""
    return _corpus(sacrebleu.metrics.CHRF(**options), outputs, references)


def _corpus(metric, outputs, references):
    outputs, references = _paired(outputs, references)
    score = metric.corpus_score(outputs, [references]).score
    return score, str(metric.get_signature())


def edit_distance(a, b):
    """Fewest insertions, deletions and substitutions that turn sequence `a` into `b`. Levenshtein 1966."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def edit_rate(outputs, references):
    """Edits over reference symbols, of sequences of symbols: characters (strings) or words (lists). 0 is perfect."""
    outputs, references = _paired(outputs, references)
    edits = sum(edit_distance(o, r) for o, r in zip(outputs, references, strict=True))
    return edits / max(1, sum(len(r) for r in references))


def error_rate(outputs, references):
    """Share of outputs that differ from their reference at all (word error rate of a pronunciation dictionary)."""
    outputs, references = _paired(outputs, references)
    return sum(o != r for o, r in zip(outputs, references, strict=True)) / len(references)


def _paired(outputs, references):
    """Both as lists: as many of one as of the other, and some. One string is no list of outputs but of characters."""
    for name, texts in (("outputs", outputs), ("references", references)):
        if isinstance(texts, (str, bytes)):
            raise ValueError(f"Expected a list of {name}. Received: {name}={texts!r}; put it into a list")
    outputs, references = list(outputs), list(references)
    if not references or len(outputs) != len(references):
        raise ValueError(
            "Expected as many outputs as references, one or more. "
            f"Received: {len(outputs)} outputs, {len(references)} references"
        )
    return outputs, references
