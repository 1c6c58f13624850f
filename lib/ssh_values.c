/* SPDX-License-Identifier: MIT */
#include "lib/ssh_values.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/algorithms.h"
#include "lib/ssh_tokens.h"
#include "lib/str.h"
#include "lib/util.h"

enum { NOTE_MAX = 560, SHOWN_MAX = 128 };

int ssh_note(const struct ssh_translation *t, const char *value, const char *fmt, ...)
{
	char note[NOTE_MAX], why[NOTE_MAX / 2], shown[SHOWN_MAX], keyword[SHOWN_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	str_escape(shown, sizeof(shown), value, strlen(value));
	str_escape(keyword, sizeof(keyword), t->keyword->name, strlen(t->keyword->name));
	snprintf(note, sizeof(note), "%s %s: %s", keyword, shown, why);
	return t->sink->note(t->sink->data, note);
}

static int put(const struct ssh_translation *t, const char *text)
{
	return t->sink->put(t->sink->data, t->keyword->key, json_string(text));
}

static bool is_none(const char *value)
{
	return *value == '\0' || strcasecmp(value, "none") == 0;
}

int ssh_text(const struct ssh_translation *t, const char *value)
{
	return is_none(value) ? 0 : put(t, value);
}

int ssh_boolean(const struct ssh_translation *t, const char *value)
{
	return put(t, ssh_value_is_off(value) ? "no" : "yes");
}

int ssh_seconds(const struct ssh_translation *t, const char *value)
{
	char text[32];

	if (ssh_value_is_off(value))
		return 0;
	if (strspn(value, "0123456789") != strlen(value) || strlen(value) >= sizeof(text) - 1)
		return put(t, value);
	snprintf(text, sizeof(text), "%ss", value);
	return put(t, text);
}

/* ---- files ---- */

static int put_path(const struct ssh_translation *t, const char *value)
{
	CLEANUP(freep) char *path = ssh_tokens_home(value);
	CLEANUP(freep) char *expanded = NULL;
	const char *why = "there is no such user";

	if (path)
		expanded = ssh_tokens_expand(t->names, path, SSH_TOKENS_ALL, true, &why);
	return expanded ? put(t, expanded) : ssh_note(t, value, "%s", why);
}

int ssh_file(const struct ssh_translation *t, const char *value)
{
	return is_none(value) ? 0 : put_path(t, value);
}

/* Where ssh has no key file, its agent is left. */
int ssh_identity(const struct ssh_translation *t, const char *value)
{
	return strcasecmp(value, "none") == 0 ? put(t, "agent") : ssh_file(t, value);
}

/* Where a path ends: at a blank behind which another one begins. ssh -G does not quote blanks. */
static size_t path_length(const char *text)
{
	size_t length = strcspn(text, " ");

	while (text[length] && !strchr("/~%$", text[length + 1]) &&
	       strncmp(text + length + 1, "none", 4) != 0)
		length += 1 + strcspn(text + length + 1, " ");
	return length;
}

static int put_paths(const struct ssh_translation *t, const char *value, ssh_value_fn *put_one)
{
	int rc = 0;

	while (*value && rc == 0) {
		size_t length = path_length(value);
		CLEANUP(freep) char *path = strndup(value, length);

		if (!path)
			return put(t, NULL);
		/* Whoever writes /dev/null wants no file. */
		if (strcmp(path, "/dev/null") != 0 && !is_none(path))
			rc = put_one(t, path);
		value += length + strspn(value + length, " ");
	}
	return rc;
}

int ssh_literal_files(const struct ssh_translation *t, const char *value)
{
	return put_paths(t, value, put);
}

int ssh_files(const struct ssh_translation *t, const char *value)
{
	return put_paths(t, value, t->names->is_output ? put : put_path);
}

/* SSH_AUTH_SOCK is a word, $NAME another variable. */
int ssh_agent(const struct ssh_translation *t, const char *value)
{
	const char *variable;

	if (strcmp(value, "SSH_AUTH_SOCK") == 0 || strcmp(value, "$SSH_AUTH_SOCK") == 0)
		return put(t, "SSH_AUTH_SOCK");
	if (is_none(value))
		return put(t, "none");
	if (value[0] != '$' || value[1] == '{')
		return t->names->is_output ? put(t, value) : put_path(t, value);
	variable = getenv(value + 1);
	return variable ? put(t, variable) : ssh_note(t, value, "there is no such variable");
}

/* ---- the way there ---- */

/* ssh -G puts brackets around every host of a list. */
static void strip_brackets(char *jump)
{
	char *open = strchr(jump, '['), *close = open ? strchr(open, ']') : NULL;

	if (!close || memchr(open, ':', (size_t)(close - open)))
		return;
	memmove(close, close + 1, strlen(close));
	memmove(open, open + 1, strlen(open));
}

int ssh_jump(const struct ssh_translation *t, const char *value)
{
	const char *why;
	CLEANUP(freep)
	char *copy = ssh_tokens_expand(t->names, value, SSH_TOKENS_JUMP, false, &why);
	char *rest = copy, *one;
	int rc = 0;

	if (!copy)
		return ssh_note(t, value, "%s", why);
	if (is_none(copy))
		return put(t, "none");
	while (rc == 0 && (one = strsep(&rest, ","))) {
		one += strspn(one, " ");
		if (strncmp(one, "ssh://", strlen("ssh://")) == 0)
			one += strlen("ssh://");
		strip_brackets(one);
		rc = put(t, one);
	}
	return rc;
}

int ssh_command(const struct ssh_translation *t, const char *value)
{
	if (is_none(value))
		return 0;
	/* ssh runs it by exec, and so does tunneld. */
	if (strncmp(value, "exec ", strlen("exec ")) == 0)
		value += strlen("exec ");
	return put(t, value);
}

/* ---- how to talk ---- */

/* We never go below strict without a person who wrote so into tunneld's own configuration. */
int ssh_host_key(const struct ssh_translation *t, const char *value)
{
	if (strcmp(value, "accept-new") == 0)
		return put(t, value);
	if (put(t, "strict") < 0)
		return -1;
	if (!ssh_value_is_off(value))
		return 0;
	return ssh_note(t, value,
			"tunneld always checks host keys; add the server's key to a known_hosts "
			"file");
}

static enum algorithm_kind algorithm_kind(const char *key)
{
	static const struct {
		const char *key;
		enum algorithm_kind kind;
	} kinds[] = {
		{ "ciphers", ALGORITHM_CIPHER },
		{ "kex", ALGORITHM_KEX },
		{ "macs", ALGORITHM_MAC },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].key, key) == 0)
			return kinds[i].kind;
	}
	return ALGORITHM_HOST_KEY;
}

