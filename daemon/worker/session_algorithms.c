/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session_algorithms.h"

#include <stdbool.h>

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

const char *session_default_ciphers(void)
{
	if (cpu_has_aes())
		return "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
		       "chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr";
	return "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
	       "aes256-ctr,aes192-ctr,aes128-ctr";
}

const char *session_default_kex(void)
{
	return "mlkem768x25519-sha256,curve25519-sha256,curve25519-sha256@libssh.org,"
	       "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
	       "diffie-hellman-group14-sha256,diffie-hellman-group16-sha512";
}
