"""Finished models as folders of other libraries, and their predictions for the files of users."""
