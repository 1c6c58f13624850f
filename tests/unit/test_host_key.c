/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/host_key.h"
#include "lib/public_key.h"

/* Made of the bytes 0 to 31 and 255 to 224; the fingerprints are what ssh-keygen -l says. */
#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define KEY_PRINT "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"
#define OTHER "AAAAC3NzaC1lZDI1NTE5AAAAIP/+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eTj4uHg"
#define OTHER_PRINT "SHA256:LIHRKjP8oeafKrX0BHkvTYI/ZcB3tRHZHr9uyEhysws"

static struct err err;

static struct public_key key_of(const char *base64)
{
	struct public_key key;

	assert_int_equal(public_key_set(&key, NULL, base64, &err), 0);
	return key;
}

/* ---- keys ---- */

static void test_keys(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "ssh-ed25519 " KEY, true },
		{ "ssh-ed25519 " KEY " a comment", true },
		{ "ssh-ed25519\t" KEY, true },
		{ "ssh-rsa " KEY, false }, /* the blob says something else */
		{ "ssh-ed25519", false },
		{ "", false },
		{ "ssh-ed25519 AAAA!!!!", false },
		{ "ssh-ed25519 " KEY "=", false },
		{ "ssh-ed25519 AAAAC3Nz", false }, /* cut within the type */
		{ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", false }, /* and nothing after it */
		{ "ssh-ed25519 AAAAAHNzaC1l", false }, /* a type of no bytes */
		{ "ssh-ed25519 /////3NzaC1lZDI1NTE5AAAAIA==", false }, /* of 4 GiB */
		{ "x\x01y AAAAA3gBeQAAAAA=", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct public_key key;
		bool good = public_key_parse(&key, cases[i].text, &err) == 0;

		if (good != cases[i].good)
			fail_msg("'%s': %s", cases[i].text, good ? "taken" : err.msg);
		if (good)
			assert_string_equal(key.type, "ssh-ed25519");
		public_key_fini(&key);
	}
}

static void test_a_key_that_is_far_too_long(void **state)
{
	char base64[8192];
	struct public_key key;

	memset(base64, 'A', sizeof(base64));
	base64[sizeof(base64) - 4] = '\0';
	assert_int_equal(public_key_set(&key, NULL, base64, &err), -1);
}

static void test_fingerprints(void **state)
{
	struct public_key key = key_of(KEY), other = key_of(OTHER);
	char print[FINGERPRINT_MAX], text[PUBLIC_KEY_TEXT_MAX];

	assert_string_equal(public_key_fingerprint(print, &key), KEY_PRINT);
	assert_string_equal(public_key_fingerprint(print, &other), OTHER_PRINT);
	assert_string_equal(public_key_describe(text, &key), "ssh-ed25519 " KEY_PRINT);
	assert_true(public_key_equal(&key, &key));
	assert_false(public_key_equal(&key, &other));
	public_key_fini(&key);
	public_key_fini(&other);
}

static void test_what_is_a_fingerprint(void **state)
{
	assert_true(host_key_is_fingerprint(KEY_PRINT));
	assert_false(host_key_is_fingerprint(KEY_PRINT "="));
	assert_false(host_key_is_fingerprint("SHA256:abc"));
	assert_false(host_key_is_fingerprint("MD5:00:11"));
	assert_false(host_key_is_fingerprint(""));
}

static void test_hashed_names(void **state)
{
	/* HMAC-SHA1 of host.example.com under the bytes 0 to 19 */
	static const char good[] = "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|/pE4peaossRYDRp6bEWa348eFLI=";

	assert_int_equal(fingerprint_hashed_name_is(good, "host.example.com"), 1);
	assert_int_equal(fingerprint_hashed_name_is(good, "host.example.org"), 0);
	assert_int_equal(fingerprint_hashed_name_is(good + 1, "host.example.com"), 0);
	assert_int_equal(fingerprint_hashed_name_is("|1|", "host.example.com"), 0);
	assert_int_equal(fingerprint_hashed_name_is("|1||", "host.example.com"), 0);
	assert_int_equal(fingerprint_hashed_name_is("|1|AAAA|AAAA", "host.example.com"), 0);
	assert_int_equal(fingerprint_hashed_name_is("|2|AAAA|AAAA", "host.example.com"), 0);
}

/* ---- host_key ---- */

static struct strv words(const char *first, const char *second)
{
	struct strv v = { 0 };

	assert_int_equal(strv_add(&v, first), 0);
	if (second)
		assert_int_equal(strv_add(&v, second), 0);
	return v;
}

static void test_pins_that_can_be_read(void **state)
{
	static const struct {
		const char *text, *pin; /* NULL: refused */
	} cases[] = {
		{ KEY_PRINT, KEY_PRINT }, { "ssh-ed25519  " KEY "  root@host", "ssh-ed25519 " KEY },
		{ "SHA256:short", NULL }, { "MD5:c0:ff:ee", NULL },
		{ "yes", NULL },          { KEY, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *pin = host_key_read_pin(cases[i].text, &err);

		if (!pin || !cases[i].pin)
			assert_ptr_equal(pin, cases[i].pin);
		else
			assert_string_equal(pin, cases[i].pin);
		free(pin);
	}
}

static void test_what_is_pinned(void **state)
{
	struct public_key key = key_of(KEY), other = key_of(OTHER);
	struct strv pins = words("ssh-ed25519 " KEY, NULL);
	struct strv prints = words(OTHER_PRINT, KEY_PRINT);
	char print[FINGERPRINT_MAX];

	assert_int_equal(host_key_mode(&pins), HOST_KEY_PINNED);
	assert_true(host_key_is_pinned(&pins, &key, public_key_fingerprint(print, &key)));
	assert_false(host_key_is_pinned(&pins, &other, public_key_fingerprint(print, &other)));
	assert_true(host_key_pins_type(&pins, "ssh-ed25519"));
	assert_false(host_key_pins_type(&pins, "ssh-ed2551"));
	assert_false(host_key_pins_blindly(&pins));
	assert_true(host_key_is_pinned(&prints, &key, public_key_fingerprint(print, &key)));
	assert_true(host_key_is_pinned(&prints, &other, public_key_fingerprint(print, &other)));
	assert_false(host_key_pins_type(&prints, "ssh-ed25519"));
	assert_true(host_key_pins_blindly(&prints));
	strv_fini(&pins);
	strv_fini(&prints);
	public_key_fini(&key);
	public_key_fini(&other);
}

static void test_modes(void **state)
{
	struct strv none = { 0 }, strict = words("strict", NULL), new = words("accept-new", NULL);

	assert_int_equal(host_key_mode(&none), HOST_KEY_STRICT);
	assert_int_equal(host_key_mode(&strict), HOST_KEY_STRICT);
	assert_int_equal(host_key_mode(&new), HOST_KEY_ACCEPT_NEW);
	strv_fini(&strict);
	strv_fini(&new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_a_key_that_is_far_too_long),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_what_is_a_fingerprint),
		cmocka_unit_test(test_hashed_names),
		cmocka_unit_test(test_pins_that_can_be_read),
		cmocka_unit_test(test_what_is_pinned),
		cmocka_unit_test(test_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
