"""Qwen3: decoders of 0.6 B to 32 B for 119 languages. The tokenizer puts no special token around a text."""

from __future__ import annotations

from xstilts.backbones.family import Checkpoint, Family

QWEN3 = "Qwen Team 2025, Qwen3 Technical Report, arXiv 2505.09388"


def _checkpoint(
    size: str, revision: str, parameters: int, shape: tuple[int, int, int, int], note: str = ""
) -> Checkpoint:
    hidden, layers, heads, inner = shape
    fields = {
        "vocab_size": 151_936,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": inner,
        "max_position_embeddings": 32_768,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
    }
    hub = f"Qwen/Qwen3-{size}" if note else f"Qwen/Qwen3-{size}-Base"
    name = f"qwen3-{size.lower()}"
    return Checkpoint(name, hub, revision, parameters, "Apache-2.0", QWEN3, "qwen3", fields, note=note)


FAMILY = Family(
    "qwen3",
    ("qwen3",),
    kind="decoder",
    checkpoints=(
        _checkpoint("0.6B", "da87bfb608c14b7cf20ba1ce41287e8de496c0cd", 596_049_920, (1024, 28, 16, 3072)),
        _checkpoint("1.7B", "ea980cb0a6c2ae4b936e82123acc929f1cec04c1", 1_720_574_976, (2048, 28, 16, 6144)),
        _checkpoint("4B", "906bfd4b4dc7f14ee4320094d8b41684abff8539", 4_022_468_096, (2560, 36, 32, 9728)),
        _checkpoint("8B", "49e3418fbbbca6ecbdf9608b4d22e5a407081db4", 7_568_405_504, (4096, 36, 32, 12_288)),
        _checkpoint(
            "32B",
            "9216db5781bf21249d130ec9da846c4624c16137",
            31_984_210_944,
            (5120, 64, 64, 25_600),
            "The instruction-tuned model: no base of this size was published, so it is not one step of a ladder with "
            "the smaller ones.",
        ),
    ),
)
