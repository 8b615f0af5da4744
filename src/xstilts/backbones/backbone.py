"""Backbones: models of any architecture that turn a packed batch into hidden states, [T, H].

There are two routes. *Packed*: the model runs once over the row of all tokens, with our attention (`attention.py`) and
position ids. *Padded*: if the attention cannot be replaced, the pack is padded, run and packed again. `check_packing`
compares packed states with those of each sequence alone, under the library's own attention.

In a decoder a token does not see the tokens after it. Tags and borders of spans depend on these, so for such types
decoders attend to both sides by default, in training and prediction. Removing the causal mask during fine-tuning
improves sequence labelling in many (not all) settings of Dukić and Šnajder 2024 (arXiv 2401.14556); LLM2Vec
(BehnamGhader et al. 2024, arXiv 2404.05961) begins with the same step. Retrieval, which is not trained, and
classification, which reads the last token, stay causal.
"""

import inspect
from functools import cached_property, partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xstilts.backbones.attention import NAME
from xstilts.backbones.dropout import HashDropout
from xstilts.backbones.families import Family, bias_of_longest, family_of
from xstilts.backbones.layout import PackLayout
from xstilts.backbones.names import Attention, Backend, Route, Token
from xstilts.backbones.packing import Packed, pack
from xstilts.core.errors import BackboneError

TOLERANCE = 1e-4
HALF_TOLERANCE = 0.05
"""For weights in 16 or 4 bits, relative to the largest state: rounding gives about 0.01, an ignored border 0.3."""
LONGEST_WINDOW = 1024
"""The longest sliding window that is checked when a model is loaded."""


