"""A few made-up items of every registered task, in its official format and under its official paths.

The files of all tasks lie in one data folder, as users have them: `lay_files` writes it. A new task needs an entry in
`OFFICIAL`: what writes its files, and how many items of which language. Numbers differ between languages and splits
where they may, so that a file read in place of another is noticed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.reader_samples import LODZ, question, squad_file
from stages.pool_files import WORDS, pair, sentences, squad, write
from xstilts.core.languages import LANGUAGES
from xstilts.data.readers.pairs import NLI_LABELS, TOPICS
from xstilts.microworld.world import TINY, DomainSize, write_domain, write_world
from xstilts.tasks import TASKS, Split, Task

Counts = Mapping[str, int]
"""Language -> number of items."""
Writer = Callable[[Counts], str]
"""The content of one file; a path without a field has all languages in one file."""
TRAIN = 5
DOMAIN = DomainSize(documents=20, test=12)


@dataclass(frozen=True)
class Laid:
    """What lies in the data folder for one task.

    Attributes:
        write: of the files of the measured split, and of the training split; None: they are those of other tasks.
        items: of the measured split, or of the training split where there is no other.
        train: of the training split; the languages besides English are those of its one file.
        form: part of the patterns that are used; else the first ones.
        write_train: where the training files have another form.
        more: further files (gold, beside, other splits), by pattern.
    """

    write: Writer | None
    items: Counts
    train: Counts = field(default_factory=lambda: {"en": TRAIN})
    form: str = ""
    write_train: Writer | None = None
    more: Mapping[str, Writer] = field(default_factory=dict)


def measured(task: Task) -> Split:
    """The split that `Laid.items` counts."""
    return task.evaluate_on if task.evaluate_on in task.files else "train"


def lay_files(root: Path) -> None:
    """Write the microworld and the files of all entries; nothing is written twice."""
    write_world(root, 5, TINY)
    write_domain(root, 5, DOMAIN)
    for name, laid in OFFICIAL.items():
        task = TASKS.get(name)
        splits = {"train": (laid.write_train or laid.write, laid.train)} if "train" in task.files else {}
        splits[measured(task)] = (laid.write, laid.items)
        for split, (writer, counts) in splits.items():
            pattern = next(pattern for pattern in task.files[split] if laid.form in pattern)  # type: ignore[index]
            if writer is not None:
                _lay(root, pattern, writer, counts)
        for pattern, writer in laid.more.items():
            _lay(root, pattern, writer, laid.items)


def _lay(root: Path, pattern: str, writer: Writer, counts: Counts) -> None:
    for part in [{code: n} for code, n in counts.items()] if "{" in pattern else [counts]:
        name = _filled(pattern, next(iter(part)))
        assert not (root / name).exists(), f"{name} is written twice"
        write(root / name, writer(part))


def _filled(pattern: str, code: str) -> str:
    """The path of one language: a field takes its first form, `*` a 1."""
    return re.sub(r"\{(\w+)\}", lambda found: LANGUAGES[code].forms(found[1])[0], pattern).replace("*", "1")


def by_item(item: Callable[[str, int], str], header: str = "") -> Writer:
    """Files of one line, or one block of lines, an item."""
    return lambda counts: header + "".join(item(code, i) for code, n in counts.items() for i in range(n))


def by_object(item: Callable[[str, int], Mapping[str, Any]]) -> Writer:
    """JSON lines."""
    return by_item(lambda code, i: json.dumps(item(code, i), ensure_ascii=False) + "\n")


def training(writer: Writer) -> Writer:
    """The file beside the English training split."""
    return lambda _: writer({"en": TRAIN})


def once(writer: Writer) -> Writer:
    """One file for all languages, which have the same number of items: English sides, shared labels."""
    return lambda counts: writer({"en": max(counts.values())})


def text(code: str, i: int) -> str:
    return f"{WORDS[i]} {code} {WORDS[-i - 1]}."


# Pairs
nli_jsonl = by_object(
    lambda code, i: {"gold_label": NLI_LABELS[i % 3], "sentence1": text(code, i), "sentence2": text(code, i + 1)}
)
anli_jsonl = by_object(
    lambda code, i: {"uid": f"u{i}", "context": text(code, i), "hypothesis": text(code, i + 1), "label": "enc"[i % 3]}
)
nli_table = by_item(
    lambda code, i: f"{text(code, i)}\t{text(code, i + 1)}\t{NLI_LABELS[i % 3]}\n", "premise\thypothesis\tlabel\n"
)
translated = by_item(
    lambda code, i: f"{text(code, i)}\t{text(code, i + 1)}\t{('entailment', 'contradictory')[i % 2]}\n",
    "premise\thypo\tlabel\n",
)
two_columns = by_item(lambda code, i: f'"{text(code, i)} ""ka"""\t{text(code, i + 1)}\r\n')
paraphrases = by_item(lambda code, i: f"{text(code, i)}\t{text(code, i + 1)}\t{i % 2}\r\n")
nli_labels = by_item(lambda _, i: f"{NLI_LABELS[i % 3]}\n")
zeros_and_ones = by_item(lambda _, i: f"{i % 2}\n")
qqp = by_item(
    lambda code, i: f"{i}\t{i}\t{i}\t{text(code, i)}\t{text(code, i + 1)}\t{i % 2}\n",
    "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n",
)
sib200 = by_item(lambda code, i: f"{i}\t{TOPICS[i]}\t{text(code, i)}\n", "index_id\tcategory\ttext\n")

