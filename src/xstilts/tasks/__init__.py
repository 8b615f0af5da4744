"""Tasks: one file each, a docstring with the protocol and a value. A new file here is registered by being here."""

from importlib import import_module
from pkgutil import iter_modules

from xstilts.tasks.base import TASKS, Encoding, Split, Task, check_language

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["TASKS", "Encoding", "Split", "Task", "check_language"]
