"""tunctl against a scripted daemon: what it sends, what it prints, how it exits."""

import fake
import pytest


@pytest.fixture(name="server")
def _server(tmp_path):
    server = fake.Server(tmp_path / "control.sock")
    yield server
    server.close()
