"""Task types for backbones that read and write text: inputs become prompts, answers are scored or generated.

    base                 prompts and answers as features, the loss, scores of given answers
    classification, multiple_choice     the most probable of the labels, of the letters of the choices
    span_qa, tagging     generation that can only copy a span of the passage, that can only give every word a tag

Names are those of the types they stand for with `_text` behind: `tagging_text`.
"""

from xstilts.task_types.text.classification import ClassificationText
from xstilts.task_types.text.multiple_choice import MultipleChoiceText
from xstilts.task_types.text.span_qa import SpanQAText
from xstilts.task_types.text.tagging import TaggingText

__all__ = ["ClassificationText", "MultipleChoiceText", "SpanQAText", "TaggingText"]
