"""Files of a data set as they are published: plain, gzipped, or inside a zip archive."""

import gzip
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
        return PurePosixPath(self.member or self.path.name).name.removesuffix(".gz")

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    def read(self) -> bytes:
        """Return the content, unpacked.

        Raises:
            DataError: The file is missing, damaged or empty.
        """
        if not self.path.is_file():
            raise DataError(f"{self.path}: expected a file, found nothing there")
        try:
            content = self._packed()
            if (self.member or self.path.name).endswith(".gz"):
                content = gzip.decompress(content)
        except (EOFError, zlib.error, zipfile.BadZipFile, OSError) as error:
            raise DataError(
                f"{self}: expected a whole file, found a damaged one ({error})"
            ) from error
        if not content.strip():
            raise DataError(f"{self}: expected at least one line, found an empty file")
        return content

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
        raise DataError(f"{path}: expected a folder or a file, found nothing there")
    if path.suffix != ".zip":
        return [RawFile(path)]
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.namelist(), key=lambda name: (name.count("/"), name))
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"{path}: expected a whole zip archive, found a damaged one ({error})"
        ) from error
    return [RawFile(path, name) for name in members if "__MACOSX" not in name]


def named(files: Iterable[RawFile], name: str) -> RawFile | None:
    """Return the first file of this name, with or without ".gz"; None if there is none."""
    return next((file for file in files if file.name == name), None)
