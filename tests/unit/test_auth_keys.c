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
#include "lib/base64.h"
#include "lib/str.h"
#include "tests/unit/key_samples.h"

static char dir[64];
static char *path; /* of the file a test is about */
static ssh_key key;
static struct identities ids;
static unsigned char public_blob[64];
static size_t public_size;

static int make_key(void **state)
{
	char *text = NULL;

	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
	    ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
		return -1;
	public_size = (size_t)base64_decode(text, strlen(text), public_blob, sizeof(public_blob));
	ssh_string_free_char(text);
	return 0;
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
	static const char *const suffixes[] = { "", ".pub", ".real", "-cert.pub", ".named" };

	identities_fini(&ids);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		CLEANUP(freep) char *file = str_printf("%s%s", path, suffixes[i]);

		unlink(file);
	}
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
	struct connection_settings from = { .identities = { &path, 1 },
					    .identities_implied = implied,
					    .identity_agent = (char *)"none" };
	struct err err;

	identities_fini(&ids);
	assert_int_equal(identities_load(&ids, &from, &err), 0);
}

/* The file is there but cannot be used, for this reason, and the message names it. */
static void assert_problem(enum err_code code, const char *says)
{
	const struct err *problem;

	load(true);
	assert_int_equal(ids.count, 1);
	assert_int_equal(identities_usable(&ids), 0);
	assert_int_equal(ids.items[0].kind, IDENTITY_FAILED);
	assert_null(ids.items[0].key);
	assert_string_equal(ids.items[0].name, path);
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

static struct ssh_span public_half(void)
{
	return (struct ssh_span){ public_blob, public_size };
}

static void write_public(const char *suffix)
{
	CLEANUP(freep) char *file = str_printf("%s%s", path, suffix);

	assert_int_equal(ssh_pki_export_pubkey_file(key, file), SSH_OK);
}

/* Its public half can be seen, and nothing is decrypted. */
static void test_encrypted(void **state)
{
	ssh_key opened = NULL;
	struct err err;

	write_key("secret", 0600);
	load(false);
	assert_int_equal(identities_usable(&ids), 1);
	assert_int_equal(ids.items[0].kind, IDENTITY_ENCRYPTED);
	assert_null(ids.items[0].key);
	assert_true(ssh_span_equal(identity_blob(&ids.items[0]), public_half()));
	assert_int_equal(identity_unlock(path, "wrong", &opened, &err), -1);
	assert_int_equal(err.code, ERR_PASSPHRASE);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(identity_unlock(path, "secret", &opened, &err), 0);
	assert_int_equal(ssh_key_cmp(opened, key, SSH_KEY_CMP_PRIVATE), 0);
	ssh_key_free(opened);
}

static void test_unlocking_what_others_can_read(void **state)
{
	ssh_key opened = NULL;
	struct err err;

	write_key("secret", 0640);
	assert_int_equal(identity_unlock(path, "secret", &opened, &err), -1);
	assert_int_equal(err.code, ERR_IDENTITY_PERMISSIONS);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(identity_unlock(path, "secret", &opened, &err), -1);
	assert_int_equal(err.code, ERR_IDENTITY_MISSING);
	assert_null(opened);
}

static void test_the_public_half_of_a_good_key(void **state)
{
	char fingerprint[80];

	write_key(NULL, 0600);
	load(false);
	assert_int_equal(ids.items[0].kind, IDENTITY_KEY);
	assert_true(ssh_span_equal(identity_blob(&ids.items[0]), public_half()));
	identity_fingerprint(fingerprint, sizeof(fingerprint), public_half());
	assert_int_equal(strncmp(fingerprint, "SHA256:", 7), 0);
	assert_int_equal(strlen(fingerprint), 7 + 43);
	identity_fingerprint(fingerprint, sizeof(fingerprint), (struct ssh_span){ NULL, 0 });
	assert_string_equal(fingerprint, "a key of unknown kind");
}

static void assert_public(void)
{
	load(false);
	assert_int_equal(identities_usable(&ids), 1);
	assert_int_equal(ids.items[0].kind, IDENTITY_PUBLIC);
	assert_true(ssh_span_equal(identity_blob(&ids.items[0]), public_half()));
}

/* As with IdentityFile of ssh: the agent may have the private half. */
static void test_only_the_public_half(void **state)
{
	write_public(".pub");
	assert_public();
	load(true); /* also of the default list */
	assert_int_equal(ids.count, 1);
	write_public("");
	assert_public();
}

static void test_pem_with_its_public_half(void **state)
{
	write_text("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n"
		   "-----END RSA PRIVATE KEY-----\n");
	load(false);
	assert_int_equal(ids.items[0].kind, IDENTITY_ENCRYPTED);
	assert_null(ids.items[0].blob);
	write_public(".pub");
	load(false);
	assert_int_equal(ids.items[0].kind, IDENTITY_ENCRYPTED);
	assert_true(ssh_span_equal(identity_blob(&ids.items[0]), public_half()));
}

static void test_a_symbolic_link(void **state)
{
	CLEANUP(freep) char *real = str_printf("%s.real", path);

	write_key(NULL, 0600);
	assert_int_equal(rename(path, real), 0);
	assert_int_equal(symlink(real, path), 0);
	load(false);
	assert_int_equal(ids.items[0].kind, IDENTITY_KEY);
	assert_int_equal(chmod(real, 0644), 0); /* what counts is what is opened */
	assert_problem(ERR_IDENTITY_PERMISSIONS, "0644");
}

static void test_the_agent_in_the_list(void **state)
{
	char *items[] = { (char *)"agent", path };
	struct connection_settings from = { .identities = { items, 2 } };
	struct err err;

	write_key(NULL, 0600);
	assert_int_equal(identities_load(&ids, &from, &err), 0);
	assert_int_equal(ids.count, 2);
	assert_int_equal(ids.items[0].kind, IDENTITY_OF_AGENT);
	assert_int_equal(ids.items[1].kind, IDENTITY_KEY);
}

static void test_which_agent(void **state)
{
	struct connection_settings from = { .identities = { &path, 1 }, .identities_implied = 1 };
	struct err err;

	setenv("SSH_AUTH_SOCK", "/run/me/agent", 1);
	assert_string_equal(connection_agent(&from), "/run/me/agent");
	assert_int_equal(identities_load(&ids, &from, &err), 0);
	assert_int_equal(ids.count, 1);
	assert_int_equal(ids.items[0].kind, IDENTITY_OF_AGENT);
	from.identity_agent = (char *)"SSH_AUTH_SOCK";
	assert_string_equal(connection_agent(&from), "/run/me/agent");
	from.identity_agent = (char *)"/run/other";
	assert_string_equal(connection_agent(&from), "/run/other");
	from.identity_agent = (char *)"none";
	assert_null(connection_agent(&from));
	from.identity_agent = NULL;
	setenv("SSH_AUTH_SOCK", "", 1);
	assert_null(connection_agent(&from));
	unsetenv("SSH_AUTH_SOCK");
	assert_null(connection_agent(&from));
	identities_fini(&ids);
	assert_int_equal(identities_load(&ids, &from, &err), 0);
	assert_int_equal(ids.count, 0);
}

static void test_a_credential(void **state)
{
	char *items[] = { (char *)"credential:id" };
	struct connection_settings from = { .identities = { items, 1 } };
	struct err err;

	write_key(NULL, 0600);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(identities_load(&ids, &from, &err), 0);
	assert_int_equal(identities_problem(&ids)->code, ERR_CREDENTIAL);
	assert_non_null(strstr(identities_problem(&ids)->msg, "LoadCredential=id:"));
	identities_fini(&ids);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_int_equal(identities_load(&ids, &from, &err), 0);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(ids.items[0].kind, IDENTITY_KEY);
	assert_string_equal(ids.items[0].name, "credential:id");
	assert_string_equal(ids.items[0].path, path);
}

/* ---- certificates ---- */

static void write_certificate(const char *file, uint64_t valid_before)
{
	struct strbuf blob = { 0 };
	CLEANUP(freep) char *base64 = NULL;
	FILE *f = fopen(file, "w");

	sample_certificate(&blob, &(struct sample_certificate){
					  .fill = 'k', .role = 1, .valid_before = valid_before });
	base64 = base64_encode(blob.data, blob.length);
	assert_non_null(f);
	fprintf(f, "ssh-ed25519-cert-v01@openssh.com %s me\n", base64);
	fclose(f);
	strbuf_fini(&blob);
}

static void test_certificates(void **state)
{
	CLEANUP(freep) char *beside = str_printf("%s-cert.pub", path);
	CLEANUP(freep) char *named = str_printf("%s.named", path);
	CLEANUP(freep) char *none = str_printf("%s.none", path);
	char *files[] = { none, named, named };
	struct connection_settings from = { .identities = { &path, 1 },
					    .certificate_files = { files, 3 } };
	struct strbuf wanted = { 0 };
	struct err err;

	write_key(NULL, 0600);
	write_certificate(beside, 1); /* has expired; that is said, not decided */
	write_certificate(named, UINT64_MAX);
	assert_int_equal(identities_load(&ids, &from, &err), 0);
	assert_int_equal(ids.certificate_count, 2);
	assert_string_equal(ids.certificates[0].path, named);
	assert_int_equal(ids.certificates[0].error.code, ERR_NONE);
	assert_string_equal(ids.certificates[1].path, beside);
	assert_int_equal(ids.certificates[1].error.code, ERR_CERTIFICATE);
	assert_non_null(strstr(ids.certificates[1].error.msg, "has expired"));
	sample_key(&wanted, "ssh-ed25519", 'k');
	assert_true(ssh_span_equal(ids.certificates[0].key, sample_span(&wanted)));
	strbuf_fini(&wanted);
	assert_int_equal(ids.certificate_error.code, ERR_IDENTITY_MISSING);
	assert_non_null(strstr(ids.certificate_error.msg, none));
}

static void test_a_certificate_that_is_none(void **state)
{
	CLEANUP(freep) char *named = str_printf("%s.pub", path);
	struct connection_settings from = { .identities = { &path, 1 },
					    .certificate_files = { &named, 1 } };
	struct err err;

	write_key(NULL, 0600);
	write_public(".pub");
	assert_int_equal(identities_load(&ids, &from, &err), 0);
	assert_int_equal(ids.certificate_count, 0);
	assert_int_equal(ids.certificate_error.code, ERR_CERTIFICATE);
	assert_non_null(strstr(ids.certificate_error.msg, named));
}

static void test_a_certificate_as_identity(void **state)
{
	write_certificate(path, UINT64_MAX);
	assert_problem(ERR_IDENTITY_UNREADABLE, "certificate_file");
}

static void test_keys_of_others(void **state)
{
	write_text("PuTTY-User-Key-File-3: ssh-ed25519\n");
	assert_problem(ERR_IDENTITY_UNREADABLE, "puttygen");
	write_text("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n");
	assert_problem(ERR_IDENTITY_UNREADABLE, "ssh-keygen -i");
	write_text("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n");
	assert_problem(ERR_IDENTITY_UNREADABLE, "DSA");
	write_text("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAc0\n"
		   "-----END PRIVATE KEY-----\n");
	assert_problem(ERR_IDENTITY_UNREADABLE, "ssh-keygen -p");
}

static void test_garbage(void **state)
{
	write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n"
		   "-----END OPENSSH PRIVATE KEY-----\n");
	assert_problem(ERR_IDENTITY_UNREADABLE, "not a private key");
}

