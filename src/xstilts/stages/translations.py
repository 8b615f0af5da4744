"""Descriptions of translate stages: one per task and language, shared by recipes, tokenizers and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xstilts.core.errors import ConfigError
from xstilts.core.languages import LANGUAGES
from xstilts.data.readers.types import asked_type
from xstilts.graph.stage import Stage
from xstilts.microworld import TARGETS, VERSION
from xstilts.stages.checksums import DataSource, checksums, identity, identity_of_model, roots_of
from xstilts.stages.describe import make
from xstilts.stages.digests import digest
from xstilts.tasks import Task
from xstilts.tasks.as_json import form_of, task_to_json
from xstilts.translation.command import printed_version
from xstilts.translation.spec import EngineSpec

CONVERTED = ("model.bin", "config.json", "*vocabulary*")
"""What a CTranslate2 model is told by."""
TOKENIZER = ("tokenizer*", "*.model", "*.spm", "vocab*", "merges.txt", "special_tokens_map.json")


@dataclass(frozen=True)
class Translator:
    """An engine with what the experiment adds to it.

    Attributes:
        aligner: source and revision of the encoder that aligns words, if there is one.
        holders: tasks that hold the translations of others (`EngineSpec.tasks`), by name.
    """

    name: str
    spec: EngineSpec
    aligner: tuple[str, str | None] | None = None
    holders: Mapping[str, Task] = field(default_factory=dict)

    def stage(self, task: Task, language: str, data: DataSource) -> Stage:
        """The training split of `task` in `language`.

        Raises:
            ConfigError: the engine has nothing for this task or language.
            DataError: files of translations that are missing.
        """
        kind = asked_type(task.type)
        config: dict[str, Any] = {
            "task": task.name,
            "type": kind.name,
            "language": language,
            "files": checksums(data, task, "train", ("en",)),
            **form_of(task),
            **self.spec.options(kind.projected, language),
        }
        settings: dict[str, Any] = {"roots": roots_of(data), "task": task_to_json(task, ("en",))}
        how = {"ctranslate2": self._machine, "command": self._command, "files": self._files, "microworld": self._exact}[
            self.spec.engine
        ]
        more, places = how(task, language, data)
        inputs = {"world": data.world} if data.world else {}
        label = f"{task.name}, {language} by {self.name}"
        return make("translate", {**config, **more}, inputs, label, **settings, **places, cost=20.0)

    def _machine(self, task: Task, language: str, data: DataSource) -> tuple[dict[str, Any], dict[str, Any]]:
        folder = self.spec.model or self.spec.models.get(language)
        if folder is None:
            known = ", ".join(self.spec.models)
            raise ConfigError(f"translation '{self.name}' has no model for '{language}' (it has: {known}): add one")
        if not (Path(folder) / "model.bin").is_file():
            raise ConfigError(
                f"'{folder}' of translation '{self.name}' is no CTranslate2 model (no model.bin in it): convert one "
                "with ct2-transformers-converter --model NAME --output_dir FOLDER"
            )
        tokenizer = self.spec.tokenizers.get(language) or self.spec.tokenizer or folder
        config = {"model": identity(folder, None, CONVERTED), "tokenizer": identity(tokenizer, None, TOKENIZER)}
        places: dict[str, Any] = {"model": str(Path(folder).absolute()), "tokenizer": _place(tokenizer)}
        return self._aligned(task, config, places)

    def _command(self, task: Task, language: str, data: DataSource) -> tuple[dict[str, Any], dict[str, Any]]:
        argv = self.spec.argv(language)
        if argv is None:
            known = ", ".join(self.spec.command or ())
            raise ConfigError(f"translation '{self.name}' has no command for '{language}' (it has: {known}): add one")
        config: dict[str, Any] = {"command": list(argv), "version": printed_version(argv, self.spec.version)}
        if scripts := {part: digest(Path(part)) for part in argv if Path(part).is_file()}:
            config["scripts"] = scripts
        return self._aligned(task, config, {})

    def _aligned(
        self, task: Task, config: dict[str, Any], places: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The same with the encoder that aligns words, where spans or tags are projected."""
        if asked_type(task.type).projected and self.aligner is not None:
            source, revision = self.aligner
            config["aligner"] = identity_of_model(source, revision)
            places |= {"aligner": _place(source), "revision": revision}
        return config, places

    def _files(self, task: Task, language: str, data: DataSource) -> tuple[dict[str, Any], dict[str, Any]]:
        holder = self._holder(task)
        if data.world:
            raise ConfigError(f"translation '{self.name}' reads files, and a microworld has none: take `microworld`")
        config = {"translated": checksums(data, holder, "train", (language,)), "holder": holder.name}
        if form := form_of(holder):
            config["holder_read"] = form
        return config, {"holder": task_to_json(holder, (language,))}

    def _holder(self, task: Task) -> Task:
        """The task whose training files are the translations."""
        if task.name in self.holders:
            return self.holders[task.name]
        if task.name not in self.spec.files:
            there = ", ".join([*self.spec.files, *self.spec.tasks])
            raise ConfigError(f"translation '{self.name}' has no files for '{task.name}' (it has: {there}): add them")
        spoken = tuple(dict.fromkeys([*LANGUAGES, *task.languages]))
        return replace(task, files={"train": self.spec.files[task.name]}, languages=spoken, gold={})

    def _exact(self, task: Task, language: str, data: DataSource) -> tuple[dict[str, Any], dict[str, Any]]:
        origin, codes = task.like or task.name, [one.code for one in TARGETS]
        if not origin.startswith("micro_") or language not in codes:
            raise ConfigError(
                f"translation '{self.name}' is the microworld's: it has its tasks (not '{task.name}') in "
                f"{', '.join(codes)} (asked: {language})"
            )
        return {"generator": VERSION}, {}


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
