"""Data sets that TensorFlow Datasets has prepared on this machine."""

import os
from collections.abc import Sequence

from seqkeras.pipelines.readers.structured import field_names
from seqkeras.pipelines.records import Records, gathered


def tfds(name: str, split: str, fields: Sequence[str], data_dir: str | os.PathLike[str] | None = None) -> Records:
    """A split of a TensorFlow Datasets data set that is on this machine; text becomes str, class numbers their names.

    Nothing is downloaded: `tfds build NAME`, or `tensorflow_datasets.load(NAME)`, fetches and prepares a data set.

    Args:
        name: as `tensorflow_datasets.load` knows it, "tfds:" before it or not.
        split: such as "train" or "train[:80%]".
        fields: the features wanted, in order.
        data_dir: where it was prepared; None takes the usual place.

    Raises:
        ValueError: fields that the data set does not have; a data set that is not prepared.
    """
    import tensorflow_datasets  # takes a while, and only this reader needs it

    for option, value in (("name", name), ("split", split)):
        if not isinstance(value, str):
            raise ValueError(f"Expected the {option} of a data set, a text. Received: {option}={value!r}")
    fields, name = field_names(fields), name.removeprefix("tfds:")
    source = f"tfds:{name}/{split}"
    builder = tensorflow_datasets.builder(name, data_dir=data_dir)
    features = builder.info.features
    if not set(fields) <= set(features):
        raise ValueError(f"Expected fields among {sorted(features)}. Received: {list(fields)} of {source}")
    try:
        dataset = builder.as_dataset(split=split)
    except AssertionError:  # what it raises where there is no folder of that data set
        raise ValueError(
            f"Expected a data set prepared before, by `tfds build {name}` or `tensorflow_datasets.load({name!r})`. "
            f"Received: {source}, which is not in {builder.data_path}"
        ) from None

    def plain(field, value, number):
        names = getattr(getattr(features[field], "feature", features[field]), "names", None)
        try:
            if getattr(value, "ndim", 0):  # a sequence: of words, of tags, of numbers
                return [plain(field, one, number) for one in value] if names or value.dtype == object else value
            if names and int(value) < 0:
                raise ValueError("a record without a class")
            return names[int(value)] if names else value.decode("utf-8") if isinstance(value, bytes) else value
        except ValueError as error:
            place = f"{source}:{number}"
            raise ValueError(f"Expected text or a class in {field!r}. Received: {error} in {place}") from None

    numbered = enumerate(tensorflow_datasets.as_numpy(dataset), 1)
    rows = ((number, tuple(plain(field, row[field], number) for field in fields)) for number, row in numbered)
    return gathered(source, rows, fields)
