/* SPDX-License-Identifier: MIT */
#include "daemon/worker/hostkey.h"

#include <string.h>

#include "lib/algorithms.h"
#include "lib/host_key.h"
#include "lib/str.h"

int hostkey_trust_load(struct hostkey_trust *trust, const struct connection_settings *settings,
		       struct err *err)
{
	const char *algorithms = settings->host_key_algorithms;

	*trust = (struct hostkey_trust){ 0 };
	trust->algorithms = algorithms ? strdup(algorithms) : NULL;
	if ((algorithms && !trust->algorithms) || strv_copy(&trust->words, &settings->host_key) < 0)
		return err_nomem(err);
	return known_hosts_load(&trust->known, settings->host, settings->port,
				settings->host_key_alias, &settings->known_hosts, err);
}

void hostkey_trust_fini(struct hostkey_trust *trust)
{
	known_hosts_fini(&trust->known);
	strv_fini(&trust->words);
	free(trust->algorithms);
	*trust = (struct hostkey_trust){ 0 };
}

int hostkey_shown(ssh_session ssh, struct public_key *ret, struct err *err)
{
	char *base64 = NULL;
	ssh_key key = NULL;
	int rc = -1;

	if (ssh_get_server_publickey(ssh, &key) == SSH_OK &&
	    ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK)
		rc = public_key_set(ret, NULL, base64, err);
	else
		err_set(err, ERR_PROTOCOL, "the server's host key cannot be read");
	ssh_string_free_char(base64);
	ssh_key_free(key);
	return rc;
}

/* ---- what to ask for ---- */

/* The algorithms that can prove a key of a type, best first. No ssh-rsa (SHA-1), no DSA. */
static const struct {
	const char *type, *algorithms;
	bool is_default; /* asked for though no such key is known */
} key_types[] = {
	{ "ssh-ed25519", "ssh-ed25519", true },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", false },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", false },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", false },
	{ "ssh-rsa", "rsa-sha2-512,rsa-sha2-256", true },
};

static bool knows_type(const struct hostkey_trust *trust, const char *type)
{
	const struct known_hosts *known = &trust->known;

	if (host_key_mode(&trust->words) == HOST_KEY_PINNED)
		return host_key_pins_type(&trust->words, type);
	for (size_t i = 0; i < known->count; i++) {
		if (!known->entries[i].revoked && strcmp(known->entries[i].key.type, type) == 0)
			return true;
	}
	return false;
}

/* A fingerprint says nothing of its key's type, so with one all types are asked for. */
char *hostkey_algorithms(const struct hostkey_trust *trust, bool any_type)
{
	CLEANUP(freep) char *defaults = NULL;
	struct strbuf list = { 0 };

	any_type |= host_key_mode(&trust->words) == HOST_KEY_PINNED &&
		    host_key_pins_blindly(&trust->words);
	for (int known = 1; known >= 0; known--) {
		for (size_t i = 0; i < ARRAY_SIZE(key_types); i++) {
			if (knows_type(trust, key_types[i].type) != (known == 1))
				continue;
			if (known || any_type || key_types[i].is_default)
				strbuf_addf(&list, "%s%s", list.length ? "," : "",
					    key_types[i].algorithms);
		}
	}
	defaults = strbuf_take(&list);
	return defaults ? algorithms_offer(trust->algorithms, defaults) : NULL;
}

/* ---- the verdict ---- */

/* The file a person would add a line to. */
static const char *first_file(const struct known_hosts *known)
{
	return known->files.count > 0 ? known->files.items[0] : "a known_hosts file";
}

static int refuse_unknown(const struct known_hosts *known, enum known_hosts_standing standing,
			  const struct public_key *key, struct err *err)
{
	char shown[PUBLIC_KEY_TEXT_MAX], print[FINGERPRINT_MAX];

	public_key_describe(shown, key);
	public_key_fingerprint(print, key);
	return err_set(
		err, ERR_HOST_KEY_UNKNOWN,
		"host key of %s is not known%s%s: %s; compare the fingerprint with the server's, "
		"then run: " HOSTKEY_COMMAND HOSTKEY_NAME
		" --fingerprint %s (or add this line to %s: %s "
		"%s %s)",
		known->label, standing == HOST_OTHER_TYPES ? " (only keys of other types are)" : "",
		known->has_authority
			? " (a @cert-authority line matches, but libssh cannot ask for "
			  "host certificates)"
			: "",
		shown, print, first_file(known), known->label, key->type, key->base64);
}

