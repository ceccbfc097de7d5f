"""Check that sdist and wheel are complete: python .ci/check_packages.py DIST LIST-OF-PROJECT-FILES."""

import sys
import tarfile
import zipfile
from pathlib import Path

#: project files that the source package leaves out
NOT_SHIPPED = {".gitignore"}


def missing_from_sdist(path: Path, files: set[str]) -> set[str]:
    """Project files that are missing in the sdist."""
    with tarfile.open(path) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    return files - NOT_SHIPPED - inside


def missing_from_wheel(path: Path, files: set[str]) -> set[str]:
    """Files that are missing in the wheel, out of those of the package, the compiled modules and the licence."""
    with zipfile.ZipFile(path) as archive:
        inside = set(archive.namelist())
    missing = {name for name in files if name.startswith("fastcls/")} - inside
    for module in sorted(name.removesuffix(".pyx") for name in files if name.endswith(".pyx")):
        if not any(name.startswith(f"{module}.") and name.endswith((".so", ".pyd")) for name in inside):
            missing.add(f"{module}.*.so")
    if not any(name.endswith("licenses/LICENSE") for name in inside):
        missing.add("LICENSE")
    return missing


def main(dist: str, listing: str) -> int:
    """Print what is missing; 0 if nothing is."""
    files = {name.removeprefix("./") for name in Path(listing).read_text(encoding="utf-8").splitlines()}
    (sdist,), (wheel,) = Path(dist).glob("*.tar.gz"), Path(dist).glob("*.whl")
    assert {"fastcls/py.typed", "fastcls/_kernels.pyi"} <= files, "the file list does not list the project's files"
    missing = {sdist.name: missing_from_sdist(sdist, files), wheel.name: missing_from_wheel(wheel, files)}
    for name, lacking in missing.items():
        print(f"{name}: {'complete' if not lacking else 'lacks ' + ', '.join(sorted(lacking))}")
    return int(any(missing.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
