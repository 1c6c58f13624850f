/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <regex.h>

#include "lib/schema_doc.h"
#include "tests/unit/config_fixture.h"
#include "lib/util.h"

/* One value of each kind that is wrong: where, and what it says. The tunnel around it is good. */
static const struct {
	const char *key; /* "key: value", written at 5:5 */
	unsigned column; /* in line 5 */
	const char *says;
} bad[] = {
	{ "hold: 15 m", 11,
	  "tunnels.t.hold: '15 m' is not a duration; write 500ms, 15s, 5m or 1h30m" },
	{ "hold: 2h", 11, "tunnels.t.hold: 2h is out of range; it can be from 0s to 1h" },
	{ "hold: [1]", 11, "tunnels.t.hold: a single value is expected, not a list" },
	{ "hold:", 10, "tunnels.t.hold: has no value" },
	{ "hold: \"\"", 11, "'' is not a duration" },
	{ "keepalive: { interval: 1ms }", 28, "tunnels.t.keepalive.interval: 1ms is out of range" },
	{ "keepalive: { interval: 1ms }", 28, "from 100ms to 24h, or off" },
	{ "keepalive: { count: 0 }", 25, "'0' is not a whole number from 1 to 100" },
	{ "keepalive: { count: 101 }", 25, "'101' is not a whole number from 1 to 100" },
	{ "keepalive: { count: 3.5 }", 25, "'3.5' is not a whole number" },
	{ "keepalive: { count: 99999999999999999999 }", 25, "is not a whole number" },
	{ "keepalive: { cuont: 3 }", 18,
	  "tunnels.t.keepalive: unknown key 'cuont'; did you mean 'count'?" },
	{ "keepalive: 15s", 16, "a mapping of keys is expected, not a single value" },
	{ "keepalive: [15s]", 16, "a mapping of keys is expected, not a list" },
	{ "reconnect: { min: 10s, max: 5s }", 5, "" },
	{ "start: alway", 12, "'alway' is not always or manual; did you mean 'always'?" },
	{ "start: on-demand", 12, "'on-demand' is not always or manual" },
	{ "tags: [a, b c]", 15, "'b c' is not a name" },
	{ "tags: [[a]]", 12, "a single value is expected, not a list" },
	{ "user: 'a b'", 11, "is not a user name" },
	{ "user: -x", 11, "begins with '-'" },
	{ "ciphers: aes-128", 14,
	  "'aes-128' is not a cipher that libssh has; there are aes128-gcm" },
	{ "ciphers: aes128-cbc", 14, "'aes128-cbc' is never offered: it is in CBC mode" },
	{ "ciphers: +aes128-cbc", 14, "'aes128-cbc' is never offered" },
	{ "ciphers: aes128-ctr,", 14, "a name is missing between two commas" },
	{ "ciphers: '-*'", 14, "no cipher would be left to offer" },
	{ "kex: diffie-hellman-group1-sha1", 10, "a group of 1024 bits is too small" },
	{ "macs: hmac-sha1", 11, "SHA-1 is broken" },
	{ "host_key_algorithms: ssh-rsa", 26, "the same keys work with rsa-sha2-512" },
	{ "ciphers: [aes128-ctr]", 14, "a single value is expected" },
	{ "identity: []", 15, "the list is empty" },
	{ "identity: ''", 15, "the path is empty" },
	{ "known_hosts: agent", 18, "'agent': only a file's path can stand here" },
	{ "known_hosts: credential:x", 18, "only a file's path can stand here" },
	{ "identity: 'credential:'", 15, "is the name of a credential" },
	{ "identity: credential:../x", 15, "is the name of a credential" },
	{ "identity: 'credential:..'", 15, "is the name of a credential" },
	{ "passphrase: credential:a/b", 17, "is the name of a credential" },
	{ "passphrase: ~me", 17, "the secret itself does not stand here" },
	{ "password: ''", 15, "the secret itself does not stand here" },
	{ "password: 12345", 15, "the secret itself does not stand here" },
	{ "password: 'credential:'", 15, "is the name of a credential" },
	{ "passphrase: [a, b]", 17, "a single value is expected" },
	{ "identity_agent: ''", 21, "the path is empty" },
	{ "host_key: loose", 15, "'loose' is not strict, accept-new, { pin: SHA256:... }" },
	{ "host_key: no", 15, "'no' is not strict, accept-new, { pin: SHA256:... }" },
	{ "host_key: { pin: [MD5:b] }", 23, "'MD5:b' is not a host key" },
	{ "host_key: SHA256:a", 15, "'SHA256:a' is not a host key" },
	{ "host_key: ssh-ed25519 AAAA", 15, "'ssh-ed25519 AAAA' is not a host key" },
	{ "host_key: { pins: SHA256:a }", 15, "write 'pin: SHA256:...'" },
	{ "rekey: 1K", 12, "write a size from 16K" },
	{ "rekey: 1G soon", 12, "'soon' is not a duration" },
	{ "ip_qos: fast", 13, "'fast' is not a class of service" },
	{ "ip_qos: 256", 13, "'256' is not a class of service" },
	{ "address_family: inet4", 21, "'inet4' is not any, inet or inet6; did you mean 'inet'?" },
	{ "bind_address: 'a b'", 19, "" },
	{ "bind_address: '[h]:22'", 19, "'[' cannot stand in one" },
	{ "host_key_alias: '[h]'", 21, "'[' cannot stand in one" },
	{ "host_key_alias: '[h]:0'", 21, "'[' cannot stand in one" },
	{ "host_key_alias: '[h,i]:22'", 21, "'[' cannot stand in one" },
	{ "host_key_alias: [h]", 21, "a single value is expected" },
	{ "host_key_alias:", 20, "has no value" },
	{ "jump: 'a,,b'", 11, "" },
	{ "proxy_command: []", 20, "the list is empty" },
	{ "identity: ~you/key", 15, "only '~/' is known" },
	{ "identity: [a, \"b\\tc\"]", 19, "cannot contain control characters" },
	{ "host_key: [a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]", 15,
	  "the list has 17 items; 16 are allowed" },
	{ "idnetity: a", 5, "tunnels.t: unknown key 'idnetity'; did you mean 'identity'?" },
	{ "IdentityFile: a", 5, "unknown key 'IdentityFile'; write 'identity'" },
	{ "port: 22", 5, "unknown key 'port'; write 'host: [user@]host:port'" },
	{ "jumps: bastion", 5, "unknown key 'jumps'; did you mean 'jump'?" },
	{ "zeal: 1", 5, "this version of tunneld does not know the key 'zeal'" },
	{ "workers: 2", 5, "'workers' cannot stand here; it belongs to daemon" },
	{ "host: g", 5, "tunnels.t: 'host' is written twice; the first is in line 3" },
	{ "\"\\e[31m\": 1", 5, "the key '\\x1b[31m'" },
};

