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
#include "lib/forward_spec.h"
#include "lib/json_put.h"
#include "lib/paths.h"
#include "lib/ssh_keywords.h"
#include "lib/str.h"
#include "lib/util.h"

enum { WORD_MAX = 64 };

enum value_kind {
	VALUE_TEXT,
	VALUE_PATH, /* a file of this machine */
	VALUE_LISTENS, /* a forward that begins on this machine */
	VALUE_LEADS, /* a forward that leads to this machine */
	VALUE_COMMAND, /* a program and its words */
	VALUE_END, /* the end of a forward that is on this machine: a path when it has a '/' */
};

/* Keys whose values name files or sockets of this machine. */
static const struct {
	const char *key;
	enum value_kind kind;
} local_keys[] = {
	{ "identity", VALUE_PATH },       { "certificate_file", VALUE_PATH },
	{ "identity_agent", VALUE_PATH }, { "passphrase", VALUE_PATH },
	{ "password", VALUE_PATH },       { "known_hosts", VALUE_PATH },
	{ "local", VALUE_LISTENS },       { "local.listen", VALUE_END },
	{ "remote", VALUE_LEADS },        { "remote.target", VALUE_END },
	{ "dynamic.listen", VALUE_END },  { "proxy_command", VALUE_COMMAND },
};

/* Values that are a path only when they are none of these words. */
static const char *const no_paths[] = { "agent", "none", "SSH_AUTH_SOCK" };

/* Where the object is being made. */
struct making {
	json_t *tunnel;
	const char *directory, *home;
	const char *port, *login; /* of -p and -l, or ssh's words for them; NULL: not given */
	const char *hostname; /* of -o HostName */
	const char *setting; /* the -o that is read */
	struct strv *comments; /* takes what cannot be carried; NULL: that is a failure */
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
	if (path[0] == '/' || strncmp(path, "credential:", strlen("credential:")) == 0)
		return strdup(path);
	for (size_t i = 0; i < ARRAY_SIZE(no_paths); i++) {
		if (strcmp(path, no_paths[i]) == 0)
			return strdup(path);
	}
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

static int put_value(struct making *m, const char *key, json_t *value)
{
	struct err err = { 0 };

	if (json_put(m->tunnel, key, value, &err) == 0)
		return 0;
	return err.code == ERR_NOMEM ? failure_nomem(m->f)
				     : failure_set(m->f, EXIT_USAGE, ERR_USAGE, "-o %s", err.msg);
}

/* What a shell would do more with than take it for words. */
static bool needs_shell(const char *line)
{
	return strpbrk(line, "|&;<>()$`\\\"'*?#~!{}\n") != NULL;
}

/* The first word is a program: a path from here when it has a '/'. NULL: no memory. */
static json_t *command_words(const struct making *m, const char *line)
{
	json_t *words = json_array();

	for (line += strspn(line, " \t"); words && *line; line += strspn(line, " \t")) {
		size_t length = strcspn(line, " \t");
		CLEANUP(freep) char *word = str_printf("%.*s", (int)length, line);
		CLEANUP(freep) char *path = NULL;

		if (word && json_array_size(words) == 0 && strchr(word, '/'))
			path = absolute_path(m, word);
		if (json_array_append_new(words, json_string(path ? path : word)) < 0)
			json_decref(TAKE(words));
		line += length;
	}
	return words;
}

/* Only a file may ask for a shell: what an import writes is one. */
static int put_command(struct making *m, const char *key, const char *line)
{
	if (m->comments || strcmp(line, "none") == 0)
		return put_value(m, key, json_string(line));
	if (needs_shell(line))
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE,
				   "-o %s: this command needs a shell, which only a configuration "
				   "file may start; write the tunnel there",
				   key);
	return put_value(m, key, command_words(m, line));
}

static int put_text(struct making *m, const char *key, const char *text)
{
	CLEANUP(freep) char *meant = absolute(m, key, text);

	if (!meant)
		return failure_nomem(m->f);
	if (!str_is_utf8(meant, strlen(meant)))
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE,
				   "the value of '%s' is not valid UTF-8", key);
	if (kind_of(key) == VALUE_COMMAND)
		return put_command(m, key, meant);
	return put_value(m, key, json_string(meant));
}

/* ---- ssh's words ---- */

static int on_put(void *data, const char *key, json_t *value)
{
	struct making *m = data;
	int rc;

	if (!json_is_string(value))
		return put_value(m, key, value);
	rc = put_text(m, key, json_string_value(value));
	json_decref(value);
	return rc;
}

static int on_note(void *data, const char *text)
{
	struct making *m = data;

	if (!m->comments)
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE, "%s%s", m->setting ? "-o " : "",
				   text);
	return strv_add(m->comments, text) < 0 ? failure_nomem(m->f) : 0;
}

/* A word of ssh that is no mistake, and that tunneld does anyway. */
static bool is_settled(const struct ssh_keyword *keyword, const char *value)
{
	return keyword->fate == SSH_READ_OVER ||
	       (keyword->fate == SSH_NOTED && ssh_value_is_off(value));
}

static int put_keyword(struct making *m, const struct ssh_keyword *keyword, const char *value)
{
	const struct ssh_names names = { .home = m->home, .whole_lists = !m->comments };
	const struct ssh_sink sink = { on_put, on_note, m };

	if (!str_is_utf8(value, strlen(value)))
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE,
				   "the value of '%s' is not valid UTF-8", keyword->name);
	return ssh_translate(keyword, value, &names, &sink);
}

/* Words about the host itself, which is put together at the end. */
static const char **place_of(struct making *m, const char *word)
{
	if (strcasecmp(word, "Port") == 0)
		return &m->port;
	if (strcasecmp(word, "User") == 0)
		return &m->login;
	return strcasecmp(word, "HostName") == 0 ? &m->hostname : NULL;
}

