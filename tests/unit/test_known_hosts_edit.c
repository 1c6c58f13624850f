/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/known_hosts_edit.h"
#include "lib/str.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define OLD "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP/+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eTj4uHg"
#define RSA "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB"
#define HOST "host.example.com"
#define HASHED "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|/pE4peaossRYDRp6bEWa348eFLI="
#define LINE HOST " " KEY "\n"

static struct public_key key;

static int set_up(void **state)
{
	struct err err;

	return public_key_parse(&key, KEY, &err);
}

static int tear_down(void **state)
{
	public_key_fini(&key);
	return 0;
}

static void test_replace(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "", LINE },
		{ "# nothing\n", "# nothing\n" LINE },
		{ "other " OLD, "other " OLD "\n" LINE }, /* a newline was missing */
		{ LINE, LINE },
		{ HOST " " KEY " comment", HOST " " KEY " comment" },
		/* the old line, alone and among others */
		{ HOST " " OLD "\n", LINE },
		{ "a " OLD "\n" HOST " " OLD "\nb " OLD "\n", "a " OLD "\n" LINE "b " OLD "\n" },
		{ HOST " " OLD, LINE },
		{ "HOST.Example.com " OLD "\n", LINE },
		/* hashed, with any salt: it stays hidden */
		{ HASHED " " OLD " comment\n", HASHED " " KEY "\n" },
		{ HASHED " " OLD "\n" HOST " " OLD "\n", HASHED " " KEY "\n" },
		{ HOST " " OLD "\n" HASHED " " OLD "\n", LINE },
		{ HOST " " OLD "\n" HOST " " OLD "\n", LINE },
		{ HOST " " OLD "\r\n", LINE },
		/* the new one is there already */
		{ HOST " " OLD "\n" LINE, LINE },
		{ LINE HOST " " OLD "\n", LINE },
		/* names on one line */
		{ "a," HOST ",b " OLD " comment\n", LINE "a,b " OLD " comment\n" },
		{ HOST ",192.0.2.7 " OLD, LINE "192.0.2.7 " OLD },
		{ "  " HOST "," HOST "\t" OLD "\n", LINE },
		{ HOST ",!b " OLD "\n", LINE },
		/* not ours to change */
		{ "*.example.com " OLD "\n", "*.example.com " OLD "\n" LINE },
		{ HOST " " RSA "\n", HOST " " RSA "\n" LINE },
		{ "@revoked " HOST " " OLD "\n", "@revoked " HOST " " OLD "\n" LINE },
		{ "@cert-authority " HOST " " OLD "\n", "@cert-authority " HOST " " OLD "\n" LINE },
		{ HOST ",!" HOST " " OLD "\n", HOST ",!" HOST " " OLD "\n" LINE },
		{ "#" HOST " " OLD "\n", "#" HOST " " OLD "\n" LINE },
		{ "x" HOST " " OLD "\n", "x" HOST " " OLD "\n" LINE },
		{ "[" HOST "]:2222 " OLD "\n", "[" HOST "]:2222 " OLD "\n" LINE },
		{ "\n\n \nnonsense\n", "\n\n \nnonsense\n" LINE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length;
		char *after = known_hosts_text_replace(cases[i].before, strlen(cases[i].before),
						       HOST, &key, &length);

		assert_non_null(after);
		if (strcmp(after, cases[i].after) != 0)
			fail_msg("case %zu: '%s' became '%s'", i, cases[i].before, after);
		assert_int_equal(length, strlen(after));
		free(after);
	}
}

static void test_bytes_that_are_no_text_stay(void **state)
{
	static const char before[] = "\0\xff\n" HOST " " OLD "\n" HOST "\0 " OLD "\n";
	static const char after[] = "\0\xff\n" LINE HOST "\0 " OLD "\n";
	size_t length;
	char *text = known_hosts_text_replace(before, sizeof(before) - 1, HOST, &key, &length);

	assert_int_equal(length, sizeof(after) - 1);
	assert_memory_equal(text, after, length);
	free(text);
}

static void test_a_label_with_a_port(void **state)
{
	static const char before[] = "a,[" HOST "]:2222 " OLD "\n" HOST " " OLD "\n";
	size_t length;
	char *text =
		known_hosts_text_replace(before, strlen(before), "[" HOST "]:2222", &key, &length);

	assert_string_equal(text, "[" HOST "]:2222 " KEY "\na " OLD "\n" HOST " " OLD "\n");
	free(text);
}

/* Whoever reads the file afterwards reads it, too. */
static void test_a_long_line(void **state)
{
	struct strbuf before = { 0 };
	size_t length;
	char *text;

	strbuf_add(&before, HOST " " OLD " ");
	for (int i = 0; i < 20000; i++)
		strbuf_add(&before, "comment ");
	assert_false(before.failed);
	text = known_hosts_text_replace(before.data, before.length, HOST, &key, &length);
	assert_string_equal(text, LINE);
	free(text);
	strbuf_fini(&before);
}

static void test_has(void **state)
{
	static const struct {
		const char *text;
		bool has;
	} cases[] = {
		{ "", false },
		{ LINE, true },
		{ HOST " " KEY, true },
		{ "# a\n\na,host.* " KEY " b\n", true },
		{ HASHED " " KEY "\n", true },
		{ HOST " " OLD "\n", false },
		{ "@revoked " LINE, false },
		{ "@cert-authority " LINE, false },
		{ "#" LINE, false },
		{ "[" HOST "]:2222 " KEY "\n", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (known_hosts_text_has(cases[i].text, strlen(cases[i].text), HOST, &key) !=
		    cases[i].has)
			fail_msg("'%s'", cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_bytes_that_are_no_text_stay),
		cmocka_unit_test(test_a_label_with_a_port),
		cmocka_unit_test(test_a_long_line),
		cmocka_unit_test(test_has),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