# Choices
hellaswag = by_object(lambda code, i: {"ctx": text(code, i), "endings": list(WORDS[:4]), "label": i % 4})
letters = [{"label": letter, "text": word} for letter, word in zip("ABCDE", WORDS)]
commonsense_qa = by_object(
    lambda code, i: {"id": f"c{i}", "answerKey": "ABCDE"[i], "question": {"stem": text(code, i), "choices": letters}}
)
answers = {f"answer{letter}": word for letter, word in zip("ABC", WORDS)}
social_iqa = by_object(lambda code, i: {"context": text(code, i), "question": text(code, i + 1), **answers})
one_to_three = by_item(lambda _, i: f"{i % 3 + 1}\n")
effects = {"choice1": WORDS[0], "choice2": WORDS[1], "question": "effect"}
copa = by_object(lambda code, i: {"premise": text(code, i), **effects, "label": i % 2, "idx": i})
cosmos_qa = by_item(
    lambda code, i: f'{code}{i},"{text(code, i)}, {text(code, i)}",{text(code, i)},ka,lo,mi,nu,{i % 4}\r\n',
    "id,context,question,answer0,answer1,answer2,answer3,label\r\n",
)

# Spans and tags


def questions(counts: Counts) -> str:
    """SQuAD 1.1's JSON in one language."""
    ((code, n),) = counts.items()
    return squad(code, n)


def some_without_answer(counts: Counts) -> str:
    """SQuAD 2.0: every second question has no answer."""
    impossible = [bool(i % 2) for n in counts.values() for i in range(n)]
    asked = (question([] if no else LODZ, f"q{i}", is_impossible=no) for i, no in enumerate(impossible))
    return squad_file(*asked)


def tydiqa(counts: Counts) -> str:
    """All languages in one file; ids begin with the language's English name."""
    names = [f"{LANGUAGES[code].name.lower()}-{i}" for code, n in counts.items() for i in range(n)]
    return squad_file(*(question(LODZ, name) for name in names))


