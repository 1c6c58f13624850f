"""What a worker says of a server that has just been replaced in the configuration: it has not read the new
settings yet, and its numbers mean others there. With fake_worker.py for workers."""

import json
import pathlib

from harness.wait import until
from test_supervisor import House, at

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJU9Y2JYzb6XgTdGFuUm3AtnvkjYkxH/4CsmxMnzO3Q4"


class Changing(House):
    """A tunnel that is led to another server, and a worker that still speaks of `named` then."""

    def __init__(self, lab, late, named, **settings):
        self.known = lab.path("known")
        self.port = lab.port()
        self.settings = {"known_hosts": [str(self.known)], "host_key": "accept-new", **settings}
        late = [{"route": 0, "hop": 0, "server": f"me@{named}", **message} for message in late]
        super().__init__(lab, self.leading_to("127.0.0.1:1"), "late " + json.dumps(late))
        self.daemon.wait_state("t", "up")
        self.reload(self.leading_to("127.0.0.1:2"))

    def leading_to(self, host):
        return {"t": {**at(self.port), "host": f"me@{host}", **self.settings}}

    def notes(self):
        path = pathlib.Path(f"{self.plan}.notes")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def answers(self, count):
        until(lambda: len(self.notes()) == count, 5, "it has its answers")
        return self.notes()


OLD, NEW = "127.0.0.1:1", "127.0.0.1:2"


def test_the_key_of_the_old_server_is_not_written_under_the_name_of_the_new_one(lab):
    house = Changing(lab, [{"type": "host-key-new", "key": KEY}], OLD)
    assert house.answers(1) == [[1, "no-such-tunnel"]]
    assert not house.known.exists()


def test_the_key_of_the_new_server_is_written(lab):
    house = Changing(lab, [{"type": "host-key-new", "key": KEY}], NEW)
    assert house.answers(1) == [[1, None]]
    assert house.known.read_text() == f"[127.0.0.1]:2 ssh-ed25519 {KEY}\n"


def test_it_is_not_shown_to_a_person_as_the_new_ones(lab):
    new = {"type": "host-key-new", "key": KEY}
    house = Changing(lab, [{"type": "host-key", "key": KEY}, new], OLD, host_key="strict")
    assert house.answers(1) == [[2, "no-such-tunnel"]]
    assert house.daemon.call("HostKeys", name="t")["host_keys"] == []


def test_the_command_of_the_new_server_is_not_run_for_the_old_one(lab):
    proof = lab.path("proof")
    command = ["touch", str(proof)]
    house = Changing(lab, [{"type": "command"}], OLD, proxy_command=command)
    assert house.answers(1) == [[1, "connection-lost"]]
    assert not proof.exists()
