"""Profile stages: the mean sentence vector of some hundred texts under a model, and how evenly their vectors spread.

The vector is TextEmb (Vu et al. 2020, arXiv 2005.00770, section 3.1; Poth et al. 2021, arXiv 2104.08247). Written to
`profile.json`.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.distance import pdist

from xstilts.backbones.packing import micro_batches
from xstilts.core.files import write_json
from xstilts.core.seeds import generator
from xstilts.graph.job import Job
from xstilts.stages.models import open_backbone
from xstilts.task_types.features import Features
from xstilts.task_types.sentences import pool


@torch.inference_mode()
def run_profile(job: Job) -> None:
    """Write the profile that `xstilts.stages.describe.profile` describes, in fp32.

    Of translation pairs the English sentences are read, which stand second; of text backbones the prompts alone.
    """
    config, directory, inputs, machine = job.config, job.directory, job.inputs, job.machine
    features = Features.load(inputs["data"] / config["part"])
    rows = np.sort(generator(0, "profile").permutation(len(features))[: config["examples"]])
    backbone = open_backbone(inputs["model"]).to(machine.device).eval()
    vectors = []
    for positions in micro_batches(features.lengths[rows], machine.micro_batch_tokens):
        packed, offsets = features.packed(rows[positions])
        packed = packed.to(machine.device)
        pooled = pool(backbone(packed), packed).cpu().numpy()
        pairs, prompts = config["type"] == "retrieval", config.get("prompts", False)
        vectors.append(pooled[offsets[1:] - 1 if pairs else offsets[:-1] if prompts else slice(None)])
    all_SH = np.concatenate(vectors).astype(np.float64)
    found = {"vector": all_SH.mean(axis=0).tolist(), "uniformity": uniformity(all_SH[:1000])}
    write_json(directory / "profile.json", found)


def uniformity(vectors_ND: np.ndarray) -> float:
    """Negative log of the mean of exp(-2 |x - y|^2) over pairs of unit vectors (Wang and Isola 2020, section 4.1.2).

    0 if all vectors have one direction; the higher, the more evenly they spread over the sphere.
    """
    unit_ND = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True).clip(min=1e-12)
    return float(-np.log(np.exp(-2 * pdist(unit_ND, "sqeuclidean")).mean()))
