"""A text without quotation marks, what YAML 1.1 makes of it, and what to write instead."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

# Longer numbers are easier to read with an exponent.
_LONGEST = 12
# Beyond any number of a study, and as many digits as Python writes out.
_LARGEST_EXPONENT = 4000


@dataclass(frozen=True)
class Plain:
    """What somebody typed, and what YAML made of it.

    Attributes
    ----------
    text
        As it stands in the file, without quotation marks.
    value
        The text itself, a truth value, a number, a date, or None.
    """

    text: str
    value: Any

    def read_as(self) -> str:
        """What YAML took the text for: `'no' is false to YAML 1.1`."""
        typed = repr(self.text) if self.text else "nothing"
        return f"{typed} is {_in_words(self.value)} to YAML 1.1"

    def problem(self) -> str | None:
        """What is wrong wherever it stands: a number that is not the one that people read.

        YAML 1.1 counts in sixties where there are colons, and in eights after a leading 0.
        """
        if not _is_number(self.value) or self._is_as_typed():
            return None
        if ":" not in self.text and _number(self.text) is None:
            return None
        return f"{self.read_as()}: write the number as you mean it, or text in quotation marks"

    def hint(self, allowed: Sequence[Mapping[str, Any]]) -> str | None:
        """What to write instead; None if YAML took the text for what it looks like.

        Parameters
        ----------
        allowed
            What may stand there: the branches of a JSON schema.
        """
        if isinstance(self.value, str):
            better = _spellings(self.text, {option.get("type") for option in allowed})
            return f"{self.read_as()}: write {better}" if better else None
        if any(_takes(option, self.text) for option in allowed):
            return f"{self.read_as()}: text needs quotation marks"
        return self.read_as() if self._looks_otherwise() else None

    def _looks_otherwise(self) -> bool:
        if _is_number(self.value):
            return "_" in self.text or not self._is_as_typed()
        return self.text.lower() != _in_words(self.value)

    def _is_as_typed(self) -> bool:
        """Whether the value is the number that people read."""
        number = _number(self.text)
        finite = abs(self.value) != math.inf
        return number is not None and finite and type(self.value)(number) == self.value


# Where a value stands: the keys that lead to it, and its number in a list.
KeyPath = tuple[str, ...]
# What was typed, of the values without quotation marks.
Typed = Mapping[KeyPath, Plain]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_words(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return "a date"
    return "text" if isinstance(value, str) else f"the number {value}"


def _number(text: str) -> Decimal | None:
    """The number that people take a text for; None if it is none, or beyond all measure."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _LARGEST_EXPONENT else None


def _spellings(text: str, kinds: set[str | None]) -> str | None:
    """How YAML 1.1 wants a number to be written that it took for text."""
    number = _number(text)
    if number is None or not kinds & {"integer", "number"}:
        return None
    if "number" not in kinds and number != number.to_integral_value():
        return None
    found = []
    if "e" in text.lower() and "number" in kinds:
        digits, _, exponent = f"{number:e}".partition("e")
        found.append(f"{digits if '.' in digits else f'{digits}.0'}e{exponent}")
    if len(usual := f"{number:f}") <= _LONGEST or not found:
        found.append(usual if "number" in kinds else str(int(number)))
    return " or ".join(found)


def _takes(option: Mapping[str, Any], text: str) -> bool:
    """Whether a branch of a schema takes a text."""
    choice = option.get("enum", [option.get("const", text)])
    if option.get("type") != "string" or text not in choice:
        return False
    return bool(text) and re.search(option.get("pattern", ""), text) is not None
