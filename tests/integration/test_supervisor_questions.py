"""Questions of workers that ask for what is not theirs, or too much; with fake_worker.py for workers."""

import getpass
import json
import pathlib

import pytest

from harness.varlink import MANAGER, Client
from harness.wait import until
from test_supervisor import House, at


SERVER = f"{getpass.getuser()}@127.0.0.1:1"


class Asking(House):
    """Tunnels `t` and `u`, and a worker that asks for `t` as soon as somebody attends to it."""

    def __init__(self, lab, *questions, plan=None):
        self.identity = lab.keys.client
        tunnel = {**at(lab.port()), "start": "manual"}
        other = {**tunnel, "local": at(lab.port())["local"], "host": "other@127.0.0.1:2"}
        questions = [{"subject": SERVER, **question} for question in questions]
        super().__init__(lab, {"t": tunnel, "u": other}, *(plan or ["ask " + json.dumps(questions)]))

    def notes(self):
        path = pathlib.Path(f"{self.plan}.notes")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def attend(self, *answers, only=None):
        """What was asked, answered in this order; only: a prompt, others are not answered."""
        answers, asked, last, self.notices = list(answers), [], None, []
        with Client(self.daemon.socket) as client:
            for reply in client.stream(f"{MANAGER}.Auth", name="t"):
                question, last = reply["question"], reply["tunnel"]["state"]
                self.notices += reply["notices"]
                if not question or question in asked:
                    continue
                asked.append(question)
                if only in (None, question["prompts"][0]["text"]):
                    answer = answers.pop(0)
                    self.daemon.call("Answer", name="t", question=question["id"], answers=answer)
        assert last == "up"
        return asked


def test_what_a_person_said_is_kept_and_forgotten_when_wrong(lab):
    house = Asking(lab, {}, {}, {"again": True}, {})
    asked = house.attend(["first"], ["second"])
    assert [q["again"] for q in asked] == [False, True]
    (prompt,) = asked[0]["prompts"]
    assert prompt == {"text": f"Password of {SERVER}: ", "echo": False}
    assert house.notes() == [[1, ["first"]], [2, ["first"]], [3, ["second"]], [4, ["second"]]]


def test_a_worker_gets_what_belongs_to_its_tunnel_alone(lab):
    """A password is that of the server which stands there in our configuration."""
    house = Asking(lab, {}, {"subject": "other@127.0.0.1:2"}, {"route": 1}, {"hop": 1}, {})
    house.attend(["mine"])
    assert house.notes() == [[1, ["mine"]], [2, None], [3, None], [4, None], [5, ["mine"]]]


def test_a_person_is_not_asked_for_the_code_of_another_server(lab):
    """The worker has settings that are gone: whoever types would believe to speak to the new server."""
    code = {"kind": "keyboard-interactive", "prompts": [{"text": "Code: ", "echo": True}]}
    house = Asking(lab, {**code, "subject": "me@127.0.0.1:2"}, code)
    (question,) = house.attend(["1"])
    assert question["server"] == SERVER
    assert house.notes() == [[1, None], [2, ["1"]]]


def test_passphrases_are_those_of_identities_of_the_tunnel(lab):
    ours = {"kind": "passphrase", "subject": str(lab.keys.client)}
    house = Asking(lab, ours, ours, {**ours, "subject": "/etc/shadow"}, {**ours, "subject": ""})
    (question,) = house.attend(["open sesame"])
    assert question["prompts"][0]["text"] == f"Passphrase for key {lab.keys.client}: "
    assert question["hop"] is None
    assert house.notes() == [[1, ["open sesame"]], [2, ["open sesame"]], [3, None], [4, None]]


def test_codes_are_not_kept(lab):
    code = {"kind": "keyboard-interactive", "prompts": [{"text": "Code: ", "echo": True}]}
    house = Asking(lab, code, code)
    first, second = house.attend(["1"], ["2"])
    assert first["prompts"] == second["prompts"] == code["prompts"]
    assert house.notes() == [[1, ["1"]], [2, ["2"]]]


def test_three_wrong_answers_end_it(lab):
    wrong = {"again": True}
    house = Asking(lab, {}, wrong, wrong, wrong)
    house.attend(["a"], ["b"], ["c"])
    assert house.notes()[-1] == [4, None]


