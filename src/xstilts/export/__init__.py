"""Finished models as folders for other libraries, and their predictions on users' files."""
