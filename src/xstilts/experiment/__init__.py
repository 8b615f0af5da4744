"""An experiment: backbones x recipes x targets x seeds, validated, and expanded to a graph of stages."""

from xstilts.experiment.file import Experiment
from xstilts.experiment.specs import BackboneSpec, TargetSpec, TokenizerSpec

__all__ = ["BackboneSpec", "Experiment", "TargetSpec", "TokenizerSpec"]
