"""All calls of transformers' `from_pretrained` and `from_config`: a model's own code is never run."""

from __future__ import annotations

from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoTokenizer

from xstilts.backbones.families import hint
from xstilts.backbones.names import OWN_CODE
from xstilts.core.errors import BackboneError

PICKLE = "its pickled weights are damaged or hold more than tensors, and code in them is never run: save safetensors"
READABLE = (OSError, ValueError, RuntimeError, ImportError, SafetensorError, StrictDataclassError)
"""Errors with readable texts."""


def from_pretrained(auto: Any, source: Any, **options: Any) -> Any:
    """Load a folder or a hub name with an auto class of transformers or PEFT.

    Without `trust_remote_code=False` transformers asks on standard input whether to run a model's own code. A model
    with such code still loads if transformers has its architecture. torch's restricted unpickler reads pickled weights;
    it makes only tensors.

    Raises:
        BackboneError: it cannot be loaded, or only with code of its own.
    """
    try:
        made = auto.from_pretrained(source, trust_remote_code=False, **options)
        _refuse_kernel(getattr(made, "config", made))
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises anything
        what = f"tokenizer of '{source}'" if auto is AutoTokenizer else f"backbone '{source}'"
        raise BackboneError(f"{what} cannot be loaded: {_reason(error)}{hint(str(source))}") from None
    return made


def from_config(auto: Any, config: Any, **options: Any) -> Any:
    """A random model. Raises `BackboneError` if `config` asks for code outside transformers."""
    _refuse_kernel(config)
    try:
        return auto.from_config(config, trust_remote_code=False, **options)
    except ValueError as error:
        raise BackboneError(_reason(error)) from None


def _refuse_kernel(config: Any) -> None:
    """For a name with a slash, transformers would download compiled attention code from the hub."""
    asked = getattr(config, "_attn_implementation", None)
    if isinstance(asked, str) and "/" in asked:
        raise BackboneError(f"its configuration asks for attention code from the hub ({asked}): remove that field")


def _reason(error: Exception) -> str:
    """The first line of a readable error; for others their kind, and that a file is damaged."""
    first, *more = [*str(error).strip().splitlines(), ""]
    text = " ".join([first, *more[:1]]).strip() if first.endswith(":") else first
    if "trust_remote_code" in str(error):
        return OWN_CODE
    if type(error).__name__ == "UnpicklingError":
        return PICKLE
    if text and isinstance(error, READABLE):
        return text
    return f"a file of it is damaged, or of another kind ({type(error).__name__}: {text})"
