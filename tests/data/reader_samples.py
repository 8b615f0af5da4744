"""One tiny valid file for every reader, made up for these tests, in the exact layout of the official files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xstilts.data.readers import choices, pairs, pools, squad, tagging, text
from xstilts.data.readers.common import Reader


@dataclass(frozen=True)
class Sample:
    read: Reader
    name: str
    content: str
    language: str = "en"
    beside: Mapping[str, str] = field(default_factory=dict)
    count: int = 2

    def write(self, folder: Path, content: bytes | None = None) -> Path:
        for name, words in self.beside.items():
            (folder / name).write_bytes(words.encode())
        path = folder / self.name
        path.write_bytes(self.content.encode() if content is None else content)
        return path


def squad_file(*questions: Mapping[str, Any], passage: str = "Ann lives in Łódź. ") -> str:
    article = {"title": "T", "paragraphs": [{"context": passage, "qas": questions}]}
    return json.dumps({"version": "1.1", "data": [article]})


def question(answers: Any, question_id: str = "q1", **more: Any) -> dict[str, Any]:
    return {"id": question_id, "question": "Where ?", "answers": answers, **more}


def jsonl(*rows: Mapping[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


LODZ = [{"text": "Łódź", "answer_start": 13}]
CONLLU = (
    "# sent_id = a-1\n# text = Im Haus\n1-2\tIm\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\tin\tin\tADP\t_\t_\t3\tcase\t_\t_\n2\tdem\tder\tDET\t_\t_\t3\tdet\t_\t_\n3\tHaus\tHaus\tNOUN\t_\t_\t0\troot\t_\t_\n"
    "3.1\tda\tda\tADV\t_\t_\t_\t_\t_\t_\n\n"
    "# sent_id = a-2\n# text = 110 000 !\n1\t110 000\t_\tNUM\t_\t_\t0\troot\t_\t_\n"
    "2\t!\t!\tPUNCT\t_\t_\t1\tpunct\t_\t_\n\n"
)

SENTENCES = json.dumps(
    {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "Ja. Nein.",
                        "sentence_breaks": [[0, 3], [4, 9]],
                        "qas": [
                            {"id": "q1", "question": "Was?", "answers": [{"answer_start": 0, "text": "Ja"}]},
                            {"id": "q2", "question": "Wie?", "answers": [{"answer_start": 4, "text": "Nein"}]},
                        ],
                    }
                ]
            }
        ]
    }
)
ARTICLE = {"language": "de", "text": "Er sah Bonn.", "sentence_spans": [{"start": 0, "end": 12}]}
MENTION = {"example_id": "m1", "entity_id": "Q1", "mention_span": {"start": 7, "end": 11, "text": "Bonn"}}
ENTITY = {"entity_id": "Q1", "title": "Bonn", "description": "Stad aan de Rijn"}

SAMPLES: dict[str, Sample] = {
    "squad 1.1": Sample(squad.squad, "train-v1.1.json", squad_file(question(LODZ), question(LODZ, "q2"))),
    "squad 2.0": Sample(
        squad.squad,
        "dev-v2.0.json",
        squad_file(question(LODZ, is_impossible=False), question([], "q2", is_impossible=True, plausible_answers=LODZ)),
    ),
    "tydiqa": Sample(
        squad.tydiqa,
        "dev.json",
        squad_file(question(LODZ, "english--8-1"), question(LODZ, "english-9-1"), question(LODZ, "finnish-1")),
    ),
    "nli jsonl": Sample(
        pairs.nli,
        "snli_1.0_dev.jsonl",
        jsonl(
            {"gold_label": "neutral", "sentence1": "A b.", "sentence2": "C "},
            {"gold_label": "-", "sentence1": "A b.", "sentence2": "D"},
            {"gold_label": "entailment", "sentence1": "A b.", "sentence2": "B"},
        ),
    ),
    "nli table": Sample(
        pairs.nli,
        "dev_matched.tsv",
        'index\tsentence1\tsentence2\tlabel1\tgold_label\n0\tHe "said\tC\tneutral\tneutral\n'
        "1\tA\tB\tneutral\tcontradiction\n",
    ),
    "anli csv": Sample(
        pairs.nli,
        "ANLI_analysis_r1_dev.csv",
        'context,statement,gold_label,uid\r\n"A, ""b""\nand c",D,e,u1\r\nE,F,c,u2\r\n',
    ),
    "xnli official": Sample(
        pairs.xnli,
        "xnli.dev.tsv",
        "language\tgold_label\tsentence1\tsentence2\tpairID\nar\tneutral\tا\tب\t1\n"
        "de\tneutral\tA\tB\t1\nde\tentailment\tC\tD\t2\n",
        "de",
    ),
    "xnli xtreme": Sample(pairs.xnli, "dev-de.tsv", "A\u2028b\tB\tneutral\r\nC\tD\u200b\tcontradiction\r\n", "de"),
    "xnli translated": Sample(
        pairs.nli, "multinli.train.de.tsv", "premise\thypo\tlabel\nA\tB\tcontradictory\nC\tD\tneutral\n"
    ),
    "pawsx official": Sample(
        pairs.pawsx, "dev_2k.tsv", 'id\tsentence1\tsentence2\tlabel\n7\t"A" b\tB\t1\n9\tNS\tNS\t0\n'
    ),
    "pawsx xtreme": Sample(pairs.pawsx, "test-de.tsv", '"He said ""no"""\tB\r\nC\tD\r\n'),
    "qqp": Sample(
        pairs.qqp,
        "dev.tsv",
        'id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t1\t2\tA "b?\tC\t0\n2\t3\t4\tD\tE\t1\n',
    ),
    "hellaswag": Sample(
        choices.hellaswag,
        "hellaswag_val.jsonl",
        jsonl({"ctx": "A he", "endings": list("wxyz"), "label": 3}, {"ctx": "B", "endings": list("wxyz"), "label": 0}),
    ),
    "hellaswag text": Sample(choices.hellaswag, "hellaswag_val_full.txt", "S: A\n1\nw\nx\ny\nz\nS: B\n0\nw\nx\ny\nz\n"),
    "commonsense_qa": Sample(
        choices.commonsense_qa,
        "dev_rand_split.jsonl",
        jsonl(
            *(
                {
                    "id": number,
                    "answerKey": "C",
                    "question": {"stem": "S?", "choices": [{"label": key, "text": "t"} for key in "ABC"]},
                }
                for number in ("c1", "c2")
            )
        ),
    ),
    "social_iqa": Sample(
        choices.social_iqa,
        "socialIQa_v1.4_dev.jsonl",
        jsonl(
            *(
                {"context": "A", "question": "B", "answerA": "x", "answerB": "y", "answerC": "z", "correct": key}
                for key in "CA"
            )
        ),
    ),
    "copa": Sample(
        choices.copa,
        "val.et.jsonl",
        jsonl(
            {"premise": "P", "choice1": "x", "choice2": "y", "question": "cause", "label": 1, "idx": 0},
            {"premise": "P", "choice1": "x", "choice2": "y", "question": "effect", "label": 0, "idx": 1},
        ),
    ),
    "cosmos_qa": Sample(
        choices.cosmos_qa,
        "valid.csv",
        'id,context,question,answer0,answer1,answer2,answer3,label\r\na,"B, c",Q,w,x,y,z,3\r\nb,B,Q,w,x,y,z,0\r\n',
    ),
    "conllu": Sample(tagging.udpos, "de_x-ud-dev.conllu", CONLLU, "de"),
    "udpos xtreme": Sample(tagging.udpos, "dev-de.tsv", "Das\tDET\nHaus\tNOUN\n\n\u200b\tX\n!\tPUNCT\n\n", "de"),
    "panx": Sample(tagging.panx, "dev-en.tsv", "Ann\tB-PER\n.\tO\n\nUN\tI-ORG\n\n"),
    "panx withheld": Sample(tagging.panx, "test-en.tsv", "Ann\n.\n\nUN\n\n"),
    "wikiann": Sample(tagging.panx, "dev", "en:Ann\tB-PER\nen::\tO\n\nen:UN\tB-ORG\n\n\n"),
    "masakhaner": Sample(tagging.masakhaner, "dev.txt", "Ann B-PER\n. O\n\nleo B-DATE\n", "sw"),
    "uner": Sample(
        tagging.uner,
        "en_x-ud-dev.iob2",
        "# sent_id = 1\n# text = # Ann\n1\t#\tO\t-\t-\n2\tAnn\tB-PER\t-\tz\n\n1\tUN\tB-ORG\t-\tz\n",
    ),
    "sib200": Sample(
        pairs.sib200,
        "dev.tsv",
        'index_id\tcategory\ttext\n5\tscience/technology\t"He said ""no""\tand"\n3\ttravel\tB\n',
    ),
    "tatoeba": Sample(
        text.tatoeba, "tatoeba.deu-eng.deu", "Eins.\nZwei.\n", "de", {"tatoeba.deu-eng.eng": "One.\nTwo.\n"}
    ),
    "ntrex": Sample(
        text.ntrex, "newstest2019-ref.deu.txt", "Eins.\r\nZwei.\r\n", "de", {"newstest2019-src.eng.txt": "1.\r\n2.\r\n"}
    ),
    "ebible pairs": Sample(
        text.ebible_pairs,
        "deu-x.txt",
        "Eins\n\nDrei\nVier\n<range>\nSechs\n",
        "de",
        {"eng-y.txt": "One\nTwo\nThree\nFour\nFive\nSix\n", "vref.txt": "".join(f"GEN 1:{n}\n" for n in range(1, 7))},
        count=3,
    ),
    "plain lines": Sample(text.plain_lines, "a.txt", "\ufeffEins\r\n\r\nZw\tei\r\n", "de"),
    "ebible": Sample(text.ebible, "deu-x.txt", "\nEins\n<range>\nZwei\n", "de"),
    "conllu text": Sample(text.conllu_text, "de_x-ud-dev.conllu", CONLLU, "de"),
    "ccg": Sample(tagging.ccg, "ccg.train", "He sleeps\tNP S[dcl]\\NP\nWe .\tNP .\n"),
    "ccg auto": Sample(
        tagging.ccg,
        "wsj_0001.auto",
        "ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1\n"
        "(<T S[dcl] 1 2> (<L NP PRP PRP He NP>) (<L S[dcl]\\NP VBZ VBZ sleeps S[dcl]\\NP_1>) )\n"
        "ID=wsj_0001.2 PARSER=GOLD NUMPARSE=1\n(<L . . . . .>)\n",
    ),
    "conllu relations": Sample(tagging.relations, "en_x-ud-dev.conllu", CONLLU, "en"),
    "bucc": Sample(
        pools.bucc,
        "de-en.training.de",
        "de-1\tEins.\nde-2\tZwei\n",
        "de",
        {
            "de-en.training.en": "en-1\tOne\nen-2\tNine\n",
            "de-en.training.gold": "de-1\ten-1\n",
            "de-en.sample.de": "de-1\tVier\n",
            "de-en.sample.en": "en-1\tFour\n",
            "de-en.sample.gold": "de-1\ten-1\n",
        },
        count=6,
    ),
    "xquad-r": Sample(pools.lareqa, "de.json", SENTENCES, "de", {"en.json": SENTENCES}, count=6),
    "squad sentences": Sample(pools.answer_sentences, "train.json", SENTENCES, count=4),
    "mewsli-x": Sample(
        pools.mewslix,
        "wikinews_mentions-test.jsonl",
        jsonl({"context": ARTICLE, "mentions": [MENTION]}),
        "de",
        {"candidate_set_entities.jsonl": jsonl(ENTITY)},
    ),
    "mewsli-x pairs": Sample(
        pools.mewslix_pairs,
        "wikipedia_pairs-train.jsonl",
        jsonl({"contextual_mention": {"context": ARTICLE, "mention": MENTION}, "entity": ENTITY}),
        "de",
    ),
}
