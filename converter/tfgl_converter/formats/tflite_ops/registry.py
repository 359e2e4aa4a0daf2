"""The table of operators: what each becomes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from functools import cache

from tfgl.keras.builder import Tensor

from .operator import Operator

# The outputs of an operator in their order; a single one may stand alone.
Rule = Callable[[Operator], "Tensor | Sequence[Tensor]"]

_rules: dict[str, Rule] = {}


def operator(*names: str) -> Callable[[Rule], Rule]:
    """Registers the decorated function for operators: builtin names, or ``custom:`` and the name of a custom one."""

    def register(rule: Rule) -> Rule:
        for name in names:
            if name in _rules:
                raise RuntimeError(f"operator {name!r} has two rules")
            _rules[name] = rule
        return rule

    return register


def rule_of(name: str) -> Rule | None:
    """What an operator becomes, None for one that no rule serves.

    >>> rule_of("CONV_2D").__name__, rule_of("BUILTIN_999")
    ('conv_2d', None)
    """
    return _table().get(name)


def known_operators() -> frozenset[str]:
    """The names of all operators that have a rule.

    >>> "custom:TFLite_Detection_PostProcess" in known_operators()
    True
    """
    return frozenset(_table())


@cache
def _table() -> dict[str, Rule]:
    package = importlib.import_module(__package__ or "")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _rules