/* A word of ssh, or a key of tunneld.yaml. */
static int put_word(struct making *m, const char *word, const char *value)
{
	const struct ssh_keyword *keyword = ssh_keyword_find(word);
	const char **place = place_of(m, word);

	if (place)
		*place = value;
	else if (!keyword)
		return put_text(m, word, value);
	else if (!is_settled(keyword, value))
		return put_keyword(m, keyword, value);
	return 0;
}

/* "KEY=VALUE"; ssh also takes "Key Value". */
static int put_setting(struct making *m, const char *setting)
{
	size_t length = strcspn(setting, "= ");
	const char *value = setting + length;
	char word[WORD_MAX];

	value += strspn(value, "= ");
	if (length == 0 || length >= sizeof(word) || setting[length] == '\0')
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE, "-o %s: write KEY=VALUE", setting);
	snprintf(word, sizeof(word), "%.*s", (int)length, setting);
	m->setting = setting;
	return put_word(m, word, value);
}

/* Letters that are a keyword of ssh in short. */
static const struct {
	enum option_id id;
	const char *keyword, *value; /* value NULL: the letter's own */
} short_words[] = {
	{ OPTION_JUMP, "ProxyJump", NULL },       { OPTION_COMPRESS, "Compression", "yes" },
	{ OPTION_CIPHERS, "Ciphers", NULL },      { OPTION_MACS, "MACs", NULL },
	{ OPTION_BIND, "BindAddress", NULL },     { OPTION_BIND_INTERFACE, "BindAddress", NULL },
	{ OPTION_INET, "AddressFamily", "inet" }, { OPTION_INET6, "AddressFamily", "inet6" },
};

static int put_short_word(struct making *m, const struct option_value *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_words); i++) {
		if (short_words[i].id == option->id)
			return put_keyword(m, ssh_keyword_find(short_words[i].keyword),
					   short_words[i].value ? short_words[i].value
								: option->value);
	}
	return 0;
}

static bool is_proxy(const char *spec)
{
	struct forward_spec parsed;

	return forward_spec_parse(spec, FORWARD_REMOTE, &parsed, NULL) == 0 &&
	       parsed.target.kind == END_PROXY;
}

/* Of -R without a target tunneld wants to be told what may be reached. Who runs it today with ssh has
 * said so already: anything. */
static int put_remote(struct making *m, const char *spec)
{
	if (m->comments && is_proxy(spec))
		return put_keyword(m, ssh_keyword_find("RemoteForward"), spec);
	return put_text(m, "remote", spec);
}

static int put_option(struct making *m, const struct option_value *option)
{
	m->setting = NULL;
	switch (option->id) {
	case OPTION_LOCAL:
		return put_text(m, "local", option->value);
	case OPTION_REMOTE:
		return put_remote(m, option->value);
	case OPTION_DYNAMIC:
		return put_text(m, "dynamic", option->value);
	case OPTION_IDENTITY:
		return put_text(m, "identity", option->value);
	case OPTION_SET:
		return put_setting(m, option->value);
	case OPTION_PORT:
		m->port = option->value;
		return 0;
	case OPTION_LOGIN:
		m->login = option->value;
		return 0;
	default:
		return put_short_word(m, option);
	}
}

/* ssh's -p, -l and HostName and its ssh:// become one "[user@]host[:port]". */
static int put_host(struct making *m, const char *host)
{
	struct endpoint endpoint;
	struct err err = { 0 };
	uint16_t port = 0;
	char text[ENDPOINT_TEXT_MAX];
	CLEANUP(freep) char *whole = NULL;
	const char *name;

	if (strncmp(host, "ssh://", strlen("ssh://")) == 0)
		host += strlen("ssh://");
	if (!m->port && !m->login && !m->hostname)
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
	if (m->hostname && endpoint_check_host(m->hostname, &err) < 0)
		return failure_set(m->f, EXIT_USAGE, ERR_USAGE, "-o HostName: %s", err.msg);
	port = port ? port : endpoint.port;
	name = m->hostname ? m->hostname : endpoint.host;
	whole = str_printf("%s%s%s", m->login ? m->login : endpoint.user,
			   m->login || *endpoint.user ? "@" : "",
			   port ? endpoint_format(text, name, port) : name);
	return whole ? put_text(m, "host", whole) : failure_nomem(m->f);
}

/* What cannot be carried is a comment where there may be some. */
static int forgive(struct making *m, int rc)
{
	if (rc == 0 || !m->comments || m->f->exit != EXIT_USAGE)
		return rc;
	return strv_add(m->comments, m->f->message) < 0 ? failure_nomem(m->f) : 0;
}

/* All options of the command line; -1 with f filled and nothing to free. */
static int put_options(struct making *m, const struct args *args)
{
	m->tunnel = json_object();
	if (!m->tunnel)
		return failure_nomem(m->f);
	for (size_t i = 0; i < args->value_count; i++) {
		if (forgive(m, put_option(m, &args->values[i])) < 0) {
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

	if (m->port || m->login || m->hostname)
		return m->port ? "port" : m->login ? "user" : "hostname";
	json_object_foreach (m->tunnel, key, value) {
		if (strcmp(key, "local") != 0 && strcmp(key, "remote") != 0 &&
		    strcmp(key, "dynamic") != 0)
			return key;
	}
	return NULL;
}

json_t *letters_import(const struct args *args, const char *directory, const char *home,
		       struct strv *comments, struct failure *f)
{
	struct making m = { .directory = directory, .home = home, .comments = comments, .f = f };

	if (put_options(&m, args) == 0 && put_host(&m, args->operands[1]) < 0)
		json_decref(TAKE(m.tunnel));
	return m.tunnel;
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
