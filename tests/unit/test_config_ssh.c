/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "lib/node.h"
#include "lib/schema.h"
#include "lib/ssh_keywords.h"
#include "lib/str.h"
#include "lib/util.h"
#include "tests/unit/config_fixture.h"

#define KEYS_5                                                                                     \
	"identityfile ~/.ssh/a\nidentityfile ~/.ssh/b\nidentityfile ~/.ssh/c\n"                    \
	"identityfile ~/.ssh/d\nidentityfile ~/.ssh/e\n"
#define KEYS_20 KEYS_5 KEYS_5 KEYS_5 KEYS_5
#define KEYS_100 KEYS_20 KEYS_20 KEYS_20 KEYS_20 KEYS_20
#define CERTIFICATES_5                                                                             \
	"certificatefile /a\ncertificatefile /b\ncertificatefile /c\ncertificatefile /d\n"         \
	"certificatefile /e\n"
#define CERTIFICATES_20 CERTIFICATES_5 CERTIFICATES_5 CERTIFICATES_5 CERTIFICATES_5
#define CERTIFICATES_100                                                                           \
	CERTIFICATES_20 CERTIFICATES_20 CERTIFICATES_20 CERTIFICATES_20 CERTIFICATES_20
#define FILES_8 " /a /b /c /d /e /f /g /h"
#define FILES_32 FILES_8 FILES_8 FILES_8 FILES_8

/* ssh as it might be: what it says about each host, and what it was asked. */
static const struct {
	const char *host, *says; /* says NULL: it fails with complaint */
	const char *complaint;
} hosts[] = {
	{ "tunneld.invalid", "user me\nhostname tunneld.invalid\nport 22\nforwardagent no\n", "" },
	{ "db",
	  "user deploy\nhostname 10.0.0.1\nport 2222\nidentityfile ~/.ssh/id_%r\nforwardagent no\n"
	  "serveraliveinterval 30\nproxyjump jump\n"
	  "localforward 15432 [localhost]:5432\nremoteforward /r.sock [localhost]:22\n",
	  "" },
	{ "jump", "user me\nhostname jump.example.com\nport 22\nforwardagent yes\n", "" },
	{ "shell", "user me\nhostname h\nport 22\nforwardagent no\nproxycommand nc %h %p\n", "" },
	{ "odd",
	  "user me\nhostname odd\nport 22\nforwardagent no\nserveralivecountmax 999\n"
	  "connecttimeout 5\n",
	  "" },
	{ "many",
	  "user me\nhostname many\nport 22\nforwardagent no\n" KEYS_5 KEYS_5 KEYS_5
	  "identityfile /last\n",
	  "" },
	{ "most",
	  "user me\nhostname most\nport 22\nforwardagent no\n" KEYS_100 CERTIFICATES_100
	  "userknownhostsfile" FILES_32 "\nglobalknownhostsfile" FILES_32 "\n",
	  "" },
	{ "circle", "user me\nhostname circle\nport 22\nforwardagent no\nproxyjump back\n", "" },
	{ "back", "user me\nhostname back\nport 22\nforwardagent no\nproxyjump circle\n", "" },
	{ "broken", NULL, "/etc/broken: line 7: Bad configuration option: x\r\n" },
	{ "refused", NULL, "hostname contains invalid characters\r\n" },
};

static struct {
	struct strbuf asked;
	bool is_missing;
} ssh;

static const char *host_of(const char *const *argv)
{
	while (argv[1])
		argv++;
	return *argv;
}

static int run_one(const char *const *argv, struct capture *ret, struct err *err)
{
	const char *host = host_of(argv), *says = NULL, *complaint = "";

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		if (strcmp(hosts[i].host, host) == 0) {
			says = hosts[i].says;
			complaint = hosts[i].complaint;
		}
	}
	*ret = (struct capture){ 0 };
	if (ssh.is_missing) {
		err_set(err, ERR_IO, "no");
		err->sys = ENOENT;
		return -1;
	}
	for (size_t i = 2; strcmp(host, "tunneld.invalid") && argv[i]; i++) {
		if (strncmp(argv[i], "-o", 2) != 0)
			strbuf_addf(&ssh.asked, "%s ", argv[i]);
	}
	ret->out = strdup(says ? says : "");
	ret->out_length = strlen(ret->out);
	ret->complaint = strdup(complaint);
	ret->wait_status = says ? 0 : 255 << 8;
	return 0;
}

