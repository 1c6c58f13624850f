/* SPDX-License-Identifier: MIT */
/*
 * Every row of the table takes part in copies and comparisons, and no member of the struct is without
 * a row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/connection.h"

static void fill(struct connection_settings *c, size_t row)
{
	const struct connection_field *f = &connection_fields[row];
	void *value = (char *)c + f->offset;

	if (f->kind == CONNECTION_TEXT)
		*(char **)value = strdup(f->name);
	else if (f->kind == CONNECTION_TEXTS)
		assert_int_equal(strv_add(value, f->name), 0);
	else
		*(unsigned *)value = (unsigned)row + 1;
}

static size_t size_of(enum connection_kind kind)
{
	switch (kind) {
	case CONNECTION_TEXT:
		return sizeof(char *);
	case CONNECTION_TEXTS:
		return sizeof(struct strv);
	case CONNECTION_NUMBER:
		return sizeof(unsigned);
	}
	return 0;
}

static void test_every_member_has_a_row(void **state)
{
	char covered[sizeof(struct connection_settings)] = { 0 };
	size_t run = 0;

	for (size_t i = 0; i < connection_field_count; i++) {
		const struct connection_field *f = &connection_fields[i];

		for (size_t k = 0; k < size_of(f->kind); k++) {
			assert_int_equal(covered[f->offset + k], 0);
			covered[f->offset + k] = 1;
		}
	}
	for (size_t i = 0; i < sizeof(covered); i++) {
		run = covered[i] ? 0 : run + 1;
		assert_true(run < sizeof(void *)); /* padding only */
	}
}

static void test_copies_are_equal_and_apart(void **state)
{
	struct connection_settings a = { 0 }, b = { 0 };

	for (size_t i = 0; i < connection_field_count; i++)
		fill(&a, i);
	assert_int_equal(connection_settings_copy(&b, &a), 0);
	assert_true(connection_settings_equal(&a, &b));
	assert_ptr_not_equal(a.host, b.host);
	assert_ptr_not_equal(a.identities.items, b.identities.items);
	assert_int_equal(connection_settings_bytes(&a), connection_settings_bytes(&b));
	connection_settings_fini(&a);
	assert_null(a.host);
	assert_string_equal(b.host, "host");
	connection_settings_fini(&b);
}

static void test_each_row_makes_a_difference(void **state)
{
	for (size_t i = 0; i < connection_field_count; i++) {
		struct connection_settings a = { 0 }, b = { 0 };

		fill(&a, i);
		assert_false(connection_settings_equal(&a, &b));
		connection_settings_fini(&a);
	}
}

static void test_an_alias_is_what_known_hosts_know(void **state)
{
	struct connection_settings c = { .host = (char *)"10.0.0.7" };

	assert_string_equal(connection_known_name(&c), "10.0.0.7");
	c.host_key_alias = (char *)"db";
	assert_string_equal(connection_known_name(&c), "db");
}

static void test_a_server_has_a_name(void **state)
{
	struct connection_settings c = { .user = (char *)"me",
					 .host = (char *)"fe80::1",
					 .port = 22 };
	char name[CONNECTION_NAME_MAX];

	assert_string_equal(connection_name(name, &c), "me@[fe80::1]:22");
}

static void test_the_longest_name_fits(void **state)
{
	char user[ENDPOINT_USER_MAX + 1] = "", host[ENDPOINT_HOST_MAX + 1] = "";
	struct connection_settings c = { .user = user, .host = host, .port = 65535 };
	char name[CONNECTION_NAME_MAX];

	memset(user, 'u', ENDPOINT_USER_MAX);
	memset(host, ':', ENDPOINT_HOST_MAX);
	connection_name(name, &c);
	assert_string_equal(name + ENDPOINT_USER_MAX + 1 + ENDPOINT_HOST_MAX + 1, "]:65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_member_has_a_row),
		cmocka_unit_test(test_copies_are_equal_and_apart),
		cmocka_unit_test(test_each_row_makes_a_difference),
		cmocka_unit_test(test_an_alias_is_what_known_hosts_know),
		cmocka_unit_test(test_a_server_has_a_name),
		cmocka_unit_test(test_the_longest_name_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
