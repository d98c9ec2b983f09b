"""``antiphon worker``: what it refuses before anything starts."""

from __future__ import annotations

import pytest

from antiphon.cli.main import run

pytestmark = pytest.mark.usefixtures("stubs")


@pytest.mark.parametrize(("arguments", "hint"), [
    (["gateway"], "antiphon serve --roles gateway"),
    (["speak", "gateway"], "antiphon serve --roles gateway"),
    (["all"], "antiphon serve --roles gateway"),
    (["singer"], "Unknown role 'singer'; choose from all, analyse, dub, gateway"),
    ([], "Name at least one role."),
    (["speak", "--port", "-1"], "port is -1; it must be 0 to 65535"),
    (["speak"], "ANTIPHON_REDIS_URL is not set"),
])  # fmt: skip
def test_a_wrong_worker_is_one_line_that_says_what_to_do(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["worker", *arguments])
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    (line,) = said.err.splitlines()
    assert line.startswith("antiphon: ")
    assert hint in line
