"""Small sums in a sentence: "what is 12 times 7", "3.5 + 4"."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation, localcontext

_SIGNS = {
    "+": "+", "plus": "+",
    "-": "-", "−": "-", "minus": "-",
    "*": "*", "×": "*", "x": "*", "times": "*", "multiplied by": "*",
    "/": "/", "÷": "/", "divided by": "/", "over": "/",
}  # fmt: skip
_NUMBER = r"-?\d{1,15}(?:[.,]\d{1,9})?"
_SIGN = "|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True))
_SUM = re.compile(
    rf"(?:(?:what(?:'s| is)|how much is|calculate|compute)\s+)?({_NUMBER})\s*({_SIGN})\s*({_NUMBER})\s*=?",
    re.IGNORECASE,
)


def answer(text: str) -> str | None:
    """Return the result of a sum of two numbers, or None when ``text`` is anything else.

    Division rounds to four places; a division by zero is "not defined".
    """
    match = _SUM.fullmatch(text.strip(" .?!"))
    if match is None:
        return None
    left, right = (Decimal(match.group(index).replace(",", ".")) for index in (1, 3))
    with localcontext() as context:
        context.prec = 40
        try:
            result = _apply(_SIGNS[match.group(2).lower()], left, right)
        except InvalidOperation:
            return "not defined"
        return f"{result.normalize():f}" if result else "0"


def _apply(sign: str, left: Decimal, right: Decimal) -> Decimal:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            if not right:
                raise InvalidOperation
            return round(left / right, 4)
