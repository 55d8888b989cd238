"""What a bundle answers: text or numbers in, text, labels or numbers out; a class for each task."""

import numpy as np

from seqkeras.export.loaded_bundle import Bundle
from seqkeras.export.reading_bundles import Classifier, JointTagger, Tagger
from seqkeras.export.writing_bundles import Generator, LanguageModel, Translator
from seqkeras.tasks import TASKS


class Forecaster(Bundle):
    """`forecast(values)` [window, D] -> the values that follow [horizon, D], with quantiles [horizon, D, Q]."""

    def __call__(self, values):
        window = self.inputs["values"]["shape"][1]
        said = self.run(values=self.values(values, fewest=window)[None])["next"][0]
        mean, deviation = (
            np.reshape(one, (-1, *[1] * (said.ndim - 2))).astype("float32") for one in (self._mean, self._deviation)
        )
        return said * deviation + mean


CLASSES = (Classifier, Tagger, JointTagger, Translator, Generator, LanguageModel, Forecaster)


def of(task):
    """The class that answers a task."""
    return next(one for one in CLASSES if one.__name__ == TASKS[task].answers)
