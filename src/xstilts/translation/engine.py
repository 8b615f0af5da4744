"""Machine translation: by any program that translates line by line, or through CTranslate2.

A program reads standard input and writes standard output, or it gets both as files (`{in}` and `{out}` among its
arguments). It runs without a shell; `[sh, -c, "one | other"]` gives a pipeline.

CTranslate2 runs any converted encoder-decoder with its Hugging Face tokenizer. Beam search without sampling, which is
deterministic on one machine. The target language is the first token of the translation in NLLB and M2M-100, and a token
before the source in OPUS-MT models of several languages.
"""

import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from xstilts.core.errors import BackboneError, ConfigError, DataError
from xstilts.translation.project import Translated

LOST_AT_MOST = 0.01
"""The share of lines that a program may fail to translate (one in any case, but not all).

Apertium's eng-cat crashes on some sentences.
"""


class Command:
    """Translates lines by a program; `sent.txt` and `received.txt` in a folder are for it and for debugging."""

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        self._argv, self._sent, self._received = argv, folder / "sent.txt", folder / "received.txt"
        self._name = f"`{' '.join(argv)}`"

    def __call__(self, texts: Sequence[str]) -> list[Translated | None]:
        """One entry per text, which is sent as one line; None for lines that make the program lose or add one.

        Raises `ConfigError` where the program cannot be run, and `DataError` where it fails or loses many lines.
        """
        lines = [" ".join(text.split()) for text in texts]
        most = max(1, int(LOST_AT_MOST * len(lines)))
        found = self._found(lines, most)
        lost = [i for i, one in enumerate(found) if one is None]
        if len(lost) > most or len(lost) == len(lines) > 0:
            written = self._run(lines)  # once more, so that the files hold all lines
            problem = f"{self._name} wrote {len(written)} lines for {len(lines)}"
            problem += f", and more than {most} lines still fail when they are sent one at a time"
            raise DataError(problem, self._sent, lost[0] + 1)
        return found

    def _found(self, lines: Sequence[str], most: int) -> list[Translated | None]:
        """Where the numbers of lines differ, halves are tried alone, down to single lines, until `most` are lost."""
        written = self._run(lines)
        if len(written) == len(lines):
            return [Translated(line.strip()) for line in written]
        if len(lines) == 1:
            return [None]
        middle = len(lines) // 2
        found = self._found(lines[:middle], most)
        enough = found.count(None) > most
        return found + ([None] * (len(lines) - middle) if enough else self._found(lines[middle:], most))

    def _run(self, lines: Sequence[str]) -> list[str]:
        for left in (self._sent, self._received):
            left.unlink(missing_ok=True)  # never written in place: an earlier attempt at the stage may share the file
        self._sent.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        places = {"{in}": str(self._sent), "{out}": str(self._received)}
        argv = [places.get(part, part) for part in self._argv]
        done = _done(argv, b"" if "{in}" in self._argv else self._sent.read_bytes())
        if done.returncode:
            why = done.stderr.decode(errors="replace").strip().splitlines() or ["it printed no error"]
            raise DataError(f"{self._name} ended with {done.returncode}: {why[-1]}", self._sent)
        if "{out}" not in self._argv:
            self._received.write_bytes(done.stdout)
        if not self._received.is_file():
            raise DataError(f"{self._name} did not write its output file ({{out}})", self._received)
        text = self._received.read_text(encoding="utf-8", errors="replace")
        return text.removesuffix("\n").split("\n") if text else []


def _done(argv: Sequence[str], sent: bytes) -> subprocess.CompletedProcess[bytes]:
    """The finished program. Raises `ConfigError` where it cannot be run."""
    try:
        return subprocess.run(argv, input=sent, capture_output=True, check=False)
    except OSError as error:
        problem = f"translation command `{' '.join(argv)}`: {argv[0]} cannot be run ({error.strerror})"
        raise ConfigError(f"{problem}: install it, or give its path") from None


@lru_cache
def printed_version(argv: tuple[str, ...], asked: tuple[str, ...] | None) -> str:
    """The output of `asked`, else of the program of `argv` for `--version` or `-V`. Raises `ConfigError`."""
    for tried in (asked,) if asked else ((argv[0], "--version"), (argv[0], "-V")):
        done = _done(tried, b"")
        if not done.returncode:
            return done.stdout.decode(errors="replace").strip()
        if asked:
            raise ConfigError(f"`{' '.join(asked)}`, which should print a version, ended with {done.returncode}")
    return ""


class Engine:
    """Translates sentences into one language, with options as `EngineSpec.options` gives them.

    Raises `BackboneError` where CTranslate2 is not installed, or the model or the tokenizer cannot be loaded.
    """

    def __init__(
        self, folder: Path, tokenizer: str, options: Mapping[str, Any], device: str = "cpu", batch_tokens: int = 8192
    ) -> None:
        from transformers import AutoTokenizer  # heavy; `Command` does not need them

        from xstilts.backbones.load import from_pretrained

        try:
            import ctranslate2
        except ImportError:
            raise BackboneError("translation needs CTranslate2: pip install 'xstilts[translate]'") from None
        kind, _, number = device.partition(":")
        try:
            self._translator = ctranslate2.Translator(str(folder), device=kind, device_index=int(number or 0))
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise BackboneError(f"CTranslate2 model '{folder}' cannot be loaded: {reason}") from None
        named = {"src_lang": options["source_language"]} if options["source_language"] else {}
        self._tokenizer: Any = from_pretrained(AutoTokenizer, tokenizer, **named)
        self._options, self._batch_tokens = options, batch_tokens

    def __call__(self, texts: Sequence[str]) -> list[Translated | None]:
        """One entry per sentence; None where it has more than `max_tokens`."""
        before, begin, longest = (self._options[name] for name in ("source_token", "target_token", "max_tokens"))
        coded = [self._tokenizer.encode(text, verbose=False) for text in texts]
        pieces = [[*([before] if before else []), *self._tokenizer.convert_ids_to_tokens(ids)] for ids in coded]
        fitting = [i for i, row in enumerate(pieces) if len(row) <= longest]
        fitting.sort(key=lambda i: -len(pieces[i]))
        results = self._translator.translate_batch(
            [pieces[i] for i in fitting],
            target_prefix=[[begin]] * len(fitting) if begin else None,
            beam_size=self._options["beam"],
            max_batch_size=self._batch_tokens,
            batch_type="tokens",
            max_input_length=0,
            max_decoding_length=longest,
            return_scores=True,
        )
        found: list[Translated | None] = [None] * len(texts)
        for i, result in zip(fitting, results, strict=True):
            ids = self._tokenizer.convert_tokens_to_ids(result.hypotheses[0][1 if begin else 0 :])
            text = self._tokenizer.decode(ids, skip_special_tokens=True).strip()
            found[i] = Translated(text, float(result.scores[0]))  # over the length: CTranslate2's default penalty is 1
        return found
