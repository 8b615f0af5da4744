"""Fetching from a hub cache and from mirrors: the task's own reader reads what is written, or nothing is written."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import hub_cache
import pytest

from xstilts.core.errors import DataError
from xstilts.data.examples import Answer, ChoiceExample, SpanExample, TaggedExample, TextExample
from xstilts.data.readers.pairs import TOPICS
from xstilts.sources.downloads import Bytes, download, mirrored, unpack
from xstilts.sources.fetch import Fetched, Request, fetch, load_lock, plan
from xstilts.sources.forms import written
from xstilts.sources.manifest import Parquet
from xstilts.tasks import TASKS

NLI = {"label": ["entailment", "neutral", "contradiction"]}
TATOEBA = "raw.githubusercontent.com/facebookresearch/LASER/74bc6ae7ffb7cba670fe0f428d0ede9f666fb821/data/tatoeba/v1"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def get(task: str, root: Path, **more: Any) -> list[str]:
    events = list(fetch(TASKS.get(task), Request(root, **more)))
    return [event.path for event in events if isinstance(event, Fetched) and not event.kept]


def pairs(*premises: str) -> list[dict[str, Any]]:
    return [{"premise": text, "hypothesis": 'a "quoted" one', "label": n % 3} for n, text in enumerate(premises)]


# task, language, repository, file in it, rows, class names, examples expected
ANSWERS = {"text": ["Łódź"], "answer_start": [13]}
FORMS: list[tuple[str, str, str, str, Sequence[Mapping[str, Any]], Any, list[Any]]] = [
    ("xnli", "sw", "facebook/xnli", "sw/validation-00000-of-00001.parquet", pairs('Sema\t"a"', "b\u2028c"), NLI,
     [TextExample("1", 'Sema\t"a"', 'a "quoted" one', "entailment"),
      TextExample("2", "b\u2028c", 'a "quoted" one', "neutral")]),
    ("xnli_mt", "de", "facebook/xnli", "de/train-00000-of-00001.parquet", pairs("x", "y", "z")[2:], NLI,
     [TextExample("2", "z", 'a "quoted" one', "contradiction")]),
    ("pawsx", "de", "google-research-datasets/paws-x", "de/test-00000-of-00001.parquet",
     [{"id": 7, "sentence1": 'a "b', "sentence2": "c", "label": 1}], {"label": ["0", "1"]},
     [TextExample("7", 'a "b', "c", "1")]),
    ("xquad", "de", "google/xquad", "xquad.de/validation-00000-of-00001.parquet",
     [{"id": "q", "context": "Ann lives in Łódź. ", "question": "Wo?", "answers": ANSWERS}], None,
     [SpanExample("q", "Wo?", "Ann lives in Łódź. ", (Answer("Łódź", 13),))]),
    ("mlqa", "hi", "facebook/mlqa", "mlqa.hi.hi/test-00000-of-00001.parquet",
     [{"id": "q", "context": "Ann lives in Łódź. ", "question": "?", "answers": ANSWERS}], None,
     [SpanExample("q", "?", "Ann lives in Łódź. ", (Answer("Łódź", 13),))]),
    ("squad_v2", "en", "rajpurkar/squad_v2", "squad_v2/validation-00000-of-00001.parquet",
     [{"id": "q", "context": "c", "question": "?", "answers": {"text": [], "answer_start": []}, "title": "t"}], None,
     [SpanExample("q", "?", "c", ())]),
    ("squad_v1", "en", "rajpurkar/squad", "plain_text/train-00000-of-00001.parquet",
     [{"id": i, "context": "Ann lives in Łódź. ", "question": i, "answers": ANSWERS} for i in "ab"], None,
     [SpanExample(i, i, "Ann lives in Łódź. ", (Answer("Łódź", 13),)) for i in "ab"]),
    ("panx", "zh", "unimelb-nlp/wikiann", "zh/test-00000-of-00001.parquet",
     [{"tokens": ["北", "\u200b"], "ner_tags": [5, 6]}, {"tokens": ["a:b"], "ner_tags": [0]}],
     {"ner_tags": ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]},
     [TaggedExample("1", ("北", "\u200b"), ("B-LOC", "I-LOC")), TaggedExample("2", ("a:b",), ("O",))]),
    ("mnli", "en", "nyu-mll/multi_nli", "data/validation_matched-00000-of-00001.parquet", pairs("x "), NLI,
     [TextExample("1", "x ", 'a "quoted" one', "entailment")]),
    ("snli", "en", "stanfordnlp/snli", "plain_text/test-00000-of-00001.parquet",
     [{"premise": "p", "hypothesis": "h", "label": -1}, *pairs("x")], NLI,
     [TextExample("2", "x", 'a "quoted" one', "entailment")]),
    ("hellaswag", "en", "Rowan/hellaswag", "data/validation-00000-of-00001.parquet",
     [{"ind": 4, "activity_label": "A", "ctx_a": "a", "ctx_b": "b", "ctx": "a b",
       "endings": list("wxyz"), "label": "3"}],
     None, [ChoiceExample("1", "a b", "", tuple("wxyz"), 3)]),
    ("commonsense_qa", "en", "tau/commonsense_qa", "data/test-00000-of-00001.parquet",
     [{"id": "i", "question": "Q?", "question_concept": "c", "answerKey": "",
       "choices": {"label": list("ABCDE"), "text": list("vvxyz")}}],
     None, [ChoiceExample("i", "", "Q?", tuple("vvxyz"), None)]),
    ("social_iqa", "en", "allenai/social_i_qa", "data/validation-00000-of-00001.parquet",
     [{"context": "C", "question": "Q", "answerA": "a", "answerB": "b", "answerC": "c", "label": "2"}],
     None, [ChoiceExample("1", "C", "Q", ("a", "b", "c"), 1)]),
    ("copa", "en", "aps/super_glue", "copa/test-00000-of-00001.parquet",
     [{"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "idx": 0, "label": -1}],
     {"label": ["choice1", "choice2"]}, [ChoiceExample("0", "p", "What was the cause?", ("a", "b"), None)]),
    ("xcopa", "qu", "cambridgeltl/xcopa", "qu/validation-00000-of-00001.parquet",
     [{"premise": "p", "choice1": "a", "choice2": "b", "question": "effect", "idx": 5, "label": 1, "changed": False}],
     None, [ChoiceExample("5", "p", "What was the effect?", ("a", "b"), 1)]),
    ("cosmos_qa", "en", "allenai/cosmos_qa", "data/validation-00000-of-00001.parquet",
     [{"id": "i", "context": 'c, "d"', "question": "q", "answer0": "a", "answer1": "b", "answer2": "c", "answer3": "d",
       "label": 3}], None, [ChoiceExample("i", 'c, "d"', "q", ("a", "b", "c", "d"), 3)]),
    ("sib200", "zh-Hant", "Davlan/sib200", "zho_Hant/test-00000-of-00001.parquet",
     [{"index_id": 3, "category": 6, "text": 'a "b"'}], {"category": sorted(TOPICS)},
     [TextExample("3", 'a "b"', None, "travel")]),
    ("qqp", "en", "nyu-mll/glue", "qqp/validation-00000-of-00001.parquet",
     [{"question1": "a?", "question2": "b?", "label": 1, "idx": 9}], {"label": ["not_duplicate", "duplicate"]},
     [TextExample("2", "a?", "b?", "1")]),
]  # fmt: skip


@pytest.mark.parametrize("case", FORMS, ids=lambda case: case[0])
def test_a_tasks_own_reader_reads_what_was_fetched_from_the_hub(case, cache: Path, tmp_path: Path) -> None:
    name, language, repository, file, rows, names, expected = case
    task, root = TASKS.get(name), tmp_path / "data"
    items = [item for item in plan(task, Request(root, (language,), "hub")) if isinstance(item.origin, Parquet)]
    split = file.rpartition("/")[2].partition("-0")[0]
    folder = file.rpartition("/")[0]
    content = {f"{folder}/{item.origin.split}-00000-of-00001.parquet": rows for item in items}
    commit = hub_cache.put(cache, repository, {**content, file: rows}, names)
    assert get(name, root, languages=(language,), via="hub") == [item.path for item in items]
    ours = next(item.split for item in items if item.origin.split == split)
    assert task.load(root, ours, language) == expected
    lock = load_lock(root)
    assert lock.revisions == {repository: commit}
    assert sorted(lock.files) == sorted(item.path for item in items)
    assert get(name, root, languages=(language,), via="hub") == []


def test_anlis_three_rounds_make_one_split(cache: Path, tmp_path: Path) -> None:
    rows = [{"uid": "u", "premise": "p", "hypothesis": "h", "label": 2, "reason": ""}]
    content = {f"plain_text/{s}_r{r}-00000-of-00001.parquet": rows for s in ("train", "dev", "test") for r in (1, 2, 3)}
    hub_cache.put(cache, "facebook/anli", content, NLI)
    get("anli", tmp_path / "data", via="hub")
    examples = TASKS.get("anli").load(tmp_path / "data", "validation")
    assert [example.id for example in examples] == ["R1/dev:u", "R2/dev:u", "R3/dev:u"]
    assert {example.label for example in examples if isinstance(example, TextExample)} == {"contradiction"}


def wikiann(word: str) -> dict[str, Any]:
    return {
        f"yo/{split}/0000.parquet": [{"tokens": [word], "ner_tags": [0]}] for split in ("train", "validation", "test")
    }


def test_the_first_fetch_writes_the_commit_and_later_ones_use_exactly_it(cache: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    old = hub_cache.put(cache, "unimelb-nlp/wikiann", wikiann("old"), commit="a" * 40, ref="refs/convert/parquet")
    get("panx", root, languages=("yo",))
    hub_cache.put(cache, "unimelb-nlp/wikiann", wikiann("new"), commit="b" * 40, ref="refs/convert/parquet")
    (root / "panx/yo/test").unlink()
    assert get("panx", root, languages=("yo",)) == ["panx/yo/test"]
    assert (root / "panx/yo/test").read_text() == "yo:old\tO\n\n"
    assert load_lock(root).revisions == {"unimelb-nlp/wikiann": old}
    (root / "panx/yo/test").unlink()
    with pytest.raises(DataError, match=f"the lock has unimelb-nlp/wikiann at {old}"):
        get("panx", root, languages=("yo",), revision="b" * 40)
    assert not (root / "panx/yo/test").exists()


def test_a_split_of_which_a_part_is_absent_is_refused(cache: Path, tmp_path: Path) -> None:
    content = {f"sw/{s}-0000{n}-of-00003.parquet": pairs("x") for s in ("validation", "test") for n in (0, 2)}
    hub_cache.put(cache, "facebook/xnli", content, NLI)
    with pytest.raises(DataError, match=r"hub:facebook/xnli: parts of sw \(validation\) are missing"):
        get("xnli", tmp_path / "data", languages=("sw",), via="hub")
    assert files(tmp_path / "data") == []


def test_what_the_hub_cannot_give_is_one_line(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="hub:facebook/xnli: refs/convert/parquet is not available") as caught:
        get("xnli", tmp_path / "data", via="hub")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "rows", "names", "problem"),
    [
        ("xtreme_nli", [{"premise": "a", "hypothesis": "b", "label": 3}], {}, "row 1: class 3 is none of entailment"),
        ("xtreme_nli", [{"premise": "a", "hypothesis": "b", "label": -1}], {}, "row 1: no label"),
        ("xtreme_nli", [{"premise": None, "hypothesis": "b", "label": 0}], {}, "row 1: premise is null"),
        (
            "xtreme_nli",
            [{"premise": "a", "hypothesis": "b", "label": 0}],
            {"label": ["yes", "no"]},
            "the classes yes, no",
        ),
        ("pawsx", [{"id": 1, "sentence1": "a\tb", "sentence2": "c", "label": 0}], {}, "row 1: a tab or line end"),
        ("wikiann", [{"tokens": ["a"], "ner_tags": []}], {}, "row 1: 1 words and 0 tags"),
        ("social_iqa", [{"label": "4"}], {}, "row 1: class '4' is none of 1, 2, 3"),
        ("nli", [], {}, "hold no rows"),
    ],
)
def test_rows_that_do_not_fit_the_form_are_refused(form: str, rows: Any, names: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        written(form, rows, names, "en")


def test_class_numbers_follow_the_names_in_the_file_and_not_an_order_of_ours() -> None:
    names = {"label": ["contradiction", "neutral", "entailment"]}
    assert (
        written("xtreme_nli", [{"premise": "a", "hypothesis": "b", "label": 0}], names, "de")
        == "a\tb\tcontradiction\r\n"
    )


def test_a_mirror_folder_stands_for_https(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    (mirror / TATOEBA).mkdir(parents=True)
    (mirror / TATOEBA / "tatoeba.swh-eng.swh").write_text("Habari .\nNdiyo .\n")
    (mirror / TATOEBA / "tatoeba.swh-eng.eng").write_text("Hello .\nYes .\n")
    root = tmp_path / "data"
    request = Request(root, ("sw",), mirror=str(mirror))
    assert {event.path for event in fetch(TASKS.get("tatoeba"), request) if isinstance(event, Fetched)} == {
        "tatoeba/v1/tatoeba.swh-eng.swh",
        "tatoeba/v1/tatoeba.swh-eng.eng",
    }
    assert len(TASKS.get("tatoeba").load(root, "test", "sw")) == 2
    assert [getattr(event, "kept", False) for event in fetch(TASKS.get("tatoeba"), request)] == [True, True]
    swahili = root / "tatoeba/v1/tatoeba.swh-eng.swh"
    swahili.with_name(f"{swahili.name}.xz").write_bytes(lzma.compress(swahili.read_bytes()))
    swahili.unlink()
    assert [getattr(event, "kept", False) for event in fetch(TASKS.get("tatoeba"), request)] == [True, True]
    (root / "tatoeba/v1/tatoeba.swh-eng.eng").write_text("Hello .\nNo .\n")
    with pytest.raises(DataError, match="differs from what was fetched"):
        list(fetch(TASKS.get("tatoeba"), request))


def test_another_checksum_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = (
        tmp_path / "mirror/raw.githubusercontent.com/google-deepmind/xquad/7d30520c717524000f0d9d2f9c10a069acd9d285"
    )
    folder.mkdir(parents=True)
    (folder / "xquad.de.json").write_text('{"data": []}')
    with pytest.raises(DataError, match=r"SHA-256 is [0-9a-f]{64}, expected 990b5d74"):
        get("xquad", tmp_path / "data", languages=("de",), mirror=(tmp_path / "mirror").as_uri())
    assert files(tmp_path / "data") == []


def test_members_of_an_archive_are_written_and_the_archive_is_not_kept(tmp_path: Path) -> None:
    place = tmp_path / "mirror/dl.fbaipublicfiles.com/glue/data/QQP-clean.zip"
    place.parent.mkdir(parents=True)
    row = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta?\tb?\t0\n"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("QQP/train.tsv", row)
        archive.writestr("QQP/dev.tsv", row)
    root = tmp_path / "data"
    get("qqp", root, mirror=str(tmp_path / "mirror"))
    assert files(root) == ["QQP/dev.tsv", "QQP/train.tsv", "xstilts-data.lock.json"]
    assert TASKS.get("qqp").load(root, "train") == [TextExample("2", "a?", "b?", "0")]
    place.write_bytes(place.read_bytes()[:-40])
    with pytest.raises(DataError, match="a damaged archive"):
        get("qqp", tmp_path / "other", mirror=str(tmp_path / "mirror"))
    assert files(tmp_path / "other") == []


def test_tar_archives_are_read_too_and_a_member_that_is_not_there_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.bz2"
    with tarfile.open(archive, "w:bz2") as tar:
        info = tarfile.TarInfo("./x-final/de/test_2k.tsv")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    unpack(archive, "https://x/a", {"x-final/de/test_2k.tsv": tmp_path / "out.tsv"})
    assert (tmp_path / "out.tsv").read_bytes() == b"abc"
    with pytest.raises(DataError, match=r"https://x/a: the archive has no file b; it begins with x-final"):
        unpack(archive, "https://x/a", {"b": tmp_path / "b"})


@pytest.fixture
def server() -> Iterator[str]:
    """A server that announces ten bytes of every file and sends four of `/half`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith("/gone"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"0123456789"[: 4 if self.path.endswith("/half") else 10])

        def log_message(self, *words: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_download_by_http_is_whole_or_not_at_all(server: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"0123456789").hexdigest()
    steps = list(download("https://host/whole", tmp_path / "whole", server, digest))
    assert steps[-1] == Bytes("https://host/whole", 10, 10)
    assert (tmp_path / "whole").read_bytes() == b"0123456789"
    with pytest.raises(DataError, match=r"received 4 of 10 bytes|could not be downloaded"):
        list(download("https://host/half", tmp_path / "half", server))
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:.*/host/gone: could not be downloaded"):
        list(download("https://host/gone", tmp_path / "gone", server))
    assert files(tmp_path) == ["whole"]


def test_a_mirror_address_keeps_host_and_path() -> None:
    assert mirrored("https://a.b/c/d.zip", None) == "https://a.b/c/d.zip"
    assert mirrored("https://a.b/c/d.zip", "https://m/x/") == "https://m/x/a.b/c/d.zip"


def test_what_cannot_be_fetched_that_way_says_what_can(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"udpos cannot be fetched: get it from https://universaldependencies\.org"):
        plan(TASKS.get("udpos"), Request(tmp_path))
    with pytest.raises(DataError, match="tatoeba cannot be fetched from hub: use the official files"):
        plan(TASKS.get("tatoeba"), Request(tmp_path, revision="main"))
    with pytest.raises(DataError, match=r"panx cannot be fetched from official: use the hub \(--via hub\)"):
        plan(TASKS.get("panx"), Request(tmp_path, via="official"))
    assert plan(TASKS.get("xquad"), Request(tmp_path, ("sw",))) == []


def test_the_hubs_cache_serves_without_a_network(tmp_path: Path) -> None:
    rows = [{"tokens": ["Wà"], "ner_tags": [0]}] * 100
    content = {f"yo/{split}-00000-of-00001.parquet": rows for split in ("train", "validation", "test")}
    hub_cache.put(tmp_path / "hub", "unimelb-nlp/wikiann", content)
    command = [sys.executable, "-c", "from xstilts.cli import main; main()", "data", "fetch", "panx"]
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [*command, "--languages", "yo", "--data", str(tmp_path / "data")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"panx/yo/test  1,000 bytes  hub:unimelb-nlp/wikiann@{'a' * 40}:yo/test\n" in ran.stdout
    assert "panx              test        there; 100 rows\n" in ran.stdout
