"""Files of a data set as they are published: plain, gzipped, or inside a zip archive."""

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rlrec.errors import DataError


class RawFile(NamedTuple):
    """One file, wherever it is."""

    path: Path
    """The file on disk."""
    member: str | None = None
    """The file's name within the zip archive at `path`."""

    @property
    def name(self) -> str:
        """Name without folders and without ".gz"."""
        name = PurePosixPath(self.member or self.path.name).name
        return name[:-3] if _is_gzip(name) else name

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    def read(self) -> bytes:
        """Return the content, unpacked.

        Raises:
            DataError: The file is missing, damaged or empty.
        """
        if not self.path.is_file():
            raise DataError(f"{self.path}: expected a file, found {_what_is_at(self.path)}")
        try:
            content = self._packed()
            if _is_gzip(self.member or self.path.name):
                content = gzip.decompress(content)
        except RuntimeError as error:  # encrypted, or packed by an unknown method
            raise DataError(f"{self}: cannot be unpacked: {error}") from error
        except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError) as error:
            raise DataError(
                f"{self}: expected a whole file, found a damaged one ({error})"
            ) from error
        if not content.strip():
            raise DataError(f"{self}: expected at least one line, found an empty file")
        return content

    def first_line(self) -> bytes:
        """Return the first line of a file on disk, unpacking no more than that.

        Raises:
            DataError: The file is missing, damaged or empty.
        """
        if self.member is None and self.path.is_file():
            opened = gzip.open if _is_gzip(self.path.name) else open
            try:
                with opened(self.path, "rb") as file:
                    line: bytes = file.readline()
            except (EOFError, zlib.error, OSError):
                line = b""  # which reading all of it tells better
            if line.strip():
                return line
        return self.read().partition(b"\n")[0]

    def _packed(self) -> bytes:
        if self.member is None:
            return self.path.read_bytes()
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(self.member)


def files_at(path: Path) -> list[RawFile]:
    """Return the files of a data set: those of a folder or an archive, or the file itself.

    Raises:
        DataError: Nothing is there, or the archive is damaged.
    """
    if path.is_dir():
        return [RawFile(file) for file in sorted(path.iterdir()) if file.is_file()]
    if not path.is_file():
        raise DataError(f"{path}: expected a folder or a file, found {_what_is_at(path)}")
    if path.suffix.lower() != ".zip":
        return [RawFile(path)]
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.namelist(), key=lambda name: (name.count("/"), name))
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"{path}: expected a whole zip archive, found a damaged one ({error})"
        ) from error
    return [RawFile(path, name) for name in members if "__MACOSX" not in name]


def decoded(source: RawFile) -> str:
    """Return a file's text, in UTF-8, or in Latin-1 as older sets are.

    Raises:
        DataError: The file is missing, damaged or empty.
    """
    content = source.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def lines_of(text: str) -> list[str]:
    """Return the lines of a text; only line breaks part them, not all that Unicode knows."""
    lines = text.replace("\r\n", "\n").split("\n" if "\n" in text else "\r")
    return lines[:-1] if lines[-1] == "" else lines


def _is_gzip(name: str) -> bool:
    return name.lower().endswith(".gz")


def _what_is_at(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    return "something that is no ordinary file" if path.exists() else "nothing there"


def named(files: Iterable[RawFile], name: str) -> RawFile | None:
    """Return the first file of this name, with or without ".gz"; None if there is none."""
    return next((file for file in files if file.name == name), None)
