"""Content keys: equal descriptions have equal keys, on every machine and in every process."""

import hashlib
import json
from typing import Any


def content_key(value: Any) -> str:
    """20 hex digits of the SHA-256 of the value's canonical JSON (sorted names, no blanks). Raises `TypeError`."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:20]
