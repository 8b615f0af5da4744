"""The microworld: a small world and its six languages, to try the whole of cross-lingual transfer in minutes.

It is a *wind tunnel*. One small world (174 things, deeds and qualities, 68 names, seven topics, 34 scripts) is talked
about in English and in five constructed languages at known distances (`LANGUAGES`). Every text is rendered from a
language-neutral meaning, so translations are exact, labels are right by construction, and all that a real study has is
here: raw text for pretraining, parallel text, English training data, test data in every language, in the official file
formats. A world is drawn from a seed: the languages' words and sounds, which words are frequent, what goes with what,
and every text and item are new; the kinds of language and the stock of concepts stay.

What it can show: that a pipeline detects transfer where there is some, that transfer falls with distance, that controls
(a random encoder, English-only pretraining) score lower, that an intermediate task moves scores, either way.

What it is not: evidence about natural languages. Grammar is regular, words are unambiguous, labels follow from few
rules (another place, time or quality in the same event counts as a contradiction), and scores of different worlds
differ. A figure from here says something about the machinery, never about German or Swahili. Results worth quoting
average several worlds none of which was used for tuning: world 0 is for development.
"""

from xstilts.microworld.domain import write_domain
from xstilts.microworld.languages import LANGUAGES, SOURCE, TARGETS, LanguageType
from xstilts.microworld.world import DEFAULT, TINY, VERSION, World, WorldSize, write_translations, write_world

__all__ = [
    "DEFAULT",
    "LANGUAGES",
    "SOURCE",
    "TARGETS",
    "TINY",
    "VERSION",
    "LanguageType",
    "World",
    "WorldSize",
    "write_domain",
    "write_translations",
    "write_world",
]
