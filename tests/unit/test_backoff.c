/* SPDX-License-Identifier: MIT */
/*
 * How long to wait: the bounds grow by the failures, the random number chooses within them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/backoff.h"
#include "lib/util.h"

static void test_the_bounds_double(void **state)
{
	static const unsigned bounds[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	struct backoff low = { .min_ms = 500, .max_ms = 60000 }, high = low, middle = low;

	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		assert_int_equal(backoff_next(&low, 0), 500);
		assert_in_range(backoff_next(&high, UINT32_MAX), bounds[i] - 1, bounds[i]);
		assert_int_equal(backoff_next(&middle, 0x80000000), 500 + (bounds[i] - 500) / 2);
	}
}

static void test_reset_starts_over(void **state)
{
	struct backoff b = { .min_ms = 500, .max_ms = 60000 };

	for (int i = 0; i < 5; i++)
		backoff_next(&b, UINT32_MAX);
	assert_in_range(backoff_next(&b, UINT32_MAX), 31999, 32000);
	backoff_reset(&b);
	assert_in_range(backoff_next(&b, UINT32_MAX), 999, 1000);
}

static void test_it_never_overflows(void **state)
{
	struct backoff b = { .min_ms = UINT32_MAX / 2, .max_ms = UINT32_MAX };

	for (int i = 0; i < 1000; i++)
		assert_in_range(backoff_next(&b, UINT32_MAX), UINT32_MAX / 2, UINT32_MAX);
}

static void test_odd_settings(void **state)
{
	struct backoff fixed = { .min_ms = 5000, .max_ms = 5000 };
	struct backoff crossed = { .min_ms = 5000, .max_ms = 100 };
	struct backoff none = { .min_ms = 0, .max_ms = 60000 };

	for (int i = 0; i < 40; i++) {
		assert_int_equal(backoff_next(&fixed, UINT32_MAX), 5000);
		assert_int_equal(backoff_next(&crossed, UINT32_MAX), 5000);
		assert_int_equal(backoff_next(&none, UINT32_MAX), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_bounds_double),
		cmocka_unit_test(test_reset_starts_over),
		cmocka_unit_test(test_it_never_overflows),
		cmocka_unit_test(test_odd_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