class Backbone(nn.Module):
    """A model of any architecture with a packed interface.

    Args:
        model: a transformers base model without head; or, to read and write text (`backbones.text`), a causal or an
            encoder-decoder language model.
        tokenizer: its fast tokenizer, or a `partial` that loads it.
        route: packed or padded; default: that of the architecture.
        backend: how packed attention is computed.

    Attributes:
        hashed, decoder_hashed: dropout by hash in training (`controlled`); the second: of an encoder-decoder's decoder.
    """

    def __init__(self, model: Any, tokenizer: Any, route: Route | None = None, backend: Backend = "segments") -> None:
        super().__init__()
        self.model = model
        self._tokenizer = tokenizer
        self.config: Any = model.config
        self.family: Family = family_of(self.config.model_type)
        self.route: Route = route or self.family.route
        self.backend: Backend = backend
        self.attention: Attention = "auto"
        self.hashed: HashDropout | None = None
        self.decoder_hashed: HashDropout | None = None
        self.library_attention: str = self.body.config._attn_implementation
        if self.route == "packed":
            self.body.set_attn_implementation(NAME)

    @property
    def tokenizer(self) -> Any:
        """The model's fast tokenizer, loaded on first use."""
        if isinstance(self._tokenizer, partial):
            self._tokenizer = self._tokenizer()
        return self._tokenizer

    @property
    def writes(self) -> bool:
        """Whether the model is complete, with an output layer over its vocabulary."""
        return self.model.get_output_embeddings() is not None

    @property
    def body(self) -> Any:
        """The part that makes states: the model without its output layer, of an encoder-decoder the encoder."""
        if not self.writes:
            return self.model
        return self.model.get_encoder() if self.config.is_encoder_decoder else self.model.base_model

    @property
    def hidden_size(self) -> int:
        return int(getattr(self.config, "hidden_size", None) or self.config.d_model)

    @property
    def layers(self) -> int:
        """Number of transformer layers; hidden state 0 is the embedding output, as in XTREME and jiant."""
        return int(getattr(self.config, "num_hidden_layers", None) or self.config.num_layers)

    @cached_property
    def decoder(self) -> bool:
        """Whether the model was trained with causal attention."""
        if self.family.model_types:
            return self.family.kind == "decoder"
        return any(getattr(module, "is_causal", False) is True for module in self.body.modules())

    @property
    def summary(self) -> Token:
        """The token whose state represents its segment: the last token of decoders, which has seen all of it."""
        return "last" if self.decoder else "first"

    def set_attention(self, attention: Attention) -> None:
        """Choose the attention of a decoder.

        `auto`: both sides for task types that need the right context (`TaskType.right_context`), else causal.
        Raises `BackboneError` for another choice if the model is not a decoder, or takes the padded route.
        """
        name = type(self.model).__name__
        if attention != "auto" and not self.decoder:
            raise BackboneError(f"`attention: {attention}` is for decoders, and {name} is not one: leave it out")
        if attention == "bidirectional" and self.route == "padded":
            raise BackboneError(f"{name} is padded, and padded attention is causal: remove `attention`")
        self.attention = attention

    def sees(self, right_context: bool) -> Literal["causal", "bidirectional"]:
        """The attention for a task type that needs the right context or does not."""
        if not self.decoder:
            return "bidirectional"
        if self.route == "padded":
            return "causal"
        if self.attention == "auto":
            return "bidirectional" if right_context else "causal"
        return self.attention

    @cached_property
    def max_positions(self) -> int | None:
        """The largest number of tokens of a segment by the learned table of positions; None without such a table."""
        names = ("position_embeddings", "embed_positions", "wpe")
        tables = [part for name, part in self.body.named_modules() if name.rpartition(".")[2] in names]
        rows = [
            one.num_embeddings - (getattr(one, "offset", 0) if one.padding_idx is None else one.padding_idx + 1)
            for one in tables
            if isinstance(one, nn.Embedding)
        ]
        return min(rows, default=None)

    def check_length(self, tokens: int, what: str = "a text") -> None:
        """Raises `BackboneError` for a segment longer than `max_positions`."""
        most = self.max_positions
        if most is not None and tokens > most:
            raise BackboneError(
                f"{what} has {tokens} tokens, and {type(self.model).__name__} has positions for {most}: give the "
                f"task `max_length: {most}` or less (docs/own-task.md), or use another model"
            )

    @property
    def embeddings(self) -> nn.Parameter:
        """Input embeddings, [vocabulary, embedding size]."""
        weight: nn.Parameter = self.model.get_input_embeddings().weight
        return weight

    @property
    def full_precision(self) -> bool:
        """Whether all weights are held in 32 bits."""
        return all(parameter.dtype == torch.float32 for parameter in self.model.parameters())

    @cached_property
    def _first_position(self) -> int:
        return self.family.offset(self.config.to_dict()) or 0

    @cached_property
    def _accepts(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.body.forward).parameters)

    def forward(self, batch: Packed, right_context: bool = False) -> Tensor:
        """Hidden states of the last layer, [T, H]; `right_context` is for decoders (`sees`)."""
        return self._states(batch, self.route, right_context)[0]

    def hidden_states(self, batch: Packed, right_context: bool = False) -> list[Tensor]:
        """Hidden states of all layers, from the embedding output: `layers + 1` tensors of [T, H]."""
        return self._states(batch, self.route, right_context, all_layers=True)

    def _states(
        self, batch: Packed, route: Route, right_context: bool | None = None, all_layers: bool = False
    ) -> list[Tensor]:
        """`right_context`: None keeps the attention of the architecture."""
        packed = route == "packed"
        self.check_length(batch.lengths[0])
        if self.hashed is not None:
            if batch.seed is None or not self.training:
                self.hashed.begin(None)
            elif packed:
                self.hashed.begin(batch.seed, batch.identity_T[None])
            else:
                self.hashed.begin(batch.seed, batch.pad(batch.identity_T), batch.identity_T)
        if packed:
            both = right_context is not None and self.decoder and self.sees(right_context) == "bidirectional"
            causal, device = False if both else None, batch.ids_T.device
            layout = PackLayout(batch.lengths, device, self.backend, batch.cu_seqlens, causal, self.hashed)
            inputs: dict[str, Any] = {"input_ids": batch.ids_T[None], "pack_layout": layout}
            if "position_ids" in self._accepts:
                inputs["position_ids"] = (batch.positions_T + self._first_position)[None]
        else:
            ids = batch.pad(batch.ids_T, int(self.config.pad_token_id or 0))
            inputs = {"input_ids": ids, "attention_mask": batch.pad(torch.ones_like(batch.ids_T))}
        if "token_type_ids" in self._accepts:
            last = int(getattr(self.config, "type_vocab_size", None) or 1) - 1  # 0 in XLM-R, 1 in BERT
            types_T = batch.types_T.clamp(max=last)
            inputs["token_type_ids"] = types_T[None] if packed else batch.pad(types_T)
        if all_layers:
            inputs["output_hidden_states"] = True
        if hasattr(self.config, "use_cache"):
            inputs["use_cache"] = False
        if self.family.positions == "relative":
            bias_of_longest(self.body, batch.lengths[0] if packed else None)
        output = self.body(**inputs)
        states = list(output.hidden_states) if all_layers else [output.last_hidden_state]
        if packed:
            return [state[0] for state in states]
        keep = inputs["attention_mask"].bool()
        return [state[keep] for state in states]


