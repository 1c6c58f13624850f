"""Fixtures of the integration tests. They need no root, no fixed port and no network, and run in
parallel (pytest -n 4). TUNNELD_BUILD names the build directory, otherwise it is
<repository>/build."""

import os

import pytest

from harness import build, ports, proc
from harness.beside import Beside
from harness.keys import Keys
from harness.lab import Lab, Simple
from harness.person import Person


def pytest_configure(config):
    proc.become_subreaper()


def pytest_collection_modifyitems(config, items):
    missing = build.missing_programs()
    for item in items:
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"not built: {', '.join(missing)}"))
        elif item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the logs of the programs it ran."""
    outcome = yield
    report = outcome.get_result()
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and lab and call.when == "call":
        for title, text in lab.logs():
            report.sections.append((title, text[-12000:]))


@pytest.fixture(scope="session")
def keyring(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(autouse=True)
def reserved_ports():
    """Set up before every other fixture of a test, so given back after all of them."""
    yield
    ports.release()


@pytest.fixture
def lab(keyring):
    lab = Lab(keyring)
    yield lab
    lab.close()


@pytest.fixture
def simple(lab):
    return Simple(lab)


@pytest.fixture
def beside(lab):
    return Beside(lab)


@pytest.fixture
def people(lab):
    """Who runs tunctl on a terminal."""
    return lambda daemon, *args: lab.keep(Person(daemon, *args))