static void run_ssh(struct capture_job *jobs, size_t count, const struct capture_limits *limits)
{
	for (size_t i = 0; i < count; i++)
		jobs[i].rc = run_one(jobs[i].argv, &jobs[i].said, &jobs[i].err);
}

static int setup(void **state)
{
	struct fixture *f;

	if (fixture_setup(state) < 0)
		return -1;
	f = *state;
	f->context.capture = run_ssh;
	fixture_write(f, "ssh.conf", "");
	ssh.is_missing = false;
	return 0;
}

static int teardown(void **state)
{
	strbuf_fini(&ssh.asked);
	return fixture_teardown(state);
}

#define TOP "ssh_config: ssh.conf\n"

static void expect_note(const struct config *config, const char *says)
{
	for (size_t i = 0; i < config->notes.count; i++) {
		if (strstr(config->notes.items[i], says))
			return;
	}
	fail_msg("no note says '%s'", says);
}

static void expect_problem(const struct fixture *f, unsigned line, const char *says)
{
	for (size_t i = 0; i < f->problems.count; i++) {
		if (f->problems.items[i].line == line && strstr(f->problems.items[i].message, says))
			return;
	}
	fail_msg("no problem in line %u says '%s'", line, says);
}

static const struct config_hop *hop(const struct config *config, const char *name, size_t index)
{
	const struct config_tunnel *tunnel = config_find(config, name);

	assert_non_null(tunnel);
	assert_true(index < tunnel->routes[0].hop_count);
	return &tunnel->routes[0].hops[index];
}

/* Between defaults and the tunnel, as an entry of hosts. */
static void test_layers(void **state)
{
	struct config *config = fixture_load_good(
		*state, TOP "defaults: { user: d, keepalive: { interval: 5s, count: 7 } }\n"
			    "tunnels:\n"
			    "  a: { host: db, dynamic: 1 }\n"
			    "  b: { host: 'you@db:99', dynamic: 2, keepalive: { interval: 9s } }\n"
			    "  c: { host: jump, dynamic: 3 }\n");
	const struct config_hop *a = hop(config, "a", 1), *b = hop(config, "b", 1);

	assert_string_equal(a->connection.host, "10.0.0.1");
	assert_string_equal(a->connection.original, "db");
	assert_int_equal(a->connection.port, 2222);
	assert_string_equal(a->connection.user, "deploy");
	assert_int_equal(a->connection.identities.count, 2);
	assert_string_equal(a->connection.identities.items[0], "/home/me/.ssh/id_deploy");
	assert_string_equal(a->connection.identities.items[1], "agent");
	assert_false(a->connection.identities_implied);
	assert_int_equal(a->upkeep.keepalive_interval_ms, 30000);
	assert_int_equal(a->upkeep.keepalive_count, 7);
	assert_int_equal(config_find(config, "a")->upkeep.keepalive_interval_ms, 30000);
	/* The jump is looked up, too. */
	assert_string_equal(hop(config, "a", 0)->connection.host, "jump.example.com");
	assert_true(hop(config, "a", 0)->connection.identities_implied);
	assert_string_equal(b->connection.user, "you");
	assert_int_equal(b->connection.port, 99);
	assert_int_equal(b->upkeep.keepalive_interval_ms, 9000);
	/* What ssh has as everybody has it counts as not written. */
	assert_string_equal(hop(config, "c", 0)->connection.user, "d");
	expect_note(config, "host 'jump': ForwardAgent yes: no command runs");
	assert_int_equal(config->notes.count, 1);
	config_free(config);
}

static void test_asked_once(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, TOP "hosts: { known: {} }\n"
							 "tunnels:\n"
							 "  a: { host: jump, dynamic: 1 }\n"
							 "  b: { host: jump, dynamic: 2 }\n"
							 "  c: { host: 'jump:2', dynamic: 3 }\n"
							 "  d: { host: known, dynamic: 4 }\n");
	CLEANUP(freep)
	char *asked = str_printf("-F %s/ssh.conf -- jump -F %s/ssh.conf -p 2 -- jump ",
				 f->directory, f->directory);

	assert_string_equal(ssh.asked.data, asked);
	config_free(config);
}

