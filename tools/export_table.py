"""Writes the table of docs/export.md: the transformers class that loads each head of each architecture."""

from __future__ import annotations

from collections.abc import Mapping

from marked import write
from transformers import AutoConfig

from xstilts.core.errors import BackboneError
from xstilts.export.forms import FORMS, fit

ARCHITECTURES: Mapping[str, str] = {
    "xlm-roberta": "XLM-R, XLM-V, InfoXLM, multilingual E5",
    "xlm-roberta-xl": "XLM-R XL and XXL",
    "xmod": "X-MOD",
    "bert": "mBERT, LaBSE",
    "deberta-v2": "mDeBERTa-v3",
    "rembert": "RemBERT",
    "electra": "ELECTRA",
    "gte": "mGTE",
    "modernbert": "mmBERT, ModernBERT",
    "eurobert": "EuroBERT",
    "mt5": "mT5 (encoder)",
    "qwen3": "Qwen3",
    "llama": "Llama",
    "bloom": "BLOOM",
    "xglm": "XGLM",
}
"""Those of the table; any other is tried in the same way."""


def table() -> str:
    """Architectures down, heads across."""
    lines = ["| architecture | " + " | ".join(FORMS) + " |", "|---" * (len(FORMS) + 1) + "|"]
    lines += [
        f"| `{name}`: {models} | " + " | ".join(cell(name, head) for head in FORMS) + " |"
        for name, models in ARCHITECTURES.items()
    ]
    return "\n".join(lines)


def cell(architecture: str, head: str) -> str:
    """The class, and its outputs where they are not the task's labels; `no` where there is none."""
    try:
        form, _, _ = fit(AutoConfig.for_model(architecture), head)
    except BackboneError:
        return "no"
    outputs = f", outputs {' and '.join(form.outputs)}" if form.outputs else ""
    return f"`...{form.auto.removeprefix('AutoModel')}`{outputs}"


if __name__ == "__main__":
    write("export.md", "table", table())
