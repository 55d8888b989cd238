"""What is given to be exported, checked where it enters: the model, its tokenizers, the names of its classes."""

from collections.abc import Iterable, Mapping, Set

import keras
import numpy as np

from seqkeras import arguments, signatures
from seqkeras.export import quantize
from seqkeras.export.manifest import THREADS
from seqkeras.pipelines.tokenizers import Tokenizer, WordCharacters, Words
from seqkeras.tasks import TASKS, roles

SIZES = {  # constructor arguments that say how many numbers an input may be, from 0
    **dict.fromkeys(("ids", "source", "prompt"), "vocab_size"),
    "characters": "character_vocab_size",
    "label": "num_classes",
}
MADE = {  # the constructor arguments that say how many ids a tokenizer has; `vocab_size` where not told
    "target": ("target_vocab_size", "vocab_size"),
    "characters": ("character_vocab_size",),
}


def check_model(model):
    """That it says what may be asked of it."""
    if not isinstance(model, keras.Model) or not hasattr(model, "signatures"):
        received = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise ValueError(f"Expected a model of seqkeras, or a search over one. Received: model={received}")


def model_in_float32(model):
    """The model as it is exported."""
    check_model(model)
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Expected Keras's TensorFlow backend to export with: save the model, and load it with "
            f"KERAS_BACKEND=tensorflow. Received: KERAS_BACKEND={keras.backend.backend()}"
        )
    quantize.check_float(model)
    quantize.check_finite(model)
    return quantize.in_float32(model)


def checked_tokenizers(task, inputs, model, tokenizers):
    """The tokenizers by role, none left out, each of as many ids as the model has."""
    if task == "encode":
        raise ValueError(
            "Expected a search over a model that writes: wrap it in seqkeras.Greedy or seqkeras.Sample. "
            f"Received: {type(model).__name__}"
        )
    if task not in TASKS:
        raise ValueError(f"Expected a task among {', '.join(TASKS)}. Received: task={task!r}")
    wanted = roles(task, inputs)
    tokenizers = {} if tokenizers is None else tokenizers
    if not isinstance(tokenizers, Mapping) or sorted(map(str, tokenizers)) != wanted:
        received = sorted(map(str, tokenizers)) if isinstance(tokenizers, Mapping) else type(tokenizers).__name__
        raise ValueError(f"Expected a dict of tokenizers for {wanted}. Received: tokenizers={received}")
    for role, tokenizer in tokenizers.items():
        if not isinstance(tokenizer, Tokenizer):
            raise ValueError(f"Expected a {role} tokenizer of seqkeras.pipelines. Received: {tokenizer!r:.60}")
        sizes = (made_with(model, argument) for argument in MADE.get(role, ("vocab_size",)))
        size = next((size for size in sizes if size is not None), None)
        if size not in (None, tokenizer.vocab_size):
            raise ValueError(
                f"Expected a {role} tokenizer of the model's {size} ids. Received: vocab_size={tokenizer.vocab_size}"
            )
    check_characters(tokenizers, {name: (spec.shape, spec.dtype) for name, spec in inputs.items()})
    return dict(tokenizers)


def check_characters(tokenizers, inputs):
    """That words and characters are of the same words, and as many characters of each as the input [B, T, C] holds.

    Args:
        tokenizers: dict of role -> tokenizer.
        inputs: dict of name -> (shape, dtype).
    """
    if "characters" not in tokenizers:
        return
    words, characters, length = tokenizers["text"], tokenizers["characters"], inputs["characters"][0][2]
    same = isinstance(words, Words) and isinstance(characters, WordCharacters)
    if not same or words.punctuation != characters.punctuation or characters.word_length != length:
        received = " and ".join(type(one).__name__ + str(_options(one)) for one in (words, characters))
        raise ValueError(
            f"Expected Words for text, and WordCharacters with the same punctuation and word_length={length}. "
            f"Received: {received}"
        )


def _options(tokenizer):
    return {name: value for name, value in tokenizer.settings().items() if name != "vocabulary"}


def checked_names(labels, model):
    """The names of the classes as a list, one for each, none of them twice; None where none are given.

    Of a model that says tags and a label: {"tags": list, "label": list}.
    """
    if labels is None:
        return None
    tags, classes = made_with(model, "num_tags"), made_with(model, "num_classes")
    if tags is None:
        return _distinct(labels, classes)
    sizes = {"tags": tags, "label": classes}
    if not isinstance(labels, Mapping) or set(labels) != set(sizes):
        raise ValueError(f"Expected a dict with names of the tags and of the label. Received: labels={labels!r:.60}")
    return {said: _distinct(labels[said], size, f"labels[{said!r}]") for said, size in sizes.items()}


def _distinct(labels, classes, what="labels"):
    labels = getattr(labels, "names", labels)
    listed = isinstance(labels, Iterable) and not isinstance(labels, (str, Set, Mapping))  # in an order
    names = list(labels) if listed else []
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise ValueError(f"Expected distinct names of type str. Received: {what}={labels!r}")
    if classes not in (None, len(names)):
        raise ValueError(f"Expected a name for each of {classes} classes. Received: {len(names)} {what}")
    return names


