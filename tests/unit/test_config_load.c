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
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/str.h"
#include "lib/util.h"
#include "lib/yaml.h"

/* Longer than any reading may take, with sanitizers and on a slow machine; quadratic ones take
 * minutes. */
enum { PATIENCE_MS = 20000 };

static void test_empty_is_valid(void **state)
{
	static const char *const texts[] = { "", "# nothing\n", "tunnels:\n",
					     "include:\ntunnels:\nhosts:\n" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct config *config = fixture_load_good(*state, texts[i]);

		assert_int_equal(config->tunnel_count, 0);
		config_free(config);
	}
}

static void test_all_mistakes_at_once_in_the_order_of_the_text(void **state)
{
	struct fixture *f = *state;

	assert_null(fixture_load_text(f, "tunels: {}\n"
					 "tunnels:\n"
					 "  b: { host: h, local: 1 }\n"
					 "  a: { hots: h, local: 2 }\n"
					 "daemon: { workers: 65 }\n"));
	assert_int_equal(f->problems.count, 6);
	fixture_expect(f, 1, 1, "unknown key 'tunels'; did you mean 'tunnels'?");
	fixture_expect(f, 3, 24, "tunnels.b.local");
	fixture_expect(f, 4, 6, "tunnels.a: 'host' is missing");
	fixture_expect(f, 4, 8, "tunnels.a: unknown key 'hots'; did you mean 'host'?");
	fixture_expect(f, 5, 20,
		       "daemon.workers: '65' is not a whole number from 1 to 64, or auto");
	for (size_t i = 1; i < f->problems.count; i++)
		assert_true(f->problems.items[i - 1].line <= f->problems.items[i].line);
}

static void test_include(void **state)
{
	struct fixture *f = *state;
	struct config *config;

	mkdir(fixture_path(f, "d"), 0700);
	fixture_write(f, "d/b.yaml", "tunnels: { b: { host: h1, local: 1:x:1, identity: key } }\n");
	fixture_write(f, "d/a.yaml", "hosts: { h1: { address: one } }\ninclude: ../deep.yaml\n");
	fixture_write(f, "d/.hidden.yaml", "nonsense\n");
	fixture_write(f, "d/a.yaml~", "nonsense\n");
	fixture_write(f, "deep.yaml", "tunnels: { c: { host: h1, local: 2:x:1 } }\n");
	config = fixture_load_good(f,
				   "include: [ 'd/*.yaml', 'none/*.yaml', 'd/*.conf', deep.yaml ]\n"
				   "defaults: { hold: 3s }\n");
	assert_int_equal(config->tunnel_count, 2);
	assert_string_equal(config_server(config->tunnels[0], 0)->host, "one");
	assert_string_equal(config->tunnels[0]->source, fixture_path(f, "d/b.yaml"));
	assert_string_equal(config_server(config->tunnels[0], 0)->identities.items[0],
			    fixture_path(f, "d/key"));
	assert_int_equal(config->tunnels[0]->upkeep.hold_ms, 3000);
	assert_int_equal(config->tunnels[1]->upkeep.hold_ms, 3000);
	config_free(config);
}

static void test_duplicates_across_files_name_both(void **state)
{
	struct fixture *f = *state;
	char says[256];

	fixture_write(f, "two.yaml",
		      "defaults: {}\n"
		      "tunnels: { t: { host: h, local: 2:x:1 }, u: { host: h, local: 1:x:1 } }\n"
		      "hosts: { h: {} }\n");
	assert_null(fixture_load_text(f, "include: two.yaml\n"
					 "defaults: {}\n"
					 "tunnels: { t: { host: h, local: 1:x:1 } }\n"
					 "hosts: { h: {} }\n"));
	assert_int_equal(f->problems.count, 4);
	snprintf(says, sizeof(says), "'defaults' is written twice; the first is in %s:2",
		 fixture_path(f, "main.yaml"));
	fixture_expect(f, 1, 1, says);
	snprintf(says, sizeof(says), "tunnels: 't' exists already, in %s:3",
		 fixture_path(f, "main.yaml"));
	fixture_expect(f, 2, 12, says);
	snprintf(says, sizeof(says), "hosts: 'h' exists already, in %s:4",
		 fixture_path(f, "main.yaml"));
	fixture_expect(f, 3, 10, says);
	snprintf(says, sizeof(says), "localhost:1 is taken by tunnel 't' in %s:3",
		 fixture_path(f, "main.yaml"));
	fixture_expect(f, 2, 63, says);
	assert_string_equal(f->problems.items[0].file, fixture_path(f, "two.yaml"));
}

