"""Numbers over time steps, from whatever holds them: arrays, lists, tables with named columns."""

import numpy as np


def steps(values, dtype):
    """[T, D] or [T] numbers as an array [T, D].

    Args:
        values: an array or what NumPy makes one of, lists, or a table with `columns`, such as a DataFrame.

    Raises:
        ValueError: what is not a table of finite numbers; complex numbers, dates, text and masked values are none.
    """
    if hasattr(values, "columns"):
        values = np.stack([_numeric(values[name], f"column {name!r}") for name in columns(values)], axis=1)
    array = _numeric(_unmasked(values))
    if array.ndim not in (1, 2):
        raise ValueError(f"Expected numbers [T, D] or [T]. Received: shape {array.shape}")
    with np.errstate(over="ignore"):  # what dtype cannot hold is not finite, and refused below
        array = array.astype(dtype)
    if not np.isfinite(array).all():
        first = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(
            f"Expected finite numbers. Received: shape {array.shape}, not all of them finite in {array.dtype}, the "
            f"first at {place(first)}"
        )
    return array[:, None] if array.ndim == 1 else array


def columns(values):
    """The names of the variables of a table, or of what has `names`; () where they have none.

    Raises:
        ValueError: a name that is there twice.
    """
    names = list(getattr(values, "columns", ()))
    if not names:  # a tensor's names may be None
        names = [name for name in getattr(values, "names", None) or () if isinstance(name, str)]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"Expected names that are there once. Received: {twice!r} twice")
    return tuple(names)


def place(index, names=()):
    """An index of [T, D] or [T] as text, such as "row 3, column 'temperature'"; counted from 0."""
    column = [f"column {names[index[1]]!r}" if names else f"column {index[1]}"] if len(index) > 1 else []
    return ", ".join([f"row {index[0]}", *column])


def _unmasked(values):
    """The values, where none of them is masked."""
    parts = values if isinstance(values, (list, tuple)) else ()
    masked = np.ma.asarray(values) if any(isinstance(one, np.ma.MaskedArray) for one in (values, *parts)) else None
    if masked is None:
        return values
    if np.ma.is_masked(masked):
        hidden = np.argwhere(np.ma.getmaskarray(masked))
        raise ValueError(
            f"Expected values without masked ones. Received: {len(hidden)} masked, the first at "
            f"{place(hidden[0].tolist())}; fill them in, or leave those rows out"
        )
    return masked.data


def _numeric(values, where="values"):
    """An array of real numbers or booleans."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Expected numbers [T, D] or [T]. Received: rows of different lengths ({error})") from None
    kind = array.dtype.kind
    if kind == "O":
        for index, one in np.ndenumerate(array):
            if isinstance(one, (str, bytes, complex, np.datetime64, np.timedelta64)):
                raise _no_numbers(f"{type(one).__name__} {one!r:.40} at {place(index)}", where)
    if array.dtype.names or kind in "USMmc":
        kinds = {"U": "text", "S": "bytes", "M": "dates", "m": "spans of time", "c": "complex numbers", "V": "records"}
        raise _no_numbers(kinds[kind] + (f", such as {array.flat[0]!r:.40}" if array.size else ""), where)
    try:
        return array if kind in "biuf" else array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise _no_numbers(f"others ({error})", where) from None


def _no_numbers(received, where):
    shape = "numbers [T, D] or [T]" if where == "values" else "numbers"
    return ValueError(f"Expected {shape}. Received: {received} in {where}; turn them into numbers, or leave them out")