/* A list of ssh names many that we do not have; those we have are what its author wanted. */
int ssh_algorithms(const struct ssh_translation *t, const char *value)
{
	enum algorithm_kind kind = algorithm_kind(t->keyword->key);
	CLEANUP(freep) char *copy = strdup(value);
	struct strbuf known = { 0 }, unknown = { 0 };
	char *rest = copy, *name;
	int rc = 0;

	if (!copy)
		return put(t, NULL);
	if (t->names->whole_lists || algorithms_check(kind, value, NULL) == 0)
		return put(t, value);
	while ((name = strsep(&rest, ","))) {
		struct strbuf *to = algorithms_check(kind, name, NULL) == 0 ? &known : &unknown;

		strbuf_addf(to, "%s%s", to->length ? "," : "", name);
	}
	if (unknown.length > 0)
		rc = ssh_note(t, unknown.data, "not offered by tunneld%s",
			      known.length ? "; left out"
					   : ", so that nothing of the list is left");
	if (rc == 0 && known.length > 0)
		rc = put(t, known.failed ? NULL : known.data);
	strbuf_fini(&known);
	strbuf_fini(&unknown);
	return rc;
}

/* "1073741824 3600" of ssh -G, "1G 1h" of people. */
int ssh_rekey(const struct ssh_translation *t, const char *value)
{
	static const char units[] = "KMG";
	char *end, text[64], size[24] = "default";
	unsigned long long bytes = strtoull(value, &end, 10);
	unsigned unit = 0;

	if (*value < '0' || *value > '9' || (*end != ' ' && *end != '\0'))
		return put(t, value);
	if (bytes == 0 && ssh_value_is_off(end + strspn(end, " ")))
		return 0;
	if (bytes > 0) {
		for (bytes /= 1024; bytes % 1024 == 0 && unit < 2; unit++)
			bytes /= 1024;
		snprintf(size, sizeof(size), "%llu%c", bytes, units[unit]);
	}
	end += strspn(end, " ");
	if (ssh_value_is_off(end))
		return put(t, size);
	snprintf(text, sizeof(text), "%s %.30s%s", size, end,
		 strspn(end, "0123456789") == strlen(end) ? "s" : "");
	return put(t, text);
}

