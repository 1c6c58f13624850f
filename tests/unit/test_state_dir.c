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

#include "daemon/supervisor/forward_json.h"
#include "daemon/supervisor/state_dir.h"
#include "lib/config_diff.h"
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

	assert_int_equal(state_dir_write(deep, STATE_TUNNEL, "db", tunnel, NULL), 0);
	assert_int_equal(state_dir_write(deep, STATE_TUNNEL, "db", tunnel, NULL), 0);
	assert_int_equal(state_dir_load(deep, config, &warnings, NULL), 0);
	assert_int_equal(config->tunnel_count, 1);
	assert_string_equal(config->tunnels[0]->source, "added");
	assert_int_equal(warnings.count, 0);
	config_free(config);

	config = empty_config();
	assert_int_equal(state_dir_remove(deep, STATE_TUNNEL, "db", NULL), 0);
	assert_int_equal(state_dir_remove(deep, STATE_TUNNEL, "db", NULL),
			 0); /* it is what was wanted */
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

	assert_int_equal(state_dir_write(dir, STATE_TUNNEL, "good", tunnel, NULL), 0);
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

	assert_int_equal(state_dir_write(dir, STATE_TUNNEL, "a", tunnel, NULL), 0);
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
	assert_int_equal(state_dir_write(file, STATE_TUNNEL, "a", tunnel, &err), -1);
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
	assert_int_equal(state_dir_write(dir, STATE_TUNNEL, "a", large, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- forwards ---- */

static const char forwards[] = "{\"local\": [{\"listen\": \"127.0.0.1:1\", \"target\": \"h:2\"}, "
			       "{\"listen\": \"127.0.0.1:7\", \"target\": \"h:2\"}]}";

/* db with one forward, written in a file. */
static struct config *config_with_db(const char *dir)
{
	CLEANUP(freep) char *path = str_printf("%s/tunneld.yaml", dir);
	struct config_problems problems = { 0 };
	struct config *config;
	FILE *file = fopen(path, "w");

	fputs("tunnels:\n  db:\n    host: h\n    local: 127.0.0.1:1:h:2\n", file);
	fclose(file);
	config = config_load(path, &context, &problems);
	assert_non_null(config);
	return config;
}

static void test_forwards_come_back_unless_they_are_in_the_way(void **state)
{
	const char *dir = *state;
	struct config *config = config_with_db(dir);
	struct strv warnings = { 0 };
	const struct config_tunnel *db;

	assert_int_equal(state_dir_write(dir, STATE_FORWARDS, "db", forwards, NULL), 0);
	assert_int_equal(state_dir_load(dir, config, &warnings, NULL), 0);
	db = config_find(config, "db");
	assert_int_equal(db->forward_count, 2);
	assert_false(db->forwards[0].added);
	assert_true(db->forwards[1].added);
	assert_int_equal(db->forwards[1].listen.port, 7);
	assert_int_equal(warnings.count, 1);
	assert_non_null(strstr(warnings.items[0], "a forward added to tunnel 'db' is left out"));
	strv_fini(&warnings);
	config_free(config);
}

static void test_forwards_of_nothing_and_of_nonsense(void **state)
{
	const char *dir = *state;
	struct config *config = config_with_db(dir);
	struct strv warnings = { 0 };

	assert_int_equal(state_dir_write(dir, STATE_FORWARDS, "gone", forwards, NULL), 0);
	assert_int_equal(state_dir_write(dir, STATE_FORWARDS, "db", "{\"local\": 1", NULL), 0);
	assert_int_equal(state_dir_load(dir, config, &warnings, NULL), 0);
	assert_int_equal(warnings.count, 2);
	assert_non_null(strstr(warnings.items[0], "is not JSON"));
	assert_non_null(strstr(warnings.items[1], "which there is no more"));
	assert_int_equal(config_find(config, "db")->forward_count, 1);
	strv_fini(&warnings);
	config_free(config);
}

/* Every field a forward may have is the same after it was written down and read again. */
static void test_what_is_written_down_is_what_is_read(void **state)
{
	static const char text[] =
		"{\"host\": \"h\", \"local\": [\"127.0.0.1:1:h:2\", \"8000-8009:db:9000-9009\", "
		"\"*:3:[fd00::1]:4\", {\"name\": \"n\", \"listen\": \"/run/x.sock\", "
		"\"target\": \"/run/y.sock\", \"mode\": \"0660\", \"group\": \"adm\", "
		"\"max_connections\": 7, \"idle_timeout\": \"1m500ms\"}], "
		"\"remote\": [\"2222:localhost:22\", \"0:localhost:22\", "
		"{\"listen\": \"*:1080\", \"allow\": [\"*.internal:443\", \"10.0.0.0/8:*\"]}, "
		"\"[::1]:5:/run/z.sock\"], "
		"\"dynamic\": [{\"listen\": \"1081\", \"user\": \"u\", \"password\": \"p:\\\"w\"}]}";
	const char *dir = *state;
	struct config *before = empty_config(), *after = empty_config();
	CLEANUP(freep) char *json = NULL;
	struct strv warnings = { 0 };
	const struct config_tunnel *a, *b;
	json_t *written;

	assert_int_equal(state_dir_write(dir, STATE_TUNNEL, "t", text, NULL), 0);
	assert_int_equal(state_dir_load(dir, before, &warnings, NULL), 0);
	if (warnings.count > 0)
		fail_msg("%s", warnings.items[0]);
	a = config_find(before, "t");
	written = forward_json(a, false);
	json = json_dumps(written, 0);
	json_decref(written);
	assert_int_equal(state_dir_replace_forwards(dir, "t", json, NULL), 0);
	assert_int_equal(state_dir_load(dir, after, &warnings, NULL), 0);
	if (warnings.count > 0)
		fail_msg("%s: %s", warnings.items[0], json);
	b = config_find(after, "t");
	assert_int_equal(a->forward_count, 9);
	assert_int_equal(b->forward_count, 9);
	for (size_t i = 0; i < 9; i++)
		assert_true(config_forward_equal(&a->forwards[i], &b->forwards[i]));
	config_free(before);
	config_free(after);
}

static void test_only_added_ones_are_written_down(void **state)
{
	struct config_forward two[] = {
		{ .name = (char *)"local:a:1",
		  .listen = { END_TCP, (char *)"a", 1 },
		  .target = { END_TCP, (char *)"b", 2 },
		  .port_count = 1 },
		{ .name = (char *)"dynamic:a:3",
		  .type = FORWARD_DYNAMIC,
		  .listen = { END_TCP, (char *)"a", 3 },
		  .target = { .kind = END_PROXY },
		  .port_count = 1,
		  .added = true },
	};
	struct config_tunnel t = { .forwards = two, .forward_count = 2 };
	json_t *json = forward_json(&t, true);
	CLEANUP(freep) char *text = json_dumps(json, JSON_COMPACT);

	assert_string_equal(text, "{\"dynamic\":[{\"listen\":\"a:3\"}]}");
	json_decref(json);
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
		dir_test(test_forwards_come_back_unless_they_are_in_the_way),
		dir_test(test_forwards_of_nothing_and_of_nonsense),
		dir_test(test_what_is_written_down_is_what_is_read),
		cmocka_unit_test(test_only_added_ones_are_written_down),
	};

	return cmocka_run_group_tests_name("state_dir", tests, NULL, NULL);
}
