"""The tasks, one entry each: what a model does for a caller, in Python, in files, on the command line.

A model's `task` is the name of its entry. `export` and the command line read the rest here. Nothing is imported that
takes time, so that `--help` comes at once.
"""

from typing import NamedTuple

WORDS = {"ids": "text", "characters": "characters"}
BY_CLASS = "a folder per class"
BY_COLUMN = "a folder with seq.in, seq.out and label"


class Command(NamedTuple):
    """A task on the command line.

    Args:
        name: `seqkeras train NAME`.
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

    name: str
    help: str
    columns: tuple
    models: tuple
    function: str
    tokenizer: str
    roles: tuple
    labels: tuple = ()
    folder: str | None = None
    embedded: str | None = None


class Task(NamedTuple):
    """A task; its name is that of the signature in files, and of a model's `task`.

    Args:
        answers: the class of `export` that answers it from a bundle.
        reads: input of the signature -> the role of the tokenizer that makes it of text.
        writes: the role of the tokenizer that makes text of its ids, or None.
        labels: "outputs" where each number of an output has a name, "each output" where each output has names of its
            own, "input" where a name is given, or None.
        scaled: whether the mean and deviation of the values that were learnt from are needed.
        strings: the argument of its signature on strings, or None where there is none.
        command: on the command line, or None.
    """

    answers: str
    reads: dict = {}
    writes: str | None = None
    labels: str | None = None
    scaled: bool = False
    strings: str | None = None
    command: Command | None = None


TASKS = {
    "classify": Task(
        answers="Classifier",
        reads=WORDS,
        labels="outputs",
        strings="text",
        command=Command(
            name="classify",
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
    ),
    "generate": Task(
        answers="Generator",
        writes="target",
        labels="input",
        strings="label",
        command=Command(
            name="generate",
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
    ),
    "translate": Task(
        answers="Translator",
        reads={"source": "source"},
        writes="target",
        strings="text",
        command=Command(
            name="translate",
            help="a text to a text",
            columns=("source", "target"),
            models=("AttentionSeq2Seq", "Seq2Seq", "TransformerSeq2Seq"),
            function="translation",
            tokenizer="unigram",
            roles=("source", "target"),
            embedded="dates",
        ),
    ),
    "tag": Task(
        answers="Tagger",
        reads=WORDS,
        labels="outputs",
        strings="text",
        command=Command(
            name="tag",
            help="each word of a text to a tag",
            columns=("words", "tags"),
            models=("SequenceTagger",),
            function="tagging",
            tokenizer="words",
            roles=("text",),
            labels=("tags",),
            folder=BY_COLUMN,
        ),
    ),
    "understand": Task(
        answers="JointTagger",
        reads=WORDS,
        labels="each output",
        strings="text",
        command=Command(
            name="joint",
            help="each word of a text to a tag, and the whole to a label",
            columns=("words", "tags", "label"),
            models=("JointTagger",),
            function="joint_tagging",
            tokenizer="words",
            roles=("text",),
            labels=("tags", "label"),
            folder=BY_COLUMN,
        ),
    ),
    "continue": Task(
        answers="LanguageModel",
        reads={"prompt": "text"},
        writes="text",
        strings="text",
        command=Command(
            name="language",
            help="the beginning of a text to the whole: a language model",
            columns=("text",),
            models=("LanguageModel",),
            function="language_model",
            tokenizer="characters",
            roles=("text",),
        ),
    ),
    "forecast": Task(answers="Forecaster", scaled=True),
}

COMMANDS = {one.command.name: one.command for one in TASKS.values() if one.command}
WRITES = {one.command.name: one.writes for one in TASKS.values() if one.command}  # by which tokenizer, or None
READS = {name: role for one in TASKS.values() for name, role in one.reads.items()}  # of all tasks


def roles(task, inputs):
    """The tokenizers that a task needs whose signature takes these inputs, sorted."""
    writes = TASKS[task].writes if task in TASKS else None
    return sorted({READS[name] for name in inputs if name in READS} | ({writes} if writes else set()))
