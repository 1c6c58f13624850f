/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/supervisor/secrets.h"

static struct secrets secrets;

static int set_up(void **state)
{
	return secrets_init(&secrets);
}

static int tear_down(void **state)
{
	secrets_fini(&secrets);
	return 0;
}

static int keep(const char *subject, const char *text)
{
	return secrets_keep(&secrets, QUESTION_PASSWORD, subject, text);
}

static const char *find(const char *subject)
{
	return secrets_find(&secrets, QUESTION_PASSWORD, subject);
}

static void test_kept_until_forgotten(void **state)
{
	assert_null(find("me@a:22"));
	assert_int_equal(keep("me@a:22", "sesame"), 0);
	assert_string_equal(find("me@a:22"), "sesame");
	assert_null(find("me@a:2"));
	assert_null(secrets_find(&secrets, QUESTION_PASSPHRASE, "me@a:22"));
	secrets_forget(&secrets, QUESTION_PASSPHRASE, "me@a:22");
	assert_string_equal(find("me@a:22"), "sesame");
	secrets_forget(&secrets, QUESTION_PASSWORD, "me@a:22");
	assert_null(find("me@a:22"));
	assert_int_equal(secrets.count, 0);
}

static void test_looking_is_no_use(void **state)
{
	char subject[16];

	assert_false(secrets_have(&secrets, QUESTION_PASSWORD, "0"));
	for (int i = 0; i < SECRETS_MAX; i++) {
		snprintf(subject, sizeof(subject), "%d", i);
		assert_int_equal(keep(subject, subject), 0);
	}
	assert_true(secrets_have(&secrets, QUESTION_PASSWORD, "0"));
	assert_false(secrets_have(&secrets, QUESTION_PASSPHRASE, "0"));
	assert_int_equal(keep("new", "new"), 0);
	assert_false(secrets_have(&secrets, QUESTION_PASSWORD, "0"));
}

static void test_the_last_word_counts(void **state)
{
	assert_int_equal(keep("a", "first"), 0);
	assert_int_equal(keep("a", ""), 0);
	assert_string_equal(find("a"), "");
	assert_int_equal(keep("a", "third"), 0);
	assert_string_equal(find("a"), "third");
	assert_int_equal(secrets.count, 1);
}

static void test_nothing_is_left_of_what_is_forgotten(void **state)
{
	const char *place;

	assert_int_equal(keep("a", "sesame"), 0);
	place = find("a");
	secrets_forget(&secrets, QUESTION_PASSWORD, "a");
	for (size_t i = 0; i <= SECRET_MAX; i++)
		assert_int_equal(place[i], 0);
}

static void test_so_many_and_no_more(void **state)
{
	char subject[16];

	for (int i = 0; i < SECRETS_MAX; i++) {
		snprintf(subject, sizeof(subject), "%d", i);
		assert_int_equal(keep(subject, subject), 0);
	}
	assert_string_equal(find("0"), "0"); /* used: not the oldest any more */
	assert_int_equal(keep("new", "new"), 0);
	assert_int_equal(secrets.count, SECRETS_MAX);
	assert_null(find("1"));
	assert_string_equal(find("0"), "0");
	assert_string_equal(find("new"), "new");
	for (int i = 2; i < SECRETS_MAX; i++) {
		snprintf(subject, sizeof(subject), "%d", i);
		assert_string_equal(find(subject), subject);
	}
}

static void test_the_longest(void **state)
{
	char text[SECRET_MAX + 2];

	memset(text, 'x', sizeof(text));
	text[SECRET_MAX + 1] = '\0';
	assert_int_equal(keep("a", text), -1);
	assert_null(find("a"));
	text[SECRET_MAX] = '\0';
	assert_int_equal(keep("b", "neighbour"), 0);
	assert_int_equal(keep("a", text), 0);
	assert_string_equal(find("a"), text);
	assert_string_equal(find("b"), "neighbour");
}

static void test_a_child_has_none(void **state)
{
	int status;
	pid_t pid;

	assert_int_equal(keep("a", "sesame"), 0);
	pid = fork();
	if (pid == 0)
		_exit(strcmp(find("a"), "") == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_string_equal(find("a"), "sesame");
}

/* The flags of the mapping a secret lies in: "dd" is not dumped, "lo" is locked. */
static bool has_flag(const void *address, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	bool here = false, has = false;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (unsigned long)address >= from && (unsigned long)address < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			has = strstr(line, flag) != NULL;
	}
	fclose(maps);
	return has;
}

static void test_memory_is_locked_and_not_dumped(void **state)
{
	assert_int_equal(keep("a", "sesame"), 0);
	assert_true(has_flag(find("a"), " dd"));
#if !defined(__SANITIZE_ADDRESS__) /* it makes mlock() do nothing */
	if (!secrets.told)
		assert_true(has_flag(find("a"), " lo"));
#endif
}

/* With a limit of 0 (and without the right to ignore it) it works all the same. */
static void test_without_the_right_to_lock(void **state)
{
	const struct rlimit none = { 0, 0 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 ||
		    (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0) ||
		    keep("a", "sesame") < 0)
			_exit(2);
		_exit(strcmp(find("a"), "sesame") == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept_until_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_looking_is_no_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_last_word_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_is_left_of_what_is_forgotten, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_so_many_and_no_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_longest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_child_has_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memory_is_locked_and_not_dumped, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_without_the_right_to_lock, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
