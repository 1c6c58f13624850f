/* SPDX-License-Identifier: MIT */
/*
 * The verdict over known_hosts files, with keys made at run time: which lines are for a server,
 * which of them win, and that a refusal says what a person needs to act on it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/worker/hostkey.h"
#include "lib/str.h"

#define HOST "bastion.example.com"

/* HMAC-SHA1 of the name with a salt, as `ssh-keygen -H` writes it. */
#define HASHED_HOST "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|D1nwL0aCEF7sboOeRlA0DDMPIMs="
#define HASHED_PORT "|1|FBUWFxgZGhscHR4fICEiIyQlJic=|0wHgEXDKNAsOdC+WphQvB4KfAX0="

static struct public_key key, other, ecdsa; /* ed25519, ed25519, P-256 */
static char *key_line, *other_line, *ecdsa_line; /* "type base64" */

static char dir[64];
static struct strv files; /* what was written, in order */
static struct err err;
static struct connection_settings settings; /* host, port and files are filled in by load() */

/* ---- keys and files ---- */

static void make_key(enum ssh_keytypes_e type, struct public_key *ret, char **ret_line)
{
	char *base64 = NULL;
	ssh_key made = NULL;

	assert_int_equal(ssh_pki_generate(type, 0, &made), SSH_OK);
	assert_int_equal(ssh_pki_export_pubkey_base64(made, &base64), SSH_OK);
	assert_int_equal(
		public_key_set(ret, ssh_key_type_to_char(ssh_key_type(made)), base64, &err), 0);
	*ret_line = str_printf("%s %s", ret->type, ret->base64);
	assert_non_null(*ret_line);
	ssh_string_free_char(base64);
	ssh_key_free(made);
}

static int make_keys(void **state)
{
	make_key(SSH_KEYTYPE_ED25519, &key, &key_line);
	make_key(SSH_KEYTYPE_ED25519, &other, &other_line);
	make_key(SSH_KEYTYPE_ECDSA_P256, &ecdsa, &ecdsa_line);
	return 0;
}

static int free_keys(void **state)
{
	public_key_fini(&key);
	public_key_fini(&other);
	public_key_fini(&ecdsa);
	free(key_line);
	free(other_line);
	free(ecdsa_line);
	return 0;
}

static int set_up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test_hostkey.XXXXXX");
	assert_non_null(mkdtemp(dir));
	files = (struct strv){ 0 };
	err = (struct err){ 0 };
	settings = (struct connection_settings){ 0 };
	return 0;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < files.count; i++)
		unlink(files.items[i]);
	assert_int_equal(rmdir(dir), 0);
	strv_fini(&files);
	strv_fini(&settings.host_key);
	return 0;
}