def made_with(model, argument):
    """What a model, or the one that a search is over, was made with; None where it takes no such argument."""
    return getattr(getattr(model, "model", model), argument, None)


def examples(model, inputs, specs):
    """Inputs of the model's task as its file takes them, but with all rows: zeros after each up to the static length.

    Args:
        model: whose task it is.
        inputs: dict of arrays [n, ...].
        specs: dict of (shape, dtype) at batch 1.
    """
    if not isinstance(inputs, Mapping):
        raise ValueError(
            "Expected inputs as a dict of arrays by name, such as held_out gives. "
            f"Received: inputs of type {type(inputs).__name__}"
        )
    own = [name for name in getattr(model, "optional", ()) if name not in inputs]
    if inputs.keys() != specs.keys() - own:
        raise ValueError(f"Expected inputs {sorted(specs)}. Received: {sorted(map(str, inputs))}")
    arrays = {name: _array(name, inputs[name], dtype) for name, (_, dtype) in specs.items() if name in inputs}
    rows = {array.shape[:1] for array in arrays.values()}
    if len(rows) != 1 or rows & {(), (0,)}:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(f"Expected inputs of one or more rows each, as many of all. Received: shapes {shapes}")
    if own:
        drawn = model.drawn(len(next(iter(arrays.values()))), np.zeros)
        arrays |= {name: keras.ops.convert_to_numpy(drawn[name]) for name in own}
    _, _, free = signatures.main(model, None, None)
    padded, lengths = {}, {}
    for name, array in arrays.items():
        shape, _ = specs[name]
        least = [1 if size is None else size for size in free[name].shape[1:]]
        fits = array.ndim == len(shape) and all(
            low <= had <= high for low, had, high in zip(least, array.shape[1:], shape[1:], strict=True)
        )
        if not fits:
            most = "at most " if least != list(shape[1:]) else ""
            raise ValueError(f"Expected {name} of {most}{shape[1:]}. Received: {name} of {array.shape[1:]}")
        if None in free[name].shape[1:]:
            lengths[name] = array.shape[1]
        behind = [(0, 0)] + [(0, size - had) for size, had in zip(shape[1:], array.shape[1:], strict=True)]
        padded[name] = np.pad(array, behind)
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Expected inputs of one length. Received: {lengths}")
    _check_numbers(model, arrays)
    return padded


def _check_numbers(model, arrays):
    """That ids are the model's, lengths no longer than values, what is drawn from [0, 1), and all numbers finite."""
    sizes = {name: made_with(model, argument) for name, argument in SIZES.items()} | {"uniform": 1}
    if "values" in arrays and "length" in arrays:
        sizes["length"] = arrays["values"].shape[1] + 1
    for name, array in arrays.items():
        size = sizes.get(name)
        right = np.isfinite(array) if size is None else (array >= 0) & (array < size)
        for row, *_ in np.argwhere(~right):
            wrong = array[row][~right[row]].flat[0]
            expected = "finite numbers" if size is None else f"numbers from 0, below {size},"
            raise ValueError(f"Expected {expected} as {name}. Received: {wrong} in inputs[{name!r}][{row}]")


def real_numbers(value):
    """An array of real numbers as float64.

    Raises:
        ValueError: masked values, rows of different lengths, text, dates, complex numbers.
    """
    if np.ma.is_masked(value):
        raise ValueError(f"Expected values without masked ones. Received: {np.ma.count_masked(value)} masked")
    kinds = {"U": "text", "S": "bytes", "M": "dates", "m": "spans of time", "c": "complex numbers", "V": "records"}
    try:
        array = np.asarray(value)
        if array.dtype.kind in kinds:
            raise ValueError(f"{kinds[array.dtype.kind]}, such as {value!r:.60}")
        return array.astype("float64")
    except (TypeError, ValueError) as error:
        said = str(error).replace("inhomogeneous", "rows of different lengths, inhomogeneous")
        raise ValueError(f"Expected numbers. Received: {said}") from None


def _array(name, value, dtype):
    """An array as the file takes it; a number that it would be another in is refused."""
    try:
        raw = np.asarray(value)
        with np.errstate(invalid="ignore", over="ignore"):
            array = raw.astype(dtype)
        changed = array.dtype.kind == "i" and not np.array_equal(array, raw)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"Expected {name} as an array of {dtype}. Received: {value!r:.60} ({error})") from None
    if changed:
        raise ValueError(f"Expected {name} as whole numbers of {dtype}. Received: {value!r:.60}")
    return array


def checked_threads(num_threads):
    """A number of threads as LiteRT takes it."""
    arguments.positive(num_threads=num_threads)
    if num_threads > THREADS:
        raise ValueError(f"Expected num_threads of at most {THREADS}. Received: num_threads={num_threads}")
    return int(num_threads)
