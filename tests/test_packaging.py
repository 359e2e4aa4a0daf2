"""The wheel has every subpackage, every shader and the type markers; setup.cfg says what the disk says."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOTS = {"tfgl": "runtime", "tfgl_shaders": "shaders", "tfgl_converter": "converter"}


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def package_folders() -> dict[str, Path]:
    """Dotted name -> folder of each package below the three roots."""
    found = {}
    for package, root in ROOTS.items():
        base = ROOT / root
        for init in sorted((base / package).rglob("__init__.py")):
            found[".".join(init.parent.relative_to(base).parts)] = init.parent
    return found


def test_packages_are_those_on_the_disk(setup_cfg: configparser.ConfigParser) -> None:
    listed = setup_cfg["options"]["packages"].split()
    assert len(listed) == len(set(listed)), "a package is listed twice"
    on_disk = sorted(package_folders())
    should_be = "\n    ".join(["packages =", *on_disk])
    assert sorted(listed) == on_disk, f"setup.cfg, [options], should read:\n{should_be}"


def test_no_module_lies_outside_a_package() -> None:
    folders = set(package_folders().values())
    lost = [
        path.relative_to(ROOT)
        for package, root in ROOTS.items()
        for path in (ROOT / root / package).rglob("*.py")
        if path.parent not in folders
    ]
    assert not lost, f"their folders have no __init__.py: {lost}"


def test_roots(setup_cfg: configparser.ConfigParser) -> None:
    pairs = [line.split(" = ") for line in setup_cfg["options"]["package_dir"].strip().splitlines()]
    assert dict(pairs) == {name: f"{root}/{name}" for name, root in ROOTS.items()}


def test_version_is_in_the_changelog_or_unreleased(setup_cfg: configparser.ConfigParser) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = setup_cfg["metadata"]["version"]
    assert f"## [{version}]" in changelog or "## [Unreleased]" in changelog


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    # From a copy: setuptools leaves build/ and egg-info beside the sources, and reads old ones back in.
    source = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for root in ROOTS.values():
        shutil.copytree(ROOT / root, source / root, ignore=ignore)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("wheel")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", "-q", *offline, "--wheel-dir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_has_every_module_shader_and_marker(wheel: zipfile.ZipFile) -> None:
    expected = {
        path.relative_to(ROOT / root).as_posix()
        for package, root in ROOTS.items()
        for pattern in ("*.py", "*.glsl", "py.typed")
        for path in (ROOT / root / package).rglob(pattern)
    }
    assert {f"{package}/py.typed" for package in ROOTS} <= expected
    assert expected - set(wheel.namelist()) == set()


def test_wheel_has_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(ROOTS)


def test_wheel_metadata(wheel: zipfile.ZipFile) -> None:
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = wheel.read(f"{folder}/METADATA").decode()
    assert "\nName: tfgl\n" in metadata
    assert "\nRequires-Python: >=3.10\n" in metadata
    assert "\ntfgl = tfgl.cli:main\n" in wheel.read(f"{folder}/entry_points.txt").decode() + "\n"
    required = re.findall(r"^Requires-Dist: ([\w-]+)(.*)$", metadata, re.M)
    base = {name for name, condition in required if "extra ==" not in condition}
    assert {"numpy", "moderngl", "glfw", "flatbuffers", "h5py", "protobuf", "click", "rich"} <= base
