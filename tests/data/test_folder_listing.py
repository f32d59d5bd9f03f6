"""The tree of a data folder: its limits, and folders that cannot be listed."""

import os

import pytest

from bench.data import DataError, folder_listing
from bench.data.folder_listing import Folder


def test_a_disk_is_no_data_set(tmp_path, monkeypatch):
    for i in range(4):
        (tmp_path / f"{i}" / "x").mkdir(parents=True)
    assert len(list(Folder(tmp_path).walk())) == 9
    for limit, value in (("MAX_FOLDERS", 8), ("MAX_FILES", 7)):
        with monkeypatch.context() as patch, pytest.raises(DataError, match="give the folder of one data set"):
            patch.setattr(folder_listing, limit, value)
            Folder(tmp_path)


def test_a_folder_that_cannot_be_listed_is_refused_by_name(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=rf"^{tmp_path} cannot be listed \(Permission denied\): give read access"):
        Folder(tmp_path)
