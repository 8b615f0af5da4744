"""The microworld: a small constructed world in six languages, to try all of cross-lingual transfer in minutes.

Every text is rendered from a language-neutral meaning, so translations are exact and labels are correct by
construction. Scores say something about the machinery, never about natural languages (`docs/microworld.md`).
"""
