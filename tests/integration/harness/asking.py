"""An SSH server that wants more than a key: passwords, codes, and one after the other."""

import asyncio
import inspect

import asyncssh

from . import keys
from .hostile import AsyncsshServer


class Round:
    """One request of keyboard-interactive, and what has to be answered (a list; a function of the
    answers; None: anything will do)."""

    def __init__(self, *prompts, answers=None, name="", instruction=""):
        self.prompts = [p if isinstance(p, tuple) else (p, False) for p in prompts]
        self.answers, self.name, self.instruction = answers, name, instruction

    def challenge(self):
        return self.name, self.instruction, "", self.prompts

    def accepts(self, given):
        return self.answers is None or self.answers == list(given)


class _Asking(asyncssh.SSHServer):
    def __init__(self, owner):
        self.owner = owner
        self.passed = 0  # factors
        self.round = 0

    def connection_made(self, conn):
        self.conn = conn
        self.owner.current = conn
        self.owner.connections += 1
        # See hostile.AsyncsshServer.mends_cancel.
        conn._process_cancel_tcpip_forward_global_request = (
            lambda packet: conn._report_global_response(False)
        )
        succeed = conn.send_userauth_success

        def one_more():
            self.passed += 1
            if self.passed < len(self.owner.factors):
                return conn.send_userauth_failure(True)
            return succeed()

        async def one_more_later():
            answer = one_more()
            if answer is not None:
                await answer

        # Newer ones of asyncssh wait for it.
        is_waited_for = inspect.iscoroutinefunction(succeed)
        conn.send_userauth_success = one_more_later if is_waited_for else one_more

    def begin_auth(self, username):
        return True

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        return True

    def _wants(self, method):
        return method in self.owner.factors[min(self.passed, len(self.owner.factors) - 1)]

    def public_key_auth_supported(self):
        return self._wants("publickey")

    def validate_public_key(self, username, key):
        text = key.export_public_key().decode()
        if keys.public(self.owner.key).split()[1] in text:
            return True
        self.owner.keys_refused.append(text)
        return False

    def password_auth_supported(self):
        return self._wants("password")

    def validate_password(self, username, password):
        self.owner.passwords.append(password)
        if self.owner.expired:
            raise asyncssh.PasswordChangeRequired("Your password has expired. New password:")
        return self._verdict(password == self.owner.password)

    def _verdict(self, is_right):
        """A refusal may be the end of the session, see AskingServer."""
        if is_right or not self.owner.hangs_up:
            return is_right
        if self.owner.hangs_up == "says so":  # as sshd at the last of MaxAuthTries
            raise asyncssh.ProtocolError("Too many authentication failures")
        if self.owner.hangs_up == "says no":
            asyncio.get_running_loop().call_soon(self.conn.close)
        else:
            self.conn.abort()
        return False

    def kbdint_auth_supported(self):
        return self._wants("keyboard-interactive")

    def get_kbdint_challenge(self, username, lang, submethods):
        self.round = 0
        self.owner.challenges += 1
        return self.owner.rounds[0].challenge() if self.owner.rounds else False

    def validate_kbdint_response(self, username, responses):
        self.owner.responses.append(list(responses))
        if not self.owner.rounds[self.round].accepts(responses):
            return self._verdict(False)
        if not self.owner.endless:
            self.round += 1
        if self.round == len(self.owner.rounds):
            return True
        return self.owner.rounds[self.round].challenge()


class AskingServer(AsyncsshServer):
    """factors: sets of methods, one of each is wanted, in this order. What came is in passwords,
    responses and keys_refused. hangs_up: the session ends with each refusal: "says so", "says no"
    before, or "silently"."""

    server_class = _Asking

    def __init__(
        self,
        keyring,
        *factors,
        password=None,
        rounds=(),
        key=None,
        expired=False,
        endless=False,
        hangs_up=None,
        **options,
    ):
        self.factors = [{f} if isinstance(f, str) else set(f) for f in factors]
        self.key = key or keyring.client
        self.password, self.rounds = password, list(rounds)
        self.expired, self.endless, self.hangs_up = expired, endless, hangs_up
        self.passwords, self.responses, self.challenges = [], [], 0
        self.keys_refused = []
        super().__init__(keyring.host, **options)

    def drop(self):
        """Ends the session there is."""
        self._loop.call_soon_threadsafe(self.current.abort)