static void test_bad_values(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 "tunnels:\n  t:\n    host: h\n    local: 1:h:2\n    %s\n", bad[i].key);
		assert_null(fixture_load_text(f, text));
		if (*bad[i].says)
			fixture_expect(f, 5, bad[i].column, bad[i].says);
		assert_int_equal(f->problems.count, 1);
	}
}

static const struct {
	const char *local;
	unsigned column; /* in line 4 */
	const char *says;
} forwards[] = {
	{ "80", 12, "tunnels.t.local: '80' does not say where to go; write 80:host:port" },
	{ "[1:h:2, 8080:80]", 20, "write 8080:localhost:80" },
	{ "[]", 12, "the list is empty" },
	{ "", 11, "has no value" },
	{ "{ listen: 80 }", 12, "tunnels.t.local: 'target' is missing" },
	{ "{ target: 'h:80' }", 12, "tunnels.t.local: 'listen' is missing" },
	{ "{ listen: 0, target: 'h:80' }", 22,
	  "tunnels.t.local.listen: a local forward cannot listen" },
	{ "{ listen: 80, target: h }", 34,
	  "tunnels.t.local.target: 'h' has no port; write host:port" },
	{ "{ listen: 80, target: 'h:1', name: 'a b' }", 47, "'a b' is not a name" },
	{ "{ listen: 80, target: 'h:1', to: 3 }", 41, "unknown key 'to'; write 'target'" },
	{ "[{ name: a, listen: 80, target: 'h:1' }, { name: a, listen: 81, target: 'h:1' }]", 53,
	  "two forwards are named 'a'" },
	{ "[1:h:2, 1:h:3]", 20, "localhost:1 is taken by tunnel 't' in line 4" },
	{ "[1:h:2, [1:h:3]]", 20, "a single value is expected" },
};