def interactive(text, **more):
    prompts = [{"text": text, "echo": False}]
    return {"kind": "keyboard-interactive", "prompts": prompts, **more}


def test_what_a_server_only_says_is_told_and_not_answered(lab):
    said = {"kind": "keyboard-interactive", "instruction": "Look\x1b up", "hasty": True}
    elsewhere = {**said, "subject": "other@127.0.0.1:2"}
    house = Asking(lab, {**said, "name": "Push"}, elsewhere, interactive("Code: "))
    house.attend(["1"])
    assert house.notes() == [[3, ["1"]]]
    assert house.notices == [
        {"server": SERVER, "hop": None, "name": "Push", "instruction": "Look\\x1b up"}
    ]
    house.daemon.wait_log(rf"t: {SERVER} says: Push: Look\\x1b up")
    assert "other@127.0.0.1:2 says" not in house.daemon.log


def test_of_too_much_that_is_said_the_last_is_told(lab):
    """Nobody reads it meanwhile: more than fits into a reply."""
    said = [
        {"kind": "keyboard-interactive", "instruction": f"number {i}", "hasty": True}
        for i in range(500)
    ]
    house = Asking(lab, *said, interactive("Code: "))
    house.attend(["1"])
    assert 8 <= len(house.notices) <= 500
    assert house.notices[-1]["instruction"] == "number 499"


def test_another_question_takes_the_place_of_one_that_was_not_answered(lab):
    house = Asking(lab, interactive("Old: ", hasty=True), interactive("Code: "))
    house.attend(["1"], only="Code: ")
    assert house.notes() == [[1, None], [2, ["1"]]]


def test_a_question_is_withdrawn(lab):
    cancel = {"type": "question-cancel", "call": 1, "hasty": True}
    house = Asking(lab, interactive("Old: ", hasty=True), cancel, interactive("Code: "))
    house.attend(["1"], only="Code: ")
    assert house.notes() == [[3, ["1"]]]


def test_nobody_is_there(lab):
    house = Asking(lab, {})
    house.daemon.call("Up", names=["t"])
    until(house.notes, 5, "there is an answer")
    assert house.notes() == [[1, None]]


@pytest.mark.parametrize(
    "text",
    [
        {"type": "question", "call": 1, "tunnel": 999, "kind": "password"},
        {"type": "question", "call": 1, "tunnel": 0, "kind": "password"},
        {"type": "question", "call": 1, "tunnel": 1, "kind": "bribe"},
        {"type": "question-cancel"},
        {"type": "wrong-answer", "call": 1, "tunnel": 999, "kind": "password"},
    ],
    ids=["no-such-tunnel", "none", "no-such-kind", "no-call", "wrong-of-no-tunnel"],
)
def test_nonsense_costs_the_worker_its_life(lab, text):
    rest = {"route": 0, "hop": 0, "again": False, "subject": "", "name": "", "instruction": ""}
    text = {**rest, "prompts": [], **text}
    house = House(lab, {"t": at(lab.port())}, "say " + json.dumps(text), "good")
    house.daemon.wait_log("spoke nonsense")
    house.daemon.wait_state("t", "up")


def test_calls_with_wrong_rights_or_parameters(lab):
    house = Asking(lab, plan=["good"])
    daemon = house.daemon
    with Client(daemon.socket) as client:
        client.send({"method": f"{MANAGER}.Auth", "parameters": {"name": "t"}})
        assert client.receive()["error"] == "org.varlink.service.ExpectedMore"
    for parameters, wrong in [
        ({"name": "t", "question": "1", "answers": []}, "question"),
        ({"name": "t", "question": 1, "answers": [1]}, "answers"),
        ({"name": "t", "question": 1}, "answers"),
    ]:
        error = daemon.call_error("Answer", **parameters)
        assert error == {"parameter": wrong}
    error = daemon.call_error("Answer", name="nobody", question=1, answers=[])
    assert error["code"] == "no-such-tunnel"
    error = daemon.call_error("Answer", name="t", question=1, answers=[])
    assert error["code"] == "no-such-question"
