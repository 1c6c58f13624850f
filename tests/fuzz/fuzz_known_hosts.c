/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a known_hosts file. The first byte chooses the port. A key is only trusted when it
 * stands in the file, and a refusal always says why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/known_hosts.h"
#include "lib/str.h"

#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

/* What tells keys apart in it. */
#define KEY_TAIL "AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void judge(const struct strv *files, unsigned port, const char *text, size_t size)
{
	const struct known_hosts_entry *entry;
	struct known_hosts known;
	struct public_key key;
	struct err err = { 0 };

	must(public_key_set(&key, "ssh-ed25519", KEY, &err) == 0);
	if (known_hosts_load(&known, "host.example.com", port, NULL, files, &err) < 0) {
		must(err.code == ERR_KNOWN_HOSTS && err.msg[0]);
	} else {
		enum known_hosts_standing standing = known_hosts_judge(&known, &key, &entry);

		must((standing == HOST_UNKNOWN) == (entry == NULL));
		if (standing == HOST_KNOWN)
			must(memmem(text, size, KEY_TAIL, strlen(KEY_TAIL)) != NULL);
		if (standing == HOST_REVOKED)
			must(memmem(text, size, "@revoked", 8) != NULL);
		known_hosts_fini(&known);
	}
	public_key_fini(&key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strv files = { 0 };
	char *path;
	int fd;

	if (size == 0)
		return 0;
	fd = memfd_create("known_hosts", MFD_CLOEXEC);
	path = str_printf("/proc/self/fd/%d", fd);
	must(fd >= 0 && path && strv_add(&files, path) == 0);
	must(write(fd, data + 1, size - 1) == (ssize_t)size - 1);
	judge(&files, data[0] % 2 ? 22 : 2222, (const char *)data + 1, size - 1);
	strv_fini(&files);
	free(path);
	close(fd);
	return 0;
}