/* ssh is told what it would be told on its command line: of a jump nothing that the tunnel says. */
static void test_users(void **state)
{
	struct fixture *f = *state;
	struct config *config =
		fixture_load_good(f, "defaults: { user: d }\n"
				     "tunnels:\n"
				     "  a: { host: jump, user: bob, dynamic: 1 }\n"
				     "  b: { host: 'amy@jump', user: bob, dynamic: 2 }\n"
				     "  c: { host: jump, dynamic: 3 }\n"
				     "  d: { host: odd, user: bob, jump: 'jump:2', dynamic: 4 }\n"
				     "  e: { host: jump, user: bob, dynamic: 5 }\n"
				     "  f: { host: db, user: bob, forwards: from-ssh-config }\n");

	assert_string_equal(ssh.asked.data, "-l bob -- jump -l amy -- jump -- jump -l bob -- odd "
					    "-p 2 -- jump -l bob -- db ");
	assert_string_equal(hop(config, "a", 0)->connection.user, "bob");
	assert_string_equal(hop(config, "b", 0)->connection.user, "amy");
	assert_string_equal(hop(config, "d", 0)->connection.user, "d");
	assert_string_equal(hop(config, "f", 1)->connection.user, "bob");
	assert_int_equal(config_find(config, "f")->forward_count, 1);
	config_free(config);
}

static void test_switched_off(void **state)
{
	struct fixture *f = *state;
	struct config *config =
		fixture_load_good(f, "ssh_config: no\ntunnels: { a: { host: db, dynamic: 1 } }\n");

	assert_string_equal(hop(config, "a", 0)->connection.host, "db");
	config_free(config);
	f->context.system = true;
	config = fixture_load_good(f, "tunnels: { a: { host: db, dynamic: 1, identity: /k } }\n");
	assert_string_equal(hop(config, "a", 0)->connection.host, "db");
	assert_null(ssh.asked.data);
	config_free(config);
	/* The default of a user's instance: ssh's own files. */
	f->context.system = false;
	config = fixture_load_good(f, "tunnels: { a: { host: db, dynamic: 1 } }\n");
	assert_string_equal(hop(config, "a", 1)->connection.host, "10.0.0.1");
	assert_string_equal(ssh.asked.data, "-- db -- jump ");
	config_free(config);
}

static void test_forwards(void **state)
{
	struct config *config = fixture_load_good(
		*state, TOP "tunnels:\n"
			    "  a: { host: db, forwards: from-ssh-config, dynamic: 1080 }\n"
			    "  b: { host: db, dynamic: 1081 }\n");
	const struct config_tunnel *a = config_find(config, "a");

	assert_int_equal(a->forward_count, 2);
	assert_string_equal(a->forwards[0].name, "dynamic:localhost:1080");
	assert_string_equal(a->forwards[1].name, "local:localhost:15432");
	assert_string_equal(a->forwards[1].target.host, "localhost");
	assert_int_equal(config_find(config, "b")->forward_count, 1);
	expect_note(config, "host 'db': remote: '/r.sock:localhost:22': a Unix socket");
	config_free(config);
}

static void test_no_forwards(void **state)
{
	struct fixture *f = *state;

	fixture_write(f, "a.yaml",
		      TOP "tunnels: { a: { host: jump, forwards: from-ssh-config } }\n");
	assert_null(fixture_load(f, "a.yaml"));
	expect_problem(f, 2, "ssh has no LocalForward, RemoteForward or DynamicForward for 'jump'");
	fixture_write(f, "a.yaml",
		      "ssh_config: no\n"
		      "tunnels: { a: { host: db, forwards: from-ssh-config } }\n");
	assert_null(fixture_load(f, "a.yaml"));
	expect_problem(f, 2, "'ssh_config' is switched off");
	fixture_write(f, "a.yaml",
		      TOP "hosts: { db: {} }\n"
			  "tunnels: { a: { host: db, forwards: from-ssh-config } }\n");
	assert_null(fixture_load(f, "a.yaml"));
	expect_problem(f, 3, "'db' stands in hosts");
	/* Two tunnels cannot have the same. */
	fixture_write(f, "a.yaml",
		      TOP "tunnels:\n"
			  "  a: { host: db, forwards: from-ssh-config }\n"
			  "  b: { host: db, forwards: from-ssh-config }\n");
	assert_null(fixture_load(f, "a.yaml"));
	expect_problem(f, 4, "15432");
}

