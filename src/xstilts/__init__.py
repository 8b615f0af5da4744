"""xstilts: English intermediate-task training for zero-shot cross-lingual transfer, officially measured."""

__version__ = "0.1.0"
