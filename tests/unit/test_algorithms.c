/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/algorithms.h"

#define CIPHERS                                                                                    \
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,"  \
	"aes192-ctr,aes128-ctr"

static struct err err;

static void test_lists_that_are_checked(void **state)
{
	static const struct {
		enum algorithm_kind kind;
		const char *list, *problem; /* NULL: good */
	} cases[] = {
		{ ALGORITHM_CIPHER, "aes256-ctr", NULL },
		{ ALGORITHM_CIPHER, "aes256-ctr,aes128-ctr", NULL },
		{ ALGORITHM_CIPHER, "+aes256-ctr", NULL },
		{ ALGORITHM_CIPHER, "^aes256-ctr,aes128-ctr", NULL },
		{ ALGORITHM_CIPHER, "-aes*", NULL },
		{ ALGORITHM_CIPHER, "-nothing-like-that", NULL },
		{ ALGORITHM_CIPHER, "-*", "no cipher would be left" },
		{ ALGORITHM_CIPHER, "-", "after '-'" },
		{ ALGORITHM_CIPHER, "", "missing" },
		{ ALGORITHM_CIPHER, "+", "missing" },
		{ ALGORITHM_CIPHER, "aes256-ctr,", "missing" },
		{ ALGORITHM_CIPHER, "aes256-ctr,,aes128-ctr", "missing" },
		{ ALGORITHM_CIPHER, "aes256-cbc", "CBC" },
		{ ALGORITHM_CIPHER, "+3des-cbc", "CBC" },
		{ ALGORITHM_CIPHER, "none", "protects nothing" },
		{ ALGORITHM_CIPHER, "aes-256", "there are aes128-gcm@openssh.com, " },
		{ ALGORITHM_CIPHER, "hmac-sha2-256", "not a cipher" },
		{ ALGORITHM_CIPHER, "aes256-ctr aes128-ctr", "not a cipher" },
		{ ALGORITHM_CIPHER, "aes\n", "'aes\\n'" },
		{ ALGORITHM_KEX, "curve25519-sha256", NULL },
		{ ALGORITHM_KEX, "+ecdh-sha2-nistp256", NULL },
		{ ALGORITHM_KEX, "diffie-hellman-group-exchange-sha256", NULL },
		{ ALGORITHM_KEX, "diffie-hellman-group1-sha1", "1024 bits" },
		{ ALGORITHM_KEX, "diffie-hellman-group14-sha1", "SHA-1" },
		{ ALGORITHM_KEX, "curve448-sha512", "not a key exchange" },
		{ ALGORITHM_MAC, "hmac-sha2-512-etm@openssh.com", NULL },
		{ ALGORITHM_MAC, "hmac-sha1", "SHA-1" },
		{ ALGORITHM_MAC, "hmac-sha1-etm@openssh.com", "SHA-1" },
		{ ALGORITHM_MAC, "hmac-md5-96", "MD5" },
		{ ALGORITHM_MAC, "umac-64@openssh.com", "not a MAC" },
		{ ALGORITHM_HOST_KEY, "rsa-sha2-512", NULL },
		{ ALGORITHM_HOST_KEY, "+ecdsa-sha2-nistp256", NULL },
		{ ALGORITHM_HOST_KEY, "ssh-rsa", "rsa-sha2-512" },
		{ ALGORITHM_HOST_KEY, "ssh-dss", "DSA" },
		{ ALGORITHM_HOST_KEY, "ssh-ed25519-cert-v01@openssh.com", "not a host key" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int rc = algorithms_check(cases[i].kind, cases[i].list, &err);

		if ((rc < 0) != (cases[i].problem != NULL) ||
		    (rc < 0 && !strstr(err.msg, cases[i].problem)))
			fail_msg("'%s': %s", cases[i].list, rc < 0 ? err.msg : "taken");
	}
}

static void test_a_list_that_is_far_too_long(void **state)
{
	char list[4096];

	memset(list, 'a', sizeof(list));
	list[sizeof(list) - 1] = '\0';
	assert_int_equal(algorithms_check(ALGORITHM_MAC, list, &err), -1);
}

static void test_offers(void **state)
{
	static const struct {
		const char *list, *offer;
	} cases[] = {
		{ NULL, "a,bb,c" },     { "x,y", "x,y" },       { "x,x", "x" },
		{ "+x", "a,bb,c,x" },   { "+c,x", "a,bb,c,x" }, { "-b*", "a,c" },
		{ "-a,c", "bb" },       { "-x", "a,bb,c" },     { "^c", "c,a,bb" },
		{ "^x,c", "x,c,a,bb" }, { "-*", "" },           { "+b", "a,bb,c,b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *offer = algorithms_offer(cases[i].list, "a,bb,c");

		if (!offer || strcmp(offer, cases[i].offer) != 0)
			fail_msg("'%s': '%s'", cases[i].list, offer);
		free(offer);
	}
}

/* Lists for OpenSSH have names that we do not have. */
static void test_lists_of_others(void **state)
{
	static const struct {
		const char *list, *known; /* NULL: nothing */
		size_t dropped;
	} cases[] = {
		{ "aes256-ctr,aes128-cbc,aes128-ctr", "aes256-ctr,aes128-ctr", 1 },
		{ "+aes128-cbc,aes128-ctr", "+aes128-ctr", 1 },
		{ "^aes128-ctr,a,b", "^aes128-ctr", 2 },
		{ "3des-cbc", NULL, 1 },
		{ "+3des-cbc", NULL, 1 },
		{ "-3des-cbc,aes*", "-3des-cbc,aes*", 0 },
		{ "", NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strv dropped = { 0 };
		char *known = algorithms_known(ALGORITHM_CIPHER, cases[i].list, &dropped);

		if (known && cases[i].known)
			assert_string_equal(known, cases[i].known);
		else
			assert_ptr_equal(known, cases[i].known);
		assert_int_equal(dropped.count, cases[i].dropped);
		free(known);
		strv_fini(&dropped);
	}
}

/* Nothing that an audit fails; etm first; and all of it is what the table knows. */
static void test_defaults(void **state)
{
	static const char *const never[] = { "nistp", "sha1", "cbc", "ssh-rsa", "ssh-dss", "md5" };

	for (int kind = 0; kind < ALGORITHM_KIND_COUNT; kind++) {
		for (int aes = 0; aes < 2; aes++) {
			const char *list = algorithms_default(kind, aes);
			struct strv dropped = { 0 };
			char *known = algorithms_known(kind, list, &dropped);

			for (size_t i = 0; i < ARRAY_SIZE(never); i++)
				assert_null(strstr(list, never[i]));
			assert_non_null(known);
			for (size_t i = 0; i < dropped.count; i++) /* for newer ones only */
				assert_string_equal(dropped.items[i], "mlkem768x25519-sha256");
			free(known);
			strv_fini(&dropped);
		}
	}
	assert_string_equal(algorithms_default(ALGORITHM_CIPHER, true), CIPHERS);
	assert_int_equal(strncmp(algorithms_default(ALGORITHM_CIPHER, false), "chacha20", 8), 0);
	assert_int_equal(strncmp(algorithms_default(ALGORITHM_MAC, true), "hmac-sha2-256-etm", 17),
			 0);
}

static void test_whose_order_it_is(void **state)
{
	assert_true(algorithms_is_ordered("a,b"));
	assert_true(algorithms_is_ordered("^a"));
	assert_false(algorithms_is_ordered("+a"));
	assert_false(algorithms_is_ordered("-a"));
	assert_false(algorithms_is_ordered(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_that_are_checked),
		cmocka_unit_test(test_a_list_that_is_far_too_long),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_lists_of_others),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_whose_order_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