static int refuse_changed(const struct known_hosts *known, const struct known_hosts_entry *old,
			  const struct public_key *key, struct err *err)
{
	char shown[PUBLIC_KEY_TEXT_MAX], before[PUBLIC_KEY_TEXT_MAX], print[FINGERPRINT_MAX];

	public_key_describe(shown, key);
	public_key_describe(before, &old->key);
	public_key_fingerprint(print, key);
	return err_set(
		err, ERR_HOST_KEY_CHANGED,
		"host key of %s changed: it was %s (%s:%u), now it is %s; either somebody "
		"answers in its place, or the server was set up anew: ask its administrator, "
		"and only then run: " HOSTKEY_COMMAND HOSTKEY_NAME " --fingerprint %s",
		known->label, before, old->file, old->line, shown, print);
}

static int refuse_revoked(const struct known_hosts *known, const struct known_hosts_entry *entry,
			  const struct public_key *key, struct err *err)
{
	char shown[PUBLIC_KEY_TEXT_MAX];

	return err_set(err, ERR_HOST_KEY_REVOKED,
		       "host key of %s is revoked (%s:%u): %s; do not trust this server",
		       known->label, entry->file, entry->line, public_key_describe(shown, key));
}

/* Of several host keys a server shows one; with a fingerprint alone we cannot know which to ask for. */
static int refuse_pinned(const struct hostkey_trust *trust, const struct public_key *key,
			 struct err *err)
{
	bool blind = host_key_pins_blindly(&trust->words);
	bool same_type = host_key_pins_type(&trust->words, key->type);
	char shown[PUBLIC_KEY_TEXT_MAX];

	return err_set(
		err, ERR_HOST_KEY_CHANGED,
		"host key of %s is none of those that 'host_key' pins: it is %s; %s",
		trust->known.label, public_key_describe(shown, key),
		same_type ? "either somebody answers in its place, or the server was set up anew: "
			    "ask its administrator, and only then change the pin"
		: blind ? "either somebody answers in its place, or it has several host keys: then "
			  "pin this one, or name the type of the other with "
			  "'host_key_algorithms'"
			: "it has no key of a pinned type any more: ask its administrator, and only "
			  "then change the pin");
}

static enum hostkey_verdict verify_pinned(const struct hostkey_trust *trust,
					  enum known_hosts_standing standing,
					  const struct known_hosts_entry *entry,
					  const struct public_key *key, struct err *err)
{
	char print[FINGERPRINT_MAX];

	if (standing == HOST_REVOKED)
		refuse_revoked(&trust->known, entry, key, err);
	else if (host_key_is_pinned(&trust->words, key, public_key_fingerprint(print, key)))
		return HOSTKEY_TRUSTED;
	else
		refuse_pinned(trust, key, err);
	return HOSTKEY_REFUSED;
}

/* A key of another type than those that are known is not new: a server that has lost the one we
 * know may be another server. */
enum hostkey_verdict hostkey_verify(const struct hostkey_trust *trust, const struct public_key *key,
				    struct err *err)
{
	enum host_key_mode mode = host_key_mode(&trust->words);
	const struct known_hosts *known = &trust->known;
	const struct known_hosts_entry *entry;
	enum known_hosts_standing standing = known_hosts_judge(known, key, &entry);

	if (mode == HOST_KEY_PINNED)
		return verify_pinned(trust, standing, entry, key, err);
	switch (standing) {
	case HOST_KNOWN:
		return HOSTKEY_TRUSTED;
	case HOST_UNKNOWN:
		if (mode == HOST_KEY_ACCEPT_NEW)
			return HOSTKEY_NEW;
		refuse_unknown(known, standing, key, err);
		break;
	case HOST_OTHER_TYPES:
		refuse_unknown(known, standing, key, err);
		break;
	case HOST_CHANGED:
		refuse_changed(known, entry, key, err);
		break;
	case HOST_REVOKED:
	case HOST_STANDING_COUNT:
		refuse_revoked(known, entry, key, err);
		break;
	}
	return HOSTKEY_REFUSED;
}
