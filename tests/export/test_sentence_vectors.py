"""Sentence vectors as sentence-transformers reads them: layers above the chosen one are cut off, or it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.tiny_models import TEXT
from export.exported import run_plain, source_of
from xstilts.backbones.coder import Coder
from xstilts.backbones.names import Pooling
from xstilts.backbones.packing import pack
from xstilts.core.errors import BackboneError
from xstilts.export.build import write_sentence_transformers
from xstilts.task_types.sentences import pool

CASES: list[tuple[str, Pooling, int]] = [
    ("xlm-roberta", "mean", 1),
    ("bert", "first", 0),
    ("deberta-v2", "mean", 1),
    ("modernbert", "mean", 0),
    ("mt5", "mean", 0),
    ("qwen3", "last", 0),
    ("llama", "last", 0),
]
"""Architecture, pooling, and how many layers are cut off."""
PLAIN = """
import json, sys
from sentence_transformers import SentenceTransformer
asked = json.load(open(sys.argv[1]))
read = {name: SentenceTransformer(folder, device="cpu") for name, folder in asked["folders"].items()}
print(json.dumps({name: [model.encode(text).tolist() for text in asked["texts"]] for name, model in read.items()}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[float]]]:
    pytest.importorskip("sentence_transformers", reason="sentence-transformers reads these folders, and is not here")
    place = tmp_path_factory.mktemp("vectors")
    folders = {}
    for name, pooling, cut in CASES:
        folders[name] = str(place / name)
        source = source_of(name)
        write_sentence_transformers(*source, pooling, source.backbone.layers - cut, place / name)
    path = place / "asked.json"
    path.write_text(json.dumps({"folders": folders, "texts": TEXT}), encoding="utf-8")
    answer: dict[str, list[list[float]]] = json.loads(run_plain(PLAIN, path))
    return answer


@pytest.mark.parametrize(("name", "pooling", "cut"), CASES)
def test_sentence_transformers_gives_our_vectors(
    name: str, pooling: Pooling, cut: int, told: dict[str, list[list[float]]]
) -> None:
    backbone = source_of(name).backbone.eval()
    coder = Coder(backbone.tokenizer)
    packed = pack([coder.one(ids, 120).ids for ids in coder.pieces(list(TEXT))])
    with torch.inference_mode():
        expected = pool(backbone.hidden_states(packed)[backbone.layers - cut], packed, pooling)
    np.testing.assert_allclose(np.asarray(told[name]), expected.numpy(), rtol=1e-5, atol=1e-5)


def test_inputs_are_cut_where_ours_are(tmp_path: Path) -> None:
    write_sentence_transformers(*source_of("xlm-roberta"), "mean", 1, tmp_path)
    assert json.loads((tmp_path / "sentence_bert_config.json").read_text())["max_seq_length"] == 120
    assert json.loads((tmp_path / "config.json").read_text())["num_hidden_layers"] == 1


@pytest.mark.parametrize("name", ["modernbert", "eurobert", "mt5", "qwen3", "xlm-roberta-xl"])
def test_layers_below_a_last_norm_cannot_be_cut_out(name: str, tmp_path: Path) -> None:
    last = source_of(name).backbone.layers
    with pytest.raises(BackboneError, match=f"a norm follows its last layer, so only --layer {last} can be exported"):
        write_sentence_transformers(*source_of(name), "mean", last - 1, tmp_path)


@pytest.mark.parametrize("layer", [0, 99])
def test_a_layer_that_is_not_there_is_refused(layer: int, tmp_path: Path) -> None:
    last = source_of("bert").backbone.layers
    with pytest.raises(BackboneError, match=f"--layer {layer}: the model has the layers 1 to {last}"):
        write_sentence_transformers(*source_of("bert"), "mean", layer, tmp_path)
