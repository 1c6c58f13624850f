/* SPDX-License-Identifier: MIT */
/*
 * Files that are written: made private, mended, replaced with mode and link kept, left as they were
 * when something goes wrong.
 */
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/supervisor/known_hosts_file.h"
#include "lib/str.h"
#include "lib/util.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define OLD "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP/+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eTj4uHg"
#define LINE "h " KEY "\n"

static char dir[64];
static char *path; /* DIR/ssh/known_hosts; neither is there at first */
static struct public_key key;
static struct err err;

static int set_up(void **state)
{
	err = (struct err){ 0 };
	snprintf(dir, sizeof(dir), "/tmp/test_known_hosts_file.XXXXXX");
	if (!mkdtemp(dir) || public_key_parse(&key, KEY, &err) < 0)
		return -1;
	path = str_printf("%s/ssh/known_hosts", dir);
	return path ? 0 : -1;
}

static int tear_down(void **state)
{
	CLEANUP(freep) char *command = str_printf("rm -rf %s", dir);

	free(path);
	public_key_fini(&key);
	return command ? system(command) : -1;
}

static void write_file(const char *text, mode_t mode)
{
	CLEANUP(freep) char *parent = str_printf("%s/ssh", dir);
	FILE *f;

	mkdir(parent, 0755);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void assert_file(const char *text, mode_t mode)
{
	char found[1024] = "";
	struct stat st;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	found[fread(found, 1, sizeof(found) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(found, text);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static bool append(void)
{
	bool written;

	if (known_hosts_file_append(path, "h", &key, &written, &err) < 0)
		fail_msg("%s", err.msg);
	return written;
}

static void test_append_makes_file_and_directory(void **state)
{
	CLEANUP(freep) char *parent = str_printf("%s/ssh", dir);
	struct stat st;

	assert_true(append());
	assert_file(LINE, 0600);
	assert_int_equal(stat(parent, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_false(append());
	assert_file(LINE, 0600);
}

static void test_append_mends_the_last_line(void **state)
{
	write_file("# mine\nother " OLD, 0644);
	assert_true(append());
	assert_file("# mine\nother " OLD "\n" LINE, 0644);
}

static void test_what_cannot_be_written(void **state)
{
	bool written;

	assert_int_equal(known_hosts_file_append("/dev/null", "h", &key, &written, &err), -1);
	assert_int_equal(err.code, ERR_KNOWN_HOSTS_WRITE);
	assert_non_null(strstr(err.msg, "/dev/null"));
	assert_int_equal(known_hosts_file_append("/nowhere/at/all", "h", &key, &written, &err), -1);
	assert_int_equal(err.code, ERR_KNOWN_HOSTS_WRITE);
	assert_false(written);
	assert_int_equal(known_hosts_file_replace(path, "h", &key, &err), -1);
	assert_int_equal(err.code, ERR_KNOWN_HOSTS_WRITE);
}

static void test_replace_keeps_mode_and_link(void **state)
{
	CLEANUP(freep) char *link = str_printf("%s/link", dir);
	struct stat st;

	write_file("a," OLD "\nh,b " OLD "\n", 0640);
	assert_int_equal(symlink(path, link), 0);
	if (known_hosts_file_replace(link, "h", &key, &err) < 0)
		fail_msg("%s", err.msg);
	assert_file("a," OLD "\n" LINE "b " OLD "\n", 0640);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

#define NOBODY 65534

/* As nobody, in no group but nobody's. */
static int replace_as_nobody(void)
{
	gid_t groups[256];
	int count = getgroups(256, groups), rc;

	assert_true(count >= 0);
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setegid(NOBODY), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	rc = known_hosts_file_replace(path, "h", &key, &err);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_int_equal(setgroups((size_t)count, groups), 0);
	return rc;
}

/* Its owner may be in no such group. What that group alone was allowed is nobody's then. */
static void test_replace_of_a_foreign_group(void **state)
{
	static const mode_t modes[][2] = { { 0644, 0644 }, { 0664, 0644 }, { 0640, 0600 } };
	CLEANUP(freep) char *parent = str_printf("%s/ssh", dir);

	if (geteuid() != 0)
		skip(); /* only root can give a file away */
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		write_file("h " OLD "\n", modes[i][0]);
		assert_int_equal(chown(dir, NOBODY, NOBODY), 0);
		assert_int_equal(chown(parent, NOBODY, NOBODY), 0);
		assert_int_equal(chown(path, NOBODY, 0), 0);
		if (replace_as_nobody() < 0)
			fail_msg("%s", err.msg);
		assert_file(LINE, modes[i][1]);
	}
}

/* A file of somebody else is not ours to make our own. */
static void test_replace_of_a_foreign_file(void **state)
{
	CLEANUP(freep) char *parent = str_printf("%s/ssh", dir);

	if (geteuid() != 0)
		skip();
	write_file("h " OLD "\n", 0666);
	assert_int_equal(chown(dir, NOBODY, NOBODY), 0);
	assert_int_equal(chown(parent, NOBODY, NOBODY), 0);
	assert_int_equal(replace_as_nobody(), -1);
	assert_int_equal(err.code, ERR_KNOWN_HOSTS_WRITE);
	assert_file("h " OLD "\n", 0666);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_append_makes_file_and_directory), CASE(test_append_mends_the_last_line),
		CASE(test_what_cannot_be_written),          CASE(test_replace_keeps_mode_and_link),
		CASE(test_replace_of_a_foreign_group),      CASE(test_replace_of_a_foreign_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
