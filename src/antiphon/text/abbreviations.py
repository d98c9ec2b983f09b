"""Abbreviations with a full stop, in lower case and without their last stop."""

from __future__ import annotations


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


INSIDE_SENTENCES = _words(
    "dr mr mrs ms mx prof st gen col sgt capt cmdr lt maj rev hon pres gov sen rep amb mt ft messrs",
    "vs cf e.g i.e eg ie viz approx dept",
    "hr fr z.b d.h u.a u.u bzw evtl ggf inkl bspw sog str",
    "mme mlle mgr sra srta dra dña sig dott ing ud uds vd p.ej p.ex exmo exma",
)
"""A sentence never ends here: something must follow."""

BEFORE_NUMBERS = _words(
    "no nos nr núm num fig figs vol vols p pp art sec ch eq op",
    "jan feb mar apr jun jul aug sep sept oct nov dec",
)
"""A sentence does not end here when a number follows: ``No. 5``, but ``No. I stay.``"""

PERHAPS_LAST = _words(
    "etc inc ltd co corp jr sr bros al est ca ph.d m.d a.m p.m usw usf ee.uu ave blvd",
)
"""A sentence may end here, as after ``U.S.``; it does when the next word is one of `OPENERS`."""

OPENERS = _words(
    "a an the i he she it we you they this that these those there here my your his her its our their",
    "and but or so yet then now if when while as what who why how where which",
    "in on at for from to by with after before however also yes no not let please today tomorrow yesterday",
    "er sie es wir ihr das der die und aber ich il elle nous vous le la les el ella los las un una y pero",
)
"""Frequent first words of sentences."""

GERMAN_MONTHS = _words(
    "januar jänner februar märz april mai juni juli august september oktober november dezember",
)
"""Months that make a date after ``3.``: ``am 3. Mai``."""
