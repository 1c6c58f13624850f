/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/config.h"
#include "lib/config_read.h"
#include "lib/schema.h"
#include "lib/schema_doc.h"
#include "lib/util.h"

static void test_rows_are_whole(void **state)
{
	assert_true(schema_key_count <= SCHEMA_KEYS_MAX);
	for (size_t i = 0; i < schema_key_count; i++) {
		const struct schema_key *key = &schema_keys[i];

		assert_non_null(key->name);
		assert_non_null(key->help);
		assert_int_not_equal(key->places, 0);
		assert_true(key->min <= key->max || key->max == 0);
		assert_int_equal(key->type == SCHEMA_WORD, key->words != NULL);
		if (key->required)
			assert_null(key->fallback);
		for (int place = 0; place < PLACE_COUNT; place++) {
			if (key->places & PLACE_BIT(place))
				assert_ptr_equal(schema_find(place, key->name), key);
		}
	}
	assert_null(schema_find(PLACE_TOP, "host"));
}

/* Every fallback of the table is a value the decoder takes. */
static void test_fallbacks_are_good_values(void **state)
{
	for (int place = 0; place < PLACE_COUNT; place++) {
		for (int system = 0; system <= 1; system++) {
			struct config_problems problems = { 0 };
			struct problem_sink sink = { .to = &problems };
			struct config_decoder d = { .problems = &sink, .home = "/home/me" };
			struct config_tunnel_draft draft = { 0 };
			struct config_reading reading = { 0 };
			void *base = place == PLACE_TOP ? (void *)&reading : (void *)&draft;

			assert_true(config_decode_fallbacks(&d, place, system, base));
			assert_int_equal(problems.count, 0);
			config_tunnel_draft_fini(&draft);
			free(reading.ssh_config);
		}
	}
}

static const struct {
	enum schema_place place;
	const char *word, *write;
} hints[] = {
	{ PLACE_TUNNEL, "IdentityFile", "identity" },
	{ PLACE_TUNNEL, "identity_file", "identity" },
	{ PLACE_DEFAULTS, "ServerAliveInterval", "keepalive: { interval: 15s }" },
	{ PLACE_DEFAULTS, "ServerAliveCountMax", "keepalive: { count: 3 }" },
	{ PLACE_HOST, "UserKnownHostsFile", "known_hosts" },
	{ PLACE_HOST, "HostName", "address" },
	{ PLACE_TUNNEL, "HostName", "host" },
	{ PLACE_HOST, "Port", "address: host:port" },
	{ PLACE_TUNNEL, "port", "host: [user@]host:port" },
	{ PLACE_TUNNEL, "LocalForward", "local" },
	{ PLACE_TUNNEL, "RemoteForward", "remote" },
	{ PLACE_TUNNEL, "DynamicForward", "dynamic" },
	{ PLACE_FORWARDS, "dynamic_forward", "dynamic" },
	{ PLACE_DEFAULTS, "GatewayPorts", "remote: '*:port:host:hostport'" },
	{ PLACE_FORWARD, "StreamLocalBindMask", "mode: 0660" },
	{ PLACE_FORWARD, "PermitRemoteOpen", "allow" },
	{ PLACE_TUNNEL, "ProxyJump", "jump" },
	{ PLACE_TUNNEL, "zeal", NULL },
	{ PLACE_TOP, "IdentityFile", NULL },
	{ PLACE_TUNNEL, "", NULL },
};

static void test_hints(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		const char *write = schema_hint(hints[i].place, hints[i].word);

		if (!streq(write, hints[i].write))
			fail_msg("%s: %s", hints[i].word, write ? write : "nothing");
	}
	assert_string_equal(schema_suggest(PLACE_TUNNEL, "ConnectTimeout"), "connect_timeout");
	assert_string_equal(schema_suggest(PLACE_TUNNEL, "Ciphers"), "ciphers");
	assert_string_equal(schema_suggest(PLACE_TUNNEL, "ExitOnForwardFailure"),
			    "exit_on_forward_failure");
	assert_null(schema_suggest(PLACE_TUNNEL, "zeal"));
	assert_non_null(strstr(schema_refusal(PLACE_TUNNEL, "Tunnel"), "tun devices (ssh -w)"));
	assert_null(schema_refusal(PLACE_TUNNEL, "host"));
	assert_null(schema_refusal(PLACE_TOP, "Tunnel"));
}

static void test_range(void **state)
{
	char text[96];

	assert_string_equal(
		schema_range(schema_find(PLACE_KEEPALIVE, "interval"), text, sizeof(text)),
		"from 100ms to 24h, or off");
	assert_string_equal(schema_range(schema_find(PLACE_KEEPALIVE, "count"), text, sizeof(text)),
			    "from 1 to 100");
	assert_string_equal(schema_list(PLACE_DAEMON, text, sizeof(text)), "workers, log_level");
	schema_list(PLACE_TUNNEL, text, 10);
	assert_true(strlen(text) < 10);
}

static void test_reference_names_every_key(void **state)
{
	char *text = schema_reference();

	assert_non_null(text);
	for (size_t i = 0; i < schema_key_count; i++) {
		char row[80];

		snprintf(row, sizeof(row), "*%s*: ", schema_keys[i].name);
		assert_non_null(strstr(text, row));
	}
	free(text);
}

/* conf/tunneld.schema.json is what schema_json() says. TUNNELD_UPDATE_SCHEMA=1 writes it anew. */
static void test_installed_schema_is_current(void **state)
{
	static const char path[] = TOP_SOURCE_DIR "/conf/tunneld.schema.json";
	json_t *schema = schema_json(), *installed;

	assert_non_null(schema);
	if (getenv("TUNNELD_UPDATE_SCHEMA")) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		assert_int_equal(json_dumpf(schema, file, JSON_INDENT(2)), 0);
		fputc('\n', file);
		assert_int_equal(fclose(file), 0);
	}
	installed = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	if (!json_equal(schema, installed))
		fail_msg("run TUNNELD_UPDATE_SCHEMA=1 tests/unit/test_schema in the build "
			 "directory");
	json_decref(installed);
	json_decref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_whole),
		cmocka_unit_test(test_fallbacks_are_good_values),
		cmocka_unit_test(test_hints),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_reference_names_every_key),
		cmocka_unit_test(test_installed_schema_is_current),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