static void test_bad_forwards(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(forwards); i++) {
		char text[512];

		snprintf(text, sizeof(text), "tunnels:\n  t:\n    host: h\n    local: %s\n",
			 forwards[i].local);
		assert_null(fixture_load_text(f, text));
		fixture_expect(f, 4, forwards[i].column, forwards[i].says);
		assert_int_equal(f->problems.count, 1);
	}
}

static void test_paths(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(
		f, "tunnels:\n"
		   "  t: { host: h, local: 1:h:2, identity: [~/a, /b, c/d], known_hosts: ../k }\n");
	const struct connection_settings *c = config_server(config->tunnels[0], 0);

	assert_string_equal(c->identities.items[0], "/home/me/a");
	assert_string_equal(c->identities.items[1], "/b");
	assert_string_equal(c->identities.items[2], fixture_path(f, "c/d"));
	assert_string_equal(c->known_hosts.items[0], fixture_path(f, "../k"));
	assert_false(c->identities_implied);
	config_free(config);
	f->context.home = NULL;
	assert_null(fixture_load_text(f, "tunnels: { t: { host: h, local: 1:h:2, identity: ~/a, "
					 "known_hosts: k } }\n"));
	fixture_expect(f, 1, 50, "the home directory is not known");
	assert_int_equal(f->problems.count, 1);
	config = fixture_load_good(
		f, "tunnels: { t: { host: h, local: 1:h:2, identity: /a, known_hosts: /k } }\n");
	config_free(config);
}

/* What may be a password is in no message. */
static void test_a_secret_is_not_repeated(void **state)
{
	static const char *const keys[] = { "password", "passphrase" };
	static const char *const texts[] = { "geheim", "geheim/+x=", "~geheim", ".geheim",
					     "'geheim words'" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(keys) * ARRAY_SIZE(texts); i++) {
		char text[256];

		snprintf(text, sizeof(text), "tunnels: { t: { host: h, local: 1:h:2, %s: %s } }\n",
			 keys[i / ARRAY_SIZE(texts)], texts[i % ARRAY_SIZE(texts)]);
		assert_null(fixture_load_text(f, text));
		fixture_expect(f, 0, 0, "the secret itself does not stand here");
		assert_int_equal(f->problems.count, 1);
		assert_null(strstr(f->problems.items[0].message, "geheim"));
	}
}

static void test_where_secrets_are(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(
		f, "tunnels:\n"
		   "  a: { host: h, local: 1:h:2, password: ~/p, passphrase: ./p }\n"
		   "  b: { host: h, local: 2:h:2, password: ../p, passphrase: /p }\n"
		   "  c: { host: h, local: 3:h:2, password: credential:p }\n");

	assert_string_equal(config_server(config->tunnels[0], 0)->password, "/home/me/p");
	assert_string_equal(config_server(config->tunnels[0], 0)->passphrase,
			    fixture_path(f, "./p"));
	assert_string_equal(config_server(config->tunnels[1], 0)->password,
			    fixture_path(f, "../p"));
	assert_string_equal(config_server(config->tunnels[1], 0)->passphrase, "/p");
	assert_string_equal(config_server(config->tunnels[2], 0)->password, "credential:p");
	config_free(config);
}

/* The pattern of a key in the JSON Schema, compiled. */
static void compile_pattern(regex_t *ret, const char *key)
{
	json_t *schema = schema_json(), *value = json_object_get(schema, "$defs");

	value = json_object_get(json_object_get(value, "defaults"), "properties");
	value = json_object_get(json_object_get(value, key), "pattern");
	assert_true(json_is_string(value));
	assert_int_equal(regcomp(ret, json_string_value(value), REG_EXTENDED | REG_NOSUB), 0);
	json_decref(schema);
}

