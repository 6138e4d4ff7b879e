"""Keys that were noted lately: what watches may still show, without memory that only grows."""


class Recent:
    """The last keys that were added, at most so many."""

    def __init__(self, size: int = 1_000) -> None:
        self._size = size
        self._keys: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str) -> None:
        """Note it; the oldest makes room."""
        self._keys.pop(key, None)
        self._keys[key] = None
        if len(self._keys) > self._size:
            del self._keys[next(iter(self._keys))]

    def discard(self, key: str) -> None:
        """Forget it."""
        self._keys.pop(key, None)
