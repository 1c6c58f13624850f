/* SPDX-License-Identifier: MIT */
/*
 * What known_hosts says when memory runs out, or of lines without an end in sight: never less than there
 * is, for a line that is missed may be a @revoked one. The verdicts themselves: test_hostkey.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/known_hosts.h"
#include "lib/known_hosts_edit.h"
#include "lib/known_hosts_line.h"
#include "lib/str.h"

#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIO7Km5ZOTWdbmk4yGKn0NHIYrSrJqYSqeVbYSGNfdlWU"
#define NAME "host.example.com"
/* HMAC-SHA1 of NAME under the bytes 0 to 19 */
#define HASHED "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|/pE4peaossRYDRp6bEWa348eFLI="

static bool fails;

/* Libcrypto's, which allocates. */
unsigned char *HMAC(const void *type, const void *key, int key_length, const unsigned char *data,
		    size_t size, unsigned char *out, unsigned *out_size);

unsigned char *HMAC(const void *type, const void *key, int key_length, const unsigned char *data,
		    size_t size, unsigned char *out, unsigned *out_size)
{
	unsigned char *(*real)(const void *, const void *, int, const unsigned char *, size_t,
			       unsigned char *, unsigned *);

	*(void **)&real = dlsym(RTLD_NEXT, "HMAC");
	return fails ? NULL : real(type, key, key_length, data, size, out, out_size);
}

/* A temporary file; its descriptor. */
static int make_file(char path[32], const char *text)
{
	int fd;

	strcpy(path, "/tmp/known-hosts-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static int load(struct known_hosts *kh, const char *path, struct err *err)
{
	struct strv files = { .items = (char *[]){ (char *)path }, .count = 1 };

	return known_hosts_load(kh, NAME, 22, NULL, &files, err);
}

static void test_hash(void **state)
{
	struct known_hosts kh;
	struct err err = { 0 };
	char path[32];
	int fd = make_file(path, "# comment\n@revoked " HASHED " ssh-ed25519 " KEY "\n");

	assert_int_equal(load(&kh, path, &err), 0);
	assert_int_equal(kh.count, 1);
	assert_true(kh.entries[0].revoked);
	known_hosts_fini(&kh);
	fails = true;
	assert_int_equal(load(&kh, path, &err), -1);
	fails = false;
	assert_int_equal(err.code, ERR_KNOWN_HOSTS);
	assert_non_null(strstr(err.msg, ":2: "));
	close(fd);
	unlink(path);
}

/* Nor is a file written that may still have the old key. */
static void test_edit(void **state)
{
	static const char text[] = HASHED " ssh-ed25519 " KEY "\n";
	struct public_key key = { .type = (char *)"ssh-ed25519", .base64 = (char *)"AAAA" };
	size_t length;
	char *edited;

	fails = true;
	edited = known_hosts_text_replace(text, strlen(text), NAME, &key, &length);
	fails = false;
	assert_null(edited);
	edited = known_hosts_text_replace(text, strlen(text), NAME, &key, &length);
	assert_string_equal(edited, HASHED " ssh-ed25519 AAAA\n");
	free(edited);
}

/* A sanitizer lives in terabytes of addresses, which cannot be limited. */
#ifdef __SANITIZE_ADDRESS__
enum { ADDRESSES_CAN_BE_LIMITED = 0 };
#else
enum { ADDRESSES_CAN_BE_LIMITED = 1 };
#endif

/* 0: what is wanted. */
static int load_with_little_memory(const char *path)
{
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "r");
	struct rlimit limit;
	struct known_hosts kh;
	struct err err = { 0 };

	if (!statm || fscanf(statm, "%lu", &pages) != 1)
		return 2;
	fclose(statm);
	limit.rlim_cur = limit.rlim_max = pages * (rlim_t)getpagesize() + 8 * 1024 * 1024;
	if (setrlimit(RLIMIT_AS, &limit) < 0)
		return 2;
	return load(&kh, path, &err) < 0 && err.code == ERR_KNOWN_HOSTS ? 0 : 1;
}

/* A line for which there is no memory is not the end of the file. */
static void test_line(void **state)
{
	char path[32];
	int status, fd;
	pid_t pid;

	if (!ADDRESSES_CAN_BE_LIMITED)
		skip();
	fd = make_file(path, "");
	assert_int_equal(ftruncate(fd, 32L * 1024 * 1024), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(load_with_little_memory(path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
	unlink(path);
}

/* OpenSSH reads them, too, and honours what they revoke. */
static void test_long_lines(void **state)
{
	struct strbuf text = { 0 };
	struct known_hosts kh;
	struct err err = { 0 };
	char path[32];
	int fd;

	strbuf_add(&text, "@revoked ");
	for (int i = 0; i < 20000; i++)
		strbuf_addf(&text, "other%05d,", i);
	strbuf_add(&text, NAME " ssh-ed25519 " KEY "\n" NAME " ssh-ed25519 " KEY " ");
	for (int i = 0; i < 20000; i++)
		strbuf_add(&text, "comment ");
	assert_false(text.failed);
	fd = make_file(path, text.data);
	assert_int_equal(load(&kh, path, &err), 0);
	assert_int_equal(kh.count, 2);
	assert_true(kh.entries[0].revoked);
	assert_false(kh.entries[1].revoked);
	assert_int_equal(kh.entries[1].line, 2);
	known_hosts_fini(&kh);
	strbuf_fini(&text);
	close(fd);
	unlink(path);
}

static void test_patterns(void **state)
{
	static const struct {
		const char *patterns;
		enum known_hosts_match match;
	} cases[] = {
		{ NAME, MATCH_YES },
		{ "other,host.*", MATCH_YES },
		{ "host.example.comx,hos", MATCH_NO },
		{ "*.example.com,!host.*", MATCH_NEGATED },
		{ "!host.*,*", MATCH_NEGATED },
		{ "!other", MATCH_NO },
		{ ",,*,", MATCH_YES },
		{ ",", MATCH_NO },
		{ "!", MATCH_NO },
		{ "host.example.co?,x", MATCH_YES },
		{ "host.example.com*,x", MATCH_YES },
		{ "host.example.com**?,x", MATCH_NO },
		{ HASHED, MATCH_YES },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(known_hosts_patterns_match(cases[i].patterns, NAME),
				 cases[i].match);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),     cmocka_unit_test(test_edit),
		cmocka_unit_test(test_line),     cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