/* What an editor marks and what the daemon refuses are the same. */
static void test_the_schema_knows_where_secrets_are(void **state)
{
	static const char *const keys[] = { "password", "passphrase" };
	static const struct {
		const char *text;
		bool is_good;
	} cases[] = {
		{ "/p", true },
		{ "~/p", true },
		{ "./p", true },
		{ "../p", true },
		{ "credential:p", true },
		{ "credential:_p.q-1", true },
		{ "geheim", false },
		{ "geheim/x", false },
		{ "~geheim", false },
		{ ".geheim", false },
		{ "..geheim", false },
		{ "a./b", false },
		{ "", false },
		{ "credential:", false },
		{ "credential:.p", false },
		{ "credential:a/b", false },
		{ "credential:../x", false },
		{ "xcredential:p", false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(keys) * ARRAY_SIZE(cases); i++) {
		const char *key = keys[i / ARRAY_SIZE(cases)];
		size_t n = i % ARRAY_SIZE(cases);
		struct config *config;
		char text[256];
		regex_t pattern;

		snprintf(text, sizeof(text),
			 "tunnels: { t: { host: h, local: 1:h:2, %s: '%s' } }\n", key,
			 cases[n].text);
		config = fixture_load_text(f, text);
		compile_pattern(&pattern, key);
		if ((config != NULL) != cases[n].is_good ||
		    (regexec(&pattern, cases[n].text, 0, NULL, 0) == 0) != cases[n].is_good)
			fail_msg("%s: '%s'", key, cases[n].text);
		regfree(&pattern);
		config_free(config);
	}
}

static void test_zero_has_a_word(void **state)
{
	struct config *config = fixture_load_good(
		*state, "daemon: { workers: auto, log_level: debug }\n"
			"tunnels:\n"
			"  a: { host: h, local: 1:h:2, keepalive: { interval: off }, hold: 0 }\n"
			"  b: { host: h, local: 2:h:2, keepalive: { interval: 0 } }\n");

	assert_int_equal(config->daemon.workers, 0);
	assert_int_equal(config->daemon.log_level, LOG_DEBUG);
	assert_int_equal(config->tunnels[0]->upkeep.keepalive_interval_ms, 0);
	assert_int_equal(config->tunnels[0]->upkeep.hold_ms, 0);
	assert_int_equal(config->tunnels[1]->upkeep.keepalive_interval_ms, 0);
	config_free(config);
}

static void test_forward_forms(void **state)
{
	struct config *config = fixture_load_good(
		*state, "tunnels:\n"
			"  t:\n"
			"    host: h\n"
			"    local:\n"
			"      - 5432:db:5433\n"
			"      - '*:80:web:80'\n"
			"      - ::1/81/web/80\n"
			"      - { listen: 82, target: 'web:80', name: page }\n"
			"      - { listen: '[::1]:83', target: '[fd00::1]:80' }\n");
	static const struct {
		const char *name, *listen_host, *target_host;
		uint16_t listen_port, target_port;
	} expected[] = {
		{ "local:localhost:5432", "localhost", "db", 5432, 5433 },
		{ "local:*:80", "*", "web", 80, 80 },
		{ "local:[::1]:81", "::1", "web", 81, 80 },
		{ "page", "localhost", "web", 82, 80 },
		{ "local:[::1]:83", "::1", "fd00::1", 83, 80 },
	};

	assert_int_equal(config->tunnels[0]->forward_count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct config_forward *forward = &config->tunnels[0]->forwards[i];

		assert_int_equal(forward->type, FORWARD_LOCAL);
		assert_string_equal(forward->name, expected[i].name);
		assert_string_equal(forward->listen.host, expected[i].listen_host);
		assert_string_equal(forward->target.host, expected[i].target_host);
		assert_int_equal(forward->listen.port, expected[i].listen_port);
		assert_int_equal(forward->target.port, expected[i].target_port);
	}
	config_free(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bad_values),
		TEST(test_bad_forwards),
		TEST(test_paths),
		TEST(test_a_secret_is_not_repeated),
		TEST(test_where_secrets_are),
		TEST(test_the_schema_knows_where_secrets_are),
		TEST(test_zero_has_a_word),
		TEST(test_forward_forms),
	};

	return cmocka_run_group_tests_name("config_value", tests, NULL, NULL);
}
