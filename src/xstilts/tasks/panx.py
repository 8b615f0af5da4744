"""PAN-X (WikiANN): persons, organisations and locations in Wikipedia, silver labels, balanced splits.

Protocol (XTREME): train on English (20,000 sentences), entity F1 of seqeval per language. Layout: raw WikiANN, or
XTREME's files, whose test files have no tags.
"""

from xstilts.data.readers.tagging import NER, panx
from xstilts.tasks.base import Task, by_split
from xstilts.tasks.benchmarks import XTREME_R

PANX = Task(
    name="panx",
    type="tagging",
    read=panx,
    files=by_split("panx/{language}/{split}", "panx_raw/{language}/{split}", "panx/{split}-{language}.tsv"),
    languages=XTREME_R["panx"],
    labels=NER,
    metric="span_f1",
    citation="Pan et al., ACL 2017; balanced splits: Rahimi, Li and Cohn, ACL 2019",
    licence="none stated by the authors; text CC BY-SA 3.0",
    source="https://github.com/afshinrahimi/mmner",
    protocol="seqeval entity F1 (XTREME)",
    defects="ja and zh are split into characters and have I- tags without B-; many sentences repeat.",
)
