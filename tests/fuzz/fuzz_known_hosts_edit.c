/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a known_hosts file that is changed. The key stands in it afterwards, once; doing it
 * again changes nothing; and what is not about the host is still there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/known_hosts_edit.h"

#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define HOST "host.example.com"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *before = (const char *)data;
	struct public_key key;
	char *once, *twice;
	size_t length, again;

	must(public_key_set(&key, "ssh-ed25519", KEY, NULL) == 0);
	once = known_hosts_text_replace(before, size, HOST, &key, &length);
	must(once && known_hosts_text_has(once, length, HOST, &key));
	if (known_hosts_text_has(before, size, HOST, &key))
		must(length <= size);
	twice = known_hosts_text_replace(once, length, HOST, &key, &again);
	must(twice && again == length && memcmp(once, twice, length) == 0);
	if (!memmem(before, size, "ssh-ed25519", strlen("ssh-ed25519")))
		must(length >= size && memcmp(before, once, size) == 0);
	free(once);
	free(twice);
	public_key_fini(&key);
	return 0;
}
