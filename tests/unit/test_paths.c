/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/paths.h"
#include "lib/str.h"

static void set_environment(const char *config, const char *runtime, const char *state)
{
	setenv("HOME", "/home/ada", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("XDG_STATE_HOME");
	if (config)
		setenv("XDG_CONFIG_HOME", config, 1);
	if (runtime)
		setenv("XDG_RUNTIME_DIR", runtime, 1);
	if (state)
		setenv("XDG_STATE_HOME", state, 1);
}

static void test_system(void **state)
{
	struct paths p;
	struct err err = { 0 };

	set_environment("/x", "/y", "/z");
	assert_int_equal(paths_init(&p, true, &err), 0);
	assert_string_equal(p.config, "/etc/tunneld/tunneld.yaml");
	assert_string_equal(p.socket, "/run/tunneld/control.sock");
	assert_string_equal(p.state_dir, "/var/lib/tunneld");
	assert_string_equal(p.home, "/home/ada");
	assert_true(p.user[0] != '\0');
	paths_fini(&p);
	assert_null(p.config);
}

static void test_user_with_xdg(void **state)
{
	struct paths p;
	struct err err = { 0 };

	set_environment("/x", "/y", "/z");
	assert_int_equal(paths_init(&p, false, &err), 0);
	assert_string_equal(p.config, "/x/tunneld/tunneld.yaml");
	assert_string_equal(p.socket, "/y/tunneld/control.sock");
	assert_string_equal(p.state_dir, "/z/tunneld");
	paths_fini(&p);
}

static void test_user_without_xdg(void **state)
{
	char run[64];
	char *expected;
	struct paths p;
	struct err err = { 0 };

	set_environment("relative/is/ignored", NULL, NULL);
	assert_int_equal(paths_init(&p, false, &err), 0);
	assert_string_equal(p.config, "/home/ada/.config/tunneld/tunneld.yaml");
	assert_string_equal(p.state_dir, "/home/ada/.local/state/tunneld");
	snprintf(run, sizeof(run), "/run/user/%u", (unsigned)getuid());
	expected = str_printf("%s/tunneld/control.sock",
			      access(run, X_OK) == 0 ? run : "/home/ada/.local/state");
	assert_string_equal(p.socket, expected);
	free(expected);
	paths_fini(&p);
}

/* Without $HOME the password database decides. */
static void test_home_from_passwd(void **state)
{
	struct paths p;
	struct err err = { 0 };

	set_environment(NULL, "/y", NULL);
	unsetenv("HOME");
	assert_int_equal(paths_init(&p, false, &err), 0);
	assert_int_equal(p.home[0], '/');
	paths_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_user_with_xdg),
		cmocka_unit_test(test_user_without_xdg),
		cmocka_unit_test(test_home_from_passwd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
