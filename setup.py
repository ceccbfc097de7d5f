"""Build of the compiled core. pyproject.toml has everything declarative; this file has only what depends on the compiler."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# -ffp-contract=off: gcc fuses a*b+c by default, which rounds once instead of twice. The reference arithmetic rounds each
# operation, so every object of this package is built without fusing.
UNIX_FLAGS = ["-O3", "-ffp-contract=off"]
MSVC_FLAGS = ["/O2", "/fp:precise"]
OPENMP_PROBE = """
#include <omp.h>
int main(void) { int n = 0;
#pragma omp parallel reduction(+:n)
n += 1; return n == omp_get_max_threads() + 1000; }
"""

# FASTCLS_LIMITED_API=1 builds against the limited API: one wheel for Python 3.11 and all later versions (CONTRIBUTING.md has
# what it costs).
LIMITED = os.environ.get("FASTCLS_LIMITED_API") == "1"

# a change in one of these files rebuilds every extension
HEADERS = [str(path) for kind in ("*.pxd", "*.h") for path in sorted(Path("fastcls").rglob(kind))]


def openmp_flags(compiler):
    """Compile and link flags for OpenMP; two empty lists if a four-line program cannot be built with it.

    FASTCLS_NO_OPENMP=1 in the environment builds without OpenMP: correct, serial, and `fastcls.show_config()` says so.
    """
    if os.environ.get("FASTCLS_NO_OPENMP") == "1":
        return [], []
    if compiler.compiler_type == "msvc":
        candidates = [(["/openmp"], [])]
    elif sys.platform == "darwin":
        candidates = [(["-fopenmp"], ["-fopenmp"]), (["-Xpreprocessor", "-fopenmp"], ["-lomp"])]
    else:
        candidates = [(["-fopenmp"], ["-fopenmp"])]
    for compile_flags, link_flags in candidates:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.c"
            source.write_text(OPENMP_PROBE)
            try:
                objects = compiler.compile([str(source)], output_dir=folder, extra_postargs=compile_flags)
                compiler.link_executable(objects, str(Path(folder) / "probe"), extra_postargs=link_flags)
                subprocess.run([str(Path(folder) / "probe")], check=True, timeout=60)
            except Exception as reason:  # compilers fail in different ways; each means "not with these flags"
                print(f"OpenMP probe with {compile_flags}: {type(reason).__name__}")
                continue
            return compile_flags, link_flags
    print("OpenMP was not found: building fastcls without it, for one thread")
    return [], []


class BuildExt(build_ext):
    """build_ext with flags for the compiler in use, as many files at a time as there are processors."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        compile_flags, link_flags = openmp_flags(self.compiler)
        base = MSVC_FLAGS if self.compiler.compiler_type == "msvc" else UNIX_FLAGS
        for extension in self.extensions:
            extension.extra_compile_args = base + compile_flags
            extension.extra_link_args = link_flags
        super().build_extensions()


setup(
    ext_modules=cythonize(
        [
            Extension(
                ".".join(path.with_suffix("").parts),
                [str(path)],
                include_dirs=["fastcls/_simd"],
                depends=HEADERS,
                define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED else [],
                py_limited_api=LIMITED,
            )
            for path in sorted(Path("fastcls").rglob("*.pyx"))
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "binding": True,
            "embedsignature": True,
        },
    ),
    cmdclass={"build_ext": BuildExt},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED else {},
)
