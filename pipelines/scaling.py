"""Scaling the variables of series to mean 0 and deviation 1; values too far out to be scaled are refused."""

import numpy as np

from seqkeras.pipelines.values import place

CONSTANT = 1e-8  # a deviation below this share of the largest value is rounding, not variation
LOST = 1e-6  # where the usual values vary by less than this, in deviations, float32 cannot tell them apart
FILL = 1e18  # beside values near 0 not a measurement: weather data have 1e20 and 9.97e36 for missing values
HOPELESS = 1e6  # deviations from the mean: beside the square of such a value a loss has no room for others
FAR = 100  # times the spread of the usual values: worth a warning
LARGEST = float(np.finfo(np.float32).max)


class Scale:
    """Mean and deviation of each variable of training series.

        z = (x - mean) / deviation

    The deviation of a variable that does not vary is 1.

    Args:
        series: list of arrays [T, D], in float64.
        names: names of the variables, or ().

    Raises:
        ValueError: a value so far out that the others become one number; names its place.
    """

    def __init__(self, series, names=()):
        rows = np.concatenate(series)
        self.names = tuple(names)
        _check_float32(series, names, "train")
        self.mean, self.deviation = rows.mean(0), rows.std(0)
        self.constant = self.deviation <= CONSTANT * np.abs(rows).max(0)
        middle = np.median(rows, axis=0)
        spread = np.array([1 if flat else _spread(column) for flat, column in zip(self.constant, rows.T, strict=True)])
        farthest = np.abs(rows - middle).max(0)
        lost = (spread < LOST * self.deviation) | ((farthest > FILL) & (np.abs(middle) < LOST * farthest))
        for column in np.flatnonzero(lost & ~self.constant):
            where, value = _extreme(series, column, middle, names)
            raise ValueError(
                f"Expected values that float32 can tell apart after scaling. Received: {value:g} in {where} of train, "
                "far from all others; if it stands for a missing value, fill it in or leave its rows out"
            )
        far = np.flatnonzero(~self.constant & (farthest > FAR * spread))
        self.far = {self.name(column): _extreme(series, column, middle, names)[1] for column in far}
        self.mean[self.constant], self.deviation[self.constant] = rows[0, self.constant], 1

    def name(self, column):
        """A variable's name, or its number from 0."""
        return str(self.names[column]) if self.names else str(column)

    def __call__(self, series, split):
        """The series [T, D] of a split, scaled, as one float32 array.

        Raises:
            ValueError: a value too far out; names its place.
        """
        _check_float32(series, self.names, split)
        scaled = (np.concatenate(series) - self.mean) / self.deviation
        if (np.abs(scaled) > HOPELESS).any():
            column = int(np.abs(scaled).max(0).argmax())
            where, value = _extreme(series, column, self.mean, self.names)
            raise ValueError(
                f"Expected values near those of train, {self.mean[column]:g} ± {self.deviation[column]:g}. Received: "
                f"{value:g} in {where} of {split}; if it stands for a missing value, fill it in or leave its rows out"
            )
        return scaled.astype(np.float32)

    def report(self):
        """The entries of `Data.report`, in plain numbers."""
        report = {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}
        report["constant"] = [self.name(column) for column in np.flatnonzero(self.constant)]
        report["far out"] = self.far
        return report | ({"variables": list(map(str, self.names))} if self.names else {})


def _spread(column):
    """The spread of the usual values of a column [N]: its interquartile range.

    Where that is 0, the median distance from the median of the values that differ from it.
    """
    low, middle, high = np.quantile(column, [0.25, 0.5, 0.75])
    return high - low or np.median(np.abs(column[column != middle] - middle))


def unscaled(series, split):
    """The series [T, D] of a split as one float32 array.

    Raises:
        ValueError: a value that float32 does not hold; names its place.
    """
    _check_float32(series, (), split)
    return np.concatenate(series).astype(np.float32)


def _check_float32(series, names, split):
    for column in np.flatnonzero(np.abs(np.concatenate(series)).max(0) > LARGEST):
        where, value = _extreme(series, column, np.zeros(series[0].shape[1]), names)
        raise ValueError(
            f"Expected values that float32 holds, {LARGEST:.2g} at most. Received: {value:g} in {where} of {split}; "
            "if it stands for a missing value, fill it in or leave its rows out"
        )


def _extreme(series, column, middle, names):
    """(its place, the value) of a column's value that is farthest from the middle."""
    number = int(np.argmax([np.abs(one[:, column] - middle[column]).max(initial=-1) for one in series]))
    row = int(np.abs(series[number][:, column] - middle[column]).argmax())
    where = place((row, column), names) + (f", series {number + 1}" if len(series) > 1 else "")
    return where, float(series[number][row, column])
