"""Engines of translation, as an experiment file names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from xstilts.core.errors import ConfigError
from xstilts.core.languages import any_language
from xstilts.core.strict import Code, Strict, mistake
from xstilts.data.locate import check_pattern

SOURCE = "en"
"""The language of the source texts."""
TRANSLATING = ("ctranslate2", "command")
"""Engines that translate texts, so that spans and tags must be projected; the others give translated examples."""
PROJECTION: Mapping[str, Any] = {"markers": "brackets", "layer": None, "coverage": 0.6}
"""How spans and tags are projected, as keys have it; `coverage` is the least share of aligned words (`carry`)."""
Argv = Annotated[tuple[str, ...], Field(min_length=1)]
Patterns = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value), Field(min_length=1)
]


class Quality(Strict):
    """Limits for translations; an example with any part outside them is left out and counted under the reason."""

    length_ratio: float = Field(default=4.0, gt=1, description="largest ratio of the sides' characters, with 10 added")
    copied: float = Field(default=0.8, gt=0, le=1, description="largest share of words that also occur in the source")
    identify: bool = Field(default=True, description="leave out translations identified as English (py3langid)")
    min_score: float | None = Field(default=None, lt=0, description="least mean log-probability of a sentence's tokens")


class EngineSpec(Strict):
    """Where translations come from: a CTranslate2 model, any program, files, or the microworld's own meanings."""

    engine: Literal["ctranslate2", "command", "files", "microworld"] = Field("command", description="kind of engine")
    command: Argv | dict[Code, Argv] | None = Field(
        None, description="command: program and arguments, or language -> these, with {language}, {iso3}, {in}, {out}"
    )
    version: Argv | None = Field(
        None, description="command: a command that prints its version; default: `--version` or `-V` of the program"
    )
    model: str | None = Field(None, description="ctranslate2: folder of one model for all languages")
    models: dict[Code, str] = Field({}, description="ctranslate2: language -> folder of its model")
    tokenizer: str | None = Field(None, description="ctranslate2: tokenizer (hub name or folder); default: the model's")
    tokenizers: dict[Code, str] = Field({}, description="ctranslate2: language -> its tokenizer")
    source_language: str | None = Field(None, description="ctranslate2: the tokenizer's name for English (`eng_Latn`)")
    source_tokens: dict[Code, str] = Field({}, description="ctranslate2: language -> token before a source (`>>deu<<`)")
    target_tokens: dict[Code, str] = Field(
        {}, description="ctranslate2: language -> first token of a text (`deu_Latn`)"
    )
    beam: int = Field(4, gt=0, description="ctranslate2: width of the beam")
    max_tokens: int = Field(500, gt=0, description="ctranslate2: longest sentence; longer translations end there")
    files: dict[str, Patterns] = Field({}, description="files: task -> translated training files, with {language}")
    tasks: dict[str, str] = Field({}, description="files: task -> the task with its translations (mnli: xnli_mt)")
    aligner: str | None = Field(
        None, description="ctranslate2, command: encoder that aligns words; else the first backbone with a `source`"
    )
    quality: Quality = Field(Quality(), description="ctranslate2, command, files: limits for translations")

    @model_validator(mode="after")
    def _of_its_engine(self) -> EngineSpec:
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        given = {name for name in self.model_fields_set if getattr(self, name) != defaults[name]}
        for name in sorted(given - {"engine"}):
            owners = str(type(self).model_fields[name].description).partition(":")[0].split(", ")
            if self.engine not in owners:
                chosen = self.command or "engine" in self.model_fields_set
                remedy = "leave it out" if chosen else f"give `engine: {owners[0]}`"
                problem = f"`{name}` is an option of {' and '.join(owners)}, not of {self.engine}: {remedy}"
                raise mistake(problem, name)
        if self.engine == "ctranslate2" and (self.model is None) == (not self.models):
            raise ValueError("give `model` (one folder for all languages) or `models` (language -> folder)")
        if self.engine == "command" and not self.command:
            raise ValueError("give `command`: a program and its arguments ([apertium, -u, eng-spa]), or an `engine`")
        if self.engine == "files" and not (self.files or self.tasks):
            raise ValueError("give `files` (task -> pattern) or `tasks` (task -> the task that holds its translations)")
        if both := sorted(self.files.keys() & self.tasks.keys()):
            raise ValueError(f"'{both[0]}' is in `files` and in `tasks`: give one")
        if self.engine != "ctranslate2" and self.quality.min_score is not None:
            raise ValueError("quality.min_score: only ctranslate2 scores its translations; leave it out")
        for pattern in (pattern for patterns in self.files.values() for pattern in patterns):
            check_pattern(pattern)
        return self

    def check_languages(self, task: str, languages: Sequence[str]) -> None:
        """Refuse a component in several languages that would all get one translation. Raises `ConfigError`."""
        asked = f"translations of '{task}' are needed in {', '.join(languages)}"
        if isinstance(self.command, tuple) and len({*map(self.argv, languages)}) < len(languages):
            raise ConfigError(f"one `command`, but {asked}: put {{language}} or {{iso3}} into it, or give one for each")
        told = {**self.source_tokens, **self.target_tokens}
        silent = [code for code in languages if code not in told]
        if self.model and silent and (told or len(languages) > 1):
            raise ConfigError(
                f"`model` serves all languages, but `target_tokens` do not say how it writes {', '.join(silent)}: add "
                f"them (NLLB: `{silent[0]}: {any_language(silent[0]).forms('flores')[0]}`), or give `models`"
            )
        for pattern in self.files.get(task, ()):
            if len(languages) > 1 and "{" not in pattern:
                raise ConfigError(f"'{pattern}' is one file, but {asked}: put {{language}} into its name")

    def argv(self, language: str) -> tuple[str, ...] | None:
        """The command that translates into a language; `{in}` and `{out}` stay. None where there is none."""
        asked = self.command.get(language) if isinstance(self.command, dict) else self.command
        iso3 = any_language(language).iso3
        return asked and tuple(part.replace("{language}", language).replace("{iso3}", iso3) for part in asked)

    def options(self, projected: bool, language: str) -> dict[str, Any]:
        """The options that decide a translation into one language; models and files enter keys by their content."""
        chosen: dict[str, Any] = {"engine": self.engine}
        if self.engine == "microworld":
            return chosen
        if self.engine == "ctranslate2":
            chosen |= {name: getattr(self, name) for name in ("beam", "max_tokens", "source_language")}
            by_language = {"source_token": self.source_tokens, "target_token": self.target_tokens}
            chosen |= {name: table.get(language) for name, table in by_language.items()}
        if projected and self.engine in TRANSLATING:
            chosen |= PROJECTION
        return {**chosen, "quality": self.quality.model_dump()}