static void test_include_mistakes(void **state)
{
	struct fixture *f = *state;

	mkdir(fixture_path(f, "d"), 0700);
	mkdir(fixture_path(f, "d/x.yaml"), 0700);
	fixture_write(f, "self.yaml", "include: main.yaml\n");
	fixture_write(f, "broken.yaml", "a: [\n");
	fixture_write(f, "list.yaml", "- a\n");
	assert_null(fixture_load_text(f, "include:\n"
					 "  - nope.yaml\n"
					 "  - d\n"
					 "  - d/*.yaml\n"
					 "  - '*/x.yaml'\n"
					 "  - self.yaml\n"
					 "  - broken.yaml\n"
					 "  - list.yaml\n"
					 "  - [x]\n"));
	fixture_expect(f, 2, 5, "nope.yaml: No such file; write it, or name another one");
	fixture_expect(f, 3, 5, "/d: is a directory, not a file");
	fixture_expect(f, 4, 5, "/d/x.yaml: is a directory, not a file");
	fixture_expect(f, 5, 5, "wildcards may stand only behind the last '/'");
	fixture_expect(f, 1, 10, "main.yaml: this file includes itself");
	fixture_expect(f, 2, 1, "is missing");
	fixture_expect(f, 1, 1,
		       "a configuration is a mapping with keys like 'tunnels:', not a list");
	fixture_expect(f, 9, 5, "a single value is expected, not a list");
	assert_int_equal(f->problems.count, 8);
}

static void test_include_depth(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++) {
		char name[32], text[64];

		snprintf(name, sizeof(name), "%d.yaml", i);
		snprintf(text, sizeof(text), "include: %d.yaml\n", i + 1);
		fixture_write(f, name, text);
	}
	assert_null(fixture_load(f, "0.yaml"));
	fixture_expect(f, 1, 10, "9.yaml: included files are nested too deeply");
	assert_int_equal(f->problems.count, 1);
}

static void test_too_many_files(void **state)
{
	struct fixture *f = *state;

	mkdir(fixture_path(f, "d"), 0700);
	for (int i = 0; i < 1024; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d/%04d.yaml", i);
		fixture_write(f, name, "");
	}
	assert_null(fixture_load_text(f, "include: d/*.yaml\n"));
	fixture_expect(f, 1, 10, "d/1023.yaml: too many or too large files");
	assert_int_equal(f->problems.count, 1);
	fixture_write(f, "d/1024.yaml", "");
	assert_null(fixture_load_text(f, "include: d/*.yaml\n"));
	fixture_expect(f, 1, 10, "matches more than 1024 files");
}

static void test_what_is_no_file_does_not_hang(void **state)
{
	struct fixture *f = *state;

	assert_null(fixture_load(f, "missing.yaml"));
	fixture_expect(f, 0, 0, "No such file; write it, or name another one");
	assert_string_equal(f->problems.items[0].file, fixture_path(f, "missing.yaml"));
	assert_null(fixture_load(f, "."));
	fixture_expect(f, 0, 0, "is a directory, not a file");
	assert_int_equal(mkfifo(fixture_path(f, "fifo"), 0600), 0);
	assert_null(fixture_load(f, "fifo"));
	fixture_expect(f, 0, 0, "is a pipe, not a file");
	assert_int_equal(symlink("/dev/zero", fixture_path(f, "zero")), 0);
	assert_null(fixture_load(f, "zero"));
	fixture_expect(f, 0, 0, "is a device, not a file");
	assert_int_equal(symlink("loop", fixture_path(f, "loop")), 0);
	assert_null(fixture_load(f, "loop"));
	fixture_expect(f, 0, 0, "Too many levels of symbolic links");
}

