"""Tasks: one file each, a docstring with the protocol and a value. A value in a new file here is registered."""

from importlib import import_module
from pkgutil import iter_modules

from xstilts.tasks.base import TASKS, Encoding, Split, Task, check_language

for _module in iter_modules(__path__):
    for _value in vars(import_module(f"{__name__}.{_module.name}")).values():
        if isinstance(_value, Task) and not (_value.name in TASKS and TASKS.get(_value.name) is _value):
            TASKS.add(_value.name, _value)

__all__ = ["TASKS", "Encoding", "Split", "Task", "check_language"]
