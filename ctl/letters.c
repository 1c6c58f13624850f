/* SPDX-License-Identifier: MIT */
/*
 * A command line as one would give it to ssh or autossh becomes the mapping one would write into
 * tunneld.yaml. What the values mean is not checked here: the daemon reads the mapping with the
 * decoder of its configuration file and answers with the same messages. Only paths are made
 * absolute, because the daemon stands in another directory.
 */
#include "ctl/letters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ctl/spec.h"
#include "lib/endpoint.h"
#include "lib/paths.h"
#include "lib/str.h"
#include "lib/util.h"

#define KEY_MAX 64

enum value_kind {
	VALUE_TEXT,
	VALUE_PATH, /* a file of this machine */
	VALUE_LISTENS, /* a forward that begins on this machine */
	VALUE_LEADS, /* a forward that leads to this machine */
	VALUE_END, /* the end of a forward that is on this machine: a path when it has a '/' */
};

/* Keys whose values name files or sockets of this machine. */
static const struct {
	const char *key;
	enum value_kind kind;
} local_keys[] = {
	{ "identity", VALUE_PATH },      { "known_hosts", VALUE_PATH },
	{ "local", VALUE_LISTENS },      { "local.listen", VALUE_END },
	{ "remote", VALUE_LEADS },       { "remote.target", VALUE_END },
	{ "dynamic.listen", VALUE_END },
};

/* What ssh calls the keys of tunneld.yaml, for people who paste the command line they have. A key
 * that is NULL is read over: it is what tunneld does anyway. */
static const struct {
	const char *ssh, *key;
} ssh_words[] = {
	{ "IdentityFile", "identity" },
	{ "UserKnownHostsFile", "known_hosts" },
	{ "Ciphers", "ciphers" },
	{ "ConnectTimeout", "connect_timeout" },
	{ "ServerAliveInterval", "keepalive.interval" },
	{ "ServerAliveCountMax", "keepalive.count" },
	{ "ExitOnForwardFailure", "exit_on_forward_failure" },
	{ "LocalForward", "local" },
	{ "RemoteForward", "remote" },
	{ "DynamicForward", "dynamic" },
	{ "StreamLocalBindUnlink", NULL },
	{ "BatchMode", NULL },
	{ "TCPKeepAlive", NULL },
	{ "LogLevel", NULL },
};

/* Words of ssh that tunneld takes with one value only. */
static const struct {
	const char *ssh, *value, *why;
} settled_words[] = {
	{ "StrictHostKeyChecking", "yes",
	  "tunneld always checks host keys; add the server's key to a known_hosts file" },
	{ "GatewayPorts", "no", "the address belongs to the forward; write -L '*:PORT:HOST:PORT'" },
	{ "Tunnel", "no", "tunneld makes no network interfaces; forward ports with -L, -R or -D" },
	{ "ForwardAgent", "no", "no command runs on the server that could use the agent" },
	{ "ForwardX11", "no", "no command runs on the server that could open a window" },
};

/* Where the object is being made. */
struct making {
	json_t *tunnel;
	const char *directory, *home;
	const char *port, *login; /* of -p and -l, or ssh's words for them; NULL: not given */
	struct failure *f;
};

static enum value_kind kind_of(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(local_keys); i++) {
		if (strcmp(key, local_keys[i].key) == 0)
			return local_keys[i].kind;
	}
	return VALUE_TEXT;
}

/* The caller frees; NULL: out of memory. */
static char *absolute_path(const struct making *m, const char *path)
{
	if (path[0] == '~' && path[1] == '/')
		return str_printf("%s/%s", m->home, path + 2);
	/* credential:NAME and the like are no paths. */
	if (path[0] == '/' || strncmp(path, "credential:", strlen("credential:")) == 0)
		return strdup(path);
	return str_printf("%s/%s", m->directory, path);
}

/* The value as it means the same in another directory; the caller frees, NULL: out of memory. */
static char *absolute(const struct making *m, const char *key, const char *text)
{
	switch (kind_of(key)) {
	case VALUE_PATH:
		return absolute_path(m, text);
	case VALUE_LISTENS:
		return spec_absolute(text, SPEC_LISTEN, m->directory, m->home);
	case VALUE_LEADS:
		return spec_absolute(text, SPEC_TARGET, m->directory, m->home);
	case VALUE_END:
		return strchr(text, '/') ? absolute_path(m, text) : strdup(text);
	default:
		return strdup(text);
	}
}