/* As many files as ssh takes itself, and its agent behind them. */
static void test_many_files(void **state)
{
	struct config *config = fixture_load_good(*state, TOP "tunnels:\n"
							      "  a: { host: many, dynamic: 1 }\n"
							      "  b: { host: most, dynamic: 2 }\n");
	const struct connection_settings *many = &hop(config, "a", 0)->connection;
	const struct connection_settings *most = &hop(config, "b", 0)->connection;

	assert_int_equal(many->identities.count, 17);
	assert_string_equal(many->identities.items[15], "/last");
	assert_string_equal(many->identities.items[16], "agent");
	assert_int_equal(most->identities.count, 101);
	assert_int_equal(most->certificate_files.count, 100);
	assert_int_equal(most->known_hosts.count, 64);
	assert_int_equal(config->notes.count, 0);
	config_free(config);
}

static void test_odd_values(void **state)
{
	struct config *config =
		fixture_load_good(*state, TOP "tunnels: { a: { host: odd, dynamic: 1 } }\n");

	assert_int_equal(hop(config, "a", 0)->upkeep.connect_timeout_ms, 5000);
	assert_int_equal(hop(config, "a", 0)->upkeep.keepalive_count, 3);
	expect_note(config,
		    "keepalive.count: '999' is not a whole number from 1 to 100 (left out)");
	config_free(config);
}

/* A line for the shell, which a request on the socket may not have itself. */
static void test_command(void **state)
{
	struct config *config = fixture_load_good(*state, TOP "tunnels: {}\n");
	struct config_problems problems;
	struct strv notes;
	json_t *json = json_pack("{s:s, s:s}", "host", "shell", "dynamic", "1080");
	CLEANUP(node_freep) struct node *tree = node_from_json(json, NULL);
	struct config_tunnel *tunnel = config_make_tunnel(config, "a", tree, &notes, &problems);
	const struct strv *command;

	assert_non_null(tunnel);
	command = &tunnel->routes[0].hops[0].connection.proxy_command;
	assert_string_equal(command->items[command->count - 1], "exec nc %h %p");
	assert_null(config_find(config, "a"));
	assert_int_equal(config_insert(config, tunnel), 0);
	assert_ptr_equal(config_find(config, "a"), tunnel);
	json_decref(json);
	config_free(config);
}

/* A tunnel that is added has the notes of its hosts, also of those that were asked about before; a
 * configuration it is loaded into has them once. */
static void test_notes_of_added(void **state)
{
	struct config *config =
		fixture_load_good(*state, TOP "tunnels: { a: { host: jump, dynamic: 1 } }\n");
	struct config_problems problems;
	json_t *json = json_pack("{s:s, s:s}", "host", "jump", "dynamic", "1080");
	CLEANUP(node_freep) struct node *tree = node_from_json(json, NULL);

	for (unsigned i = 0; i < 2; i++) {
		struct strv notes;
		struct config_tunnel *tunnel =
			config_make_tunnel(config, "b", tree, &notes, &problems);

		assert_non_null(tunnel);
		assert_int_equal(notes.count, 1);
		assert_string_equal(notes.items[0], config->notes.items[0]);
		config_tunnel_free(tunnel);
		strv_fini(&notes);
	}
	assert_non_null(config_add_tunnel(config, "b", tree, &problems));
	assert_int_equal(config->notes.count, 1);
	config_free(config);
	config = fixture_load_good(*state, TOP "tunnels: {}\n");
	assert_int_equal(config->notes.count, 0);
	assert_non_null(config_add_tunnel(config, "b", tree, &problems));
	expect_note(config, "host 'jump': ForwardAgent yes: no command runs");
	json_decref(json);
	config_free(config);
}

static void refuse(struct fixture *f, const char *text, unsigned line, const char *says)
{
	fixture_write(f, "a.yaml", text);
	assert_null(fixture_load(f, "a.yaml"));
	expect_problem(f, line, says);
}

static void test_mistakes(void **state)
{
	struct fixture *f = *state;

	/* Where ssh found it, once for all hosts. */
	refuse(f,
	       TOP
	       "tunnels:\n  a: { host: broken, dynamic: 1 }\n  b: { host: broken, dynamic: 2 }\n",
	       7, "ssh: Bad configuration option: x");
	assert_int_equal(f->problems.count, 1);
	assert_string_equal(f->problems.items[0].file, "/etc/broken");
	refuse(f, TOP "tunnels:\n  a: { host: refused, dynamic: 1 }\n", 3,
	       "'ssh -G refused': hostname contains invalid characters");
	refuse(f, TOP "tunnels:\n  a: { host: circle, dynamic: 1 }\n", 3, "goes round in a circle");
	refuse(f, "ssh_config: nonexistent\ntunnels:\n  a: { host: db, dynamic: 1 }\n", 1,
	       "ssh_config: cannot read");
	assert_int_equal(f->problems.count, 1);
}

