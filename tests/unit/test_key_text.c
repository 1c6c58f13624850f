/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base64.h"
#include "lib/key_text.h"
#include "lib/util.h"
#include "tests/unit/key_samples.h"

static struct key_text parsed;

static int forget(void **state)
{
	key_text_fini(&parsed);
	return 0;
}

static void parse(const char *text)
{
	key_text_fini(&parsed);
	assert_int_equal(key_text_parse(&parsed, text), 0);
}

static void assert_blob(struct ssh_span wanted)
{
	struct ssh_span got = { parsed.blob, parsed.blob_size };

	assert_true(ssh_span_equal(got, wanted));
}

static const struct {
	const char *text;
	enum key_text_kind kind;
	bool encrypted;
} marks[] = {
	{ "-----BEGIN PRIVATE KEY-----\nMII=\n", KEY_TEXT_PRIVATE, false },
	{ "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n", KEY_TEXT_PRIVATE, true },
	{ "-----BEGIN RSA PRIVATE KEY-----\nMII=\n", KEY_TEXT_PRIVATE, false },
	{ "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", KEY_TEXT_PRIVATE, true },
	{ "my key\n-----BEGIN EC PRIVATE KEY-----\n", KEY_TEXT_PRIVATE, false },
	{ "-----BEGIN DSA PRIVATE KEY-----\n", KEY_TEXT_PRIVATE, false },
	{ "-----BEGIN OPENSSH PRIVATE KEY-----", KEY_TEXT_PRIVATE, false },
	{ "PuTTY-User-Key-File-3: ssh-ed25519\n", KEY_TEXT_PUTTY, false },
	{ "---- BEGIN SSH2 PUBLIC KEY ----\n", KEY_TEXT_SSHCOM, false },
	{ "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n", KEY_TEXT_SSHCOM, false },
	{ "", KEY_TEXT_UNKNOWN, false },
	{ "# only a comment", KEY_TEXT_UNKNOWN, false },
	{ "ssh-ed25519", KEY_TEXT_UNKNOWN, false },
	{ "ssh-ed25519 AAAA", KEY_TEXT_UNKNOWN, false },
	{ "ssh-ed25519 not!base64", KEY_TEXT_UNKNOWN, false },
	{ "hello world", KEY_TEXT_UNKNOWN, false },
};

static void test_kinds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		parse(marks[i].text);
		if (parsed.kind != marks[i].kind || parsed.encrypted != marks[i].encrypted)
			fail_msg("'%s': kind %d, encrypted %d", marks[i].text, parsed.kind,
				 parsed.encrypted);
		assert_null(parsed.blob);
	}
}

static void container(const char *cipher, struct ssh_span blob)
{
	struct strbuf text = { 0 };

	strbuf_add(&text, "left by a tool\n");
	sample_container(&text, cipher, blob);
	parse(text.data);
	assert_int_equal(parsed.kind, KEY_TEXT_PRIVATE);
	strbuf_fini(&text);
}

static void test_the_public_half_of_a_private_key(void **state)
{
	struct strbuf key = { 0 };

	sample_key(&key, "ssh-ed25519", 'k');
	container("none", sample_span(&key));
	assert_false(parsed.encrypted);
	assert_blob(sample_span(&key));
	container("aes256-ctr", sample_span(&key));
	assert_true(parsed.encrypted);
	assert_blob(sample_span(&key));
	container("aes256-ctr", sample_text("no"));
	assert_null(parsed.blob);
	strbuf_fini(&key);
}

/* However short it is cut, it is a private key, and nothing is read beyond its end. */
static void test_a_cut_container(void **state)
{
	struct strbuf key = { 0 }, text = { 0 };

	sample_key(&key, "ssh-ed25519", 'k');
	sample_container(&text, "none", sample_span(&key));
	for (size_t size = strlen("-----BEGIN OPENSSH PRIVATE KEY-----"); size < text.length;
	     size++) {
		CLEANUP(freep) char *cut = strndup(text.data, size);
		CLEANUP(freep)
		char *mended = str_printf("%s\n-----END OPENSSH PRIVATE KEY-----", cut);

		parse(cut);
		assert_int_equal(parsed.kind, KEY_TEXT_PRIVATE);
		parse(mended);
		assert_int_equal(parsed.kind, KEY_TEXT_PRIVATE);
	}
	strbuf_fini(&key);
	strbuf_fini(&text);
}

static void line(const char *before, const char *type, struct ssh_span blob, const char *after)
{
	CLEANUP(freep) char *base64 = base64_encode(blob.data, blob.size);
	CLEANUP(freep) char *text = str_printf("%s%s %s%s", before, type, base64, after);

	parse(text);
}

static void test_public_lines(void **state)
{
	struct strbuf key = { 0 };

	sample_key(&key, "sk-ssh-ed25519@openssh.com", 'k');
	line("", "sk-ssh-ed25519@openssh.com", sample_span(&key), " me@here\x1b today \r\nmore");
	assert_int_equal(parsed.kind, KEY_TEXT_PUBLIC);
	assert_string_equal(parsed.comment, "me@here\\x1b today ");
	assert_blob(sample_span(&key));
	assert_true(key_blob_is_hardware(sample_span(&key)));
	line("# mine\n\n ", "sk-ssh-ed25519@openssh.com", sample_span(&key), "");
	assert_int_equal(parsed.kind, KEY_TEXT_PUBLIC);
	assert_string_equal(parsed.comment, "");
	/* A line that says it is something else. */
	line("", "ssh-ed25519", sample_span(&key), "");
	assert_int_equal(parsed.kind, KEY_TEXT_UNKNOWN);
	assert_null(parsed.blob);
	strbuf_fini(&key);
}

static void test_a_certificate(void **state)
{
	struct strbuf blob = { 0 };

	sample_certificate(&blob, &(struct sample_certificate){ .fill = 'k', .role = 1 });
	line("", "ssh-ed25519-cert-v01@openssh.com", sample_span(&blob), " id");
	assert_int_equal(parsed.kind, KEY_TEXT_CERTIFICATE);
	assert_blob(sample_span(&blob));
	assert_false(key_blob_is_hardware(sample_span(&blob)));
	strbuf_fini(&blob);
}

#define CASE(test) cmocka_unit_test_teardown(test, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_kinds),           CASE(test_the_public_half_of_a_private_key),
		CASE(test_a_cut_container), CASE(test_public_lines),
		CASE(test_a_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
