"""A run of pytest on a few files, in a process of its own."""

import os
import subprocess
import sys


def pytest_on(folder, *options):
    """Run the tests in a folder; return (exit status, what is printed).

    Without the other plugins of this environment, whose imports are six sevenths of the processor time: on a machine that
    is busy with other work, they took longer than the time after which a process counts as hanging.
    """
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder), *options, str(folder)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # of the run around it
    environment = {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr
