"""conf/examples: databases, with their own servers and clients."""

import getpass
import re

import pytest

from harness import build, example
from harness.example import login
from harness.programs import Mariadb, Postgres, Redis, output, run

# One server for all tests that want it: its first start takes a second.
pytestmark = [
    pytest.mark.xdist_group("databases"),
    pytest.mark.skipif(build.SANITIZED, reason="to tunneld it is data like any other"),
]


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    yield server
    server.close()


def psql(*arguments, host="localhost", port, **options):
    env = {"PGPASSWORD": "secret", "PGHOST": str(host), "PGPORT": str(port)}
    return output("psql", "-XAtq", "-d", "postgres", *arguments, env=env, **options).strip()


def test_mysql(lab):
    sshd, database, port = lab.sshd(), lab.keep(Mariadb()), lab.port()
    words = {"me@db.example.com": login(sshd), "3307": port, "3306": database.port}
    example.start(lab, "mysql.yaml", words)
    client = ["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", port, "-u", "app"]

    def ask(statement):
        return output(*client, "-psecret", "-N", "shop", "-e", statement).strip()

    assert ask("SELECT current_user()") == "app@localhost"
    ask("CREATE TABLE item SELECT seq AS id, REPEAT('x', 200) AS text FROM seq_1_to_20000")
    assert ask("SELECT COUNT(*), SUM(id) FROM item") == "20000\t200010000"
    rows = ask("SELECT id, text FROM item ORDER BY id").splitlines()
    assert len(rows) == 20000 and rows[-1] == "20000\t" + "x" * 200
    refused = run(*client, "-pwrong", "shop", "-e", "SELECT 1")
    assert refused.returncode == 1 and b"Access denied" in refused.stderr


def test_postgresql(lab, postgres):
    sshd, prod, staging = lab.sshd(), lab.port(), lab.port()
    words = {
        "bastion.example.com:2222": sshd.address,
        "tunnel": getpass.getuser(),
        "~/.ssh/bastion_ed25519": lab.keys.client,
        "5432:postgres.internal:5432": f"{prod}:localhost:{postgres.port}",
        "5433:postgres-staging.internal:5432": f"{staging}:localhost:{postgres.port}",
    }
    daemon = example.start(lab, "postgres.yaml", words, later=["db-staging"])
    assert psql("-c", "SELECT current_user, inet_server_port()", port=prod) == (
        f"{postgres.owner}|{postgres.port}"
    )
    daemon.ctl("up", "db-staging", check=0)
    daemon.wait_state("db-staging", "up")
    assert psql("-c", "SELECT 6 * 7", port=staging) == "42"

    copied = "".join(f"{n}\t{'x' * 100}\n" for n in range(20000)).encode()
    psql("-c", "CREATE TABLE t (n int, text text)", port=prod)
    psql("-c", "COPY t FROM STDIN", port=prod, input=copied)
    assert psql("-c", "COPY t TO STDOUT", port=prod).encode() + b"\n" == copied


def test_pgbench(lab, postgres):
    sshd, port = lab.sshd(), lab.port()
    words = {
        "bastion.example.com:2222": sshd.address,
        "tunnel": getpass.getuser(),
        "~/.ssh/bastion_ed25519": lab.keys.client,
        "5432:postgres.internal:5432": f"{port}:localhost:{postgres.port}",
        "5433": lab.port(),
    }
    example.start(lab, "postgres.yaml", words, later=["db-staging"])
    pgbench = ["pgbench", "-h", "localhost", "-p", port, "postgres"]
    env = {"PGPASSWORD": "secret"}
    output(*pgbench, "-i", "-q", "-I", "dtgp", env=env)
    many = output(*pgbench, "-n", "-S", "-c", "20", "-j", "2", "-t", "50", env=env)
    assert "actually processed: 1000/1000" in many
    assert "failed transactions: 0 " in many
    connecting = output(*pgbench, "-n", "-S", "-C", "-c", "2", "-t", "25", env=env)
    assert "actually processed: 50/50" in connecting


def test_redis(lab):
    sshd, server, port = lab.sshd(), lab.keep(Redis()), lab.port()
    target = f"{port}:localhost:{server.port}"
    words = {"me@cache.example.com": login(sshd), "6379:localhost:6379": target}
    example.start(lab, "redis.yaml", words)
    cli = ["redis-cli", "-p", port]
    assert output(*cli, "ping") == "PONG\n"
    big = b"0123456789" * 300_000
    assert output(*cli, "-x", "set", "big", input=big) == "OK\n"
    assert output(*cli, "--raw", "get", "big").encode() == big + b"\n"
    assert output(*cli, "-r", "200", "incr", "counter").split()[-1] == "200"
    bench = output(
        "redis-benchmark", "-p", port, "-t", "get,set", "-n", "2000", "-c", "30", "--csv"
    )
    assert len(re.findall(r'^"(?:SET|GET)","\d', bench, re.MULTILINE)) == 2
    assert output(*cli, "-p", str(server.port), "get", "counter") == "200\n", "it is that server"
