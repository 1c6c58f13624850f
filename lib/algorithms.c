/* SPDX-License-Identifier: MIT */
#include "lib/algorithms.h"

#include <stdio.h>
#include <string.h>

#include "lib/str.h"
#include "lib/util.h"

enum { LIST_MAX = 1024 }; /* bytes */

static const struct {
	const char *what;
	const char *const *names;
} kinds[ALGORITHM_KIND_COUNT] = {
	[ALGORITHM_CIPHER] = { "cipher",
			       (const char *const[]){ "aes256-gcm@openssh.com",
						      "aes128-gcm@openssh.com",
						      "chacha20-poly1305@openssh.com", "aes256-ctr",
						      "aes192-ctr", "aes128-ctr", NULL } },
	[ALGORITHM_KEX] = { "key exchange",
			    (const char *const[]){
				    "curve25519-sha256", "curve25519-sha256@libssh.org",
				    "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
				    "ecdh-sha2-nistp521", "diffie-hellman-group14-sha256",
				    "diffie-hellman-group16-sha512",
				    "diffie-hellman-group18-sha512", NULL } },
	[ALGORITHM_MAC] = { "MAC",
			    (const char *const[]){ "hmac-sha2-256-etm@openssh.com",
						   "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256",
						   "hmac-sha2-512", NULL } },
	[ALGORITHM_HOST_KEY] = { "host key algorithm",
				 (const char *const[]){ "ssh-ed25519", "ecdsa-sha2-nistp256",
							"ecdsa-sha2-nistp384",
							"ecdsa-sha2-nistp521", "rsa-sha2-512",
							"rsa-sha2-256", NULL } },
};

static int check_one(enum algorithm_kind kind, const char *name, struct err *err)
{
	char shown[64], list[512] = "";
	size_t used = 0;

	for (const char *const *known = kinds[kind].names; *known; known++) {
		if (strcmp(*known, name) == 0)
			return 0;
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
						 used ? ", " : "", *known);
	}
	str_escape(shown, sizeof(shown), name, strlen(name));
	if (*name == '+' || *name == '-' || *name == '^')
		return err_set(err, ERR_CONFIG, "'%s': '%c' is not supported; write the whole list",
			       shown, *name);
	return err_set(err, ERR_CONFIG, "'%s' is not a %s that is offered; there are %s", shown,
		       kinds[kind].what, list);
}

int algorithms_check(enum algorithm_kind kind, const char *text, struct err *err)
{
	char copy[LIST_MAX], *rest = copy, *name;

	if (strlen(text) >= sizeof(copy))
		return err_set(err, ERR_CONFIG, "the list is too long");
	strcpy(copy, text);
	while ((name = strsep(&rest, ","))) {
		if (check_one(kind, name, err) < 0)
			return -1;
	}
	return 0;
}
