/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session_algorithms.h"

#include <stdbool.h>
#include <stddef.h>

#include "daemon/worker/session_options.h"
#include "lib/algorithms.h"
#include "lib/util.h"

#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static bool cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
	return false;
#endif
}

/* What is the same in both directions. */
static const struct {
	enum algorithm_kind kind;
	const char *what;
	size_t offset; /* of the list in connection_settings */
	enum ssh_options_e options[2];
} rows[] = {
	{ ALGORITHM_CIPHER,
	  "ciphers",
	  offsetof(struct connection_settings, ciphers),
	  { SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C } },
	{ ALGORITHM_MAC,
	  "macs",
	  offsetof(struct connection_settings, macs),
	  { SSH_OPTIONS_HMAC_C_S, SSH_OPTIONS_HMAC_S_C } },
	{ ALGORITHM_KEX,
	  "kex",
	  offsetof(struct connection_settings, kex),
	  { SSH_OPTIONS_KEY_EXCHANGE, SSH_OPTIONS_KEY_EXCHANGE } },
};

static int set_row(ssh_session ssh, const struct connection_settings *c, size_t i, bool everything,
		   struct err *err)
{
	const char *list = *(char *const *)((const char *)c + rows[i].offset);
	bool aes = cpu_has_aes();
	CLEANUP(freep) char *all = everything ? algorithms_everything(rows[i].kind, aes) : NULL;
	CLEANUP(freep)
	char *offer = algorithms_offer(list, all ? all : algorithms_default(rows[i].kind, aes));

	if (!offer)
		return err_nomem(err);
	if (session_set_option(ssh, rows[i].options[0], offer, rows[i].what, err) < 0)
		return -1;
	return session_set_option(ssh, rows[i].options[1], offer, rows[i].what, err);
}

/* "none" stays in the list: a server that does not compress is no reason not to talk to it. Only the
 * kind that begins after authentication: before it, strangers would reach zlib. */
static int set_compression(ssh_session ssh, bool wanted, struct err *err)
{
	const char *list = wanted ? "zlib@openssh.com,none" : "none";

	if (session_set_option(ssh, SSH_OPTIONS_COMPRESSION_C_S, list, "compression", err) < 0)
		return -1;
	return session_set_option(ssh, SSH_OPTIONS_COMPRESSION_S_C, list, "compression", err);
}

/* Nothing is said where nobody asked: libssh then keeps to the protocol's limits. */
static int set_rekey(ssh_session ssh, const struct connection_settings *c, struct err *err)
{
	uint64_t bytes = (uint64_t)c->rekey_kib * 1024;
	uint32_t seconds = (c->rekey_ms + 999) / 1000;

	if ((bytes && ssh_options_set(ssh, SSH_OPTIONS_REKEY_DATA, &bytes) != SSH_OK) ||
	    (seconds && ssh_options_set(ssh, SSH_OPTIONS_REKEY_TIME, &seconds) != SSH_OK))
		return err_set(err, ERR_CONFIG, "libssh %s does not accept 'rekey'",
			       ssh_version(0));
	return 0;
}

int session_set_algorithms(ssh_session ssh, const struct connection_settings *c,
			   const char *host_keys, bool everything, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (set_row(ssh, c, i, everything, err) < 0)
			return -1;
	}
	if (session_set_option(ssh, SSH_OPTIONS_HOSTKEYS, host_keys, "host_key_algorithms", err))
		return -1;
	if (set_compression(ssh, c->compression, err) < 0)
		return -1;
	return set_rekey(ssh, c, err);
}
