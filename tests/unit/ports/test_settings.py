"""What sections are made of."""

from __future__ import annotations

import pytest
from pydantic import AliasChoices, Field, SecretStr, ValidationError

from antiphon.ports.settings import Address, Chosen, Names, Secrets, Section, opened, section_of


class ParcelSettings(Section):
    """A parcel."""

    parcel_url: Address = Field(default="https://parcel.example", validation_alias=AliasChoices("PARCEL"))
    parcel_model: Chosen = "small"
    parcel_note: str = "note"
    parcel_names: Names = ("a",)
    parcel_keys: Secrets = ()
    parcel_weight: float = 1.0


def test_a_section_takes_its_own_of_many_values() -> None:
    found = section_of({"parcel_note": "", "parcel_url": "http://h:1", "other_note": "x"}, ParcelSettings)
    assert found == ParcelSettings(parcel_note="", parcel_url="http://h:1")


def test_a_list_may_be_written_with_commas() -> None:
    found = section_of({"parcel_names": " a,b ,,", "parcel_keys": "k1,k2"}, ParcelSettings)
    assert found.parcel_names == ("a", "b")
    assert [opened(key) for key in found.parcel_keys] == ["k1", "k2"]


def test_an_empty_choice_or_address_is_the_default_and_an_empty_text_is_empty() -> None:
    found = section_of({"parcel_url": "", "parcel_model": "", "parcel_note": ""}, ParcelSettings)
    assert (found.parcel_url, found.parcel_model, found.parcel_note) == ("https://parcel.example", "small", "")


@pytest.mark.parametrize("wrong", [
    {"parcel_url": "http://h:99999"}, {"parcel_url": "http://h:x"}, {"parcel_weight": "nan"}, {"parcel_wait": 1},
])  # fmt: skip
def test_what_is_wrong_or_unknown_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ParcelSettings.model_validate(wrong)


def test_a_section_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(ParcelSettings(), "parcel_note", "other")  # noqa: B010 - a type checker refuses the plain form


def test_a_secret_that_is_not_there_is_empty() -> None:
    assert (opened(None), opened(SecretStr("s"))) == ("", "s")