/* Puts value under key; a key that is there already becomes a list. */
static int put(json_t *object, const char *key, json_t *value)
{
	json_t *there = json_object_get(object, key), *list;

	if (!there || json_is_object(value))
		return json_object_set_new(object, key, value);
	if (json_is_array(there))
		return json_array_append_new(there, value);
	list = json_pack("[O,o]", there, value);
	return list ? json_object_set_new(object, key, list) : -1;
}

/* The mapping a key with dots lives in, made when it is not there; *key becomes its last part. */
static json_t *descend(json_t *object, const char **key)
{
	const char *dot;

	while (object && (dot = strchr(*key, '.'))) {
		char name[KEY_MAX];
		json_t *inner;

		snprintf(name, sizeof(name), "%.*s", (int)(dot - *key), *key);
		inner = json_object_get(object, name);
		if (!inner && json_object_set_new(object, name, json_object()) == 0)
			inner = json_object_get(object, name);
		object = json_is_object(inner) ? inner : NULL;
		*key = dot + 1;
	}
	return object;
}

static int put_text(struct making *m, const char *key, const char *text)
{
	CLEANUP(freep) char *meant = absolute(m, key, text);
	json_t *value = meant ? json_string(meant) : NULL, *object;

	if (!meant)
		return failure_nomem(m->f);
	object = descend(m->tunnel, &key);
	if (!value)
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE,
				   "the value of '%s' is not valid UTF-8", key);
	if (!object) {
		json_decref(value);
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE,
				   "-o %s: a key and keys below it exclude each other", key);
	}
	return put(object, key, value) < 0 ? failure_nomem(m->f) : 0;
}

/* 1: a word of ssh with the value tunneld has anyway, 0: another word, -1. */
static int check_settled(struct making *m, const char *word, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(settled_words); i++) {
		if (strcasecmp(word, settled_words[i].ssh) != 0)
			continue;
		if (strcasecmp(value, settled_words[i].value) == 0)
			return 1;
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE, "-o %s=%s: %s", word, value,
				   settled_words[i].why);
	}
	return 0;
}

/* Both halves of a forward are one value in ssh_config: "LocalForward 5432 db:5432". */
static int put_ssh_forward(struct making *m, const char *key, const char *value)
{
	size_t first = strcspn(value, " \t");
	const char *rest = value + first + strspn(value + first, " \t");
	CLEANUP(freep)
	char *spec = str_printf("%.*s%s%s", (int)first, value, *rest ? ":" : "", rest);

	return spec ? put_text(m, key, spec) : failure_nomem(m->f);
}

/* A word of ssh, or a key of tunneld.yaml. */
static int put_word(struct making *m, const char *word, const char *value)
{
	int settled = check_settled(m, word, value);

	if (settled)
		return MIN(settled, 0);
	if (strcasecmp(word, "Port") == 0 || strcasecmp(word, "User") == 0) {
		*(strcasecmp(word, "Port") == 0 ? &m->port : &m->login) = value;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(ssh_words); i++) {
		const char *key = ssh_words[i].key;

		if (strcasecmp(word, ssh_words[i].ssh) != 0)
			continue;
		if (!key)
			return 0;
		return strstr(ssh_words[i].ssh, "Forward") ? put_ssh_forward(m, key, value)
							   : put_text(m, key, value);
	}
	return put_text(m, word, value);
}

/* "KEY=VALUE"; ssh also takes "Key Value". */
static int put_setting(struct making *m, const char *setting)
{
	size_t length = strcspn(setting, "= ");
	const char *value = setting + length;
	char word[KEY_MAX];

	value += strspn(value, "= ");
	if (length == 0 || length >= sizeof(word) || setting[length] == '\0')
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE, "-o %s: write KEY=VALUE", setting);
	snprintf(word, sizeof(word), "%.*s", (int)length, setting);
	return put_word(m, word, value);
}

static int put_option(struct making *m, const struct option_value *option)
{
	switch (option->id) {
	case OPTION_LOCAL:
		return put_text(m, "local", option->value);
	case OPTION_REMOTE:
		return put_text(m, "remote", option->value);
	case OPTION_DYNAMIC:
		return put_text(m, "dynamic", option->value);
	case OPTION_IDENTITY:
		return put_text(m, "identity", option->value);
	case OPTION_CIPHERS:
		return put_text(m, "ciphers", option->value);
	case OPTION_SET:
		return put_setting(m, option->value);
	case OPTION_PORT:
		m->port = option->value;
		return 0;
	case OPTION_LOGIN:
		m->login = option->value;
		return 0;
	default:
		return 0;
	}
}

