"""Loads and saves backbones: from a hub name at a revision, a local folder, or with random weights.

All calls of transformers' `from_pretrained` and `from_config` are here: a model's own code is never run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
from transformers.utils import logging as library_logging

from xstilts.backbones.backbone import Backbone, check_packing
from xstilts.backbones.families import hint
from xstilts.backbones.names import OWN_CODE, Backend, Output, Route, check_folder
from xstilts.backbones.text import check_text
from xstilts.core.errors import BackboneError, UnknownName
from xstilts.core.seeds import derive_seed

PICKLE = "its pickled weights are damaged or hold more than tensors, and code in them is never run: save safetensors"
READABLE = (OSError, ValueError, RuntimeError, ImportError, SafetensorError, StrictDataclassError)
"""Errors with readable texts."""


def from_pretrained(auto: Any, source: Any, **options: Any) -> Any:
    """Load a folder or a hub name with an auto class of transformers or PEFT.

    Without `trust_remote_code=False` transformers asks on standard input whether to run a model's own code. A model
    with such code still loads if transformers has its architecture. torch's restricted unpickler reads pickled weights;
    it makes only tensors. Raises `BackboneError` if the model cannot be loaded, or only with code of its own.
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
    return f"one of its files is damaged or in another format ({type(error).__name__}: {text})"


library_logging.disable_progress_bar()
library_logging.set_verbosity_error()

ENCODER_OF = frozenset({"t5", "mt5", "umt5"})
"""Encoder-decoders whose encoder is the backbone."""
SPECIAL = ("pad", "bos", "eos", "cls", "sep")
NOT_FIELDS = ("model_type", "transformers_version", "architectures", "dtype", "_name_or_path")
"""Keys of a `config.json` that are not fields of the architecture."""


@dataclass(frozen=True)
class Weights:
    """The format of weights in memory.

    Attributes:
        dtype: `float32`, `bfloat16`, or `auto`: as saved.
        quantize: `nf4`: linear layers in 4 bits (QLoRA, Dettmers et al. 2023), through bitsandbytes.
        device: where weights in 4 bits are made; other weights are moved later.
        written_out: whether weights in 4 bits are converted to 32 bits with the same values.
    """

    dtype: str = "float32"
    quantize: str | None = None
    device: str = "cpu"
    written_out: bool = False

    def options(self) -> dict[str, Any]:
        """Keywords of `from_pretrained`. Raises `BackboneError` if bitsandbytes is missing."""
        dtype = "auto" if self.dtype == "auto" else getattr(torch, self.dtype)
        if self.quantize is None:
            return {"dtype": dtype}
        if find_spec("bitsandbytes") is None:
            raise BackboneError("weights in 4 bits need bitsandbytes: pip install 'xstilts[quantize]'")
        nf4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
        four = transformers.BitsAndBytesConfig(**nf4, bnb_4bit_compute_dtype=dtype)
        return {"dtype": dtype, "quantization_config": four, "device_map": {"": self.device}}


def load_backbone(
    source: str,
    revision: str | None = None,
    route: Route | None = None,
    backend: Backend = "segments",
    weights: Weights | None = None,
    output: Output = "head",
    lazy: bool = False,
) -> Backbone:
    """A pretrained backbone, checked for packing.

    Args:
        source: folder with `config.json`, weights and tokenizer, or a hub name.
        revision: commit or tag on the hub.
        weights: how they are held; default: float32.
        output: `text` keeps the output layer, and the decoder of an encoder-decoder.
        lazy: load the tokenizer on first use; one of 250,000 pieces takes seconds.

    Raises `BackboneError` if there is no such model, it fails the packing check, or it cannot write text as asked.
    """
    check_folder(source)
    weights = weights or Weights()
    options = weights.options()
    auto = auto_class(from_pretrained(AutoConfig, source, revision=revision), output)
    options |= {"revision": revision, "output_loading_info": True, "ignore_mismatched_sizes": True}
    model, info = from_pretrained(auto, source, **options)
    tokenizer = partial(from_pretrained, AutoTokenizer, source, revision=revision)
    # Incomplete weights are refused: transformers would draw the rest at random, and only warn. Poolers may be missing:
    # checkpoints of masked language models have none, and our heads do not read them.
    if lacking := sorted(name for name in info["missing_keys"] if "pooler" not in name):
        raise BackboneError(f"the weights of backbone '{source}' are missing {len(lacking)} tensors: {lacking[0]} ...")
    if info["mismatched_keys"]:
        name, found, wanted = next(iter(sorted(info["mismatched_keys"])))
        fault = f"{name} is {list(found)}, expected {list(wanted)}"
        raise BackboneError(f"the weights of backbone '{source}' do not fit its config.json: {fault}")
    if weights.quantize:
        # On CPUs with AVX-512 BF16 a layer in 4 bits would change its layout on the first call in evaluation mode:
        # scales lose digits, and layers whose width is not a multiple of a block fail.
        for module in model.modules():
            if hasattr(module, "support_avx512bf16_for_cpu"):
                module.support_avx512bf16_for_cpu = False
        model = model.dequantize().float() if weights.written_out else model
    return _checked(Backbone(model, tokenizer if lazy else tokenizer(), route, backend), output)


