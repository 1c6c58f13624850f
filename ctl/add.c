/* SPDX-License-Identifier: MIT */
/*
 * `tunctl add`: a command line as one would give it to ssh or autossh becomes the mapping one would
 * write into tunneld.yaml. What the values mean is not checked here: the daemon reads the mapping
 * with the decoder of its configuration file and answers with the same messages. Only paths are
 * made absolute, because the daemon stands in another directory.
 */
#include "ctl/add.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/wait.h"
#include "lib/endpoint.h"
#include "lib/paths.h"
#include "lib/util.h"

#define KEY_MAX 64

/* Keys whose values are files of this machine. */
static const char *const path_keys[] = { "identity", "known_hosts" };

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
	{ "ExitOnForwardFailure", NULL },
	{ "BatchMode", NULL },
	{ "TCPKeepAlive", NULL },
	{ "LogLevel", NULL },
};

/* Where the object is being made. */
struct making {
	json_t *tunnel;
	const char *directory, *home;
	const char *port, *login; /* of -p and -l, or ssh's words for them; NULL: not given */
	struct failure *f;
};

static bool is_path_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(path_keys); i++) {
		if (strcmp(key, path_keys[i]) == 0)
			return true;
	}
	return false;
}

/* The caller frees; NULL: out of memory. */
static char *absolute(const struct making *m, const char *path)
{
	if (path[0] == '~' && path[1] == '/')
		return str_printf("%s/%s", m->home, path + 2);
	/* credential:NAME and the like are no paths. */
	if (path[0] == '/' || strncmp(path, "credential:", strlen("credential:")) == 0)
		return strdup(path);
	return str_printf("%s/%s", m->directory, path);
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
	CLEANUP(freep) char *path = is_path_key(key) ? absolute(m, text) : NULL;
	json_t *value = json_string(path ? path : text), *object;

	if (is_path_key(key) && !path) {
		json_decref(value);
		return failure_nomem(m->f);
	}
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

static int check_strict(struct making *m, const char *setting, const char *value)
{
	if (strcasecmp(value, "yes") == 0)
		return 0;
	return failure_set(m->f, EXIT_USAGE, ERR_USAGE,
			   "-o %s: tunneld always checks host keys; add the server's key to a "
			   "known_hosts file",
			   setting);
}

/* "KEY=VALUE"; ssh also takes "Key Value". */
static int put_setting(struct making *m, const char *setting)
{
	size_t length = strcspn(setting, "= ");
	const char *value = setting + length, *key;
	char word[KEY_MAX];

	value += strspn(value, "= ");
	if (length == 0 || length >= sizeof(word) || setting[length] == '\0')
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE, "-o %s: write KEY=VALUE", setting);
	snprintf(word, sizeof(word), "%.*s", (int)length, setting);
	key = word;
	for (size_t i = 0; i < ARRAY_SIZE(ssh_words); i++) {
		if (strcasecmp(word, ssh_words[i].ssh) == 0)
			key = ssh_words[i].key;
	}
	if (strcasecmp(word, "StrictHostKeyChecking") == 0)
		return check_strict(m, setting, value);
	if (strcasecmp(word, "Port") == 0)
		m->port = value;
	else if (strcasecmp(word, "User") == 0)
		m->login = value;
	else if (key)
		return put_text(m, key, value);
	return 0;
}

static int put_option(struct making *m, const struct option_value *option)
{
	switch (option->id) {
	case OPTION_LOCAL:
		return put_text(m, "local", option->value);
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

json_t *add_tunnel_object(const struct args *args, const char *directory, const char *home,
			  struct failure *f)
{
	struct making m = { .tunnel = json_object(), .directory = directory, .home = home, .f = f };

	if (!m.tunnel) {
		failure_nomem(f);
		return NULL;
	}
	for (size_t i = 0; i < args->value_count; i++) {
		if (put_option(&m, &args->values[i]) < 0) {
			json_decref(m.tunnel);
			return NULL;
		}
	}
	if (put_host(&m, args->operands[1]) < 0)
		json_decref(TAKE(m.tunnel));
	return m.tunnel;
}

/* The parameters of Add; NULL with f filled. */
static json_t *add_parameters(const struct args *args, struct failure *f)
{
	CLEANUP(freep) char *directory = getcwd(NULL, 0);
	struct paths paths;
	json_t *tunnel, *parameters;

	if (!directory) {
		failure_set(f, EXIT_FAILED, ERR_IO, "the current directory cannot be read: %s",
			    strerror(errno));
		return NULL;
	}
	if (paths_init(&paths, false, NULL) < 0) {
		failure_nomem(f);
		return NULL;
	}
	tunnel = add_tunnel_object(args, directory, paths.home, f);
	paths_fini(&paths);
	if (!tunnel)
		return NULL;
	parameters = json_pack("{s:s,s:o}", "name", args->operands[0], "tunnel", tunnel);
	if (!parameters)
		failure_set(f, EXIT_USAGE, ERR_USAGE, "the name is not valid UTF-8");
	return parameters;
}

int run_add(struct ctl *ctl, struct failure *f)
{
	const char *name = ctl->args.operands[0];
	json_t *parameters, *tunnels;
	unsigned timeout_ms;

	/* A mistake in --timeout shall not be found after the tunnel was added. */
	if (wait_timeout(ctl, &timeout_ms, f) < 0)
		return -1;
	parameters = add_parameters(&ctl->args, f);
	if (!parameters)
		return -1;
	tunnels = ctl_call_tunnels(ctl, MANAGER_METHOD("Add"), parameters, false, f);
	if (!tunnels)
		return -1;
	if (!ctl->json) {
		printf("%s: added\n", name);
		fflush(stdout); /* before what the waiting has to say */
	} else if (args_has(&ctl->args, OPTION_NO_WAIT)) {
		ctl_print_json(ctl, tunnels);
	}
	json_decref(tunnels);
	if (args_has(&ctl->args, OPTION_NO_WAIT))
		return EXIT_OK;
	return wait_for_tunnels(ctl, MANAGER_METHOD("Up"), json_pack("[s]", name), f);
}
