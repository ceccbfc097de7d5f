"""What holds for every test run: markers are true, and skips are counted by reason, and whether each was right."""

import gc
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Without the project around them (a copy of tests/, next to an installed fastcls), the tests of its files do not run.
IS_ALONE = not (ROOT / "pyproject.toml").exists()
collect_ignore = ["project"] if IS_ALONE else []

#: real data that some tests need; they are skipped where it is absent
SHARED = ROOT.parent / "shared" / "data"

#: What a test may be skipped for the lack of -> whether it is here. A skip for the lack of what is here fails the run.
AT_HAND = {
    "chromium": lambda: any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    "shared data": SHARED.is_dir,
    "C compiler": lambda: shutil.which(os.environ.get("CC", "cc")) is not None,
    "aarch64-linux-gnu-gcc": lambda: shutil.which("aarch64-linux-gnu-gcc") is not None,
    "qemu-aarch64": lambda: shutil.which("qemu-aarch64") is not None,
    "playwright": lambda: importlib.util.find_spec("playwright") is not None,
    **{
        name: lambda name=name: importlib.util.find_spec(name) is not None
        for name in (
            "pandas",
            "distributed",
            "onnx",
            "onnxruntime",
            "skops",
            "zarr",
            "Cython",
            "pyarrow",
            "h5py",
            "polars",
            "torch",
            "lightgbm",
            "faiss",
            "sklearnex",
            "statsmodels",
            "ml_dtypes",
        )
    },
}

#: the markers of tests that start processes; pyproject.toml says what they mean
MARKERS = {"cluster", "browser", "process", "emulated", "build"}

#: Program whose name matches -> the marker that its test needs. Any other program needs one of the markers.
MARKER_OF = {
    r"qemu-": "emulated",
    r"chrom(e|ium)|playwright|node$": "browser",
    r"(^|-)(cc|gcc|clang|c\+\+|g\+\+)(-[\d.]+)?$": "build",
}

#: programs that libraries ask about the machine, or about its fonts
ASKED = {"lscpu", "cat", "fc-list", "uname", "ldconfig"}

_running: list[pytest.Item] = []


def pytest_configure(config):
    """What pyproject.toml sets, for tests that are alone."""
    if IS_ALONE:
        sys.path.insert(0, str(Path(__file__).with_name("helpers")))
        for marker in sorted(MARKERS):
            config.addinivalue_line("markers", f"{marker}: see CONTRIBUTING.md")


def pytest_report_header():
    if IS_ALONE:
        return "the project is not around its tests: tests/project, and tests that read docs/ or bench/, do not run"
    return None


def marker_missing(program, markers):
    """The marker that a test lacks if it starts this program; None if it has it."""
    name = os.path.basename(program)
    if name in ASKED:
        return None
    wanted = next((marker for pattern, marker in MARKER_OF.items() if re.search(pattern, name)), None)
    if wanted is None:
        return None if markers & MARKERS else "process"
    return None if wanted in markers else wanted


def _watch(event, arguments):
    """Fail a test that starts a process without the marker that says so."""
    if event not in ("subprocess.Popen", "os.fork", "os.posix_spawn") or not _running:
        return
    program = "python" if event == "os.fork" else arguments[0] or arguments[1][0]
    missing = marker_missing(os.fsdecode(program), {mark.name for mark in _running[-1].iter_markers()})
    if missing:
        pytest.fail(f"the test starts {os.fsdecode(program)}: mark it with pytest.mark.{missing}")


sys.addaudithook(_watch)


#: Files whose tests share what takes seconds to make. With pytest-xdist one process runs all tests of a group.
#: Every other file is a group by itself, so that its fixtures are made once.
TOGETHER = {
    "dask/": "cluster",
    "datasets/test_datasets_cifar.py": "cifar10",
    "protocols/test_real_data.py": "cifar10",
}

