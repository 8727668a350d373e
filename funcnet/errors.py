"""Errors that teach: each names what it is about, what was expected and what came instead.

One format everywhere::

    Dense(10) (layer 2): expected x of shape (batch, 512), got (128, 784)
"""


def message(where: object, expected: str, got: object) -> str:
    """Return the text of an error in funcnet's one format.

    >>> message("one_hot", "labels in [0, 10)", "10 at index 3")
    'one_hot: expected labels in [0, 10), got 10 at index 3'
    """
    return f"{where}: expected {expected}, got {got}"


class _MismatchError(Exception):
    """An error raised inside a layer, to which every enclosing network adds the layer's position."""

    def __init__(self, where: object, expected: str, got: object, path: tuple[int, ...] = ()) -> None:
        super().__init__(where, expected, got, path)
        self.where, self.expected, self.got, self.path = where, expected, got, path

    def __str__(self) -> str:
        position = f" (layer {'.'.join(map(str, self.path))})" if self.path else ""
        return message(f"{self.where}{position}", self.expected, self.got)


class ShapeError(_MismatchError, ValueError):
    """An array's shape is not the one that a layer or a loss takes.

    >>> print(ShapeError("Dense(10)", "x of shape (batch, 512)", (128, 784), path=(2,)))
    Dense(10) (layer 2): expected x of shape (batch, 512), got (128, 784)
    """


class DtypeError(_MismatchError, TypeError):
    """An array's dtype is not the one that a layer or a loss takes."""
