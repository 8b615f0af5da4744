"""Writes the parity records with the official scripts. Not run by the tests; they compare our numbers with its files.

    python tests/parity/record.py XTREME MLQA SQUAD2 SEQEVAL

XTREME and MLQA are checkouts of google-research/xtreme and facebookresearch/MLQA at the commits below, SQUAD2 the file
`evaluate-v2.0.py` of SQuAD, SEQEVAL a folder made by `pip install --no-deps --target SEQEVAL seqeval==0.0.12`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import synthetic

HERE = Path(__file__).parent
COMMAND = "python tests/parity/record.py XTREME MLQA SQUAD2 SEQEVAL"
XTREME = {"repository": "google-research/xtreme", "commit": "838c13b69daafb9328785d16caae2711e4012123"}
MLQA = {"repository": "facebookresearch/MLQA", "commit": "24bf470b2e68f2bfb93b2fd31c370bb8ee18d9ed"}
SQUAD2 = {"repository": "SQuAD, evaluate-v2.0.py", "commit": "as published; copy in qwang70/bert at b3797fb734ea"}
SEEDS = (0, 1, 2)


def load(path: Path) -> ModuleType:
    """A Python file as a module; what it needs is looked for beside it."""
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_").replace(".", "_"), path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


def seqeval(folder: Path | None) -> ModuleType:
    """seqeval's metrics: from `folder`, or the installed ones."""
    for name in [name for name in sys.modules if name.split(".")[0] == "seqeval"]:
        del sys.modules[name]
    where = [] if folder is None else [str(folder)]
    sys.path[:0] = where
    module = importlib.import_module("seqeval.metrics")
    del sys.path[: len(where)]
    return module


def squad_form(inputs: synthetic.Inputs) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Articles and predictions as the question answering scripts take them."""
    questions = [
        {"id": str(i), "answers": [{"text": text, "answer_start": 0} for text in answers]}
        for i, answers in enumerate(inputs.golds)
    ]
    said = {str(i): guess for i, guess in enumerate(inputs.predictions) if guess is not None}
    return [{"paragraphs": [{"context": "", "qas": questions}]}], said


def answers_v2(script: ModuleType, inputs: synthetic.Inputs) -> dict[str, float]:
    """The script fails on missing answers, so the inputs have none missing."""
    articles, said = squad_form(inputs)
    exact, f1 = script.get_raw_scores(articles, said)
    result = script.make_eval_dict(exact, f1)
    return {"f1": result["f1"], "exact_match": result["exact"]}


def tag_scores(script: ModuleType, metrics: ModuleType, inputs: synthetic.Inputs) -> dict[str, float]:
    script.f1_score, script.precision_score, script.recall_score = (
        metrics.f1_score,
        metrics.precision_score,
        metrics.recall_score,
    )
    return {name: float(value) for name, value in script.f1(inputs.golds, inputs.predictions).items()}


def without_gaps(inputs: synthetic.Inputs) -> synthetic.Inputs:
    return synthetic.Inputs(inputs.golds, [guess or "" for guess in inputs.predictions])


def write(metric: str, script: str, source: dict[str, str], generator: str, cases: list[dict[str, Any]]) -> None:
    record = {"metric": metric, "script": script, **source, "command": COMMAND, "generator": generator, "cases": cases}
    (HERE / f"{metric}.json").write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def record_questions(xtreme: ModuleType, mlqa: ModuleType, squad2: ModuleType) -> None:
    def cases(score: Any, languages: Any, n: int = 400, **more: Any) -> list[dict[str, Any]]:
        found = []
        for language in languages:
            for seed in SEEDS:
                arguments = {"seed": seed, "n": n, "language": language, **more}
                found.append({"inputs": arguments, "expected": score(synthetic.questions(**arguments), language)})
        return found

    def v1(inputs: synthetic.Inputs, language: str) -> dict[str, float]:
        return dict(xtreme.squad_em_f1(*squad_form(inputs), language))

    def own(inputs: synthetic.Inputs, language: str) -> dict[str, float]:
        return dict(mlqa.evaluate(*squad_form(inputs), language))

    def v2(inputs: synthetic.Inputs, language: str) -> dict[str, float]:
        return answers_v2(squad2, without_gaps(inputs))

    write("squad_v1", "evaluate.py:squad_em_f1", XTREME, "questions", cases(v1, synthetic.WORDS))
    mlqa_languages = ("en", "es", "de", "ar", "hi", "vi", "zh")
    write("mlqa", "mlqa_evaluation_v1.py:evaluate", MLQA, "questions", cases(own, mlqa_languages))
    write("squad_v2", "evaluate-v2.0.py", SQUAD2, "questions", cases(v2, ("en", "zh"), n=1000, unanswerable=0.4))


def record_tags(xtreme: ModuleType, old: ModuleType, new: ModuleType) -> None:
    for metric, version, module in (("span_f1", "0.0.12", old), ("span_f1_seqeval_1", "1.2.2", new)):
        cases = []
        for kind in ("bio", "broken", "upos"):
            for seed in SEEDS:
                arguments = {"seed": seed, "n": 400, "kind": kind}
                expected = tag_scores(xtreme, module, synthetic.tags(**arguments))
                cases.append({"inputs": arguments, "expected": expected})
        write(metric, f"evaluate.py:f1 with seqeval {version}", XTREME, "tags", cases)


def record_rest(xtreme: ModuleType, mewslix: ModuleType, lareqa: ModuleType) -> None:
    cases: dict[str, list[dict[str, Any]]] = {"accuracy": [], "bitext_f1": [], "map_at_20": []}
    for seed in SEEDS:
        arguments: dict[str, Any] = {"seed": seed, "n": 1000}
        given = synthetic.labels(**arguments)
        cases["accuracy"].append({"inputs": arguments, "expected": xtreme.accuracy(given.golds, given.predictions)})
        given = synthetic.pairs(**arguments)
        lines = [["\t".join(pair) for pair in side] for side in given]
        cases["bitext_f1"].append({"inputs": arguments, "expected": xtreme.bucc_f1(*lines)})
        for relevant in (1, 5, 40):
            arguments = {"seed": seed, "n": 500, "relevant": relevant}
            given = synthetic.rankings(**arguments)
            if relevant == 1:
                named = ({str(i): value for i, value in enumerate(side)} for side in given)
                value = mewslix.evaluate(*named, k=20)
            else:
                pairs = zip(given.golds, given.predictions, strict=True)
                value = sum(lareqa.average_precision_at_k(*pair, k=20) for pair in pairs) / len(given.golds)
            cases["map_at_20"].append({"inputs": arguments, "expected": {"map_at_20": 100 * value}})
    write("accuracy", "evaluate.py:accuracy", XTREME, "labels", cases["accuracy"])
    write("bitext_f1", "evaluate.py:bucc_f1", XTREME, "pairs", cases["bitext_f1"])
    script = "third_party/utils_mewslix.py:evaluate (one relevant), utils_lareqa.py:average_precision_at_k (several)"
    write("map_at_20", script, XTREME, "rankings", cases["map_at_20"])


def main(xtreme: str, mlqa: str, squad2: str, old_seqeval: str) -> None:
    third_party = Path(xtreme) / "third_party"
    evaluate = load(Path(xtreme) / "evaluate.py")
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        record_questions(evaluate, load(Path(mlqa) / "mlqa_evaluation_v1.py"), load(Path(squad2)))
        record_tags(evaluate, seqeval(Path(old_seqeval)), seqeval(None))
        record_rest(evaluate, load(third_party / "utils_mewslix.py"), load(third_party / "utils_lareqa.py"))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:5])
