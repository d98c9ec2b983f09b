from __future__ import annotations

import httpx
import pytest

from tests.unit.doors.rest_stage import stage


@pytest.mark.parametrize("headers", [
    {"authorization": "Bearer sk-1"}, {"authorization": "Bearer wrong"}, {}, {"host": "rebound.example"},
])  # fmt: skip
async def test_the_first_page_says_what_this_is_to_anybody(headers: dict[str, str]) -> None:
    async with stage(keys=("sk-1",)) as run:
        plain = httpx.Request("GET", f"{run.url}/", headers=headers)
        answer = await run.client.send(plain)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "speech" in answer.text
        assert 'href="/docs"' in answer.text
        assert "1.2.3" not in answer.text
        docs = await run.client.get("/docs")
        for name in ("content-security-policy", "x-content-type-options", "cache-control"):
            directives = [part.split()[0] for part in answer.headers[name].split(";")]
            assert directives == [part.split()[0] for part in docs.headers[name].split(";")]
        assert "script-src 'none'; style-src 'sha256-" in answer.headers["content-security-policy"]
        head = await run.client.send(httpx.Request("HEAD", f"{run.url}/", headers=headers))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(answer.content))
        assert {**head.headers, "x-request-id": "", "date": ""} == {**answer.headers, "x-request-id": "", "date": ""}


async def test_the_docs_page_needs_nothing_from_elsewhere() -> None:
    async with stage() as run:
        page = await run.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
