import io
import tarfile
import zipfile

import pytest

from torchlearners.datasets import _extract as extract_module
from torchlearners.datasets._extract import extract, is_extracted
from torchlearners.exceptions import DatasetError

MEMBERS = {"top/a.txt": b"A", "top/deep/b.bin": bytes(200_000), "top/empty": b""}


def tar_of(members, path, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for member, content in members.items():
            info = member
            if isinstance(member, str):
                info = tarfile.TarInfo(member)
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zip_of(members, path):
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return path


def special(kind, target=""):
    info = tarfile.TarInfo("special")
    info.type, info.linkname = kind, target
    return info


def zip_link():
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    return info


def content_of(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and not p.name.startswith(".")
    }


@pytest.mark.parametrize("kind", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_becomes_a_folder(tmp_path, kind):
    path = tmp_path / "archive"
    zip_of(MEMBERS, path) if kind == "zip" else tar_of(MEMBERS, path, kind)
    extract(path, tmp_path / "folder", "digest")
    assert content_of(tmp_path / "folder") == MEMBERS
    assert is_extracted(tmp_path / "folder", "digest")
    assert {p.name for p in tmp_path.iterdir()} == {"archive", "folder"}


def test_folders_in_an_archive_do_no_harm(tmp_path):
    with tarfile.open(tmp_path / "tar", "w") as archive:
        archive.addfile(special(tarfile.DIRTYPE))
    extract(tmp_path / "tar", tmp_path / "folder", "digest")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("top/", b"")
    extract(tmp_path / "zip", tmp_path / "folder", "digest")
    assert content_of(tmp_path / "folder") == {}


def test_what_is_left_out_is_not_written(tmp_path):
    archive = tar_of(MEMBERS, tmp_path / "archive")
    extract(archive, tmp_path / "folder", "digest", skip="top/deep/")
    assert set(content_of(tmp_path / "folder")) == {"top/a.txt", "top/empty"}


def test_the_folder_of_another_archive_is_replaced(tmp_path):
    archive = tar_of(MEMBERS, tmp_path / "archive")
    extract(tar_of({"old": b""}, tmp_path / "old"), tmp_path / "folder", "old digest")
    assert not is_extracted(tmp_path / "folder", "digest")
    extract(archive, tmp_path / "folder", "digest")
    assert content_of(tmp_path / "folder") == MEMBERS


def test_a_folder_without_its_marker_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "half").touch()
    assert not is_extracted(tmp_path / "folder", "digest")
    extract(tar_of(MEMBERS, tmp_path / "archive"), tmp_path / "folder", "digest")
    assert content_of(tmp_path / "folder") == MEMBERS


def test_a_folder_has_its_name_only_when_it_is_whole(tmp_path, monkeypatch):
    folder, seen = tmp_path / "folder", []
    write = extract_module._write

    def look(*args):
        seen.append(folder.exists())
        write(*args)

    monkeypatch.setattr(extract_module, "_write", look)
    extract(tar_of(MEMBERS, tmp_path / "archive"), folder, "digest")
    assert seen == [False] * 3


# Archives that are not used


def assert_refused(archive, tmp_path, message="not a file inside of the folder"):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetError, match=message):
        extract(archive, tmp_path / "inside" / "folder", "digest")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def path(tmp_path):
    (tmp_path / "inside").mkdir()
    return tmp_path / "archive"


OUTSIDE = ["/evil", "../evil", "a/../../evil", "..\\evil", "C:\\evil", "\\evil", "C:e"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_outside_is_refused_in_a_tar(path, tmp_path, name):
    assert_refused(tar_of({"good": b"", name: b"evil"}, path), tmp_path)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_outside_is_refused_in_a_zip(path, tmp_path, name):
    assert_refused(zip_of({"good": b"", name: b"evil"}, path), tmp_path)


@pytest.mark.parametrize(
    "member",
    [
        special(tarfile.SYMTYPE, "/etc/passwd"),
        special(tarfile.SYMTYPE, "good"),
        special(tarfile.LNKTYPE, "good"),
        special(tarfile.CHRTYPE),
        special(tarfile.FIFOTYPE),
    ],
    ids=["link out", "link in", "hard link", "device", "pipe"],
)
def test_a_member_that_is_no_file_is_refused(path, tmp_path, member):
    assert_refused(tar_of({"good": b"x", member: b""}, path), tmp_path)


def test_a_link_in_a_zip_is_refused(path, tmp_path):
    assert_refused(zip_of({"good": b"x", zip_link(): b"/etc/passwd"}, path), tmp_path)


def test_two_members_of_one_name_are_refused(path, tmp_path):
    with tarfile.open(path, "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("twice"))
    assert_refused(path, tmp_path, "cannot be extracted: File exists")


@pytest.mark.parametrize("length", [0, 10, 100])
def test_a_tar_that_ends_early_is_refused(path, tmp_path, length):
    tar_of(MEMBERS, path)
    path.write_bytes(path.read_bytes()[:length])
    assert_refused(path, tmp_path, "cannot be read")


def test_a_zip_with_a_wrong_byte_is_refused(path, tmp_path):
    zip_of(MEMBERS, path)
    path.write_bytes(path.read_bytes().replace(bytes(1000), b"x" * 1000, 1))
    assert_refused(path, tmp_path, "cannot be read")


def test_an_interrupt_leaves_nothing(path, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    tar_of(MEMBERS, path)
    monkeypatch.setattr(extract_module, "_write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract(path, tmp_path / "folder", "digest")
    assert {p.name for p in tmp_path.iterdir()} == {"archive", "inside"}
