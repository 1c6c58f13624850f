/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/certificate.h"
#include "lib/util.h"
#include "tests/unit/key_samples.h"

static struct strbuf blob;
static struct certificate cert;
static struct err err;

static int forget(void **state)
{
	strbuf_fini(&blob);
	certificate_fini(&cert);
	return 0;
}

static int parse(const struct sample_certificate *sample)
{
	forget(NULL);
	sample_certificate(&blob, sample);
	return certificate_parse(&cert, sample_span(&blob), &err);
}

static const struct {
	const char *type, *key_type;
} kinds[] = {
	{ "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519" },
	{ "ssh-rsa-cert-v01@openssh.com", "ssh-rsa" },
	{ "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256" },
	{ "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384" },
	{ "ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521" },
	{ "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com" },
	{ "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com" },
};

static void test_the_key_it_is_for(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct strbuf key = { 0 };

		assert_int_equal(parse(&(struct sample_certificate){
					 .type = kinds[i].type, .fill = 'k', .role = 1 }),
				 0);
		assert_true(certificate_is(sample_span(&blob)));
		sample_key(&key, kinds[i].key_type, 'k');
		assert_true(ssh_span_equal((struct ssh_span){ cert.key, cert.key_size },
					   sample_span(&key)));
		assert_false(certificate_is(sample_span(&key)));
		strbuf_fini(&key);
	}
}

static void test_not_well_formed(void **state)
{
	assert_int_equal(parse(&(struct sample_certificate){ .role = 1 }), 0);
	for (size_t size = 0; size < blob.length; size++) {
		certificate_fini(&cert);
		assert_int_equal(
			certificate_parse(
				&cert, (struct ssh_span){ (unsigned char *)blob.data, size }, &err),
			-1);
		assert_int_equal(err.code, ERR_CERTIFICATE);
		assert_null(cert.key);
	}
	strbuf_add(&blob, "x");
	assert_int_equal(certificate_parse(&cert, sample_span(&blob), &err), -1);
	assert_int_equal(parse(&(struct sample_certificate){ .type = "ssh-dss-cert-v01@openssh.com",
							     .role = 1 }),
			 -1);
}

#define NOW UINT64_C(1700000000)

static const struct {
	uint32_t role;
	uint64_t after, before;
	const char *says; /* NULL: it is good */
} checks[] = {
	{ 1, 0, UINT64_MAX, NULL },
	{ 1, NOW, NOW + 1, NULL },
	{ 1, 0, NOW, "it has expired at 2023-11-14 22:13:20 UTC" },
	{ 1, 0, 0, "1970-01-01" },
	{ 1, NOW + 1, UINT64_MAX, "not valid before 2023-11-14 22:13:21 UTC" },
	{ 1, UINT64_MAX, UINT64_MAX, "not valid before 9999-12-31" },
	{ 2, 0, UINT64_MAX, "for a host" },
	{ 0, 0, UINT64_MAX, "not for a user" },
};

static void test_checks(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int rc;

		assert_int_equal(
			parse(&(struct sample_certificate){ .role = checks[i].role,
							    .valid_after = checks[i].after,
							    .valid_before = checks[i].before }),
			0);
		rc = certificate_check(&cert, NOW, &err);
		assert_int_equal(rc, checks[i].says ? -1 : 0);
		if (checks[i].says && !strstr(err.msg, checks[i].says))
			fail_msg("no '%s' in: %s", checks[i].says, err.msg);
		if (checks[i].says)
			assert_int_equal(err.code, ERR_CERTIFICATE);
	}
}

static void test_principals(void **state)
{
	char text[64];

	assert_int_equal(parse(&(struct sample_certificate){ .role = 1 }), 0);
	assert_string_equal(certificate_principals(text, sizeof(text), &cert), "anybody");
	assert_int_equal(parse(&(struct sample_certificate){
				 .role = 1, .principals = { "deploy", "back\nup" } }),
			 0);
	assert_string_equal(certificate_principals(text, sizeof(text), &cert), "deploy, back\\nup");
	assert_string_equal(certificate_principals(text, 10, &cert), "deploy");
}

#define CASE(test) cmocka_unit_test_teardown(test, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_key_it_is_for),
		CASE(test_not_well_formed),
		CASE(test_checks),
		CASE(test_principals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
