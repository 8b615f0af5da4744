"""PAN-X (WikiANN): persons, organisations and locations in Wikipedia, silver labels, balanced splits.

Protocol (XTREME): train on English (20,000 sentences), entity F1 of seqeval per language. Layout: raw WikiANN
`{language}/train`, `dev`, `test` in `panx/` or `panx_raw/`; or XTREME's `panx/train-{language}.tsv`, `dev-...`,
`test-...`, whose test files have no tags.
"""

from xstilts.data.readers.tagging import NER, panx
from xstilts.tasks.base import Task, register
from xstilts.tasks.benchmarks import XTREME_R


def _files(split: str) -> tuple[str, ...]:
    return (f"panx/{{language}}/{split}", f"panx_raw/{{language}}/{split}", f"panx/{split}-{{language}}.tsv")


PANX = register(
    Task(
        name="panx",
        type="tagging",
        read=panx,
        files={"train": _files("train"), "validation": _files("dev"), "test": _files("test")},
        languages=XTREME_R["panx"],
        labels=NER,
        metric="span_f1",
        main="f1",
        citation="Pan et al., ACL 2017; balanced splits: Rahimi, Li and Cohn, ACL 2019",
        licence="none stated by the authors; text CC BY-SA 3.0",
        source="https://github.com/afshinrahimi/mmner",
        protocol="seqeval entity F1 (XTREME)",
        defects="ja and zh are split into characters and have I- tags without B-; many sentences repeat.",
    )
)
