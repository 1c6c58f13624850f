/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/login.h"
#include "lib/util.h"

static const struct login login = { "Aladdin", "open sesame" };

static const struct {
	const char *user, *password;
	bool matches;
} pairs[] = {
	{ "Aladdin", "open sesame", true },
	{ "Aladdin", "open sesam", false },
	{ "Aladdin", "", false },
	{ "", "", false },
	{ "aladdin", "open sesame", false },
	{ "Aladdin", "open sesame!", false },
	{ "AladdinX", "open sesame", false },
};

static void test_pairs(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		assert_int_equal(login_matches(&login, pairs[i].user, strlen(pairs[i].user),
					       pairs[i].password, strlen(pairs[i].password)),
				 pairs[i].matches);
	assert_false(login_matches(&login, "Aladdin\0", 8, "open sesame", 11));
}

static const struct {
	const char *value;
	bool matches;
} values[] = {
	{ "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true }, /* RFC 7617, 2 */
	{ "basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true },
	{ "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=", false },
	{ "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", false },
	{ "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ===", false },
	{ "Basic ====", false },
	{ "Basic QWxhZGRpbjpvcGVu IHNlc2FtZQ==", false },
	{ "BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==", false },
	{ "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", false },
	{ "Basic QWxhZGRpbg==", false }, /* no colon */
	{ "Basic ", false },
	{ "Basic", false },
	{ "", false },
};

static void test_basic(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		if (login_matches_basic(&login, values[i].value, strlen(values[i].value)) !=
		    values[i].matches)
			fail_msg("%s", values[i].value);
	}
}

static void test_paddings(void **state)
{
	assert_true(login_matches_basic(&(struct login){ "a", "b" }, "Basic YTpi", 10));
	assert_true(login_matches_basic(&(struct login){ "a", "" }, "Basic YTo=", 10));
	assert_true(login_matches_basic(&(struct login){ "a", "bc" }, "Basic YTpiYw==", 14));
	assert_true(login_matches_basic(&(struct login){ "a", "b:c" }, "Basic YTpiOmM=", 14));
}

static void test_long_ones_are_refused(void **state)
{
	char value[2000];

	memset(value, 'A', sizeof(value));
	memcpy(value, "Basic ", 6);
	for (size_t size = 6; size < sizeof(value); size++)
		assert_false(login_matches_basic(&login, value, size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_paddings),
		cmocka_unit_test(test_long_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
