/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ctl/spec.h"
#include "lib/util.h"

static const struct {
	enum spec_side side;
	const char *spec, *absolute;
} specs[] = {
	/* -L: what is here is the first part. */
	{ SPEC_LISTEN, "5432:db:5432", "5432:db:5432" },
	{ SPEC_LISTEN, "x.sock:db:5432",
	  "x.sock:db:5432" }, /* without '/' it is a name, as in ssh */
	{ SPEC_LISTEN, "./x.sock:db:5432", "/cwd/./x.sock:db:5432" },
	{ SPEC_LISTEN, "d/x.sock:/run/y", "/cwd/d/x.sock:/run/y" },
	{ SPEC_LISTEN, "~/x.sock:db:1", "/home/me/x.sock:db:1" },
	{ SPEC_LISTEN, "/x.sock:db:1", "/x.sock:db:1" },
	{ SPEC_LISTEN, "d\\:e/x:db:1", "/cwd/d\\:e/x:db:1" },
	{ SPEC_LISTEN, "1:/run/y", "1:/run/y" },
	{ SPEC_LISTEN, "1:run/y", "1:run/y" }, /* is the server's; the daemon says so */
	{ SPEC_LISTEN, "[::1]:1:db:2", "[::1]:1:db:2" },
	{ SPEC_LISTEN, "d/x.sock", "d/x.sock" },
	{ SPEC_LISTEN, "5432/db/5432", "5432/db/5432" },
	{ SPEC_LISTEN, "::1/5432/db/5432", "::1/5432/db/5432" },
	{ SPEC_LISTEN, "localhost/1/::1/2", "localhost/1/::1/2" },
	{ SPEC_LISTEN, "", "" },
	/* -R: what is here is the last. */
	{ SPEC_TARGET, "80:x/y.sock", "80:/cwd/x/y.sock" },
	{ SPEC_TARGET, "*:80:./y.sock", "*:80:/cwd/./y.sock" },
	{ SPEC_TARGET, "[::1]:80:~/y.sock", "[::1]:80:/home/me/y.sock" },
	{ SPEC_TARGET, "80:/y.sock", "80:/y.sock" },
	{ SPEC_TARGET, "80:localhost:80", "80:localhost:80" },
	{ SPEC_TARGET, "::1/80/localhost/80", "::1/80/localhost/80" },
	{ SPEC_TARGET, "there/x.sock:here/y.sock", "there/x.sock:/cwd/here/y.sock" },
	{ SPEC_TARGET, "1080", "1080" },
	{ SPEC_TARGET, "x/y", "x/y" },
	{ SPEC_TARGET, "80:x/y\\", "80:/cwd/x/y\\" },
};

static void test_paths_of_this_machine(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		CLEANUP(freep)
		char *text = spec_absolute(specs[i].spec, specs[i].side, "/cwd", "/home/me");

		assert_string_equal(text, specs[i].absolute);
	}
}

static void test_a_directory_may_have_any_name(void **state)
{
	CLEANUP(freep) char *text = spec_absolute("1:./y", SPEC_TARGET, "/a:b\\c", "/h");

	assert_string_equal(text, "1:/a\\:b\\\\c/./y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_of_this_machine),
		cmocka_unit_test(test_a_directory_may_have_any_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
