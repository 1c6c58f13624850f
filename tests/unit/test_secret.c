/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/secret.h"
#include "lib/util.h"

struct fixture {
	char directory[32], path[64];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/secret-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/word", f->directory);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	rmdir(f->directory);
	free(f);
	return 0;
}

static void write_file(const struct fixture *f, const char *text, size_t size, mode_t mode)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void test_a_secret_is_a_copy(void **state)
{
	struct secret a = { 0 }, b = { 0 };
	char text[] = "open sesame";

	assert_int_equal(secret_set(&a, text, strlen(text)), 0);
	text[0] = 'x';
	assert_string_equal(a.text, "open sesame");
	assert_int_equal(secret_set(&a, "again", 3), 0);
	assert_string_equal(a.text, "aga");
	secret_move(&b, &a);
	assert_null(a.text);
	assert_string_equal(b.text, "aga");
	secret_fini(&b);
	secret_fini(&b);
	assert_null(b.text);
}

static void test_the_first_line_of_a_file(void **state)
{
	static const struct {
		const char *text, *secret;
	} cases[] = {
		{ "word", "word" },           { "word\n", "word" },
		{ "word\r\n", "word" },       { " two words \nthe rest", " two words " },
		{ "\xff\xfe\n", "\xff\xfe" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct secret s = { 0 };
		struct fixture *f = *state;

		write_file(f, cases[i].text, strlen(cases[i].text), 0600);
		assert_int_equal(secret_read_file(&s, f->path, "password file", NULL), 0);
		assert_string_equal(s.text, cases[i].secret);
		secret_fini(&s);
	}
}

static void assert_refused(const struct fixture *f, const char *words)
{
	struct secret s = { 0 };
	struct err err;

	assert_int_equal(secret_read_file(&s, f->path, "password file", &err), -1);
	assert_int_equal(err.code, ERR_SECRET_FILE);
	assert_null(s.text);
	if (!strstr(err.msg, words) || !strstr(err.msg, f->path))
		fail_msg("'%s' does not say '%s'", err.msg, words);
}

static void test_files_that_hold_none(void **state)
{
	struct fixture *f = *state;
	char longest[SECRET_MAX + 2];
	struct secret s = { 0 };

	assert_refused(f, "No such file");
	write_file(f, "", 0, 0600);
	assert_refused(f, "empty");
	write_file(f, "\nword\n", 6, 0600);
	assert_refused(f, "empty");
	write_file(f, "a\0b", 3, 0600);
	assert_refused(f, "not text");
	memset(longest, 'x', sizeof(longest));
	write_file(f, longest, SECRET_MAX + 1, 0600);
	assert_refused(f, "longer");
	longest[SECRET_MAX] = '\n';
	write_file(f, longest, SECRET_MAX + 1, 0600);
	assert_int_equal(secret_read_file(&s, f->path, "password file", NULL), 0);
	assert_int_equal(s.length, SECRET_MAX);
	secret_fini(&s);
}

static void test_files_of_others(void **state)
{
	static const mode_t modes[] = { 0644, 0640, 0604, 0620, 0601 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		write_file(f, "word\n", 5, modes[i]);
		assert_refused(f, "chmod 600");
	}
	if (geteuid() == 0) {
		write_file(f, "word\n", 5, 0600);
		assert_int_equal(chown(f->path, 12345, 12345), 0);
		assert_refused(f, "another user");
	}
}

static void test_what_is_no_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_refused(f, "not a file");
}

static void test_credentials(void **state)
{
	static const char *const wrong[] = { "credential:", "credential:a/b", "credential:../x",
					     "credential:." };
	struct fixture *f = *state;
	struct secret s = { 0 };
	struct err err;

	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(secret_read_file(&s, "credential:word", "password file", &err), -1);
	assert_int_equal(err.code, ERR_CREDENTIAL);
	assert_non_null(strstr(err.msg, "LoadCredential=word:"));
	setenv("CREDENTIALS_DIRECTORY", f->directory, 1);
	write_file(f, "word\n", 5, 0400);
	assert_int_equal(secret_read_file(&s, "credential:word", "password file", &err), 0);
	assert_string_equal(s.text, "word");
	secret_fini(&s);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(secret_read_file(&s, wrong[i], "password file", &err), -1);
		assert_int_equal(err.code, ERR_CREDENTIAL);
	}
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* ---- what jansson gives back ---- */

static char found[64]; /* what is in freed memory; free() itself writes only into its start */

static void peeking_free(void *p)
{
	char *bytes = p;

	for (size_t i = 0; p && i + 6 <= malloc_usable_size(p); i++) {
		if (memcmp(bytes + i, "sesame", 6) == 0)
			strcpy(found, "sesame");
	}
	free(p);
}

static void use_json(void)
{
	json_t *o = json_pack("{s:[s]}", "answers", "open sesame");
	char *text = json_dumps(o, JSON_COMPACT);
	json_t *copy = json_loads(text, 0, NULL);

	json_decref(o);
	json_decref(copy);
	secret_freep(&text);
	assert_null(text);
}

static void test_json_is_wiped(void **state)
{
	json_malloc_t give;
	json_free_t take;
	struct rlimit cores;

	json_set_alloc_funcs(malloc, peeking_free);
	use_json();
	assert_string_equal(found, "sesame"); /* so this test would see it */
	secret_protect_process();
	json_get_alloc_funcs(&give, &take);
	assert_ptr_not_equal(take, free);
	assert_ptr_not_equal(take, peeking_free);
	assert_int_equal(getrlimit(RLIMIT_CORE, &cores), 0);
	assert_int_equal(cores.rlim_cur, 0);
	json_set_alloc_funcs(malloc, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_secret_is_a_copy),
		cmocka_unit_test_setup_teardown(test_the_first_line_of_a_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_files_that_hold_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_files_of_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_credentials, set_up, tear_down),
		cmocka_unit_test(test_json_is_wiped),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
