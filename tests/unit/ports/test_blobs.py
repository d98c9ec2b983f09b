"""Keys of blobs, and the errors that all stores of blobs share."""

from __future__ import annotations

import pytest

from antiphon import ids
from antiphon.entities.blobs import BlobRef
from antiphon.errors import NotFound, Overloaded
from antiphon.ports.blobs import check_key, not_found, tenant_full


def test_a_key_as_they_are_made_passes() -> None:
    for key in ("k" * 21, "0aZ9" * 5 + "x", ids.token()):
        check_key(BlobRef("t", 5, key))


@pytest.mark.parametrize(
    "key", ["", "k" * 20, "k" * 22, "../" + "k" * 18, "k" * 20 + "\n", "é" * 21, "k" * 20 + "}", "k" * 21 + "\n"]
)
def test_a_key_in_any_other_form_is_not_found(key: str) -> None:
    with pytest.raises(NotFound) as unknown:
        check_key(BlobRef("t", 5, key))
    assert unknown.value.code == "blob_not_found"


def test_the_error_of_a_missing_blob_names_its_size_and_not_its_key() -> None:
    error = not_found(BlobRef("t", 12_345, "k" * 21))
    assert "12345 bytes" in error.message
    assert "kkk" not in error.message


def test_the_error_of_a_full_tenant_names_its_limit() -> None:
    error = tenant_full(4_096)
    assert isinstance(error, Overloaded)
    assert (error.code, "4096" in error.message) == ("blobs_full", True)