static void test_without_ssh(void **state)
{
	struct fixture *f = *state;
	struct config *config;

	ssh.is_missing = true;
	config = fixture_load_good(f, TOP "tunnels:\n  a: { host: db, dynamic: 1 }\n"
					  "  b: { host: b, dynamic: 2 }\n");
	assert_string_equal(hop(config, "a", 0)->connection.host, "db");
	assert_string_equal(config->unread, fixture_path(f, "ssh.conf"));
	config_free(config);
	refuse(f, TOP "tunnels: { a: { host: db, forwards: from-ssh-config } }\n", 2,
	       "ssh is not installed, so that no forwards come from there");
}

/* ---- the manual ---- */

/* The chapter of tunneld.yaml(5); the caller frees. */
static char *read_chapter(void)
{
	FILE *file = fopen(TOP_SOURCE_DIR "/docs/tunneld.yaml.5.scd", "r");
	char *text = calloc(1, 256 * 1024), *begin, *end;

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, 256 * 1024 - 1, file) < 256 * 1024 - 1);
	fclose(file);
	begin = strstr(text, "\n# SSH_CONFIG\n");
	assert_non_null(begin);
	end = strstr(begin + 2, "\n# ");
	assert_non_null(end);
	*end = '\0';
	memmove(text, begin, strlen(begin) + 1);
	return text;
}

/* Reasons in the manual have their stars escaped. */
static void add_escaped(struct strbuf *to, const char *text)
{
	for (; *text; text++)
		strbuf_addf(to, "%s%c", *text == '*' ? "\\" : "", *text);
}

static char *manual_entry(const struct ssh_keyword *k)
{
	struct strbuf entry = { 0 };

	if (k->fate == SSH_BECOMES) {
		strbuf_addf(&entry, " _%s_\n:", k->name);
	} else if (k->fate == SSH_READ_OVER) {
		strbuf_addf(&entry, "_%s_", k->name);
	} else {
		strbuf_addf(&entry, " _%s_\n:%c ", k->name,
			    strcmp(k->name, "BindInterface") == 0 ? '<' : ' ');
		add_escaped(&entry, k->why);
		strbuf_add(&entry, "\n");
	}
	return strbuf_take(&entry);
}

static void test_manual(void **state)
{
	CLEANUP(freep) char *chapter = read_chapter();

	for (size_t i = 0; i < ssh_keyword_count; i++) {
		const struct ssh_keyword *k = &ssh_keywords[i];
		CLEANUP(freep) char *entry = manual_entry(k);
		CLEANUP(freep) char *key = str_printf(" *%s*\n", k->key ? k->key : "");
		const char *at = strstr(chapter, entry);

		if (strcmp(k->name, "Host") == 0)
			continue;
		if (!at)
			fail_msg("the manual does not say '%s'", entry);
		if (k->key && strncmp(at + strlen(entry) + 1, key, strlen(key)) != 0)
			fail_msg("the manual does not say that %s is %s", k->name, k->key);
	}
}

/* Every key a keyword becomes is one of a host. */
static void test_keys(void **state)
{
	for (size_t i = 0; i < ssh_keyword_count; i++) {
		const char *key = ssh_keywords[i].key;
		char first[64];

		if (!key)
			continue;
		snprintf(first, sizeof(first), "%.*s", (int)strcspn(key, "."), key);
		if (!schema_find(PLACE_HOST, first) && !schema_find(PLACE_FORWARDS, first))
			fail_msg("%s becomes '%s', which is no key", ssh_keywords[i].name, key);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_layers),
		TEST(test_asked_once),
		TEST(test_users),
		TEST(test_switched_off),
		TEST(test_forwards),
		TEST(test_no_forwards),
		TEST(test_many_files),
		TEST(test_odd_values),
		TEST(test_command),
		TEST(test_notes_of_added),
		TEST(test_mistakes),
		TEST(test_without_ssh),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
