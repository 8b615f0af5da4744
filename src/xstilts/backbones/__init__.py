"""Pretrained models that turn packed batches into hidden states, or into text."""

import logging

# PEFT imports bitsandbytes if it is installed, and on some CPUs that logs a kernel it would have to download.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
