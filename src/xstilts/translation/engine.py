"""Machine translation through CTranslate2: any converted encoder-decoder, with its Hugging Face tokenizer.

Beam search without sampling, which is deterministic on one machine. The target language is the first token of the
translation in NLLB and M2M-100, and a token before the source in OPUS-MT models of several languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from xstilts.backbones.load import from_pretrained
from xstilts.core.errors import BackboneError
from xstilts.translation.project import Translated


class Engine:
    """Translates sentences into one language, with options as `EngineSpec.options` gives them.

    Raises `BackboneError` where CTranslate2 is not installed, or the model or the tokenizer cannot be loaded.
    """

    def __init__(
        self, folder: Path, tokenizer: str, options: Mapping[str, Any], device: str = "cpu", batch_tokens: int = 8192
    ) -> None:
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
