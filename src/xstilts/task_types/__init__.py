"""Task types by name: what turns examples into features, a head, a loss and predictions."""

from xstilts.core.registry import Registry
from xstilts.task_types.base import Batch, Prediction, TaskType
from xstilts.task_types.causal_lm import CausalLM
from xstilts.task_types.classification import Classification
from xstilts.task_types.masked_lm import MaskedLM
from xstilts.task_types.multiple_choice import MultipleChoice
from xstilts.task_types.pools import Mining, Ranking
from xstilts.task_types.sentences import Contrastive, Retrieval
from xstilts.task_types.simcse import SimCSE
from xstilts.task_types.span_corruption import SpanCorruption
from xstilts.task_types.span_qa import SpanQA
from xstilts.task_types.tagging import Tagging
from xstilts.task_types.text import ClassificationText, MultipleChoiceText, SpanQAText, TaggingText
from xstilts.task_types.translation_lm import TranslationLM

TASK_TYPES: Registry[TaskType] = Registry("task type")
_ALL = (Classification(), MultipleChoice(), Tagging(), SpanQA(), Retrieval(), Mining(), Ranking())
_PRETRAINING = (MaskedLM(), CausalLM(), SpanCorruption(), TranslationLM(), Contrastive(), SimCSE())
_TEXT = (ClassificationText(), MultipleChoiceText(), SpanQAText(), TaggingText())
for _type in (*_ALL, *_PRETRAINING, *_TEXT):
    TASK_TYPES.add(_type.name, _type)

__all__ = ["TASK_TYPES", "Batch", "Prediction", "TaskType"]
