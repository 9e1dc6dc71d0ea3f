"""Archives within limits: a hostile zip is refused before, or at the byte at which, it does harm."""

from __future__ import annotations

import io
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest

from wayside.adapters.archive import ArchiveError, ArchiveLimits, unpacked


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def refused(path: Path, limits: ArchiveLimits | None = None) -> str:
    before = set(Path(tempfile.gettempdir()).glob("wayside-archive-*"))
    with pytest.raises(ArchiveError) as error, unpacked(path, limits=limits):
        raise AssertionError("it was opened")
    assert set(Path(tempfile.gettempdir()).glob("wayside-archive-*")) <= before
    return str(error.value)


def test_a_zip_is_unpacked_for_as_long_as_it_is_needed(tmp_path: Path) -> None:
    with unpacked(zipped(tmp_path / "a.zip", {"one.txt": b"1", "two.txt": b"22"})) as files:
        assert {name: path.read_bytes() for name, path in files.items()} == {"one.txt": b"1", "two.txt": b"22"}
        kept = list(files.values())
    assert not any(path.exists() for path in kept)


def test_a_single_top_folder_is_no_obstacle_and_what_lies_deeper_is_left_out(tmp_path: Path) -> None:
    with unpacked(zipped(tmp_path / "a.zip", {"top/one.txt": b"1", "top/more/two.txt": b"2"})) as files:
        assert list(files) == ["one.txt"]
    with unpacked(zipped(tmp_path / "b.zip", {"one.txt": b"1", "more/two.txt": b"2"})) as files:
        assert list(files) == ["one.txt"]


def test_names_that_lead_elsewhere_lead_nowhere(tmp_path: Path) -> None:
    names = {"../../evil.txt": b"x", "/etc/evil.txt": b"x", "..\\evil.txt": b"x", "good.txt": b"1"}
    with unpacked(zipped(tmp_path / "a.zip", names)) as files:
        assert list(files) == ["good.txt"]
    assert not list(tmp_path.parent.glob("evil*"))


def test_a_folder_is_read_without_its_links(tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    folder.mkdir()
    (folder / "one.txt").write_text("1")
    (folder / "link.txt").symlink_to("/etc/hostname")
    (folder / "deeper").mkdir()
    with unpacked(folder) as files:
        assert list(files) == ["one.txt"]


@pytest.mark.parametrize(
    ("limits", "files", "why"),
    [
        (ArchiveLimits(compressed=100), {"a": bytes(range(256)) * 4}, "100 may"),
        (ArchiveLimits(entries=2), {"a": b"", "b": b"", "c": b""}, "3 files; 2 may"),
        (ArchiveLimits(entry=1000), {"a": b"x" * 1001}, "1001 bytes; 1000 may"),
        (ArchiveLimits(total=1500), {"a": b"x" * 1000, "b": b"x" * 1000}, "more than 1500 bytes together"),
        (ArchiveLimits(), {"a": bytes(8 << 20)}, "grows more than 100 times"),
    ],
)
def test_limits(tmp_path: Path, limits: ArchiveLimits, files: dict[str, bytes], why: str) -> None:
    assert why in refused(zipped(tmp_path / "a.zip", files), limits)


def test_a_zip_that_lies_about_its_sizes_is_refused_where_they_are_passed(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a": b"x" * 100_000})
    content = path.read_bytes()
    lie = content.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lie != content
    path.write_bytes(lie)
    # It says ten bytes: the library stops there or finds that the checksum is wrong; either way nothing is used.
    assert "a.zip" in refused(path, ArchiveLimits(entry=1_000))


def test_encrypted_files_links_and_overlaps_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "is a link" in refused(tmp_path / "link.zip")

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.txt", b"x" * 100)
        archive.writestr("b.txt", b"y" * 100)
        archive.filelist[1].header_offset = archive.filelist[0].header_offset
    (tmp_path / "over.zip").write_bytes(target.getvalue())
    assert "lies over another" in refused(tmp_path / "over.zip")

    content = bytearray(zipped(tmp_path / "locked.zip", {"a.txt": b"secret"}).read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    (tmp_path / "locked.zip").write_bytes(content)
    assert "is encrypted" in refused(tmp_path / "locked.zip")


def test_what_is_no_zip_says_so(tmp_path: Path) -> None:
    page = tmp_path / "page.zip"
    page.write_bytes(b"<html>503</html>")
    assert "not a zip" in refused(page)
    assert "cannot be read" in refused(tmp_path / "missing.zip")


def test_damage_within_is_noticed(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "a.zip", {"a.txt": bytes(range(256)) * 40}, zipfile.ZIP_STORED).read_bytes())
    content[2_000] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    assert "CRC" in refused(tmp_path / "a.zip")
