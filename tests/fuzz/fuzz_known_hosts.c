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

#include "daemon/worker/hostkey.h"
#include "lib/str.h"

#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

/* What tells keys apart in it; libssh does not read the type before it. */
#define KEY_TAIL "AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void judge(const struct strv *files, unsigned port, const char *text, size_t size)
{
	struct hostkey_set set;
	char algorithms[256];
	struct err err = { 0 };
	ssh_key key = NULL;

	must(ssh_pki_import_pubkey_base64(KEY, SSH_KEYTYPE_ED25519, &key) == SSH_OK);
	if (hostkey_set_load(&set, "host.example.com", port, files, &err) < 0) {
		must(err.code == ERR_KNOWN_HOSTS && err.msg[0]);
	} else {
		hostkey_algorithms(&set, algorithms, sizeof(algorithms));
		must(strstr(algorithms, "ssh-ed25519") && !strstr(algorithms, ",,"));
		if (hostkey_verify(&set, key, &err) == 0)
			must(memmem(text, size, KEY_TAIL, strlen(KEY_TAIL)) != NULL);
		else
			must(err.msg[0] && (err.code != ERR_HOST_KEY_REVOKED ||
					    memmem(text, size, "@revoked", 8)));
		hostkey_set_fini(&set);
	}
	ssh_key_free(key);
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
