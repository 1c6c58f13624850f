/* SPDX-License-Identifier: MIT */
/*
 * Which settings lead to the same server, and which only look so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/worker/way_name.h"
#include "lib/util.h"

#define TEXT(literal) ((char[]){ literal })

static char address[] = "10.0.0.5", user[] = "me";

/* An address that many networks have. */
static struct connection_settings inner(void)
{
	return (struct connection_settings){ .host = address, .port = 22, .user = user };
}

static bool is_same(const char *before_a, const struct connection_settings *a, const char *before_b,
		    const struct connection_settings *b)
{
	CLEANUP(freep) char *x = way_name(before_a, a);
	CLEANUP(freep) char *y = way_name(before_b, b);

	assert_non_null(x);
	assert_non_null(y);
	return strcmp(x, y) == 0;
}

static void test_address(void **state)
{
	struct connection_settings a = inner(), b = inner();

	b.user = TEXT("you"); /* sshd counts what has not logged in, whoever it is */
	b.original = TEXT("inner");
	assert_true(is_same(NULL, &a, NULL, &b));
	b.port = 2222;
	assert_false(is_same(NULL, &a, NULL, &b));
	b = inner();
	b.host = TEXT("10.0.0.6");
	assert_false(is_same(NULL, &a, NULL, &b));
}

static void test_proxy(void **state)
{
	struct connection_settings a = inner(), b = inner();

	a.proxy = TEXT("socks5://me:secret@proxy:1080");
	assert_false(is_same(NULL, &a, NULL, &b));
	b.proxy = TEXT("socks5://you:other@proxy:1080");
	assert_true(is_same(NULL, &a, NULL, &b));
	b.proxy = TEXT("socks5://proxy:1081");
	assert_false(is_same(NULL, &a, NULL, &b));
	b.proxy = TEXT("socks5://elsewhere:1080");
	assert_false(is_same(NULL, &a, NULL, &b));
}

static void test_a_login_of_a_proxy_is_not_in_it(void **state)
{
	struct connection_settings c = inner();
	CLEANUP(freep) char *name = NULL;

	c.proxy = TEXT("http://me:secret@proxy:3128");
	name = way_name(NULL, &c);
	assert_non_null(name);
	assert_null(strstr(name, "secret"));
}

static void test_command(void **state)
{
	char *words_a[] = { TEXT("nc"), TEXT("%h"), TEXT("%p") };
	char *words_b[] = { TEXT("gate"), TEXT("%n") };
	struct connection_settings a = inner(), b = inner();

	a.proxy_command = (struct strv){ words_a, ARRAY_SIZE(words_a) };
	assert_false(is_same(NULL, &a, NULL, &b));
	b.proxy_command = a.proxy_command;
	assert_true(is_same(NULL, &a, NULL, &b));
	a.proxy_command = b.proxy_command = (struct strv){ words_b, ARRAY_SIZE(words_b) };
	a.original = TEXT("berlin");
	b.original = TEXT("paris");
	assert_false(is_same(NULL, &a, NULL, &b));
}

/* Behind a jump its own proxy plays no part. */
static void test_jumps(void **state)
{
	struct connection_settings a = inner(), b = inner();

	assert_false(is_same("berlin:22", &a, "paris:22", &b));
	assert_false(is_same("berlin:22", &a, NULL, &b));
	b.proxy = TEXT("socks5://proxy:1080");
	assert_true(is_same("berlin:22", &a, "berlin:22", &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_a_login_of_a_proxy_is_not_in_it),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
