"""tunctl auth where another server of the list carries the tunnel: a better one may want an answer."""

import pytest

from harness import client
from harness.asking import AskingServer
from harness.lab import local
from harness.person import script
from harness.wait import until
from test_questions import SECRET


class Case:
    """Two servers for `t`: the first one wants a password, the second one a key."""

    def __init__(self, lab, **spec):
        self.asking = lab.keep(AskingServer(lab.keys, "password", password=SECRET))
        self.echo, self.port = lab.echo(), lab.port()
        hosts = [f"me@{self.asking.address}", lab.sshd().address]
        spec = {"host": hosts, "local": local(self.port, self.echo.port), **spec}
        self.daemon = lab.daemon(lab.config({"t": spec}))
        self.daemon.wait_state("t", "up")
        assert self.states() == ["failed", "up"]

    def states(self):
        return [s["state"] for s in self.daemon.inspect("t")["servers"]]


def test_a_better_server_is_let_in_too(lab, people):
    case = Case(lab)
    person = people(case.daemon, "auth", "t")
    person.answers(f"Password of me@{case.asking.address}: ", "wrong")
    person.sees("once more\n")
    person.answers(f"Password of me@{case.asking.address}: ", SECRET)
    person.sees("t: up")
    person.ends()
    until(lambda: case.states() == ["up", "idle"], 10, "it is used")
    assert client.exchange(case.port) == b"hello"


def test_a_better_server_that_gets_no_right_answer(lab):
    """The tunnel is up all the same."""
    case = Case(lab)
    assert script(case.daemon, ["a", "b", "c"]).stdout.startswith("t: up")
    assert case.states() == ["failed", "up"] and case.asking.passwords == ["a", "b", "c"]


@pytest.mark.parametrize("spec", [{"failback": "0"}, {"prefer": "any"}], ids=["failback", "any"])
def test_a_server_that_is_not_looked_for_asks_nothing(lab, spec):
    case = Case(lab, **spec)
    assert script(case.daemon, []).stdout.startswith("t: up")
    assert case.asking.connections == 1
