"""Families of architectures: one file each, a docstring and a value. A new file here is registered by being here.

An architecture that is not listed is tried packed and checked when it is loaded.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from pkgutil import iter_modules

from xstilts.backbones.family import Checkpoint, Family
from xstilts.core.registry import Registry

FAMILIES: Registry[Family] = Registry("family of backbones")
CHECKPOINTS: Registry[Checkpoint] = Registry("backbone")
UNLISTED = Family("", ())

for _module in iter_modules(__path__):
    _family: Family = import_module(f"{__name__}.{_module.name}").FAMILY
    FAMILIES.add(_family.name, _family)
    for _checkpoint in _family.checkpoints:
        CHECKPOINTS.add(_checkpoint.name, _checkpoint)


def family_of(model_type: str) -> Family:
    """The family of a `config.model_type`, or the neutral one."""
    return next((family for family in FAMILIES if model_type in family.model_types), UNLISTED)


def checkpoint_of(source: str) -> Checkpoint | None:
    """The checkpoint of a short name or a hub repository; None for any other model."""
    return next((one for one in CHECKPOINTS if source in (one.name, one.hub)), None)


def hint(source: str) -> str:
    """What to add to a message that `source` cannot be loaded: the nearest listed checkpoints, or nothing."""
    if checkpoint_of(source):
        return ""
    names = {name.lower(): one.name for one in CHECKPOINTS for name in (one.name, one.hub)}
    near = difflib.get_close_matches(source.lower(), names, n=3, cutoff=0.7)
    found = list(dict.fromkeys(names[name] for name in near))
    return f"; did you mean {' or '.join(found)}? (`xstilts list backbones`)" if found else ""
