"""Quality on texts: classes of questions, commands, pronunciation, names, translation."""

from collections import Counter

import numpy as np
from measured import DATA, ROOT, outputs, pad, row, sources, train

import seqkeras
from seqkeras import export, pipelines
from seqkeras.pipelines import readers
from seqkeras.training import metrics


def questions():
    """TREC's question classes: six, 5,452 training and 500 test questions; a tenth of training is validation."""
    pattern = r"(?P<label>\w+) (?P<text>.*)"

    def read(split):
        return readers.pattern(DATA / f"sentences/TREC.{split}.all.gz", pattern, encoding="latin-1").select(
            "text", "label"
        )

    return pipelines.classification(
        read("train"),
        0.1,
        read("test"),
        tokenizer="words",
        batch_size=64,
        max_length=40,
        num_buckets=1,
        fixed_shapes=True,
    )


def answered(name, data, published, **architecture):
    """The row of a classifier of questions."""
    V, classes = data.tokenizers["text"].vocab_size, len(data.labels)
    model = seqkeras.SequenceClassifier(V, classes, units=128, dropout=0.5, **architecture)
    seconds = train(model, data, epochs=15, rate=2e-3, monitor="val_accuracy")
    accuracy = 100 * model.evaluate(data.test, verbose=0, return_dict=True)["accuracy"]
    return row(name, model, "accuracy %", accuracy, published, seconds)


def trec():
    """Questions of six classes by a bidirectional GRU and its maximum."""
    yield answered("trec", questions(), 88.2, cell="gru", pooling="max")


def baselines():
    """The same questions by what the lectures compare with: a bag of words, a window, a convolution."""
    data = questions()
    for encoder, published in (("bag", None), ("window", None), ("convolution", 88.2)):
        yield answered(f"baselines {encoder}", data, published, encoder=encoder, pooling="last")


def scan():
    """Commands to actions, the simple split; a twentieth of training is validation."""

    def read(split):
        return readers.pattern(DATA / f"scan/tasks_{split}_simple.txt.gz", r"IN: (?P<source>.*) OUT: (?P<target>.*)")

    tokenizers = {
        side: pipelines.Words.train(read("train").column(i), punctuation="keep")
        for i, side in enumerate(("source", "target"))
    }
    data = pipelines.translation(
        read("train"), 0.05, read("test"), tokenizer=tokenizers, batch_size=64, num_buckets=3, fixed_shapes=True
    )
    source, target = data.tokenizers["source"], data.tokenizers["target"]
    model = seqkeras.AttentionSeq2Seq(source.vocab_size, target.vocab_size, units=128, dropout=0.1, cell="lstm")
    seconds = train(model, data, epochs=12, rate=2e-3, monitor="val_loss")
    said = outputs(seqkeras.Greedy(model, 64), sources(data.records["test"].column(0), source), target)
    wrong = metrics.error_rate(said, data.records["test"].column(1))
    yield row("scan", model, "exact match %", 100 * (1 - wrong), 99.8, seconds)


def g2p():
    """Hungarian spelling to sound."""

    def read(split):
        path = DATA / f"sigmorphon2021_g2p/hun_{split}.tsv{'.gz' if split == 'train' else ''}"
        return readers.table(path, columns=(0, 1), header=False)

    options = {
        "tokenizer": {"source": "characters", "target": "words"},
        "batch_size": 64,
        "num_buckets": 1,
        "fixed_shapes": True,
    }
    data = pipelines.translation(read("train"), read("dev"), read("test"), **options)
    source, target = data.tokenizers["source"], data.tokenizers["target"]
    model = seqkeras.AttentionSeq2Seq(source.vocab_size, target.vocab_size, units=128, dropout=0.3, cell="lstm")
    seconds = train(model, data, epochs=40, rate=2e-3, monitor="val_loss")
    said = outputs(seqkeras.Greedy(model, 48), sources(data.records["test"].column(0), source), target)
    yield row(
        "g2p", model, "word error %", 100 * metrics.error_rate(said, data.records["test"].column(1)), 1.8, seconds
    )


