/* SPDX-License-Identifier: MIT */
/*
 * Private keys from files: what cannot be used is told apart, so that a person knows what to do
 * about it, and nothing in a key's place makes reading hang.
 */
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

#include "daemon/worker/auth_keys.h"
#include "lib/str.h"

static char dir[64];
static char *path; /* of the file a test is about */
static ssh_key key;
static struct identities ids;

static int make_key(void **state)
{
	return ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) == SSH_OK ? 0 : -1;
}

static int free_key(void **state)
{
	ssh_key_free(key);
	return 0;
}

static int set_up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test_auth_keys.XXXXXX");
	assert_non_null(mkdtemp(dir));
	path = str_printf("%s/id", dir);
	assert_non_null(path);
	return 0;
}

static int tear_down(void **state)
{
	identities_fini(&ids);
	unlink(path);
	free(path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static void write_key(const char *passphrase, mode_t mode)
{
	assert_int_equal(ssh_pki_export_privkey_file(key, passphrase, NULL, NULL, path), SSH_OK);
	assert_int_equal(chmod(path, mode), 0);
}

static void write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static void load(bool implied)
{
	struct strv paths = { &path, 1 };
	struct err err;

	identities_fini(&ids);
	assert_int_equal(identities_load(&ids, &paths, implied, &err), 0);
}

/* The file is there but cannot be used, for this reason, and the message names it. */
static void assert_problem(enum err_code code, const char *says)
{
	const struct err *problem;

	load(true);
	assert_int_equal(ids.count, 1);
	assert_int_equal(identities_usable(&ids), 0);
	assert_null(ids.items[0].key);
	assert_string_equal(ids.items[0].path, path);
	problem = identities_problem(&ids);
	assert_non_null(problem);
	assert_int_equal(problem->code, code);
	if (!strstr(problem->msg, path) || !strstr(problem->msg, says))
		fail_msg("no '%s' in: %s", says, problem->msg);
}

static void test_a_good_key(void **state)
{
	static const mode_t modes[] = { 0600, 0400, 0700 };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		unlink(path);
		write_key(NULL, modes[i]);
		load(false);
		assert_int_equal(identities_usable(&ids), 1);
		assert_null(identities_problem(&ids));
		assert_string_equal(ids.items[0].path, path);
		assert_int_equal(ssh_key_cmp(ids.items[0].key, key, SSH_KEY_CMP_PRIVATE), 0);
	}
}

static void test_missing(void **state)
{
	load(true);
	assert_int_equal(ids.count, 0); /* of the default list: never mind */
	assert_null(identities_problem(&ids));
	load(false);
	assert_int_equal(ids.count, 1);
	assert_int_equal(identities_problem(&ids)->code, ERR_IDENTITY_MISSING);
	assert_non_null(strstr(identities_problem(&ids)->msg, "ssh-keygen"));
	assert_non_null(strstr(identities_problem(&ids)->msg, path));
}

static void test_keys_others_can_read(void **state)
{
	static const struct {
		mode_t mode;
		const char *says;
	} cases[] = { { 0644, "0644" }, { 0640, "0640" }, { 0604, "0604" }, { 0620, "0620" } };

	write_key(NULL, 0600);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(chmod(path, cases[i].mode), 0);
		assert_problem(ERR_IDENTITY_PERMISSIONS, cases[i].says);
		assert_problem(ERR_IDENTITY_PERMISSIONS, "chmod 600");
	}
}

static void test_encrypted(void **state)
{
	write_key("secret", 0600);
	assert_problem(ERR_IDENTITY_ENCRYPTED, "ssh-keygen -p");
}

static void test_garbage(void **state)
{
	write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n"
		   "-----END OPENSSH PRIVATE KEY-----\n");
	assert_problem(ERR_IDENTITY_UNREADABLE, "not a private key");
}

static void test_a_public_key(void **state)
{
	static const char *const lines[] = { "ssh-ed25519 AAAA me@here\n",
					     "ecdsa-sha2-nistp256 AAAA\n",
					     "sk-ssh-ed25519@openssh.com AAAA\n" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		write_text(lines[i]);
		assert_problem(ERR_IDENTITY_UNREADABLE, "it is a public key");
	}
}

static void test_empty(void **state)
{
	write_text("");
	assert_problem(ERR_IDENTITY_UNREADABLE, "empty");
}

static void test_far_too_large(void **state)
{
	write_text("x");
	assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
	assert_problem(ERR_IDENTITY_UNREADABLE, "too large");
}

static void test_a_directory(void **state)
{
	assert_int_equal(mkdir(path, 0700), 0);
	assert_problem(ERR_IDENTITY_UNREADABLE, "not a file");
	assert_int_equal(rmdir(path), 0);
}

static void test_a_fifo_does_not_hang(void **state)
{
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_problem(ERR_IDENTITY_UNREADABLE, "not a file");
}

static void test_several(void **state)
{
	CLEANUP(freep) char *none = str_printf("%s/none", dir);
	char *items[] = { none, path, none, path };
	struct strv paths = { items, ARRAY_SIZE(items) };
	struct err err;

	write_key(NULL, 0600);
	assert_int_equal(identities_load(&ids, &paths, false, &err), 0);
	assert_int_equal(ids.count, 4);
	assert_int_equal(identities_usable(&ids), 2);
	assert_null(ids.items[0].key);
	assert_non_null(ids.items[1].key);
	assert_int_equal(ids.items[1].error.code, ERR_NONE);
	assert_int_equal(identities_problem(&ids)->code, ERR_IDENTITY_MISSING);
	identities_fini(&ids);
	assert_int_equal(identities_load(&ids, &paths, true, &err), 0);
	assert_int_equal(ids.count, 2);
	assert_int_equal(identities_usable(&ids), 2);
	assert_null(identities_problem(&ids));
}

static void test_none(void **state)
{
	struct strv paths = { 0 };
	struct err err;

	assert_int_equal(identities_load(&ids, &paths, true, &err), 0);
	assert_int_equal(ids.count, 0);
	assert_int_equal(identities_usable(&ids), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_good_key),
		CASE(test_missing),
		CASE(test_keys_others_can_read),
		CASE(test_encrypted),
		CASE(test_garbage),
		CASE(test_a_public_key),
		CASE(test_empty),
		CASE(test_far_too_large),
		CASE(test_a_directory),
		CASE(test_a_fifo_does_not_hang),
		CASE(test_several),
		CASE(test_none),
	};

	return cmocka_run_group_tests(tests, make_key, free_key);
}
