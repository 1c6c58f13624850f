/* SPDX-License-Identifier: MIT */
#include "lib/host_key.h"

#include <string.h>

#include "lib/str.h"

enum host_key_mode host_key_mode(const struct strv *words)
{
	if (words->count == 0 || strcmp(words->items[0], "strict") == 0)
		return HOST_KEY_STRICT;
	return strcmp(words->items[0], "accept-new") == 0 ? HOST_KEY_ACCEPT_NEW : HOST_KEY_PINNED;
}

static bool is_meant_as_fingerprint(const char *pin)
{
	return strncmp(pin, FINGERPRINT_PREFIX, strlen(FINGERPRINT_PREFIX)) == 0;
}

bool host_key_is_fingerprint(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return is_meant_as_fingerprint(text) && strlen(text) == FINGERPRINT_MAX - 1 &&
	       text[strlen(FINGERPRINT_PREFIX) +
		    strspn(text + strlen(FINGERPRINT_PREFIX), digits)] == '\0';
}

char *host_key_read_pin(const char *text, struct err *err)
{
	struct public_key key;
	char shown[80], *pin;

	if (host_key_is_fingerprint(text)) {
		pin = strdup(text);
	} else if (is_meant_as_fingerprint(text) || public_key_parse(&key, text, err) < 0) {
		err_set(err, ERR_CONFIG,
			"'%s' is not a host key; write the fingerprint that ssh-keygen -l shows "
			"(SHA256: and 43 characters), or a line like 'ssh-ed25519 AAAA...'",
			str_escape(shown, sizeof(shown), text, strlen(text)));
		return NULL;
	} else {
		pin = str_printf("%s %s", key.type, key.base64);
		public_key_fini(&key);
	}
	if (!pin)
		err_nomem(err);
	return pin;
}

/* "type base64" against a key. */
static bool is_key(const char *pin, const struct public_key *key)
{
	size_t type = strlen(key->type);

	return strncmp(pin, key->type, type) == 0 && pin[type] == ' ' &&
	       strcmp(pin + type + 1, key->base64) == 0;
}

bool host_key_is_pinned(const struct strv *words, const struct public_key *key, const char *print)
{
	for (size_t i = 0; i < words->count; i++) {
		if (strcmp(words->items[i], print) == 0 || is_key(words->items[i], key))
			return true;
	}
	return false;
}

bool host_key_pins_type(const struct strv *words, const char *type)
{
	size_t size = strlen(type);

	for (size_t i = 0; i < words->count; i++) {
		if (strncmp(words->items[i], type, size) == 0 && words->items[i][size] == ' ')
			return true;
	}
	return false;
}

bool host_key_pins_blindly(const struct strv *words)
{
	for (size_t i = 0; i < words->count; i++) {
		if (!is_meant_as_fingerprint(words->items[i]))
			return false;
	}
	return words->count > 0;
}
