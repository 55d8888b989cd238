"""One Keras model per task.

Constructors take plain numbers and strings; `model.fit` takes what `seqkeras.pipelines` gives; outputs are logits.
Weights exist as soon as a model does. Models that write have `start(inputs)` and `step(ids, state)`, which `search`
calls. `signatures(batch, length)` names what a device can ask of the model.
"""

from seqkeras.models.classifier import SequenceClassifier
from seqkeras.models.forecaster import Forecaster
from seqkeras.models.generator import SequenceGenerator
from seqkeras.models.joint_tagger import JointTagger
from seqkeras.models.language_model import LanguageModel
from seqkeras.models.seq2seq import AttentionSeq2Seq, Seq2Seq, TransformerSeq2Seq
from seqkeras.models.tagger import SequenceTagger
from seqkeras.models.truncated_bptt import TruncatedBPTT

__all__ = [
    "SequenceClassifier",
    "SequenceTagger",
    "JointTagger",
    "SequenceGenerator",
    "Seq2Seq",
    "AttentionSeq2Seq",
    "TransformerSeq2Seq",
    "LanguageModel",
    "TruncatedBPTT",
    "Forecaster",
]