static void test_relative_path(void **state)
{
	struct fixture *f = *state;
	char old[4096];
	struct config *config;

	assert_non_null(getcwd(old, sizeof(old)));
	fixture_write(f, "main.yaml", "tunnels: { t: { host: h, local: 1:x:1, identity: k } }\n");
	assert_int_equal(chdir(f->directory), 0);
	config = config_load("./main.yaml", &f->context, &f->problems);
	assert_int_equal(chdir(old), 0);
	assert_non_null(config);
	assert_string_equal(config->tunnels[0]->source, fixture_path(f, "main.yaml"));
	assert_string_equal(config_server(config->tunnels[0], 0)->identities.items[0],
			    fixture_path(f, "k"));
	config_free(config);
}

static void test_problems_are_capped(void **state)
{
	struct fixture *f = *state;
	struct strbuf text = { 0 };

	for (int i = 0; i < 130; i++)
		strbuf_addf(&text, "wrong%d: 1\n", i);
	assert_null(fixture_load_text(f, text.data));
	assert_int_equal(f->problems.count, 101);
	assert_string_equal(f->problems.items[100].message, "and 30 more mistakes");
	strbuf_fini(&text);
}

static void test_problem_text(void **state)
{
	struct config_problem problem = { (char *)"/f", 3, 7, (char *)"wrong" };
	char *text = config_problem_text(&problem);

	assert_string_equal(text, "/f:3:7: wrong");
	free(text);
	problem.line = 0;
	text = config_problem_text(&problem);
	assert_string_equal(text, "/f: wrong");
	free(text);
	problem.file = NULL;
	text = config_problem_text(&problem);
	assert_string_equal(text, "wrong");
	free(text);
}

/* Repeated up to the size of a file. The piece may hold one %d. */
static const struct {
	const char *start, *piece;
	const char *says; /* NULL: loads */
} hostile[] = {
	{ "", "abcde: 1\n", "does not know the key 'abcde'" },
	{ "", "tunnels: {}\n", "'tunnels' is written twice" },
	{ "tunnels:\n", " t%d: {}\n", "'host' is missing" },
	{ "tunnels:\n", " t: {}\n", "'t' exists already" },
	{ "tunnels:\n", " ? %d\n", "'host' is missing" },
	{ "hosts:\n", " h%d:\n", NULL },
	{ "tunnels: { t: { host: h, local: [", "1:h:1,", "the list has" },
	{ "tunnels:\n", " t%d: {host: h, local: 1:h:1}\n", "is taken by tunnel" },
	{ "defaults: { identity: [", "/abc,", "the list has" },
	{ "include: [", "a%d,", "the list has" },
	{ "defaults: { user: '", "x", "too long for a user name" },
	{ "defaults: { ciphers: '", "a,", "the list is too long" },
	{ "tunnels:\n", " idnetity%d: 3\n", "a mapping of keys is expected" },
	{ "tunnels:\n t:\n", "  idnetity%d: 3\n", "unknown key" },
};

static void test_hostile_files_are_read_or_refused_fast(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct strbuf text = { 0 };
		bool quoted = strchr(hostile[i].start, '\'');
		const char *end = quoted                             ? "' }"
				  : strstr(hostile[i].start, "t: {") ? "] } }"
				  : strchr(hostile[i].start, '{')    ? "] }"
				  : strchr(hostile[i].start, '[')    ? "]"
								     : "";
		const char *number = strstr(hostile[i].piece, "%d");
		uint64_t start = monotonic_ms();
		struct config *config;

		strbuf_add(&text, hostile[i].start);
		for (int n = 0; text.length < YAML_BYTES_MAX - 64; n++) {
			const char *piece = hostile[i].piece;

			if (number)
				strbuf_addf(&text, "%.*s%d%s", (int)(number - piece), piece, n,
					    number + 2);
			else
				strbuf_add(&text, piece);
		}
		strbuf_add(&text, end);
		config = fixture_load_text(f, text.data);
		if (hostile[i].says)
			fixture_expect(f, 0, 0, hostile[i].says);
		else
			assert_non_null(config);
		assert_in_range(monotonic_ms() - start, 0, PATIENCE_MS);
		config_free(config);
		strbuf_fini(&text);
	}
}

