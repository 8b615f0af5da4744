"""Engines of translation, as an experiment file names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from xstilts.core.codes import Code
from xstilts.core.errors import ConfigError
from xstilts.core.languages import any_language
from xstilts.data.locate import check_pattern

SOURCE = "en"
"""The language that is translated from."""
Markers = Literal["tags", "brackets", "none"]
TRANSLATING = ("ctranslate2", "command")
"""Engines that translate texts, so that spans and tags are projected; the others give translated examples."""
Argv = Annotated[tuple[str, ...], Field(min_length=1)]
Patterns = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value), Field(min_length=1)
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quality(_Strict):
    """What a translation must be; an example of which any part is not is left out, and counted under the reason."""

    length_ratio: float = Field(
        default=4.0, gt=1, description="most that one side is longer than the other, in characters, ten added to each"
    )
    copied: float = Field(
        default=0.8, gt=0, le=1, description="largest share of the translation's words that stand in the source too"
    )
    identify: bool = Field(
        default=True, description="leave out what looks more like English (py3langid); only languages it knows"
    )
    min_score: float | None = Field(
        default=None, lt=0, description="least mean log-probability of a token in the worst sentence; null: any"
    )


class EngineSpec(_Strict):
    """Where translations come from: a CTranslate2 model, any program, files, or the microworld's own meanings."""

    engine: Literal["ctranslate2", "command", "files", "microworld"] = Field(
        description="what translates; else `command` where there is one"
    )
    command: Argv | dict[Code, Argv] | None = Field(
        default=None,
        description="command: program and arguments, or language -> these; {language}, {iso3}, {in}, {out} are filled",
    )
    version: Argv | None = Field(
        default=None, description="command: what prints the version; else the program with `--version` or `-V`"
    )
    model: str | None = Field(default=None, description="ctranslate2: folder of one model for all languages")
    models: dict[Code, str] = Field(default_factory=dict, description="ctranslate2: language -> folder of its model")
    tokenizer: str | None = Field(
        default=None, description="ctranslate2: Hugging Face name or folder; else the model's folder"
    )
    tokenizers: dict[Code, str] = Field(default_factory=dict, description="ctranslate2: language -> its tokenizer")
    source_language: str | None = Field(
        default=None, description="ctranslate2: what a multilingual tokenizer calls English (`eng_Latn`, `en`)"
    )
    source_tokens: dict[Code, str] = Field(
        default_factory=dict, description="ctranslate2: language -> what stands before the source (`>>deu<<`)"
    )
    target_tokens: dict[Code, str] = Field(
        default_factory=dict, description="ctranslate2: language -> the token that begins its text (`deu_Latn`)"
    )
    beam: int = Field(default=4, gt=0, description="ctranslate2: width of the beam")
    max_tokens: int = Field(
        default=500, gt=0, description="ctranslate2: longer sentences are left out, and translations end here"
    )
    files: dict[str, Patterns] = Field(
        default_factory=dict,
        description="files: task -> its translated training files, with {language}, in its own format or XTREME's",
    )
    tasks: dict[str, str] = Field(
        default_factory=dict, description="files: task -> the task that holds its translations (mnli: xnli_mt)"
    )
    markers: Markers = Field(
        default="tags", description="ctranslate2, command: around spans: <a>..</a>, [..], or none: alignment alone"
    )
    aligner: str | None = Field(
        default=None,
        description="ctranslate2, command: encoder that aligns words; else the first backbone that has a source",
    )
    layer: int | None = Field(
        default=None,
        ge=0,
        description="ctranslate2, command: the aligner's hidden state; else at two thirds of its depth",
    )
    coverage: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="ctranslate2, command: least share of words aligned, of sentences with a tag a word",
    )
    quality: Quality = Field(default=Quality(), description="ctranslate2, command, files: what is left out")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        short = isinstance(value, dict) and "command" in value and "engine" not in value
        return {**value, "engine": "command"} if short else value

    @model_validator(mode="after")
    def _of_its_engine(self) -> EngineSpec:
        for name in sorted(self.model_fields_set - {"engine"}):
            owners = _owners(name)
            if self.engine not in owners:
                problem = f"`{name}` is an option of {' and '.join(owners)}, not of {self.engine}: leave it out"
                raise PydanticCustomError("options", "{problem}", {"problem": problem, "key": (name,)})
        if self.engine == "ctranslate2" and (self.model is None) == (not self.models):
            raise ValueError("give `model` (one folder for all languages) or `models` (language -> folder)")
        if self.engine == "command" and not self.command:
            raise ValueError("give `command`: a program and its arguments, such as [apertium, -u, eng-spa]")
        if self.engine == "files" and not (self.files or self.tasks):
            raise ValueError("give `files` (task -> pattern) or `tasks` (task -> the task that holds its translations)")
        if both := sorted(self.files.keys() & self.tasks.keys()):
            raise ValueError(f"'{both[0]}' stands in `files` and in `tasks`: give one")
        if self.engine != "ctranslate2" and self.quality.min_score is not None:
            raise ValueError("quality.min_score: only ctranslate2 scores its translations; leave it out")
        for pattern in (pattern for patterns in self.files.values() for pattern in patterns):
            check_pattern(pattern)
        return self

    def check_languages(self, task: str, languages: Sequence[str]) -> None:
        """Refuse languages of a component that would all be one.

        Raises:
            ConfigError: one model that is not told which language to write, or one command or file for several.
        """
        if isinstance(self.command, tuple) and len({*map(self.argv, languages)}) < len(languages):
            raise ConfigError(
                f"`command` is one, and translations of '{task}' are asked in {', '.join(languages)}: put {{language}} "
                "or {iso3} into it, or give one for each"
            )
        told = {**self.source_tokens, **self.target_tokens}
        silent = [code for code in languages if code not in told]
        if self.model and silent and (told or len(languages) > 1):
            raise ConfigError(
                f"`model` is one for all languages, and `target_tokens` do not say how it writes {', '.join(silent)}: "
                f"add them (NLLB: `{silent[0]}: {any_language(silent[0]).forms('flores')[0]}`), or give `models`"
            )
        for pattern in self.files.get(task, ()):
            if len(languages) > 1 and "{" not in pattern:
                raise ConfigError(
                    f"'{pattern}' is one file, and translations of '{task}' are asked in {', '.join(languages)}: "
                    "put {language} into its name"
                )

    def argv(self, language: str) -> tuple[str, ...] | None:
        """The command that translates into a language; `{in}` and `{out}` stay. None where there is none."""
        asked = self.command.get(language) if isinstance(self.command, dict) else self.command
        codes = {"{language}": language, "{iso3}": any_language(language).iso3}

        def filled(part: str) -> str:
            for name, code in codes.items():
                part = part.replace(name, code)
            return part

        return asked and tuple(map(filled, asked))

    def options(self, projected: bool, language: str) -> dict[str, Any]:
        """What of this decides a translation into one language, but for models and files, which go by their content."""
        names = ["beam", "max_tokens", "source_language"] if self.engine == "ctranslate2" else []
        if projected and self.engine in TRANSLATING:
            names += ["markers", "layer", "coverage"]
        chosen: dict[str, Any] = {"engine": self.engine, **{name: getattr(self, name) for name in names}}
        if self.engine == "ctranslate2":
            by_language = {"source_token": self.source_tokens, "target_token": self.target_tokens}
            chosen |= {name: table.get(language) for name, table in by_language.items()}
        return chosen if self.engine == "microworld" else {**chosen, "quality": self.quality.model_dump()}


def _owners(name: str) -> tuple[str, ...]:
    """The engines an option belongs to, as its description says."""
    described: Mapping[str, Any] = EngineSpec.model_fields
    return tuple(str(described[name].description).partition(":")[0].split(", "))
