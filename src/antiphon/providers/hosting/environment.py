"""The environment of child processes: the variables they need to run, and no secrets."""

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
"""Variables of proxies and certificates."""
_SECRET = re.compile(
    r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?(?:_|$)|(?:^|_)(?:PASS|PAT|AUTH)(?:_|$)",
    re.IGNORECASE,
)
"""Names of variables that may hold a secret: a word ends with KEY, TOKEN …, or is PASS, PAT or AUTH."""


def child_environment(*names: str) -> dict[str, str]:
    """Return the variables that Python and its packages need, the locale, and those in ``names``.

    A name that ends with ``_`` is a prefix; variables that look like a secret are left out.
    """
    prefixes = (*_PREFIXES, *(name for name in names if name.endswith("_")))
    return {
        name: value
        for name, value in os.environ.items()
        if name in _NAMES or name in names or (name.startswith(prefixes) and not _SECRET.search(name))
    }
