/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/config_fixture.h"
#include <sys/stat.h>

#include "lib/forward_spec.h"
#include "lib/util.h"

static void expect_end(const struct config_forward *f, const struct config_end *end,
		       const char *text)
{
	char out[CONFIG_END_TEXT_MAX];

	assert_string_equal(config_end_text(out, sizeof(out), end, f->port_count), text);
}

static const char mixed[] =
	"tunnels:\n"
	"  t:\n"
	"    host: h\n"
	"    remote:\n"
	"      - 2222:localhost:22\n"
	"      - '*:0:/run/pg.sock'\n"
	"      - { listen: 1080, allow: any }\n"
	"      - { listen: 0, allow: ['*.internal:443', 10.0.0.0/8:22], name: inward }\n"
	"      - '[::]:9000-9009:h:8000-8009'\n"
	"    dynamic: 1080\n"
	"    local:\n"
	"      - 5432:/run/remote.sock\n"
	"      - /run/x.sock:db:5432\n"
	"      - { listen: 9000-9010, target: 'h:8000-8010', max_connections: 7, idle_timeout: 5m }\n"
	"      - { listen: /run/y.sock, target: /run/z.sock, mode: 0660, group: www }\n";

static const struct {
	enum forward_type type;
	const char *name, *listen, *target;
	enum end_kind listen_kind, target_kind;
} expected[] = {
	{ FORWARD_REMOTE, "remote:localhost:2222", "localhost:2222", "localhost:22", END_TCP,
	  END_TCP },
	{ FORWARD_REMOTE, "remote:*:0:/run/pg.sock", "*:0", "/run/pg.sock", END_TCP, END_UNIX },
	{ FORWARD_REMOTE, "remote:localhost:1080", "localhost:1080", "any", END_TCP, END_PROXY },
	{ FORWARD_REMOTE, "inward", "localhost:0", "any", END_TCP, END_PROXY },
	{ FORWARD_REMOTE, "remote:[::]:9000-9009", "[::]:9000-9009", "h:8000-8009", END_TCP,
	  END_TCP },
	{ FORWARD_DYNAMIC, "dynamic:localhost:1080", "localhost:1080", "any", END_TCP, END_PROXY },
	{ FORWARD_LOCAL, "local:localhost:5432", "localhost:5432", "/run/remote.sock", END_TCP,
	  END_UNIX },
	{ FORWARD_LOCAL, "local:/run/x.sock", "/run/x.sock", "db:5432", END_UNIX, END_TCP },
	{ FORWARD_LOCAL, "local:localhost:9000-9010", "localhost:9000-9010", "h:8000-8010", END_TCP,
	  END_TCP },
	{ FORWARD_LOCAL, "local:/run/y.sock", "/run/y.sock", "/run/z.sock", END_UNIX, END_UNIX },
};

static void test_all_kinds_on_one_session(void **state)
{
	struct config *config = fixture_load_good(*state, mixed);
	const struct config_tunnel *t = config->tunnels[0];
	const struct config_forward *f = t->forwards;

	assert_int_equal(t->forward_count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(f[i].type, expected[i].type);
		assert_string_equal(f[i].name, expected[i].name);
		assert_int_equal(f[i].listen.kind, expected[i].listen_kind);
		assert_int_equal(f[i].target.kind, expected[i].target_kind);
		expect_end(&f[i], &f[i].listen, expected[i].listen);
		expect_end(&f[i], &f[i].target, expected[i].target);
		assert_false(f[i].added);
	}
	assert_int_equal(f[2].allow.count, 1);
	assert_string_equal(f[2].allow.items[0], "any");
	assert_int_equal(f[3].allow.count, 2);
	assert_string_equal(f[3].allow.items[1], "10.0.0.0/8:22");
	assert_int_equal(f[5].allow.count, 0);
	assert_null(f[5].target.host);
	assert_int_equal(f[7].socket_mode, 0600);
	assert_int_equal(f[8].port_count, 11);
	assert_int_equal(f[8].max_connections, 7);
	assert_int_equal(f[8].idle_timeout_ms, 5 * 60 * 1000);
	assert_int_equal(f[9].socket_mode, 0660);
	assert_string_equal(f[9].socket_group, "www");
	config_free(config);
}

