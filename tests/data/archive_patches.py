"""Replace facts of official archives during a test."""

from dataclasses import replace

from bench.data.official_archives import OFFICIAL_DATASETS


def patch_archive(monkeypatch, file: str, **changes) -> None:
    """Replace fields (md5, size, urls) of the archive with this file name until the test ends."""
    (archives,) = (official.archives for official in OFFICIAL_DATASETS.values() if file in official.archives)
    monkeypatch.setitem(archives, file, replace(archives[file], **changes))
