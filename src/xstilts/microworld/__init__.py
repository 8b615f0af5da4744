"""The microworld: a small constructed world in six languages, to try all of cross-lingual transfer in minutes.

A world (174 things, deeds and qualities, 68 names, seven topics, 34 scripts) is described in English and in five
constructed languages at known distances (`grammar`). Every text is rendered from a language-neutral meaning, so
translations are exact and labels are correct by construction. Files have the official formats. The seed of a world
draws the words and sounds of the languages, word frequencies, preferences, and all texts and items (`world`).

Scores say something about the machinery, never about natural languages: grammar is regular, words are unambiguous and
labels follow a few rules (`docs/microworld.md`). World 0 is for development.
"""
