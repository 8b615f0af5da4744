"""Pretrained models that turn packed batches into hidden states, or into text."""

import logging

# PEFT imports it where it is installed, and on some CPUs it then tells of a kernel that would have to be downloaded.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