def names(samples=200, temperature=0.5, seed=0):
    """Names of 18 nationalities: drawn by a model, recognised by a classifier that was trained separately."""
    records = readers.file_per_class(DATA / "names_by_nationality", "*.txt")
    pairs = sorted({tuple(row) for row in records.select("label", "text")})
    options = {"tokenizer": "characters", "batch_size": 64, "num_buckets": 1, "fixed_shapes": True}

    data = pipelines.classification([(text, label) for label, text in balanced(pairs)], 0.1, **options)
    tokenizer = data.tokenizers["text"]
    judge = seqkeras.SequenceClassifier(tokenizer.vocab_size, len(data.labels), units=128, dropout=0.3)
    seconds = train(judge, data, epochs=8, rate=2e-3, monitor="val_accuracy")

    data = pipelines.generation(balanced(pairs), 0.1, **options)
    letters = data.tokenizers["target"]
    model = seqkeras.SequenceGenerator(letters.vocab_size, len(data.labels), units=128, dropout=0.3)
    seconds += train(model, data, epochs=10, rate=2e-3, monitor="val_loss")

    label = np.repeat(np.arange(len(data.labels)), samples)
    uniform = np.random.default_rng(seed).random((len(label), 24), "float32")
    said = outputs(seqkeras.Sample(model, 24, temperature), {"label": label, "uniform": uniform}, letters)
    kept = [(text, int(index)) for text, index in zip(said, label, strict=True) if text]
    logits = judge.predict(pad(tokenizer.encode([text for text, _ in kept])), verbose=0)
    right = sum(data.labels.names[i] == data.labels.names[j] for i, (_, j) in zip(logits.argmax(-1), kept, strict=True))
    known = {text for _, text in pairs}
    new = sum(text not in known for text, _ in kept) / len(label)
    yield row("names", model, "recognised %", 100 * right / len(label), None, seconds, new_names=round(100 * new, 1))


def balanced(pairs, aim=1000):
    """The pairs, those of a label with fewer than `aim` repeated until it has about as many."""
    counts = Counter(label for label, _ in pairs)
    return [pair for pair in pairs for _ in range(max(1, round(aim / counts[pair[0]])))]


def sentences(**options):
    """German and English sentences of multi30k."""
    folder = DATA / "multi30k"

    def read(split):
        return readers.parallel_lines(folder / f"{split}.de.gz", folder / f"{split}.en.gz")

    data = pipelines.translation(
        read("train"),
        read("val"),
        read("test_2016_flickr"),
        tokenizer="unigram",
        batch_size=128,
        max_length=48,
        num_buckets=7,
        fixed_shapes=True,
        **options,
    )
    if data.report["test"]["kept"] != 1000:
        raise SystemExit(f"Expected all 1,000 test sentences. Received: {data.report['test']}")
    return data


def multi30k(hours=0.95):
    """German to English with the Transformer, at most an hour of training; exported, and compared token by token."""
    data = sentences(vocab_size=5000)
    source, target = data.tokenizers["source"], data.tokenizers["target"]
    model = seqkeras.TransformerSeq2Seq(
        source.vocab_size,
        target.vocab_size,
        units=256,
        num_layers=2,
        num_heads=8,
        ff_units=768,
        dropout=0.2,
        max_length=64,
        tied_embeddings=True,
    )
    seconds = train(model, data, 15, 1e-3, "val_loss", seqkeras.CrossEntropy(0.1), hours=hours)
    yield from translated("multi30k de-en", model, data, seconds, 36.5)


def multi30k_attention(hours=0.95):
    """German to English with a GRU and attention, at most an hour of training; exported, and compared."""
    data = sentences(vocab_size=5000)
    source, target = data.tokenizers["source"], data.tokenizers["target"]
    model = seqkeras.AttentionSeq2Seq(source.vocab_size, target.vocab_size, units=256, dropout=0.4, cell="gru")
    seconds = train(model, data, 12, 2e-3, "val_loss", seqkeras.CrossEntropy(0.1), hours=hours)
    yield from translated("multi30k attention de-en", model, data, seconds, 28.1)


def translated(name, model, data, seconds, published):
    """BLEU of the test set, and the exported file's translations of it compared with the model's."""
    source, target = data.tokenizers["source"], data.tokenizers["target"]
    search = seqkeras.Greedy(model, 64)
    inputs = sources(data.records["test"].column(0), source)
    said = outputs(search, inputs, target)
    (ROOT / "runs").mkdir(exist_ok=True)
    path = ROOT / "runs" / f"{name.replace(' ', '_')}.tflite"
    export.to_tflite(search, path, length=48)
    export.audit(path)
    same = export.parity(search, path, inputs)
    extra = {key: same["interpreter"][key] for key in ("compared", "equal", "excused", "milliseconds")}
    for metric, options, known in (("BLEU", {}, None), ("BLEU lower-cased", {"lowercase": True}, published)):
        score, signature = metrics.bleu(said, data.records["test"].column(1), **options)
        yield row(name, model, metric, score, known, seconds, signature=signature, exported=extra)
