"""What a child process gets of our environment: what it needs to run, and no secret."""

from __future__ import annotations

import os
import re

_NAMES = frozenset({
    "HOME", "LANG", "LOGNAME", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ", "USER", "USERNAME", "USERPROFILE",
    "VIRTUAL_ENV",
})  # fmt: skip
_PREFIXES = ("COVERAGE_", "DYLD_", "LC_", "LD_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON", "XDG_")
OF_DOWNLOADS = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
"""Variables by which proxies and certificates are named."""
_SECRET = re.compile(
    r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?(?:_|$)|(?:^|_)(?:PASS|PAT|AUTH)(?:_|$)",
    re.IGNORECASE,
)
"""A name with a word in it that ends so, or is one of these."""


def child_environment(*names: str) -> dict[str, str]:
    """Return what finds Python, its packages and the language of messages, and the variables of these ``names``.

    A name that ends with ``_`` stands for all that begin so, except for those that look like a secret.
    """
    prefixes = (*_PREFIXES, *(name for name in names if name.endswith("_")))
    return {
        name: value
        for name, value in os.environ.items()
        if name in _NAMES or name in names or (name.startswith(prefixes) and not _SECRET.search(name))
    }
