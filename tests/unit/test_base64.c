/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base64.h"
#include "lib/util.h"

/* RFC 4648, section 10, and all bits set. */
static const struct {
	const char *bytes, *text;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xff\xff", "////" },
	{ "\xfb\xef\xbe", "++++" },
};

static void test_both_ways(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t size = strlen(vectors[i].bytes);
		CLEANUP(freep) char *text = base64_encode(vectors[i].bytes, size);
		char bytes[16];

		assert_non_null(text);
		assert_string_equal(text, vectors[i].text);
		assert_int_equal(base64_decode(text, strlen(text), bytes, sizeof(bytes)), size);
		assert_memory_equal(bytes, vectors[i].bytes, size);
		/* Exactly as much room as it takes, and one byte less. */
		assert_int_equal(base64_decode(text, strlen(text), bytes, size), size);
		if (size > 0)
			assert_int_equal(base64_decode(text, strlen(text), bytes, size - 1), -1);
	}
}

static void test_in_place(void **state)
{
	char text[] = "Zm9vYmFy";

	assert_int_equal(base64_decode(text, 8, text, sizeof(text)), 6);
	assert_memory_equal(text, "foobar", 6);
}

static void test_what_is_none(void **state)
{
	static const char *const texts[] = { "Z",         "Zg",   "Zg=",  "Zg===", "====",
					     "Zm9v Zm9v", "Zm9-", "Zm9_", "Z===",  "=Zg=" };
	char bytes[16];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(base64_decode(texts[i], strlen(texts[i]), bytes, sizeof(bytes)),
				 -1);
	assert_int_equal(base64_decode("Zm9v\0m9v", 8, bytes, sizeof(bytes)), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