@torch.no_grad()
def packing_error(backbone: Backbone) -> float:
    """The largest difference between packed states of three sequences and states of each sequence alone.

    The latter come from the model's padded forward pass with eager attention. One sequence is longer than the model's
    sliding window, if that has up to 1,024 tokens. In less than 32 bits, relative to the largest state.
    """
    generator, config, device = torch.Generator().manual_seed(0), backbone.config, backbone.embeddings.device
    ordinary = torch.tensor([i for i in range(min(64, len(backbone.embeddings))) if i != config.pad_token_id])
    window = int(getattr(config, "sliding_window", None) or 0)
    beyond = window + 4  # one end does not see the other
    checked = 0 < window <= LONGEST_WINDOW and beyond <= config.max_position_embeddings
    lengths = (5, max(11, beyond) if checked else 11, 7)
    sequences = [ordinary[torch.randint(len(ordinary), (n,), generator=generator)].numpy() for n in lengths]
    training, implementation = backbone.training, backbone.body.config._attn_implementation
    backbone.eval()
    batch = pack(sequences).to(device)
    together = backbone._states(batch, backbone.route)[0].float()
    differences = []
    try:
        if backbone.route == "packed":
            backbone.body.set_attn_implementation("eager")
        for sequence, start in zip(sequences, batch.starts_S.tolist(), strict=True):
            alone = backbone._states(pack([sequence]).to(device), "padded")[0].float()
            differences.append((together[start : start + len(sequence)] - alone).abs().max())
    finally:
        if backbone.route == "packed":
            backbone.body.set_attn_implementation(implementation)
        backbone.train(training)
    error = torch.stack(differences).max()  # NaN if any is, unlike Python's max
    return float(error if backbone.full_precision else error / together.abs().max())


def check_packing(backbone: Backbone) -> None:
    """Raises `BackboneError` if packed states differ from those of sequences alone, by 1e-4, or 5 % in 16 or 4 bits."""
    error = packing_error(backbone)
    if not error <= (TOLERANCE if backbone.full_precision else HALF_TOLERANCE):
        raise BackboneError(
            f"packed states of {type(backbone.model).__name__} differ from those of single sequences (by up to "
            f"{error:.2g}): its attention ignores segment borders or sliding windows; set `route: padded` for it"
        )


def bf16_is_slow(device: str) -> bool:
    """Whether bf16 is emulated, on CPUs without its instructions, and many times slower than fp32."""
    return torch.device(device).type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()


def autocast(precision: str, device: str) -> torch.autocast:
    """bf16 autocast, or nothing for fp32."""
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bf16")
