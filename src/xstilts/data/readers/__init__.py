"""Readers of official files: `(path, language) -> examples`, one file per family of formats."""
