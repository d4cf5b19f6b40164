"""Why a message cannot be used."""

from __future__ import annotations


class MessageError(ValueError):
    """A message cannot be used.

    Attributes:
        kind: the reason in two or three words, the same for all errors of a kind.
    """

    def __init__(self, kind: str, details: str) -> None:
        super().__init__(f"{kind}: {details}")
        self.kind = kind
