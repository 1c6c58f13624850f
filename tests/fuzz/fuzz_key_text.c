/* SPDX-License-Identifier: MIT */
/*
 * A file that should be a key, and what is in it read as a certificate.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/certificate.h"
#include "lib/key_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_certificate(struct ssh_span blob)
{
	struct certificate c;
	struct err err;
	char principals[40];

	if (certificate_parse(&c, blob, &err) < 0) {
		must(!c.key && err.code == ERR_CERTIFICATE);
		return;
	}
	must(certificate_is(blob) && c.key_size > 0);
	must(!certificate_is((struct ssh_span){ c.key, c.key_size }));
	certificate_principals(principals, sizeof(principals), &c);
	must(strlen(principals) > 0 || c.principals.size > 0);
	if (certificate_check(&c, 1700000000, &err) < 0)
		must(err.code == ERR_CERTIFICATE);
	certificate_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_text k;
	char *text = malloc(size + 1);

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	must(key_text_parse(&k, text) == 0);
	if (k.blob)
		must(key_blob_type((struct ssh_span){ k.blob, k.blob_size }).size > 0);
	if (k.kind == KEY_TEXT_CERTIFICATE)
		check_certificate((struct ssh_span){ k.blob, k.blob_size });
	check_certificate((struct ssh_span){ data, size });
	key_text_fini(&k);
	free(text);
	return 0;
}
