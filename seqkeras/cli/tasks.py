"""The tasks of the command line, one entry each: its data, its models, what a run of it holds. No TensorFlow here."""

from typing import NamedTuple


class Task(NamedTuple):
    """A task.

    Args:
        help: what it does.
        columns: of its records; files are described by them.
        models: classes of `seqkeras` that do it, the usual one first.
        function: of `pipelines`, from records to batches.
        tokenizer: the usual kind.
        roles: of its tokenizers, the one that the model reads by first.
        labels: the columns that hold names of classes.
        folder: what a folder of its data is, or None where it has none.
        embedded: the function of `pipelines.samples` with data for it, or None.
    """

    help: str
    columns: tuple
    models: tuple
    function: str
    tokenizer: str
    roles: tuple
    labels: tuple = ()
    folder: str | None = None
    embedded: str | None = None


BY_CLASS = "a folder a class"
BY_COLUMN = "a folder with seq.in, seq.out and label"


TASKS = {
    "classify": Task(
        help="a text to one of several labels",
        columns=("text", "label"),
        models=("SequenceClassifier",),
        function="classification",
        tokenizer="words",
        roles=("text",),
        labels=("label",),
        folder=BY_CLASS,
        embedded="languages",
    ),
    "generate": Task(
        help="a label to a text",
        columns=("label", "text"),
        models=("SequenceGenerator",),
        function="generation",
        tokenizer="characters",
        roles=("target",),
        labels=("label",),
        folder=BY_CLASS,
        embedded="territories",
    ),
    "translate": Task(
        help="a text to a text",
        columns=("source", "target"),
        models=("AttentionSeq2Seq", "Seq2Seq", "TransformerSeq2Seq"),
        function="translation",
        tokenizer="unigram",
        roles=("source", "target"),
        embedded="dates",
    ),
    "tag": Task(
        help="each word of a text to a tag",
        columns=("words", "tags"),
        models=("SequenceTagger",),
        function="tagging",
        tokenizer="words",
        roles=("text",),
        labels=("tags",),
        folder=BY_COLUMN,
    ),
    "joint": Task(
        help="each word of a text to a tag, and the whole to a label",
        columns=("words", "tags", "label"),
        models=("JointTagger",),
        function="joint_tagging",
        tokenizer="words",
        roles=("text",),
        labels=("tags", "label"),
        folder=BY_COLUMN,
    ),
}
