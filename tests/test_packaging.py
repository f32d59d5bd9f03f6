"""A wheel carries the data files beside the modules: embedded images, C sources, templates, claims."""

import tomllib
from pathlib import Path

from bench import ROOT


def test_package_data_names_every_file_that_is_no_module():
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packaged = {
        file
        for package, patterns in tables["package-data"].items()
        for pattern in patterns
        for file in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    folders = [pattern.rstrip("*") for pattern in tables["packages"]["find"]["include"]]
    files = {file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()}
    data = {file for file in files if file.suffix not in (".py", ".pyc")}
    assert ROOT / "bench" / "data" / "fashion_mnist_8k" / "train-images-idx3-ubyte.xz" in data
    assert data <= packaged
    assert all((file.parent / "__init__.py").exists() for file in files if file.suffix == ".py"), "find lists packages"
    assert Path("bench") / "data" / "fashion_mnist_8k" / "__init__.py" in {file.relative_to(ROOT) for file in files}
