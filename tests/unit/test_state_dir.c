/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/supervisor/state_dir.h"
#include "lib/str.h"

static const struct config_context context = { .system = false, .home = "/nowhere", .user = "me" };
static const char tunnel[] = "{\"host\": \"h\", \"local\": \"127.0.0.1:1:h:2\"}";

static int setup(void **state)
{
	char *dir = strdup("/tmp/tunneld-state-XXXXXX");

	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	CLEANUP(freep) char *command = str_printf("rm -rf %s", (char *)*state);

	free(*state);
	return command ? system(command) : -1;
}

static struct config *empty_config(void)
{
	struct config_problems problems = { 0 };
	struct config *config = config_load(NULL, &context, &problems);

	assert_non_null(config);
	return config;
}

static void put(const char *dir, const char *name, const char *text)
{
	CLEANUP(freep) char *path = str_printf("%s/added/%s", dir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_written_is_read_again_until_removed(void **state)
{
	const char *dir = *state;
	CLEANUP(freep) char *deep = str_printf("%s/a/b", dir);
	struct strv warnings = { 0 };
	struct config *config = empty_config();

	assert_int_equal(state_dir_write(deep, "db", tunnel, NULL), 0);
	assert_int_equal(state_dir_write(deep, "db", tunnel, NULL), 0);
	assert_int_equal(state_dir_load(deep, config, &warnings, NULL), 0);
	assert_int_equal(config->tunnel_count, 1);
	assert_string_equal(config->tunnels[0]->source, "added");
	assert_int_equal(warnings.count, 0);
	config_free(config);

	config = empty_config();
	assert_int_equal(state_dir_remove(deep, "db", NULL), 0);
	assert_int_equal(state_dir_remove(deep, "db", NULL), 0); /* it is what was wanted */
	assert_int_equal(state_dir_load(deep, config, &warnings, NULL), 0);
	assert_int_equal(config->tunnel_count, 0);
	config_free(config);
}

static void test_nothing_there_is_nothing_wrong(void **state)
{
	CLEANUP(freep) char *none = str_printf("%s/none", (char *)*state);
	struct config *config = empty_config();
	struct strv warnings = { 0 };

	assert_int_equal(state_dir_load(none, config, &warnings, NULL), 0);
	assert_int_equal(warnings.count, 0);
	config_free(config);
}

static void test_what_is_broken_is_left_out_with_a_warning(void **state)
{
	static const char *const broken[] = { "",
					      "{",
					      "[]",
					      "{\"host\": 1}",
					      "{\"nonsense\": 1}",
					      "{\"host\": \"h\", \"local\": \"nonsense\"}" };
	const char *dir = *state;
	struct config *config = empty_config();
	struct strv warnings = { 0 };

	assert_int_equal(state_dir_write(dir, "good", tunnel, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		char name[16];

		snprintf(name, sizeof(name), "b%zu.json", i);
		put(dir, name, broken[i]);
	}
	put(dir, "not a name.json", tunnel);
	put(dir, ".good.json.new", "{half");
	put(dir, "README", "hello");
	assert_int_equal(state_dir_load(dir, config, &warnings, NULL), 0);
	assert_int_equal(config->tunnel_count, 1);
	assert_int_equal(warnings.count, ARRAY_SIZE(broken));
	assert_non_null(strstr(warnings.items[0], "'b0'"));
	strv_fini(&warnings);
	config_free(config);
}

static void test_no_file_is_followed_or_waited_for(void **state)
{
	const char *dir = *state;
	CLEANUP(freep) char *fifo = str_printf("%s/added/fifo.json", dir);
	CLEANUP(freep) char *link = str_printf("%s/added/link.json", dir);
	CLEANUP(freep) char *huge = str_printf("%s/added/huge.json", dir);
	struct config *config = empty_config();
	struct strv warnings = { 0 };

	assert_int_equal(state_dir_write(dir, "a", tunnel, NULL), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(symlink("a.json", link), 0);
	put(dir, "huge.json", "{}");
	assert_int_equal(truncate(huge, 1 << 30), 0);
	assert_int_equal(state_dir_load(dir, config, &warnings, NULL), 0);
	assert_int_equal(config->tunnel_count, 1);
	assert_int_equal(warnings.count, 3);
	strv_fini(&warnings);
	config_free(config);
}

static void test_a_directory_that_cannot_be_written(void **state)
{
	const char *dir = *state;
	CLEANUP(freep) char *file = str_printf("%s/file", dir);
	struct err err;

	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(state_dir_write(file, "a", tunnel, &err), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_non_null(strstr(err.msg, file));
}

static void test_what_could_not_be_read_back_is_not_written(void **state)
{
	const char *dir = *state;
	size_t size = 512 * 1024;
	CLEANUP(freep) char *large = malloc(size);
	CLEANUP(freep) char *path = str_printf("%s/added/a.json", dir);
	struct err err;

	memset(large, ' ', size);
	large[size - 1] = '\0';
	assert_int_equal(state_dir_write(dir, "a", large, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(access(path, F_OK), -1);
}

#define dir_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		dir_test(test_written_is_read_again_until_removed),
		dir_test(test_nothing_there_is_nothing_wrong),
		dir_test(test_what_is_broken_is_left_out_with_a_warning),
		dir_test(test_no_file_is_followed_or_waited_for),
		dir_test(test_a_directory_that_cannot_be_written),
		dir_test(test_what_could_not_be_read_back_is_not_written),
	};

	return cmocka_run_group_tests_name("state_dir", tests, NULL, NULL);
}