conllu = by_item(
    lambda code, i: (
        f"# sent_id = {code}-{i}\n# text = {WORDS[i]} {code}\n"
        f"1\t{WORDS[i]}\t_\tNOUN\t_\t_\t2\tnsubj\t_\t_\n2\t{code}\t_\tVERB\t_\t_\t0\troot\t_\t_\n\n"
    )
)
wikiann = by_item(lambda code, i: f"{code}:{WORDS[i]}\tB-PER\n{code}:{code}\tI-PER\n{code}:.\tO\n\n")
masakhaner = by_item(lambda code, i: f"{WORDS[i]} B-DATE\n{code} O\n\n")
uner = by_item(
    lambda code, i: f"# sent_id = {i}\n# text = {WORDS[i]} {code}\n1\t{WORDS[i]}\tB-LOC\t-\tz\n2\t{code}\tO\t-\tz\n\n"
)
supertags = by_item(lambda code, i: f"{WORDS[i]} {code}\tNP S[dcl]\\NP\n")

# Sentences and pools
VERSES = 9
plain = by_item(lambda code, i: f"{text(code, i)}\n")


def bible(counts: Counts) -> str:
    """Verses, then blank lines for those that are missing."""
    return "".join(plain({code: n}) + "\n" * (VERSES - n) for code, n in counts.items())


def mined(counts: Counts) -> str:
    """BUCC's numbered sentences."""
    ((code, n),) = counts.items()
    return "".join(f"{code}-{i}\t{words}\n" for i, words in enumerate(sentences(n, 1)))


def english_side(counts: Counts) -> str:
    """BUCC's English sentences, two more than there are in the other language."""
    return mined({"en": sum(counts.values()) + 2})


gold_pairs = by_item(lambda code, i: f"{code}-{i}\ten-{i}\n" if i % 2 else "")


def mention(code: str, i: int) -> Mapping[str, Any]:
    """An article with one mention, of Mewsli-X's test set."""
    found: Any = pair(i, code)["contextual_mention"]
    return {"context": found["context"], "mentions": [found["mention"]]}


def entity(code: str, i: int) -> Mapping[str, Any]:
    """What Mewsli-X's mention wants."""
    found: Any = pair(i, code)["entity"]
    return dict(found)