static void test_paths_of_this_machine_are_relative_to_the_file(void **state)
{
	struct fixture *f = *state;
	struct config *config =
		fixture_load_good(f, "tunnels:\n"
				     "  t:\n"
				     "    host: h\n"
				     "    local:\n"
				     "      - s/l.sock:db:1\n"
				     "      - { listen: ~/m.sock, target: 'db:1' }\n"
				     "    remote:\n"
				     "      - 1:s/r.sock\n"
				     "      - { listen: 2, target: ./q.sock }\n"
				     "    dynamic: ~/d.sock\n");
	const struct config_forward *forward = config->tunnels[0]->forwards;

	assert_string_equal(forward[0].listen.host, fixture_path(f, "s/l.sock"));
	assert_string_equal(forward[1].listen.host, "/home/me/m.sock");
	assert_string_equal(forward[2].target.host, fixture_path(f, "s/r.sock"));
	assert_string_equal(forward[3].target.host, fixture_path(f, "./q.sock"));
	assert_string_equal(forward[4].listen.host, "/home/me/d.sock");
	config_free(config);
}

/* Written behind `host: h` in line 3 as "KEY: VALUE". */
static const struct {
	const char *text;
	unsigned column; /* in line 3 */
	const char *says;
} bad[] = {
	{ "local: /run/x.sock", 12, "tunnels.t.local: '/run/x.sock' does not say where to go" },
	{ "local: ['any:any']", 13, "is a tun device (ssh -w)" },
	{ "local: { listen: 8000-8010, target: 'h:80' }", 12, "11 ports cannot lead to 1" },
	{ "local: { listen: /x/y, target: x/y }", 36, "its path begins with '/'" },
	{ "local: { listen: 80, target: 'h:80', allow: any }", 49,
	  "tunnels.t.local.allow: clients of this forward have no choice" },
	{ "local: { listen: 80, target: 'h:80', mode: 0600 }", 48,
	  "tunnels.t.local.mode: is for a Unix socket" },
	{ "local: { listen: 80, target: 'h:80', group: g }", 49, "is for a Unix socket" },
	{ "local: { listen: /x/y, target: 'h:80', mode: 0888 }", 50,
	  "'0888' is not permissions in octal; write 0600 or 0660" },
	{ "local: { listen: /x/y, target: 'h:80', mode: 0 }", 50, "not permissions in octal" },
	{ "local: { listen: /x/y, target: 'h:80', mode: u=rw }", 50, "not permissions in octal" },
	{ "local: { listen: /x/y, target: 'h:80', mode: 01777 }", 50, "not permissions in octal" },
	{ "local: { listen: /x/y, target: 'h:80', group: 'a b' }", 51, "is not a name" },
	{ "local: { listen: 80, target: 'h:80', max_connections: 0 }", 59,
	  "'0' is not a whole number from 1 to 100000, or off" },
	{ "local: { listen: 80, target: 'h:80', idle_timeout: 10ms }", 56, "10ms is out of range" },
	{ "remote: 1080", 13, "tunnels.t.remote: without a target the server's clients say where" },
	{ "remote: 1080", 13, "{ listen: 'localhost:1080', allow: [HOST:PORT] }, or allow: any" },
	{ "remote: { listen: '*:1080' }", 13, "{ listen: '*:1080', allow: [HOST:PORT] }" },
	{ "remote: { listen: 1080, allow: [] }", 36, "tunnels.t.remote.allow: the list is empty" },
	{ "remote: { listen: 1080, allow: [h] }", 37, "'h' has no port; write HOST:PORT" },
	{ "remote: { listen: 80, target: 'h:1', allow: any }", 49, "it has one target" },
	{ "remote: { listen: /run/x.sock, target: 'h:1' }", 23, "libssh has no call for it" },
	{ "remote: '/run/x.sock:h:1'", 13, "libssh has no call for it; listen on a port there" },
	{ "remote: { listen: 0-10, target: 'h:1-11' }", 23, "'0' is not a port" },
	{ "dynamic: 0", 14, "a dynamic forward cannot listen on port 0" },
	{ "dynamic: 1080:h:1", 14, "for one target write 'local'" },
	{ "dynamic: { listen: 1080, target: 'h:1' }", 38,
	  "tunnels.t.dynamic.target: a dynamic forward has none: each client says where" },
	{ "dynamic: { listen: 1080, user: u }", 36, "user: comes with a 'password'" },
	{ "dynamic: { listen: 1080, password: p }", 40, "password: comes with a 'user'" },
	{ "dynamic: { listen: 1080, user: 'a:b', password: p }", 36, "cannot contain ':'" },
	{ "dynamic: { listen: 1080, user: '', password: p }", 36, "has 0 bytes; it can have 1" },
	{ "dynamic: { listen: 1080, user: u, password: \"a\\tb\" }", 49, "control characters" },
	{ "local: { listen: 1, target: 'h:1', user: u, password: p }", 46, "nobody is asked" },
	{ "Tunnel: yes", 5, "'Tunnel': tun devices (ssh -w) are not supported" },
	{ "RemoteForward: 1:h:2", 5, "unknown key 'RemoteForward'; write 'remote'" },
	{ "StreamLocalBindUnlink: yes", 5, "leave it out" },
	{ "exit_on_forward_failure: maybe", 30, "'maybe' is not yes or no" },
};