/* ssh's -p and -l and its ssh:// become one "[user@]host[:port]". */
static int put_host(struct making *m, const char *host)
{
	struct endpoint endpoint;
	struct err err = { 0 };
	uint16_t port = 0;
	char text[ENDPOINT_TEXT_MAX];
	CLEANUP(freep) char *whole = NULL;

	if (strncmp(host, "ssh://", strlen("ssh://")) == 0)
		host += strlen("ssh://");
	if (!m->port && !m->login)
		return put_text(m, "host", host);
	if (endpoint_parse(host, &endpoint, &err) < 0 ||
	    (m->port && port_parse(m->port, &port, &err) < 0) ||
	    (m->login && endpoint_check_user(m->login, &err) < 0))
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE, "%s", err.msg);
	if ((m->port && endpoint.port) || (m->login && *endpoint.user))
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE,
				   "the %s is given twice: %s and '%s'",
				   m->port && endpoint.port ? "port" : "user",
				   m->port && endpoint.port ? "-p" : "-l", host);
	port = port ? port : endpoint.port;
	whole = str_printf("%s%s%s", m->login ? m->login : endpoint.user,
			   m->login || *endpoint.user ? "@" : "",
			   port ? endpoint_format(text, endpoint.host, port) : endpoint.host);
	return whole ? put_text(m, "host", whole) : failure_nomem(m->f);
}

/* All options of the command line; -1 with f filled and nothing to free. */
static int put_options(struct making *m, const struct args *args)
{
	m->tunnel = json_object();
	if (!m->tunnel)
		return failure_nomem(m->f);
	for (size_t i = 0; i < args->value_count; i++) {
		if (put_option(m, &args->values[i]) < 0) {
			json_decref(TAKE(m->tunnel));
			return -1;
		}
	}
	return 0;
}

json_t *letters_tunnel(const struct args *args, const char *directory, const char *home,
		       struct failure *f)
{
	struct making m = { .directory = directory, .home = home, .f = f };

	if (put_options(&m, args) == 0 && put_host(&m, args->operands[1]) < 0)
		json_decref(TAKE(m.tunnel));
	return m.tunnel;
}

/* Says what in the mapping is no forward; NULL: nothing. */
static const char *not_a_forward(const struct making *m)
{
	const char *key;
	json_t *value;

	if (m->port || m->login)
		return m->port ? "port" : "user";
	json_object_foreach (m->tunnel, key, value) {
		if (strcmp(key, "local") != 0 && strcmp(key, "remote") != 0 &&
		    strcmp(key, "dynamic") != 0)
			return key;
	}
	return NULL;
}

json_t *letters_forwards(const struct args *args, const char *directory, const char *home,
			 struct failure *f)
{
	struct making m = { .directory = directory, .home = home, .f = f };
	const char *key;

	if (put_options(&m, args) < 0)
		return NULL;
	key = not_a_forward(&m);
	if (!key && json_object_size(m.tunnel) > 0)
		return m.tunnel;
	if (key)
		failure_set(f, EXIT_USAGE, ERR_USAGE,
			    "-o %s: only forwards change while a tunnel runs (local, remote, "
			    "dynamic)",
			    key);
	else
		failure_set(f, EXIT_USAGE, ERR_USAGE, "which forward? Name it with -L, -R or -D");
	json_decref(m.tunnel);
	return NULL;
}

/* What read makes of the command line, for where we stand. */
static json_t *read_here(const struct args *args, letters_fn *read, struct failure *f)
{
	CLEANUP(freep) char *directory = getcwd(NULL, 0);
	struct paths paths;
	json_t *object;

	if (!directory) {
		failure_set(f, EXIT_FAILED, ERR_IO, "the current directory cannot be read: %s",
			    strerror(errno));
		return NULL;
	}
	if (paths_init(&paths, false, NULL) < 0) {
		failure_nomem(f);
		return NULL;
	}
	object = read(args, directory, paths.home, f);
	paths_fini(&paths);
	return object;
}

json_t *letters_parameters(const struct args *args, const char *key, letters_fn *read,
			   struct failure *f)
{
	json_t *object = read_here(args, read, f), *parameters;

	if (!object)
		return NULL;
	parameters = json_pack("{s:s,s:o}", "name", args->operands[0], key, object);
	if (!parameters)
		failure_set(f, EXIT_USAGE, ERR_USAGE, "the name is not valid UTF-8");
	return parameters;
}