#: Files whose tests take long, then folders of such, the longest first: a process that begins one of these last would keep
#: all others waiting.
LONG = (
    "dask/",
    "kernels/test_selftest.py",
    "demo/test_demo_browser.py",
    "demo/test_demo_same_numbers.py",
    "datasets/test_datasets_cifar.py",
    "protocols/test_real_data.py",
    "project/test_lecture_pages.py",
    "protocols/test_presets_on_real_data.py",
    "cli/test_report.py",
    "project/test_tests.py",
    "cli/test_environment.py",
    "linear/test_linear.py",
    "protocols/test_protocols.py",
    "linear/test_linear_accuracy.py",
    "cli/test_cli_kept.py",
    "kernels/test_linear_selftest.py",
    "search/test_processes.py",
    "search/test_out_of_core.py",
    "search/test_filter_hostile.py",
    "demo/test_demo_command.py",
    "project/test_docs_pages.py",
    "project/test_bench.py",
    "cli/test_cli.py",
    "display/",
    "protocols/",
    "linear/",
    "cli/",
    "search/",
    "persistence/",
)


def group_of(nodeid):
    """The group that a test belongs to."""
    file = nodeid.split("::")[0]
    return next((group for start, group in TOGETHER.items() if file.startswith(f"tests/{start}")), file)


def pytest_collection_modifyitems(items):
    """The groups of long files first."""

    def place(item):
        file = item.nodeid.removeprefix("tests/")
        return next((at for at, start in enumerate(LONG) if file.startswith(start)), len(LONG))

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """No garbage is looked for among eleven thousand collected tests: they stay until the end.

    Else each full pass of the garbage collector visits them all again, half a second at a time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """pytest-xdist's own groups, by marks, are not seen under pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    config.option.loadscopereorder = False  # the order is the one above
    return Together(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.pop()


@pytest.fixture(autouse=True, scope="session")
def interrupts_are_heard():
    """A job started in the background by a script ignores SIGINT, and so would every process that a test interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def processes_share_the_processor():
    """With pytest-xdist: threads of a BLAS that wait by spinning make small problems ten times as slow."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


#: What limits threads, as it was when the run began.
LIMITS = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def pytest_runtest_setup(item):
    """Undo what a Dask nanny sets in this process: one that starts a worker late does so after its tests have ended."""
    if not item.get_closest_marker("cluster"):
        for name, value in LIMITS.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def shared_data():
    """The function that gives the path of a file or folder of the shared data, or skips the test."""

    def path_of(name):
        if not (SHARED / name).exists():
            pytest.skip(f"shared data not found at ../shared/data: no {name}")
        return SHARED / name

    return path_of


@pytest.fixture(scope="session")
def cifar10_folder(shared_data, tmp_path_factory):
    """CIFAR-10 (JPEG copy) as the official folders, binary and python, written once. Mark its tests `process`."""
    maker = shared_data("cifar10_jpeg.tar.xz").with_name("make_cifar10.py")
    folder = tmp_path_factory.mktemp("cifar10")
    subprocess.run([sys.executable, maker, "--format", "bin,py", folder], check=True)
    return folder


def skip_reason(report):
    """The reason of a skipped test's report; xfail reports have none here, they are not in the list of skips."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return re.sub(r"^Skipped: ", "", text)


def unjustified(reason):
    """Whether a skip blames the lack of something that is here."""
    return any(re.search(rf"\b{name}\b", reason, re.IGNORECASE) and here() for name, here in AT_HAND.items())


def _skips(config):
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return Counter(map(skip_reason, reporter.stats.get("skipped", []))) if reporter else Counter()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    if exitstatus == pytest.ExitCode.OK and any(map(unjustified, _skips(session.config))):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    skips = _skips(config)
    terminalreporter.section("skips by reason")
    for reason, count in skips.most_common():
        wrong = "  <- WRONG: it is here" if unjustified(reason) else ""
        terminalreporter.line(f"{count:5d}  {reason}{wrong}")
    terminalreporter.line(f"{sum(skips.values()):5d}  skipped in all")
