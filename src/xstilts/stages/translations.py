"""Descriptions of translate stages: one per task and language, shared by recipes, tokenizers and seeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xstilts.core.errors import ConfigError
from xstilts.core.languages import LANGUAGES
from xstilts.data.readers.types import asked_type
from xstilts.graph.stage import Stage
from xstilts.microworld.grammar import TARGETS
from xstilts.microworld.world import VERSION
from xstilts.stages.checksums import DataSource, digest, identity, identity_of_model
from xstilts.stages.describe import make
from xstilts.tasks import Task
from xstilts.tasks.base import form_of, task_to_json
from xstilts.translation.engine import printed_version
from xstilts.translation.spec import SOURCE, TRANSLATING, EngineSpec


@dataclass(frozen=True)
class Translator:
    """An engine of an experiment.

    Attributes:
        aligner: source and revision of the encoder that aligns words, if any.
        holders: task -> the task whose training files are its translations (`EngineSpec.tasks`).
    """

    name: str
    spec: EngineSpec
    aligner: tuple[str, str | None] | None = None
    holders: Mapping[str, Task] = field(default_factory=dict)

    def stage(self, task: Task, language: str, data: DataSource) -> Stage:
        """The training split of `task` in `language`.

        Raises:
            ConfigError: the engine has nothing for this task or language.
            DataError: files of translations are missing.
        """
        kind, engine = asked_type(task.type), self.spec.engine
        config: dict[str, Any] = {
            "task": task.name,
            "type": kind.name,
            "language": language,
            "files": data.checksums(task, "train", (SOURCE,)),
            **form_of(task),
            **self.spec.options(kind.projected, language),
        }
        settings = data.settings(task, (SOURCE,))
        if engine == "ctranslate2":
            folder, tokenizer = self._model(language)
            config["model"] = identity(folder, None, ("model.bin", "config.json", "*vocabulary*"))
            pieces = ("tokenizer*", "*.model", "*.spm", "vocab*", "merges.txt", "special_tokens_map.json")
            config["tokenizer"] = identity(tokenizer, None, pieces)
            settings |= {"model": str(Path(folder).absolute()), "tokenizer": _place(tokenizer)}
        elif engine == "command":
            argv = self.spec.argv(language)
            if argv is None:
                known = ", ".join(self.spec.command or ())
                raise ConfigError(
                    f"translation '{self.name}' has no command for '{language}' (it has: {known}): add one"
                )
            config |= {"command": list(argv), "version": printed_version(argv, self.spec.version)}
            scripts = {part: digest(Path(part)) for part in argv if Path(part).is_file()}
            config |= {"scripts": scripts} if scripts else {}
        elif engine == "files":
            holder = self._holder(task)
            if data.world:
                raise ConfigError(f"translation '{self.name}' reads files, and a microworld has none: use `microworld`")
            config |= {"translated": data.checksums(holder, "train", (language,)), "holder": holder.name}
            config |= {"holder_read": form} if (form := form_of(holder)) else {}
            settings["holder"] = task_to_json(holder, (language,))
        else:
            codes = [one.code for one in TARGETS]
            if not (task.like or task.name).startswith("micro_") or language not in codes:
                raise ConfigError(
                    f"translation '{self.name}' is the microworld's: it translates its tasks (not '{task.name}') into "
                    f"{', '.join(codes)} (asked: {language})"
                )
            config["generator"] = VERSION
        if engine in TRANSLATING and kind.projected and self.aligner is not None:
            source, revision = self.aligner
            config["aligner"] = identity_of_model(source, revision)
            settings |= {"aligner": _place(source), "revision": revision}
        return make("translate", config, data.inputs, f"{task.name}, {language} by {self.name}", **settings, cost=20.0)

    def _model(self, language: str) -> tuple[str, str]:
        folder = self.spec.model or self.spec.models.get(language)
        if folder is None:
            known = ", ".join(self.spec.models)
            raise ConfigError(f"translation '{self.name}' has no model for '{language}' (it has: {known}): add one")
        if not (Path(folder) / "model.bin").is_file():
            raise ConfigError(
                f"'{folder}' of translation '{self.name}' is not a CTranslate2 model (no model.bin): convert one "
                "with ct2-transformers-converter --model NAME --output_dir FOLDER"
            )
        return folder, self.spec.tokenizers.get(language) or self.spec.tokenizer or folder

    def _holder(self, task: Task) -> Task:
        if task.name in self.holders:
            return self.holders[task.name]
        if task.name not in self.spec.files:
            there = ", ".join([*self.spec.files, *self.spec.tasks])
            raise ConfigError(f"translation '{self.name}' has no files for '{task.name}' (it has: {there}): add them")
        spoken = tuple(dict.fromkeys([*LANGUAGES, *task.languages]))
        return replace(task, files={"train": self.spec.files[task.name]}, languages=spoken, gold={})


def words_for(counts: Mapping[str, Any]) -> str:
    """`micro_qa, qab: 18 of 20 examples kept; left out: 2 not projected; spans and tags: 18 markers`."""
    text = f"{counts['task']}, {counts['language']}: {counts['kept']} of {counts['examples']} examples kept"
    for name, said in (("dropped", "left out"), ("projected", "spans and tags by")):
        if counts[name]:
            text += f"; {said}: " + ", ".join(f"{what} {number}" for what, number in counts[name].items())
    return text


def _place(source: str) -> str:
    """A folder where any process finds it, or the hub name as it is."""
    return str(Path(source).absolute()) if Path(source).is_dir() else source
