"""Named values: tasks, backbones, metrics, task types. A registry is filled by imports and does not change later."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from xstilts.core.errors import UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from name to value; an unknown name raises an error with the nearest ones."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._values: dict[str, T] = {}

    def add(self, name: str, value: T) -> T:
        assert name not in self._values, f"{self.kind} '{name}' is registered twice"
        self._values[name] = value
        return value

    def get(self, name: str) -> T:
        """The value called `name`. Raises `UnknownName` with the nearest names."""
        if name not in self._values:
            raise UnknownName(self.kind, name, self._values)
        return self._values[name]

    def names(self) -> list[str]:
        return sorted(self._values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[T]:
        return (self._values[name] for name in self.names())

    def __len__(self) -> int:
        return len(self._values)