/* A long list in defaults, inherited by thousands of tunnels. */
static void test_inherited_text_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct strbuf text = { 0 };

	strbuf_add(&text, "defaults:\n  identity:\n");
	for (int i = 0; i < 16; i++) {
		strbuf_add(&text, "  - /");
		for (int j = 0; j < 100; j++)
			strbuf_add(&text, "0123456/");
		strbuf_add(&text, "\n");
	}
	strbuf_add(&text, "tunnels:\n");
	for (int i = 0; i < 20000; i++)
		strbuf_addf(&text, " t%d: {host: h, local: %d:h:1}\n", i, i + 1);
	assert_null(fixture_load_text(f, text.data));
	fixture_expect(f, 0, 0, "the tunnels together inherit more than 64 MiB of text");
	strbuf_fini(&text);
}

static void test_thousands_of_tunnels_load(void **state)
{
	struct strbuf text = { 0 };
	struct config *config;

	strbuf_add(&text, "defaults: { identity: /k }\ntunnels:\n");
	for (int i = 0; i < 5000; i++)
		strbuf_addf(&text, "  t%05d: { host: h%d, local: %d:db:5432 }\n", i, i % 10, i + 1);
	config = fixture_load_good(*state, text.data);
	assert_int_equal(config->tunnel_count, 5000);
	assert_string_equal(config->tunnels[4999]->name, "t04999");
	config_free(config);
	strbuf_fini(&text);
}

static void load_installed(struct fixture *f, const char *path, bool system)
{
	struct config *config;

	config_problems_fini(&f->problems);
	f->context.system = system;
	config = config_load(path, &f->context, &f->problems);
	for (size_t i = 0; i < f->problems.count; i++)
		print_error("%s: %s\n", path, f->problems.items[i].message);
	assert_non_null(config);
	config_free(config);
}

static void test_installed_files_load(void **state)
{
	static const char examples[] = TOP_SOURCE_DIR "/conf/examples";
	DIR *dir = opendir(examples);
	unsigned count = 0;

	load_installed(*state, TOP_SOURCE_DIR "/conf/tunneld.yaml", true);
	load_installed(*state, TOP_SOURCE_DIR "/conf/tunneld.yaml", false);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[512];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%.200s/%.250s", examples, entry->d_name);
		load_installed(*state, path, false);
		count++;
	}
	closedir(dir);
	assert_true(count >= 4);
}

static void test_no_file_is_an_empty_one(void **state)
{
	struct fixture *f = *state;
	struct config *config = config_load(NULL, &f->context, &f->problems);

	assert_non_null(config);
	assert_int_equal(config->tunnel_count, 0);
	assert_int_equal(config->daemon.log_level, LOG_INFO);
	config_free(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty_is_valid),
		TEST(test_no_file_is_an_empty_one),
		TEST(test_all_mistakes_at_once_in_the_order_of_the_text),
		TEST(test_include),
		TEST(test_duplicates_across_files_name_both),
		TEST(test_include_mistakes),
		TEST(test_include_depth),
		TEST(test_too_many_files),
		TEST(test_what_is_no_file_does_not_hang),
		TEST(test_relative_path),
		TEST(test_problems_are_capped),
		TEST(test_problem_text),
		TEST(test_hostile_files_are_read_or_refused_fast),
		TEST(test_inherited_text_is_bounded),
		TEST(test_thousands_of_tunnels_load),
		TEST(test_installed_files_load),
	};

	return cmocka_run_group_tests_name("config_load", tests, NULL, NULL);
}