static void test_a_broken_public_key(void **state)
{
	static const char *const lines[] = { "ssh-ed25519 AAAA me@here\n",
					     "ecdsa-sha2-nistp256 AAAA\n" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		write_text(lines[i]);
		assert_problem(ERR_IDENTITY_UNREADABLE, "not a private key");
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
	struct connection_settings from = { .identities = { items, ARRAY_SIZE(items) },
					    .identity_agent = (char *)"none" };
	struct err err;

	write_key(NULL, 0600);
	assert_int_equal(identities_load(&ids, &from, &err), 0);
	assert_int_equal(ids.count, 4);
	assert_int_equal(identities_usable(&ids), 2);
	assert_null(ids.items[0].key);
	assert_non_null(ids.items[1].key);
	assert_int_equal(ids.items[1].error.code, ERR_NONE);
	assert_int_equal(identities_problem(&ids)->code, ERR_IDENTITY_MISSING);
	identities_fini(&ids);
	from.identities_implied = true;
	assert_int_equal(identities_load(&ids, &from, &err), 0);
	assert_int_equal(ids.count, 2);
	assert_int_equal(identities_usable(&ids), 2);
	assert_null(identities_problem(&ids));
}

static void test_none(void **state)
{
	struct connection_settings from = { .identity_agent = (char *)"none",
					    .identities_implied = true };
	struct err err;

	assert_int_equal(identities_load(&ids, &from, &err), 0);
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
		CASE(test_unlocking_what_others_can_read),
		CASE(test_the_public_half_of_a_good_key),
		CASE(test_only_the_public_half),
		CASE(test_pem_with_its_public_half),
		CASE(test_a_symbolic_link),
		CASE(test_the_agent_in_the_list),
		CASE(test_which_agent),
		CASE(test_a_credential),
		CASE(test_certificates),
		CASE(test_a_certificate_that_is_none),
		CASE(test_a_certificate_as_identity),
		CASE(test_keys_of_others),
		CASE(test_garbage),
		CASE(test_a_broken_public_key),
		CASE(test_empty),
		CASE(test_far_too_large),
		CASE(test_a_directory),
		CASE(test_a_fifo_does_not_hang),
		CASE(test_several),
		CASE(test_none),
	};

	return cmocka_run_group_tests(tests, make_key, free_key);
}
