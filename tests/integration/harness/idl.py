"""Reads a Varlink interface file and checks replies against it, so that every test that talks to
the daemon also tests that it says what docs/io.tunneld.Manager.varlink promises."""

import re

_TOKEN = re.compile(r"#[^\n]*|->|\[string\]|\[\]|[A-Za-z][A-Za-z0-9._-]*|[?(),:]")
_SCALARS = {"string": str, "bool": bool, "int": int, "float": (int, float), "object": dict}


class Interface:
    def __init__(self, text):
        self.text = text
        self._tokens = [t for t in _TOKEN.findall(text) if not t.startswith("#")]
        self.types, self.methods, self.errors = {}, {}, {}
        self._expect("interface")
        self.name = self._next()
        while self._tokens:
            kind, name = self._next(), self._next()
            if kind == "method":
                parameters = self._type()
                self._expect("->")
                self.methods[name] = (parameters, self._type())
            else:
                {"type": self.types, "error": self.errors}[kind][name] = self._type()

    def _next(self):
        return self._tokens.pop(0)

    def _expect(self, token):
        found = self._next()
        assert found == token, f"'{token}' expected, found '{found}'"

    def _type(self):
        """('maybe', t) | ('list', t) | ('struct', {name: t}) | ('enum', [names]) | name"""
        token = self._next()
        if token == "?":
            return "maybe", self._type()
        if token == "[]":
            return "list", self._type()
        if token == "[string]":
            return "map", self._type()
        if token != "(":
            return token
        names, fields = [], {}
        while self._tokens[0] != ")":
            name = self._next()
            names.append(name)
            if self._tokens[0] == ":":
                self._next()
                fields[name] = self._type()
            if self._tokens[0] == ",":
                self._next()
        self._next()
        return ("struct", fields) if fields or not names else ("enum", names)

    def check(self, kind, value, where):
        """Asserts that value is of type kind, down to the last field."""
        if isinstance(kind, str):
            if kind in self.types:
                return self.check(self.types[kind], value, where)
            wanted = _SCALARS[kind]
            good = isinstance(value, wanted) and not (kind in ("int", "float") and value is True)
            assert good, f"{where}: {kind} expected, found {value!r}"
            return None
        form, inner = kind
        if form == "maybe":
            return None if value is None else self.check(inner, value, where)
        if form == "enum":
            assert value in inner, f"{where}: one of {inner} expected, found {value!r}"
        elif form == "list":
            assert isinstance(value, list), f"{where}: a list expected, found {value!r}"
            for i, item in enumerate(value):
                self.check(inner, item, f"{where}[{i}]")
        else:
            self._check_object(form, inner, value, where)
        return None

    def _check_object(self, form, inner, value, where):
        assert isinstance(value, dict), f"{where}: an object expected, found {value!r}"
        if form == "map":
            for key, item in value.items():
                self.check(inner, item, f"{where}.{key}")
            return
        assert not set(value) - set(inner), f"{where}: unknown {sorted(set(value) - set(inner))}"
        for key, item in inner.items():
            optional = not isinstance(item, str) and item[0] == "maybe"
            assert key in value or optional, f"{where}: '{key}' is missing"
            self.check(item, value.get(key), f"{where}.{key}")
