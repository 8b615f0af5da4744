"""Translating English training data: engines, projection of spans and tags, and a filter whose losses are counted."""
