"""What is declared with ``expected=``: reasons, and functions that a rule's derivative is intended to be of."""

import re
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp

from ..derivatives.matrix import floating_results
from ..errors import message
from .first_order import first_order
from .report import Verdict
from .subject import Examination, Point

STEP = re.compile(r"\[(?:'([^']*)'|(\d+))\]|\.(\w+)")  # of a path as in "params['w'][0].scale"


def check_declarations(where: str, expected: Any, *, functions: bool) -> None:
    """Raise ``TypeError`` unless ``expected`` maps names to reasons, or to functions where these are allowed."""
    if expected is None:
        return
    if not isinstance(expected, Mapping):
        text = f"expected= to be a dict, such as {{'{'my_round' if functions else 'x'}': 'straight-through'}}"
        raise TypeError(message(where, text, type(expected).__name__))
    for key, declaration in expected.items():
        if not isinstance(declaration, str) and not (functions and callable(declaration)):
            text = f"expected[{key!r}] to be a reason{' or a function' if functions else ''}"
            raise TypeError(message(where, text, "a function" if callable(declaration) else type(declaration).__name__))


def refuse_unmet(names: Sequence[str], expected: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if a declaration is of a function without a rule."""
    for key in expected:
        if key not in names:
            listed = ", ".join(dict.fromkeys(names)) or "none is met"
            raise ValueError(
                message("check_rules", f"expected= to name a function with a rule, one of {listed}", repr(key))
            )


def refuse_right(examined: Examination, points: Sequence[Point]) -> None:
    """Raise if the rule is that of its own function: then no other function need be declared."""
    for point in points:
        first_order(examined, point)
        if any(finding.verdict is Verdict.MISMATCH for finding in examined.findings):
            return
    name = repr(examined.subject.name.partition(" (")[0])
    raise ValueError(
        message("check_rules", f"expected= to name what differs, and nothing of {name} does", "another function")
    )


def intended_call(
    name: str, function: Callable[..., Any], names: Sequence[str], results: Sequence[Any]
) -> Callable[..., list[Any]]:
    """Return an intended function of a rule's operands, which returns a list of its floating results.

    Args:
        name: of the rule's function.
        function: is called as the rule's function is, so without the constants that the rule closes over.
        names: of the operands, such as "constant 0", "x", "params['w']".
        results: the shapes and dtypes that it has to return.

    The returned function raises ``TypeError`` if the intended one cannot be called so, or returns something else.
    """
    places = [at for at, each in enumerate(names) if not each.startswith("constant ")]
    roots = ", ".join(dict.fromkeys(STEP.sub("", names[at]) for at in places))
    expected = [tuple(each.shape) for each in results]

    def call(_: Any, *operands: Any) -> list[jax.Array]:
        text = f"expected[{name!r}] to be a function of {roots}, with results of shape"
        text += f"{'s' * (len(expected) > 1)} {', '.join(map(str, expected))}"
        plain = [operands[at] for at in places]
        try:
            found = floating_results(function(*arguments([names[at] for at in places], plain)))
        except Exception as error:  # of any kind: it is the user's code
            try:
                found = floating_results(function(*plain))  # as a function of *args is called
            except Exception:
                first = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                raise TypeError(message("check_rules", text, first)) from error
        if [jnp.shape(each) for each in found] != expected:
            raise TypeError(message("check_rules", text, ", ".join(str(jnp.shape(each)) for each in found) or "none"))
        return found

    return call


def arguments(names: Sequence[str], operands: Sequence[Any]) -> list[Any]:
    """Return the arguments of a function from its operands, held in dicts, lists and objects as their names say.

    >>> arguments(["x", "params['w'][0]", "params['w'][1]"], [1, 2, 3])
    [1, {'w': [2, 3]}]
    """
    tree: dict[Any, Any] = {}
    for name, operand in zip(names, operands, strict=True):
        steps: list[Any] = [STEP.sub("", name)]
        for key, index, attribute in STEP.findall(name):
            steps.append(int(index) if index else _Attribute(attribute) if attribute else key)
        node = tree
        for step in steps[:-1]:
            node = node.setdefault(step, {})
        node[steps[-1]] = _Operand(operand)
    return [_built(each) for each in tree.values()]


class _Attribute(str):
    """A step to an attribute."""


class _Operand:
    def __init__(self, value: Any) -> None:
        self.value = value


def _built(node: Any) -> Any:
    if isinstance(node, _Operand):
        return node.value
    values = {key: _built(each) for key, each in node.items()}
    if all(isinstance(key, int) for key in values):
        return [values[key] for key in sorted(values)]
    if all(isinstance(key, _Attribute) for key in values):
        return SimpleNamespace(**values)
    return values
