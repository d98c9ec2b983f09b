"""Names, other names, defaults and meanings of settings are a contract: what stands in a deployment goes on working."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from antiphon.app.settings import sections, settings_class, variables
from antiphon.app.settings.source import engine_sections
from antiphon.ports.settings import Section

ROOT = Path(__file__).resolve().parents[2]
PROVIDERS = ROOT / "src" / "antiphon" / "providers"
GOLDEN: dict[str, dict[str, Any]] = json.loads((ROOT / "tests/contract/golden/settings.json").read_text("utf-8"))
OWNERS: dict[str, type[Section]] = {name: section for section in sections() for name in section.model_fields}


def test_every_setting_belongs_to_one_section_and_is_in_the_golden_list() -> None:
    assert sorted(OWNERS) == sorted(GOLDEN)
    assert sum(len(section.model_fields) for section in sections()) == len(OWNERS)
    assert sorted(settings_class().model_fields) == sorted(OWNERS)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_setting_is_what_it_was(name: str) -> None:
    section, golden = OWNERS[name], GOLDEN[name]
    assert list(variables(section, name)) == golden["variables"]
    assert section.model_fields[name].description == golden["description"]
    if "default" in golden:  # that of the data directory is the user's
        assert section().model_dump(mode="json")[name] == golden["default"]


# -- no default stands twice -------------------------------------------------------------------------------------------
MODULES = sorted(path for path in PROVIDERS.rglob("*.py") if path.name != "settings.py")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PROVIDERS)))
def test_an_engine_reads_its_section_and_has_no_default_beside_it(module: Path) -> None:
    text = module.read_text("utf-8")
    assert not re.search(r"settings\.get\(|settings\[|context\.settings", text)


def test_each_section_of_a_packaged_engine_is_declared_as_those_of_others_are() -> None:
    found: set[str] = set()
    for path in PROVIDERS.rglob("settings.py"):
        module = ".".join(("antiphon", *path.relative_to(PROVIDERS.parent).with_suffix("").parts))
        found |= {f"{module}:{name}" for name in re.findall(r"^class (\w+)\(Section\)", path.read_text("utf-8"), re.M)}
    assert found == {f"{section.__module__}:{section.__name__}" for section in engine_sections()}


def test_settings_of_engines_load_no_engine() -> None:
    for path in PROVIDERS.rglob("settings.py"):
        imported = set(re.findall(r"^(?:from|import) ([\w.]+)", path.read_text("utf-8"), re.M))
        assert imported <= {"__future__", "pathlib", "typing", "pydantic", "antiphon.ports.settings"}, path