static void test_bad(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[512];

		snprintf(text, sizeof(text), "tunnels:\n  t:\n    %s\n    host: h\n%s", bad[i].text,
			 strstr(bad[i].text, "local: ") ? "" : "    local: 9:h:9\n");
		fixture_write(f, "main.yaml", text);
		assert_int_equal(chmod(fixture_path(f, "main.yaml"), 0600), 0);
		assert_null(fixture_load(f, "main.yaml"));
		fixture_expect(f, 3, bad[i].column, bad[i].says);
	}
}

static void test_long_paths_are_refused(void **state)
{
	struct fixture *f = *state;
	char text[512], name[200];

	/* The directory of the file counts. */
	memset(name, 'n', sizeof(name));
	name[FORWARD_PATH_MAX - strlen(f->directory)] = '\0';
	snprintf(text, sizeof(text), "tunnels: { t: { host: h, dynamic: './%s' } }\n", name);
	assert_null(fixture_load_text(f, text));
	fixture_expect(f, 1, 35, "is too long for a Unix socket; a path can have 107 bytes");
	name[FORWARD_PATH_MAX - strlen(f->directory) - 3] = '\0';
	snprintf(text, sizeof(text), "tunnels: { t: { host: h, dynamic: './%s' } }\n", name);
	config_free(fixture_load_good(f, text));
}

static void test_a_password_needs_a_file_of_its_own_reader(void **state)
{
	struct fixture *f = *state;
	struct config *config;
	char says[256];

	fixture_write(f, "secret.yaml",
		      "tunnels:\n"
		      "  t: { host: h, dynamic: { listen: 1080, user: u, password: s3cret } }\n");
	fixture_write(f, "main.yaml", "include: secret.yaml\n");
	chmod(fixture_path(f, "main.yaml"), 0644);
	chmod(fixture_path(f, "secret.yaml"), 0640);
	assert_null(fixture_load(f, "main.yaml"));
	snprintf(says, sizeof(says), "others can read it in this file; run chmod 600 %s",
		 fixture_path(f, "secret.yaml"));
	fixture_expect(f, 2, 61, says);
	assert_int_equal(f->problems.count, 1);
	assert_null(strstr(f->problems.items[0].message, "s3cret"));
	chmod(fixture_path(f, "secret.yaml"), 0600);
	config = fixture_load(f, "main.yaml");
	assert_non_null(config);
	assert_string_equal(config->tunnels[0]->forwards[0].user, "u");
	assert_string_equal(config->tunnels[0]->forwards[0].password, "s3cret");
	config_free(config);
}

static void test_exit_on_forward_failure(void **state)
{
	struct config *config = fixture_load_good(
		*state, "defaults: { exit_on_forward_failure: true }\n"
			"tunnels:\n"
			"  a: { host: h, local: 1:h:1 }\n"
			"  b: { host: h, local: 2:h:1, exit_on_forward_failure: no }\n");

	assert_int_equal(config->tunnels[0]->upkeep.exit_on_forward_failure, 1);
	assert_int_equal(config->tunnels[1]->upkeep.exit_on_forward_failure, 0);
	config_free(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_kinds_on_one_session),
		TEST(test_paths_of_this_machine_are_relative_to_the_file),
		TEST(test_bad),
		TEST(test_long_paths_are_refused),
		TEST(test_a_password_needs_a_file_of_its_own_reader),
		TEST(test_exit_on_forward_failure),
	};

	return cmocka_run_group_tests_name("config_forward", tests, NULL, NULL);
}
