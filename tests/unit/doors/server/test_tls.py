from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509

from antiphon.doors.server.tls import self_signed

NOW = 1_800_000_000.0
DAY = 86_400


def test_the_certificate_names_this_machine_and_its_key_is_private(tmp_path: Path) -> None:
    files = self_signed(tmp_path, NOW)
    certificate = x509.load_pem_x509_certificate(files.cert.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    today = dt.datetime.fromtimestamp(NOW, dt.UTC)
    assert certificate.not_valid_before_utc < today < certificate.not_valid_after_utc


@pytest.mark.parametrize(("days", "renewed"), [(1, False), (380, False), (384, True), (500, True)])
def test_the_certificate_is_kept_until_shortly_before_its_end(tmp_path: Path, days: int, renewed: bool) -> None:
    first = self_signed(tmp_path, NOW).cert.read_bytes()
    again = self_signed(tmp_path, NOW + days * DAY).cert.read_bytes()
    assert (again != first) is renewed


def test_other_names_or_a_broken_file_make_a_new_certificate(tmp_path: Path) -> None:
    first = self_signed(tmp_path, NOW)
    content = first.cert.read_bytes()
    assert self_signed(tmp_path, NOW, ("speech.example",)).cert.read_bytes() != content
    first.cert.write_text("nonsense")
    assert b"BEGIN CERTIFICATE" in self_signed(tmp_path, NOW).cert.read_bytes()