/* ---- forwards ---- */

/* Brackets around what has no ':' are ssh -G's, and ':' in a path would end it. */
static void add_end(struct strbuf *to, const char *end, size_t length)
{
	const char *close = *end == '[' ? memchr(end, ']', length) : NULL;

	if (close && !memchr(end, ':', (size_t)(close - end))) {
		strbuf_add_bytes(to, end + 1, (size_t)(close - end) - 1);
		strbuf_add_bytes(to, close + 1, length - (size_t)(close - end) - 1);
		return;
	}
	for (size_t i = 0; i < length; i++) {
		if (*end == '/' && (end[i] == ':' || end[i] == '\\'))
			strbuf_add(to, "\\");
		strbuf_add_bytes(to, end + i, 1);
	}
}

/* "5432 [db]:5432", as both ssh_config(5) and ssh -G have it. */
static int put_forward(const struct ssh_translation *t, const char *value)
{
	size_t length = strcspn(value, " \t");
	const char *target = value + length + strspn(value + length, " \t");
	struct strbuf spec = { 0 };
	CLEANUP(freep) char *text = NULL;

	add_end(&spec, value, length);
	if (*target) {
		strbuf_add(&spec, ":");
		add_end(&spec, target, strlen(target));
	}
	text = strbuf_take(&spec);
	return t->sink->put(t->sink->data, t->keyword->key, text ? json_string(text) : NULL);
}

int ssh_local_forward(const struct ssh_translation *t, const char *value)
{
	return put_forward(t, value);
}

static json_t *allowed(const char *permit)
{
	CLEANUP(freep) char *copy = strdup(permit ? permit : "any");
	char *rest = copy, *word;
	json_t *list = json_array();

	while (copy && (word = strsep(&rest, " "))) {
		if (*word)
			json_array_append_new(list, json_string(word));
	}
	return list;
}

/* Without a target, the server's clients may go wherever ssh would let them. */
static int put_remote_proxy(const struct ssh_translation *t, const char *value, size_t length)
{
	const char *permit = t->names->permit_remote_open;
	struct strbuf listen = { 0 };
	CLEANUP(freep) char *text = NULL;
	int rc;

	add_end(&listen, value, length);
	text = strbuf_take(&listen);
	rc = t->sink->put(
		t->sink->data, "remote",
		json_pack("{s:s, s:o}", "listen", text ? text : "", "allow", allowed(permit)));
	if (rc < 0 || (permit && strcmp(permit, "any") != 0))
		return rc;
	return ssh_note(t, text ? text : value,
			"the server's clients may go anywhere from here, as with ssh; 'allow' "
			"would limit them");
}

int ssh_remote_forward(const struct ssh_translation *t, const char *value)
{
	size_t length = strcspn(value, " \t");
	const char *target = value + length + strspn(value + length, " \t");

	if (*target == '\0' || strcmp(target, "[socks]:0") == 0)
		return put_remote_proxy(t, value, length);
	return put_forward(t, value);
}

int ssh_dynamic_forward(const struct ssh_translation *t, const char *value)
{
	return put_forward(t, value);
}