MICRO = ("nli", "paraphrase", "choice", "qa", "topic", "tagging", "ner")
OFFICIAL: Mapping[str, Laid] = {
    **{f"micro_{kind}": Laid(None, {"en": TINY.test, "qaa": TINY.test}, {"en": getattr(TINY, kind)}) for kind in MICRO},
    "micro_domain_tagging": Laid(None, {"en": DOMAIN.test, "qaa": DOMAIN.test}),
    "micro_domain_ner": Laid(None, {"en": DOMAIN.test, "qaa": DOMAIN.test}),
    "micro_domain_retrieval": Laid(None, {"qaa": DOMAIN.test, "qae": DOMAIN.test}),
    "micro_domain_text": Laid(None, {"en": DOMAIN.documents, "qaa": DOMAIN.documents}),
    "micro_retrieval": Laid(None, {"qaa": TINY.retrieval, "qae": TINY.retrieval}),
    "micro_text": Laid(None, {"en": TINY.documents, "qaa": TINY.documents}),
    "micro_parallel": Laid(None, {"qaa": TINY.parallel, "qae": TINY.parallel}),
    "americasnli": Laid(nli_table, {"ay": 3, "bzd": 4}, form="{iso3}"),
    "anli": Laid(anli_jsonl, {"en": 3}, more={"anli_v1.0/R*/dev.jsonl": anli_jsonl}),
    "anli_plus": Laid(None, {"en": 9}, {"en": 3 * TRAIN}),
    "bucc2018": Laid(
        mined,
        {"de": 6, "zh": 7},
        more={
            "bucc2018/{language}-en.training.en": english_side,
            "bucc2018/{language}-en.training.gold": gold_pairs,
            "bucc2018/{language}-en.sample.{language}": mined,
            "bucc2018/{language}-en.sample.en": english_side,
            "bucc2018/{language}-en.sample.gold": gold_pairs,
        },
    ),
    "ccg": Laid(supertags, {"en": 3}),
    "commonsense_qa": Laid(commonsense_qa, {"en": 3}),
    "copa": Laid(copa, {"en": 3}),
    "cosmos_qa": Laid(cosmos_qa, {"en": 3}),
    "ebible": Laid(None, {"de": 7}),
    "ebible_parallel": Laid(None, {"de": 7}),
    "hellaswag": Laid(hellaswag, {"en": 3}),
    "lareqa": Laid(questions, {"en": 3, "de": 4, "el": 5}),
    "masakhaner": Laid(masakhaner, {"ha": 3, "am": 4}, {"ha": TRAIN}, more={"own/ner.txt": training(masakhaner)}),
    "mewslix": Laid(
        by_object(mention),
        {"de": 3, "tr": 4},
        more={"mewslix/candidate_set_entities.jsonl": once(by_object(entity))},
    ),
    "mewslix_pairs": Laid(by_object(lambda code, i: pair(i, code)), {"en": 3}),
    "mlqa": Laid(questions, {"en": 3, "zh": 4}),
    "mnli": Laid(nli_jsonl, {"en": 3}),
    "ntrex": Laid(plain, {"de": 4, "zh": 4}, more={"ntrex/NTREX-128/newstest2019-src.eng.txt": once(plain)}),
    "ntrex_parallel": Laid(None, {"de": 4, "zh": 4}),
    "panx": Laid(wikiann, {"en": 3, "th": 4}),
    "pawsx": Laid(
        two_columns,
        {"en": 3, "ko": 4},
        form="pawsx/xtreme_form",
        write_train=paraphrases,
        more={"pawsx/gold/test-{language}.txt": zeros_and_ones},
    ),
    "qqp": Laid(qqp, {"en": 3}),
    "sib200": Laid(sib200, {"en": 3, "ace-Arab": 4}),
    "snli": Laid(nli_jsonl, {"en": 3}, more={"snli_1.0/snli_1.0_dev.jsonl": nli_jsonl}),
    "social_iqa": Laid(
        social_iqa,
        {"en": 3},
        form="socialiqa-train-dev",
        more={
            "social_iqa/socialiqa-train-dev/train-labels.lst": training(one_to_three),
            "social_iqa/socialiqa-train-dev/dev-labels.lst": one_to_three,
        },
    ),
    "squad_sentences": Laid(None, {"en": 3}),
    "squad_shifts": Laid(questions, {"en": 3}),
    "squad_v1": Laid(questions, {"en": 3}),
    "squad_v2": Laid(some_without_answer, {"en": 4}),
    "tatoeba": Laid(plain, {"de": 3, "sw": 4}, more={"tatoeba/v1/tatoeba.{tatoeba}-eng.eng": plain}),
    "text_common_voice": Laid(plain, {"en": 6, "sv": 7}),
    "text_ebible": Laid(
        bible,
        {"en": 9, "de": 7},
        more={"text_ebible/vref.txt": lambda _: "".join(f"GEN 1:{i + 1}\n" for i in range(VERSES))},
    ),
    "text_ud": Laid(None, {"en": TRAIN}),
    "tydiqa": Laid(tydiqa, {"en": 3, "fi": 4, "sw": 2}, {"en": TRAIN, "fi": 2}),
    "ud_relations": Laid(None, {"en": 3}),
    "udpos": Laid(conllu, {"en": 3, "de": 4}, more={"ud/UD_*/{language}_*-ud-dev.conllu": conllu}),
    "uner": Laid(uner, {"en": 3, "zh": 4}),
    "xcopa": Laid(copa, {"et": 3, "qu": 4}),
    "xnli": Laid(
        two_columns, {"en": 4, "th": 4}, form="xtreme_form", more={"xnli/gold/test-labels.txt": once(nli_labels)}
    ),
    "xnli_mt": Laid(translated, {"en": 6, "de": 5}),
    "xquad": Laid(questions, {"en": 3, "hi": 4}),
}