/* Adds a file to the list; returns it open. */
static FILE *add_file(void)
{
	CLEANUP(freep) char *path = str_printf("%s/%zu", dir, files.count);
	FILE *f;

	assert_non_null(path);
	assert_int_equal(strv_add(&files, path), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	return f;
}

__attribute__((format(printf, 1, 2))) static void write_file(const char *fmt, ...)
{
	FILE *f = add_file();
	va_list ap;

	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

static void set_words(const char *first, const char *second)
{
	strv_fini(&settings.host_key);
	assert_int_equal(strv_add(&settings.host_key, first), 0);
	if (second)
		assert_int_equal(strv_add(&settings.host_key, second), 0);
}

static int load(struct hostkey_trust *trust, const char *host, unsigned port)
{
	settings.host = (char *)host;
	settings.port = port;
	settings.known_hosts = files;
	return hostkey_trust_load(trust, &settings, &err);
}

/* ERR_NONE: trusted, or new. Otherwise err says why not. */
static enum err_code verdict_for(const char *host, unsigned port, const struct public_key *shown)
{
	struct hostkey_trust trust;

	err = (struct err){ 0 };
	if (load(&trust, host, port) == 0)
		hostkey_verify(&trust, shown, &err);
	hostkey_trust_fini(&trust);
	return err.code;
}

static bool is_new(const struct public_key *shown)
{
	enum hostkey_verdict verdict = HOSTKEY_REFUSED;
	struct hostkey_trust trust;

	err = (struct err){ 0 };
	if (load(&trust, HOST, 22) == 0)
		verdict = hostkey_verify(&trust, shown, &err);
	hostkey_trust_fini(&trust);
	return verdict == HOSTKEY_NEW;
}

static enum err_code verdict(void)
{
	return verdict_for(HOST, 22, &key);
}

static void assert_says(const char *part)
{
	if (!strstr(err.msg, part))
		fail_msg("'%s' is not in: %s", part, err.msg);
}

/* ---- lines that are for the server ---- */

/* One line, asked for HOST on port 22 or 2222. */
static void test_which_lines_match(void **state)
{
	static const struct {
		const char *patterns;
		unsigned port;
		bool trusted;
	} cases[] = {
		{ HOST, 22, true },
		{ "BASTION.Example.COM", 22, true },
		{ "other.example.com", 22, false },
		{ "bastion.example.co", 22, false },
		{ "a," HOST ",192.0.2.7", 22, true },
		{ "*.example.com", 22, true },
		{ "*.example.*", 22, true },
		{ "*", 22, true },
		{ "b?stion.example.com", 22, true },
		{ "?bastion.example.com", 22, false },
		{ "*.example.com,!" HOST, 22, false },
		{ "!" HOST ",*.example.com", 22, false },
		{ "*.example.com,!other.example.com", 22, true },
		{ "!other.example.com", 22, false },
		{ HASHED_HOST, 22, true },
		{ HASHED_PORT, 22, false },
		{ "|1|nonsense", 22, false },
		{ "[" HOST "]:2222", 2222, true },
		{ "[" HOST "]:2222", 22, false },
		{ "[" HOST "]:2223", 2222, false },
		{ HASHED_PORT, 2222, true },
		{ HOST, 2222, true }, /* known without the port, as OpenSSH has it */
		{ HASHED_HOST, 2222, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum err_code code;

		write_file("%s %s comment\n", cases[i].patterns, key_line);
		code = verdict_for(HOST, cases[i].port, &key);
		if ((code == ERR_NONE) != cases[i].trusted)
			fail_msg("'%s', port %u: %s", cases[i].patterns, cases[i].port, err.msg);
		unlink(files.items[0]);
		strv_fini(&files);
	}
}

/* Hashes are of lower-case names; the config may write another case. */
static void test_case_of_the_name_asked_for(void **state)
{
	write_file(HASHED_HOST " %s\n", key_line);
	assert_int_equal(verdict_for("Bastion.EXAMPLE.com", 22, &key), ERR_NONE);
	assert_int_equal(verdict_for("Bastion.EXAMPLE.com", 22, &other), ERR_HOST_KEY_CHANGED);
}

static void test_addresses(void **state)
{
	write_file("2001:db8::1 %s\n[2001:db8::2]:2222 %s\n", key_line, key_line);
	assert_int_equal(verdict_for("2001:db8::1", 22, &key), ERR_NONE);
	assert_int_equal(verdict_for("2001:db8::2", 2222, &key), ERR_NONE);
	assert_int_equal(verdict_for("2001:db8::2", 22, &key), ERR_HOST_KEY_UNKNOWN);
}

static void test_strange_lines_are_passed_over(void **state)
{
	write_file("\n   \n# comment\n" HOST "\n" HOST " ssh-ed25519\n" HOST
		   " ssh-ed25519 AAAA!!!!\n" HOST " ssh-future AAAAC3Nz\n" HOST
		   " ssh-rsa AAAAC3NzaC1lZDI1NTE5\n@unknown-marker " HOST " %s\n@\n"
		   "\t " HOST " \t %s\r\n",
		   other_line, key_line);
	assert_int_equal(verdict(), ERR_NONE);
	assert_int_equal(verdict_for(HOST, 22, &other), ERR_HOST_KEY_CHANGED);
}

static void test_a_line_that_is_far_too_long(void **state)
{
	FILE *f = add_file();

	fprintf(f, HOST " ssh-ed25519 ");
	for (int i = 0; i < 100 * 1024; i++)
		fputc('A', f);
	fprintf(f, "\n" HOST " %s", key_line); /* and the last one without an end */
	fclose(f);
	assert_int_equal(verdict(), ERR_NONE);
}

/* ---- files ---- */

static void test_any_of_several_files(void **state)
{
	write_file("# empty\n");
	write_file(HOST " %s\n", ecdsa_line);
	write_file(HOST " %s\n", key_line);
	assert_int_equal(verdict(), ERR_NONE);
	assert_int_equal(verdict_for(HOST, 22, &ecdsa), ERR_NONE);
	assert_int_equal(verdict_for(HOST, 22, &other), ERR_HOST_KEY_CHANGED);
}

static void test_missing_files_are_empty(void **state)
{
	assert_int_equal(strv_add(&files, "/nonexistent/known_hosts"), 0);
	assert_int_equal(strv_add(&files, "/dev/null"), 0);
	assert_int_equal(strv_add(&files, "/dev/null/below"), 0);
	assert_int_equal(verdict(), ERR_HOST_KEY_UNKNOWN);
	strv_fini(&files);
	assert_int_equal(verdict(), ERR_HOST_KEY_UNKNOWN);
}

static void test_files_that_cannot_be_read(void **state)
{
	static const char *const paths[] = { "/tmp", "/proc/self/mem" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(strv_add(&files, paths[i]), 0);
		assert_int_equal(verdict(), ERR_KNOWN_HOSTS);
		assert_says(paths[i]);
		strv_fini(&files);
	}
	write_file(HOST " %s\n", key_line);
	assert_int_equal(chmod(files.items[0], 0), 0);
	if (geteuid() != 0) { /* root reads everything */
		assert_int_equal(verdict(), ERR_KNOWN_HOSTS);
		assert_says(files.items[0]);
	}
}

static void test_a_fifo_does_not_hang(void **state)
{
	write_file(" ");
	unlink(files.items[0]);
	assert_int_equal(mkfifo(files.items[0], 0600), 0);
	assert_int_equal(verdict(), ERR_KNOWN_HOSTS);
}

/* Leaving some out could leave out the one that says "revoked". */
static void test_too_many_lines_for_one_server(void **state)
{
	FILE *f = add_file();

	for (int i = 0; i < 1100; i++)
		fprintf(f, "@revoked * %s\n", other_line);
	fprintf(f, HOST " %s\n", key_line);
	fclose(f);
	assert_int_equal(verdict(), ERR_KNOWN_HOSTS);
	assert_says(files.items[0]);
}

/* ---- which line wins ---- */

static void test_revoked_wins(void **state)
{
	write_file(HOST " %s\n", key_line);
	write_file("\n@revoked * %s\n", key_line);
	assert_int_equal(verdict(), ERR_HOST_KEY_REVOKED);
	assert_says(files.items[1]);
	assert_says(":2)");
	assert_int_equal(verdict_for("elsewhere", 22, &key), ERR_HOST_KEY_REVOKED);
}

static void test_a_revoked_key_is_no_other_key(void **state)
{
	write_file("@revoked " HOST " %s\n", other_line);
	assert_int_equal(verdict(), ERR_HOST_KEY_UNKNOWN);
	assert_null(strstr(err.msg, "other types"));
}

static void test_authorities_are_not_supported(void **state)
{
	write_file("@cert-authority *.example.com %s\n", key_line);
	assert_int_equal(verdict(), ERR_HOST_KEY_UNKNOWN); /* its own key is no host key */
	assert_says("@cert-authority");
}

/* A line that names the port is the truth about it; one that does not only fills the gap. */
static void test_a_line_with_the_port_beats_one_without(void **state)
{
	write_file("[" HOST "]:2222 %s\n" HOST " %s\n", other_line, key_line);
	assert_int_equal(verdict_for(HOST, 2222, &other), ERR_NONE);
	assert_int_equal(verdict_for(HOST, 2222, &key), ERR_HOST_KEY_CHANGED);
	assert_int_equal(verdict_for(HOST, 22, &key), ERR_NONE);
	assert_int_equal(verdict_for(HOST, 2223, &key), ERR_NONE);
}

static void test_a_line_without_the_port_accuses_nobody(void **state)
{
	write_file(HOST " %s\n", other_line);
	assert_int_equal(verdict_for(HOST, 2222, &key), ERR_HOST_KEY_UNKNOWN);
	assert_null(strstr(err.msg, "other types"));
}

/* ---- what a person is told ---- */

/* What the message says to add makes the next attempt succeed. */
static void test_unknown_says_what_to_add(void **state)
{
	char print[PUBLIC_KEY_TEXT_MAX], fingerprint[FINGERPRINT_MAX], *add;

	write_file("# nothing\n");
	assert_int_equal(verdict_for(HOST, 2222, &key), ERR_HOST_KEY_UNKNOWN);
	public_key_describe(print, &key);
	assert_non_null(strstr(print, "ssh-ed25519 SHA256:"));
	assert_says(print);
	assert_says(files.items[0]);
	assert_says("tunctl hostkey accept NAME --fingerprint ");
	assert_says(public_key_fingerprint(fingerprint, &key));
	add = strstr(err.msg, "[" HOST "]:2222 ssh-ed25519 ");
	assert_non_null(add);
	add[strcspn(add, ")")] = '\0';
	assert_string_equal(add + strlen("[" HOST "]:2222 "), key_line);
	write_file("%s\n", add);
	assert_int_equal(verdict_for(HOST, 2222, &key), ERR_NONE);
}

static void test_changed_says_where_the_old_one_stands(void **state)
{
	char now[PUBLIC_KEY_TEXT_MAX], before[PUBLIC_KEY_TEXT_MAX];

	write_file("\n\n" HOST " %s\n", other_line);
	assert_int_equal(verdict(), ERR_HOST_KEY_CHANGED);
	public_key_describe(now, &key);
	public_key_describe(before, &other);
	assert_says(now);
	assert_says(before);
	assert_says(files.items[0]);
	assert_says(":3)");
}

static void test_only_another_type_is_known(void **state)
{
	write_file(HOST " %s\n", ecdsa_line);
	assert_int_equal(verdict(), ERR_HOST_KEY_UNKNOWN);
	assert_says("other types");
}

/* ---- what the server is asked for ---- */

static void assert_algorithms(const char *expected)
{
	struct hostkey_trust trust;
	char *list;

	assert_int_equal(load(&trust, HOST, 22), 0);
	list = hostkey_algorithms(&trust, false);
	hostkey_trust_fini(&trust);
	assert_string_equal(list, expected);
	free(list);
}

#define RSA "rsa-sha2-512,rsa-sha2-256"
#define P256 "ecdsa-sha2-nistp256"
#define OTHER_CURVES "ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"

static void test_known_types_are_asked_for_first(void **state)
{
	assert_algorithms("ssh-ed25519," RSA);
	write_file(HOST " %s\n", ecdsa_line);
	assert_algorithms(P256 ",ssh-ed25519," RSA);
	write_file("@revoked " HOST " %s\n", key_line);
	assert_algorithms(P256 ",ssh-ed25519," RSA);
}

static void test_pinned_types_are_asked_for_first(void **state)
{
	set_words(ecdsa_line, NULL);
	write_file(HOST " %s\n", key_line);
	assert_algorithms(P256 ",ssh-ed25519," RSA);
	set_words("SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA", NULL);
	assert_algorithms("ssh-ed25519," P256 "," OTHER_CURVES "," RSA);
}

/* OpenSSH's order of its own is only given up for an order somebody wrote. */
static void test_algorithms_that_are_written(void **state)
{
	static const struct {
		const char *written, *asked;
	} cases[] = {
		{ "rsa-sha2-256,ssh-ed25519", "rsa-sha2-256,ssh-ed25519" },
		{ "+ecdsa-sha2-nistp384", P256 ",ssh-ed25519," RSA ",ecdsa-sha2-nistp384" },
		{ "-ecdsa*", "ssh-ed25519," RSA },
		{ "^rsa-sha2-512", "rsa-sha2-512," P256 ",ssh-ed25519,rsa-sha2-256" },
	};

	write_file(HOST " %s\n", ecdsa_line);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		settings.host_key_algorithms = (char *)cases[i].written;
		assert_algorithms(cases[i].asked);
	}
}

/* ---- pins, aliases, new keys ---- */

static void test_pins_count_and_nothing_else(void **state)
{
	char print[FINGERPRINT_MAX];

	write_file(HOST " %s\n", key_line);
	set_words(other_line, public_key_fingerprint(print, &ecdsa));
	assert_int_equal(verdict_for(HOST, 22, &other), ERR_NONE);
	assert_int_equal(verdict_for(HOST, 22, &ecdsa), ERR_NONE);
	assert_int_equal(verdict_for(HOST, 22, &key), ERR_HOST_KEY_CHANGED);
	assert_says("pins");
	write_file("@revoked * %s\n", other_line);
	assert_int_equal(verdict_for(HOST, 22, &other), ERR_HOST_KEY_REVOKED);
}

static void test_a_server_with_several_keys_shows_the_wrong_one(void **state)
{
	char print[FINGERPRINT_MAX];

	set_words(public_key_fingerprint(print, &other), NULL);
	assert_int_equal(verdict_for(HOST, 22, &key), ERR_HOST_KEY_CHANGED);
	assert_says("several host keys");
	assert_says("host_key_algorithms");
	set_words(ecdsa_line, NULL); /* it would have shown that */
	assert_int_equal(verdict_for(HOST, 22, &key), ERR_HOST_KEY_CHANGED);
	assert_null(strstr(err.msg, "several"));
}

static void test_an_alias_is_looked_up_instead(void **state)
{
	write_file("the-alias %s\n" HOST " %s\n", key_line, other_line);
	settings.host_key_alias = (char[]){ "The-Alias" };
	assert_int_equal(verdict_for(HOST, 2222, &key), ERR_NONE);
	assert_int_equal(verdict_for(HOST, 2222, &other), ERR_HOST_KEY_CHANGED);
	assert_says("host key of the-alias changed");
	settings.host_key_alias = NULL;
}

static void test_what_is_new(void **state)
{
	set_words("accept-new", NULL);
	assert_true(is_new(&key));
	write_file("elsewhere %s\n", other_line);
	assert_true(is_new(&key));
	write_file(HOST " %s\n", ecdsa_line);
	assert_false(is_new(&key)); /* it may have lost that one, or be another server */
	assert_int_equal(err.code, ERR_HOST_KEY_UNKNOWN);
	write_file(HOST " %s\n", other_line);
	assert_false(is_new(&key));
	assert_int_equal(err.code, ERR_HOST_KEY_CHANGED);
	assert_says("tunctl hostkey accept NAME --fingerprint SHA256:");
	write_file("@revoked * %s\n", key_line);
	assert_false(is_new(&key));
	assert_int_equal(err.code, ERR_HOST_KEY_REVOKED);
}

static void test_strict_takes_nothing_new(void **state)
{
	assert_false(is_new(&key));
	assert_int_equal(err.code, ERR_HOST_KEY_UNKNOWN);
	set_words("strict", NULL);
	assert_false(is_new(&key));
	assert_int_equal(err.code, ERR_HOST_KEY_UNKNOWN);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_which_lines_match),
		CASE(test_case_of_the_name_asked_for),
		CASE(test_addresses),
		CASE(test_strange_lines_are_passed_over),
		CASE(test_a_line_that_is_far_too_long),
		CASE(test_any_of_several_files),
		CASE(test_missing_files_are_empty),
		CASE(test_files_that_cannot_be_read),
		CASE(test_a_fifo_does_not_hang),
		CASE(test_too_many_lines_for_one_server),
		CASE(test_revoked_wins),
		CASE(test_a_revoked_key_is_no_other_key),
		CASE(test_authorities_are_not_supported),
		CASE(test_a_line_with_the_port_beats_one_without),
		CASE(test_a_line_without_the_port_accuses_nobody),
		CASE(test_unknown_says_what_to_add),
		CASE(test_changed_says_where_the_old_one_stands),
		CASE(test_only_another_type_is_known),
		CASE(test_known_types_are_asked_for_first),
		CASE(test_pinned_types_are_asked_for_first),
		CASE(test_algorithms_that_are_written),
		CASE(test_pins_count_and_nothing_else),
		CASE(test_a_server_with_several_keys_shows_the_wrong_one),
		CASE(test_an_alias_is_looked_up_instead),
		CASE(test_what_is_new),
		CASE(test_strict_takes_nothing_new),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
