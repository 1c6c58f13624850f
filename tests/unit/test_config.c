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
#include "lib/util.h"

static const char two[] =
	"tunnels:\n"
	"  a: { host: h, local: [1:x:1, 2:x:1], tags: [q, r], ciphers: aes128-ctr }\n"
	"  b: { host: h, local: 3:x:1 }\n";

static void test_words_go_both_ways(void **state)
{
	for (int i = 0; i < LOG_LEVEL_COUNT; i++)
		assert_int_equal(log_level_from_name(log_level_name(i)), i);
	for (int i = 0; i < FORWARD_TYPE_COUNT; i++)
		assert_int_equal(forward_type_from_name(forward_type_name(i)), i);
	for (int i = 0; i < START_MODE_COUNT; i++)
		assert_int_equal(start_mode_from_name(start_mode_name(i)), i);
	for (int i = 0; i < END_KIND_COUNT; i++)
		assert_int_equal(end_kind_from_name(end_kind_name(i)), i);
	assert_int_equal(log_level_from_name("loud"), -1);
	assert_int_equal(forward_type_from_name(""), -1);
	assert_int_equal(start_mode_from_name("never"), -1);
	assert_string_equal(log_level_name(99), "unknown");
}

static void test_names(void **state)
{
	char text[CONFIG_NAME_MAX + 2];

	assert_true(config_name_is_valid("A-z_0.9"));
	assert_false(config_name_is_valid(""));
	assert_false(config_name_is_valid("a b"));
	assert_false(config_name_is_valid("a/b"));
	assert_false(config_name_is_valid("\xc3\xbc"));
	memset(text, 'a', sizeof(text));
	text[CONFIG_NAME_MAX] = '\0';
	assert_true(config_name_is_valid(text));
	text[CONFIG_NAME_MAX] = 'a';
	text[CONFIG_NAME_MAX + 1] = '\0';
	assert_false(config_name_is_valid(text));
}

static void test_find_and_remove(void **state)
{
	struct config *config = fixture_load_good(*state, two);

	assert_string_equal(config_find(config, "b")->name, "b");
	assert_null(config_find(config, "aa"));
	assert_null(config_find(config, "c"));
	config_remove(config, "aa");
	assert_int_equal(config->tunnel_count, 2);
	config_remove(config, "a");
	assert_null(config_find(config, "a"));
	assert_string_equal(config->tunnels[0]->name, "b");
	config_free(config);
	config_free(NULL);
	config_tunnel_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_go_both_ways),
		cmocka_unit_test(test_names),
		TEST(test_find_and_remove),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