def auto_class(config: Any, output: Output) -> Any:
    """The auto class for a model, or for its encoder."""
    if output == "text":
        return transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    return AutoModelForTextEncoding if config.model_type in ENCODER_OF else AutoModel


def _checked(backbone: Backbone, output: Output) -> Backbone:
    """Return the backbone. Raises `BackboneError` if it fails the packing check, or cannot write text."""
    check_packing(backbone)
    if output == "text":
        if not (backbone.decoder or backbone.config.is_encoder_decoder):
            fault = f"and {backbone.config.model_type} is an encoder: leave it out"
            raise BackboneError(f"`output: text` is for decoders and encoder-decoders, {fault}")
        check_text(backbone)
    return backbone


def check_fields(architecture: str, fields: Mapping[str, Any]) -> None:
    """Raises `UnknownName` for configuration fields that transformers would keep and never read."""
    default = _default_config(architecture)
    for name in fields:
        if name.startswith("_") or not hasattr(default, name):
            raise UnknownName(f"configuration field of {architecture}", name, default.to_dict())


def _default_config(architecture: str) -> Any:
    try:
        return AutoConfig.for_model(architecture)
    except ValueError:
        raise UnknownName("architecture", architecture, MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES) from None


def random_backbone(
    architecture: str,
    config: Mapping[str, Any],
    tokenizer: Any,
    seed: int,
    route: Route | None = None,
    output: Output = "head",
) -> Backbone:
    """A backbone with random weights: the start of pretraining, and a control.

    `architecture` is a transformers model type (`xlm-roberta`, `eurobert` ...), `config` its configuration fields
    without vocabulary and special tokens. Raises `UnknownName` if there is no such architecture, and `BackboneError` if
    it refuses these fields.
    """
    _default_config(architecture)
    special = {name: getattr(tokenizer, name) for name in (f"{each}_token_id" for each in SPECIAL)}
    try:
        full = AutoConfig.for_model(architecture, **{**special, "vocab_size": len(tokenizer), **config})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "backbone"))
            model = from_config(auto_class(full, output), full)
    except MemoryError:
        raise
    except Exception as error:  # transformers refuses fields in many ways
        raise BackboneError(f"a random {architecture} cannot be made: {' '.join(str(error).split())}") from None
    return _checked(Backbone(model, tokenizer, route), output)


def save_backbone(backbone: Backbone, directory: Path, dtype: torch.dtype | None = None) -> None:
    """Write `config.json`, `model.safetensors` and the tokenizer, for `AutoModel.from_pretrained`."""
    model = backbone.model
    implementation = model.config._attn_implementation
    try:
        model.config._attn_implementation = None
        state = {name: value.detach().to("cpu", dtype).contiguous() for name, value in model.state_dict().items()}
        model.save_pretrained(directory, state_dict=state)
    finally:
        model.config._attn_implementation = implementation
    backbone.tokenizer.save_pretrained(directory)


def describe(backbone: Backbone) -> dict[str, Any]:
    """Architecture, sizes and route of a backbone, and the attention of a decoder."""
    seen = {backbone.sees(True), backbone.sees(False)} if backbone.decoder else set()
    both = "bidirectional for tags, spans and masked LM, else causal"
    return {
        "architecture": backbone.config.model_type,
        "parameters": sum(p.numel() for p in backbone.parameters()),
        "embedding_parameters": backbone.embeddings.numel(),
        "layers": backbone.layers,
        "hidden_size": backbone.hidden_size,
        "vocabulary": backbone.embeddings.shape[0],
        "route": backbone.route,
        **({"attention": both if len(seen) == 2 else seen.pop()} if seen else {}),
        **({"output": "text"} if backbone.writes else {}),
        "listed": bool(backbone.family.model_types),
    }
