"""What is found in the files of a task: rows, labels with counts, and what is worth a look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.errors import DataError
from xstilts.data.readers.labels import Found
from xstilts.experiment.specs import OwnTask
from xstilts.tasks import TASKS


def found(folder: Path, text: str, name: str = "a.jsonl", **own: Any) -> Found:
    (folder / name).write_text(text)
    return OwnTask(files={"train": (name,)}, **own).task("mine").found(folder, "train")


def rows(*values: dict[str, Any]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def test_classes_with_counts_and_notes(tmp_path: Path) -> None:
    labels = ["b", "b ", "\u00a0b", "B", "rare", "-1", "s", "s"]
    texts = rows(*({"text": "" if i == 2 else "x", "label": label} for i, label in enumerate(labels)))
    seen = found(tmp_path, texts, type="classification")
    assert (seen.rows, dict(seen.labels)) == (8, {"-1": 1, "B": 1, "b": 3, "rare": 1, "s": 2})
    assert "'-1', 'B', 'rare' occur once" in seen.notes
    assert "blanks removed around 2 labels, such as 'b '" in seen.notes
    assert "'b' (3) and 'B' (1) look like one label" in seen.notes
    assert "'-1' looks like a marker of missing gold" in seen.notes
    assert "1 row has an empty text" in seen.notes


def test_labels_in_another_normal_form_and_look_alikes(tmp_path: Path) -> None:
    labels = ["si\u0301", "si\u0301", "yes", "yes", "y\u0435s", "y\u0435s "]
    texts = rows(*({"text": f"x{n}", "label": label} for n, label in enumerate(labels)))
    assert found(tmp_path, texts, type="classification").notes == (
        "blanks removed around 1 label, such as 'y\\u0435s '",
        "2 labels not in Unicode form NFC, such as 'si\\u0301'",
        "'yes' (2) and 'y\\u0435s' (2) look like one label",
    )


def test_repeated_rows_missing_cells_and_scales_are_told(tmp_path: Path) -> None:
    texts = rows(
        *({"text": text, "label": label} for text, label in (("x", "a"), ("x", "a"), ("x", "b"), ("nan", "b")))
    )
    assert found(tmp_path, texts, type="classification").notes == (
        "1 row has the texts and the gold of an earlier row, the first at a.jsonl:2",
        "1 row has the texts of an earlier row and other gold, the first at a.jsonl:3",
        "1 row has a text such as 'nan' or '#N/A', the first at a.jsonl:4: was the cell empty?",
    )
    scale = rows(*({"text": f"x{n}", "label": f"{n // 2 / 4}"} for n in range(24)))
    assert "numbers on a scale" in found(tmp_path, scale, type="classification").notes[-1]
    pairs = rows(*({"source": word, "target": "Yes."} for word in ("ja", "oui")))
    (said,) = found(tmp_path, pairs, type="retrieval").notes
    assert said.startswith("1 row has the English side of an earlier row, the first at a.jsonl:2: only one")
    blanks = rows({"source": "ja", "target": "Caf\u00e9"}, {"source": "oui", "target": " cafe\u0301"})
    assert "1 row has the English side" in found(tmp_path, blanks, type="retrieval").notes[0]
    one = rows(*({"source": "ja", "target": f"Yes {n}."} for n in range(4)))
    (said,) = found(tmp_path, one, type="retrieval").notes
    assert said.startswith("3 rows have the source sentence of an earlier row, the first at a.jsonl:2: only one")
    point = rows(*({"source": f"yes {n}", "target": f"Yes {n}."} for n in range(4)))
    assert found(tmp_path, point, type="retrieval").notes[0].startswith("both sides of all pairs are the same text")
    unseen = rows({"question": "q", "choices": ["\u200b", "z", "z"], "label": 0})
    empty, twins = found(tmp_path, unseen, type="multiple_choice").notes
    assert (empty, twins) == ("1 row has an empty text", "1 row has two equal choices, the first at a.jsonl:1")


def test_given_labels_that_never_occur_are_told(tmp_path: Path) -> None:
    text = rows({"text": "x", "label": "b"}, {"text": "y", "label": "b"})
    assert found(tmp_path, text, type="classification", labels=["a", "b"]).notes == ("no row has the label 'a'",)


def test_tags_choices_answers_and_pairs(tmp_path: Path) -> None:
    tagged = found(tmp_path, "Jo B-X\nin O\n\nLa O\n", "a.bio", type="tagging")
    assert (tagged.rows, tagged.labels) == (2, {"B-X": 1, "O": 2})
    choice = {"question": "q", "label": "A"}
    text = rows({**choice, "choices": ["x", "y"]}, {**choice, "choices": ["x", "y", "z"], "label": "C"})
    chosen = found(tmp_path, text, type="multiple_choice")
    assert chosen.labels == {"choice 1": 1, "choice 3": 1}
    asked = {"question": "q", "passage": "a b", "answers": [{"text": "b", "start": 2}]}
    text = rows(asked, {**asked, "answers": []})
    answers = found(tmp_path, text, type="span_qa", metric="squad_v2")
    assert dict(answers.labels) == {"answerable": 1, "unanswerable": 1}
    pairs = found(tmp_path, rows({"source": "a", "target": "b"}), type="contrastive")
    assert pairs == Found(1)


def test_faults_are_those_of_reading(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl:1: 'label' is empty"):
        found(tmp_path, rows({"text": "x", "label": None}), type="classification")


def test_registered_tasks_are_counted_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "panx").mkdir()
    (tmp_path / "panx/test-de.tsv").write_text("Ada\nist\n\nBonn\n")
    seen = TASKS.get("panx").found(tmp_path, "test", "de")
    assert (seen.rows, seen.labels, seen.withheld) == (2, {}, 2)
