"""Task types as values: all that is said of a type outside its own machinery, without torch.

`machinery` names the class in `xstilts.task_types` that makes features, heads, losses and predictions. A new type is
one value here and one class there; `xstilts show TYPE` prints the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xstilts.core.registry import Registry
from xstilts.data.examples import Example
from xstilts.data.readers import shapes
from xstilts.data.readers.tables import Name, Row

Maker = Callable[[Row, shapes.Gold | None], Example | None]


@dataclass(frozen=True)
class Usual:
    """What a plan assumes of data that is not prepared yet, from the mean lengths of XTREME's English files.

    Attributes:
        tokens: of a segment, with special tokens; `segments` an instance has; `instances` a row makes.
        predicted: share of the tokens over which an output layer predicts: those masked, or those of an answer.
        passes: over a prompt in prediction: one a choice; of generated answers assumed. 0: one for each label.
        feature: bytes a token in prepared features.
        record, prediction: bytes an example in files of gold and of predictions.
    """

    tokens: int = 64
    segments: int = 1
    instances: float = 1.0
    predicted: float = 0.0
    passes: float = 1.0
    feature: float = 4.0
    record: float = 70.0
    prediction: float = 110.0


@dataclass(frozen=True)
class Type:
    """A task type.

    Attributes:
        machinery: `module:Class` in `xstilts.task_types`.
        fields: field of an own file -> what its column is called unless the user says so; the first that is there.
        optional: fields that a file may lack.
        make: what makes an example of a row of an own file; None: own tasks cannot have this type.
        rules: version of how own files are read; raised where the same file begins to give other examples.
        encoding: version of what `prepare` makes of its examples; raised likewise.
        metrics: that fit the gold of own tasks, the usual one first; none for what is only trained on.
        max_length: of own tasks, in tokens with special tokens.
        labels: `classes`: a class or tag for each text or word; `choices`: names of choices; empty: none.
        in_text: the type by which a model that writes text does it; of such a type `asks` is the one that it answers.
        answers: whether a finished model answers single examples (`xstilts predict`), as the hub's pipeline tag.
        raw: instances are blocks of lines of raw text.
        fills: texts are cut into windows or joined, so that they are as long as they may be.
        trained: whether it can be trained on.
        cosine: its loss compares sentence vectors, for which bf16 is too coarse.
        read_by, trained_by, judged_by: what of a backbone's `retrieval` its predictions, training and scores depend on.
        options: numbers that a component of a mixture may set, each with its range.
        translated: training examples can be translated; `projected`: their gold has a place in the text.
        score: function in `xstilts.evaluation.score_match` that compares files of gold and predictions.
    """

    name: str
    machinery: str
    fields: Mapping[str, tuple[Name, ...]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    make: Maker | None = None
    rules: int = 1
    encoding: int = 1
    metrics: tuple[str, ...] = ()
    max_length: int = 128
    labels: str = ""
    in_text: str = ""
    asks: str = ""
    answers: str = ""
    raw: bool = False
    fills: bool = False
    trained: bool = True
    cosine: bool = False
    read_by: tuple[str, ...] = ()
    trained_by: tuple[str, ...] = ()
    judged_by: tuple[str, ...] = ()
    options: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    translated: bool = False
    projected: bool = False
    score: str = ""
    usual: Usual = Usual()

    @property
    def vectors(self) -> bool:
        """Whether it has no head: sentence vectors are all there is."""
        return bool(self.read_by or self.cosine)


TYPES: Registry[Type] = Registry("task type")


def asked_type(name: str) -> Type:
    """The type that is asked, whether a head answers or the model writes text."""
    kind = TYPES.get(name)
    return TYPES.get(kind.asks) if kind.asks else kind


_SENTENCE = ("pooling", "special_tokens")
_PARALLEL: Mapping[str, tuple[Name, ...]] = {"source": ("source",), "target": ("target",)}
_MASKING = dict.fromkeys(("rate", "masked", "scrambled"), (0.0, 1.0))
_TEMPERATURE = {"temperature": (0.001, 10.0)}


def _add(*types: Type) -> None:
    for one in types:
        TYPES.add(one.name, one)


_add(
    Type(
        "classification",
        "classification:Classification",
        fields={"text": ("text",), "pair": ("pair",), "label": ("label",)},
        optional=frozenset({"pair"}),
        make=shapes.make_text,
        metrics=("accuracy",),
        labels="classes",
        in_text="classification_text",
        answers="text-classification",
        translated=True,
        score="match_labels",
        usual=Usual(50),
    ),
    Type(
        "multiple_choice",
        "multiple_choice:MultipleChoice",
        fields={"context": ("context",), "question": ("question",), "choices": ("choices",), "label": ("label",)},
        optional=frozenset({"context", "question"}),
        make=shapes.make_choice,
        rules=2,
        metrics=("accuracy",),
        labels="choices",
        in_text="multiple_choice_text",
        answers="multiple-choice",
        translated=True,
        score="match_choices",
        usual=Usual(50, segments=4),
    ),
    Type(
        "span_qa",
        "span_qa:SpanQA",
        fields={
            "question": ("question",),
            "passage": ("passage", "context"),
            "answers": ("answers",),
            "answer": ("answer",),
            "answer_start": ("answer_start",),
        },
        optional=frozenset({"answers", "answer", "answer_start"}),
        make=shapes.make_span,
        encoding=3,
        metrics=("squad_v1", "squad_v2", "mlqa"),
        max_length=384,
        in_text="span_qa_text",
        answers="question-answering",
        fills=True,
        translated=True,
        projected=True,
        score="match_answers",
        usual=Usual(220, instances=1.1, feature=12.0, record=1000.0, prediction=300.0),
    ),
    Type(
        "tagging",
        "tagging:Tagging",
        fields={"words": ("words", "tokens", 1), "tags": ("tags", 2)},
        make=shapes.make_words,
        rules=2,
        metrics=("entity_f1", "token_accuracy"),
        labels="classes",
        in_text="tagging_text",
        answers="token-classification",
        translated=True,
        projected=True,
        score="match_tags",
        usual=Usual(30, feature=9.0, record=150.0, prediction=200.0),
    ),
    Type(
        "retrieval",
        "sentences:Retrieval",
        fields=_PARALLEL,
        make=shapes.make_parallel,
        metrics=("bitext_accuracy",),
        max_length=512,
        trained=False,
        read_by=(*_SENTENCE, "layer", "similarity"),
        judged_by=("validate_on",),
        score="match_numbers",
        usual=Usual(32, segments=2),
    ),
    Type(
        "mining",
        "pools:Mining",
        trained=False,
        read_by=(*_SENTENCE, "layer"),
        score="match_pairs",
        usual=Usual(32),
    ),
    Type(
        "ranking",
        "pools:Ranking",
        cosine=True,
        read_by=_SENTENCE,
        trained_by=_SENTENCE,
        score="match_rankings",
        usual=Usual(100, record=100.0),
    ),
)
_add(  # objectives that pretrain on data which has no labels, or needs none
    Type(
        "masked_lm",
        "masked_lm:MaskedLM",
        fields={"text": ("text",)},
        make=shapes.make_raw,
        raw=True,
        fills=True,
        options=_MASKING,
        usual=Usual(40, predicted=0.15, record=0.0),
    ),
    Type(
        "causal_lm",
        "causal_lm:CausalLM",
        asks="masked_lm",
        raw=True,
        fills=True,
        usual=Usual(40, predicted=1.0, record=0.0),
    ),
    Type(
        "span_corruption",
        "span_corruption:SpanCorruption",
        asks="masked_lm",
        raw=True,
        fills=True,
        options={"rate": (0.0, 1.0), "span": (1.0, 100.0)},
        # Those taken out, a third as many sentinels, and the end tokens.
        usual=Usual(40, predicted=0.23, record=0.0),
    ),
    Type(
        "translation_lm",
        "translation_lm:TranslationLM",
        options=_MASKING,
        usual=Usual(64, predicted=0.15, record=0.0),
    ),
    Type(
        "contrastive",
        "sentences:Contrastive",
        fields=_PARALLEL,
        make=shapes.make_parallel,
        cosine=True,
        trained_by=_SENTENCE,
        options=_TEMPERATURE,
        usual=Usual(32, segments=2),
    ),
    Type(
        "simcse",
        "simcse:SimCSE",
        cosine=True,
        trained_by=_SENTENCE,
        options={**_TEMPERATURE, "dropout": (0.0, 0.99)},
        usual=Usual(32, segments=2, record=0.0),
    ),
)
_add(  # answers that a model writes as text
    Type(
        "classification_text",
        "text:ClassificationText",
        asks="classification",
        usual=Usual(75, predicted=0.05, passes=0),
    ),
    Type(
        "multiple_choice_text",
        "text:MultipleChoiceText",
        asks="multiple_choice",
        usual=Usual(220, predicted=0.01, passes=3.0),
    ),
    Type(
        "span_qa_text",
        "text:SpanQAText",
        asks="span_qa",
        encoding=3,
        usual=Usual(235, instances=1.1, predicted=0.03, passes=5.0),
    ),
    Type("tagging_text", "text:TaggingText", asks="tagging", usual=Usual(150, predicted=0.4, passes=3.0)),
)
