"""Certificates: configured files, or a self-signed one for clients that require TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from antiphon.folders import make_private

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_VALID_DAYS = 397
_RENEW_DAYS = 14


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of the certificate (chain) and the private key, both PEM."""

    cert: Path
    key: Path


def self_signed(data_dir: Path, now: float, names: Sequence[str] = LOCAL_NAMES) -> TlsFiles:
    """Return ``data_dir/tls/{cert,key}.pem`` for ``names``.

    Created if missing or made for other names, and renewed 14 days before it expires; ``now`` is the wall clock.
    Only the owner can read the key.
    """
    folder = data_dir / "tls"
    files = TlsFiles(folder / "cert.pem", folder / "key.pem")
    today = dt.datetime.fromtimestamp(now, dt.UTC)
    if files.key.exists() and files.cert.exists() and _serves(files.cert, names, today):
        return files
    make_private(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write_private(files.key, private)
    files.cert.write_bytes(_certificate(key, names, today).public_bytes(pem))
    return files


def _serves(cert: Path, names: Sequence[str], today: dt.datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound):
        return False
    lasts = found.not_valid_after_utc - today > dt.timedelta(days=_RENEW_DAYS)
    return lasts and list(extension.value) == [_general_name(name) for name in names]


def _certificate(key: ec.EllipticCurvePrivateKey, names: Sequence[str], today: dt.datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Antiphon (self-signed)")])
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
